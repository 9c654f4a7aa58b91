# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in's face: an HTTP server that is Google under ``/<host>/``, and an HTTPS proxy before Google's hosts.

Our own client reaches it by endpoint (``MESH_FLEET_GOOGLE_ENDPOINT``), google.cloud's modules through
``HTTPS_PROXY`` and ``REQUESTS_CA_BUNDLE``: a CONNECT to a Google host is answered here, under a test CA.
A CONNECT to any other host is refused.
"""

from __future__ import annotations

import http.server
import json
import secrets
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

from . import compute, container, container_pools, fleet, iam, limits, project, shared_vpc
from .cloud import DEFAULT_TOKEN, Cloud
from .discovery import Method, Refused, services
from .errors import not_found_page, service_disabled
from .gates import check_gates
from .login import LOGINS, Login, LoginRefused
from .tls import make_authority

__all__ = ["StandIn"]

Json = dict[str, t.Any]

HANDLERS: dict[str, t.Callable[..., Json]] = {
    **container.HANDLERS,
    **container_pools.HANDLERS,
    **compute.HANDLERS,
    **shared_vpc.HANDLERS,
    **fleet.HANDLERS,
    **project.HANDLERS,
    **iam.HANDLERS,
    **limits.HANDLERS,
}
V3 = {"cloudresourcemanager.projects.get": project.project_get_v3}
HOSTS = frozenset({s.host for s in services()} | {"www.googleapis.com"} | {host for host, _path in LOGINS})
# Switching APIs on works while the rest is off.
_SOON = 1.0
"""Seconds; an operation that takes longer is answered at once, and its caller polls."""
_ALWAYS_ON = ("serviceusage.googleapis.com",)
LOGIN = "oauth2.googleapis.com"
STOP = ("POST", "/standin/stop")


class NoSuchPath(Exception):
    """No service has this path with this verb."""


class StandIn:
    """A running stand-in. Use as a context manager; ``cloud`` is its world.

    Args:
        directory: where the test CA's files go.
        port: 0 for any free one.
        cloud_options: arguments of :class:`Cloud`.
    """

    observers: t.ClassVar[list[t.Callable[[Json], None]]] = []
    """Called with the log's entry of each request that was answered well, by whichever stand-in of this process."""

    def __init__(self, directory: Path, *, port: int = 0, **cloud_options: t.Any) -> None:
        self.cloud = Cloud(**cloud_options)
        self.login = Login(self.issue_token)
        directory.mkdir(parents=True, exist_ok=True)
        self.ca_file = directory / "ca.pem"
        self.over = threading.Event()
        """Set when it is to end."""
        self.answers_at_the_end = True
        """Whether an operation that is over soon is answered to modules of google.cloud when it is over."""
        self.tls = make_authority(directory, sorted(HOSTS))
        outer = self

        class Handler(_Handler):
            standin = outer

        self.server = _Server(("127.0.0.1", port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment with which a program uses the stand-in as Google."""
        return {
            "MESH_FLEET_GOOGLE_ENDPOINT": self.endpoint,
            "HTTPS_PROXY": self.endpoint,
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "GCP_AUTH_KIND": "accesstoken",
            "GCP_ACCESS_TOKEN": DEFAULT_TOKEN,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def __enter__(self) -> StandIn:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # -- one request ---------------------------------------------------------------------------

    def answer(
        self, host: str, verb: str, target: str, headers: t.Mapping[str, str], raw: bytes, *, proxied: bool = False
    ) -> tuple[int, Json | bytes, dict[str, str]]:
        """Status, body and headers for one request to one of Google's hosts; ``proxied`` when it came by CONNECT."""
        parts = urllib.parse.urlsplit(target)
        entry: Json = {"verb": verb, "host": host, "path": parts.path, "method": "", "time": time.monotonic()}
        entry["proxied"] = proxied
        with self.cloud.lock:
            self.cloud.log.append(entry)
            self.cloud.settle()
            try:
                if verb == "POST" and (host, parts.path) in LOGINS:
                    entry["method"] = LOGINS[host, parts.path]
                    found = self._login(entry["method"], raw)
                else:
                    found = self._dispatch(entry, host, verb, parts, headers, raw)
                    for observer in self.observers:
                        observer(entry)
                entry["status"] = 200
            except Refused as refused:
                entry |= {"status": refused.status, "said": refused.message}
                more = {} if refused.retry_after is None else {"Retry-After": f"{refused.retry_after:g}"}
                return refused.status, refused.body(host.partition(".")[0]), more
            except LoginRefused as refused:
                entry |= {"status": refused.status, "said": str(refused)}
                return refused.status, refused.body, {}
            except NoSuchPath:
                entry["status"] = 404
                return 404, not_found_page(parts.path), {}
        if self.answers_at_the_end and entry.get("agent", "").startswith("Google-Ansible"):
            found = self._at_its_end(found)
        return 200, found, {}

    def _at_its_end(self, found: Json) -> Json:
        """An operation that is over soon, as it is then: Google may answer so (``status`` of an operation).

        Modules of google.cloud look again only after a second or more, which tests have no use for.
        """
        key = urllib.parse.urlsplit(str(found.get("selfLink", ""))).path.partition("/compute/v1/")[2]
        operation = self.cloud.operations.get(f"compute/{key}")
        if operation is None or operation.done or operation.end - time.monotonic() > _SOON:
            return found
        time.sleep(max(0.0, operation.end - time.monotonic()))  # the server's own part, no test's
        with self.cloud.lock:
            self.cloud.settle()
            return self.cloud.see(operation)

    def _login(self, method: str, raw: bytes) -> Json:
        self.cloud.hit(method, "/token", raw.decode("ascii", "replace"))
        return self.login.answer(raw, self.token_uri)

    def _dispatch(
        self,
        entry: Json,
        host: str,
        verb: str,
        parts: urllib.parse.SplitResult,
        headers: t.Mapping[str, str],
        raw: bytes,
    ) -> Json:
        method, path = self._route(host, verb, parts.path)
        entry["method"] = method.id
        self.cloud.check_token(headers.get("Authorization", ""))
        name = path.get("projectsId") or path.get("project") or path.get("v1Id1") or path.get("projectId") or ""
        check_gates(self.cloud, method.service.name, host, name, verb)
        off = self.cloud.disabled | self.cloud.disabled_in.get(name, set())
        if host in off and host not in _ALWAYS_ON:
            raise service_disabled(method.service.name, name, self.cloud.number(name))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            raise Refused(400, "Invalid JSON payload received.") from None
        entry |= {"body": body, "query": parts.query, "version": method.service.version}
        entry["agent"] = headers.get("User-Agent", "")
        asked = method.check(path, urllib.parse.parse_qs(parts.query, keep_blank_values=True), body)
        entry["ignored"] = asked.ignored
        handler = HANDLERS.get(method.id)
        if method.service.version == "v3":
            handler = V3.get(method.id, handler)
        fault = self.cloud.hit(method.id, parts.path, raw.decode("utf-8", "replace"))
        if handler is None:
            raise Refused(501, f"{method.id} is a method of Google's, but the stand-in does not have it")
        return handler(self.cloud, path, asked.params, asked.body, fault)

    def _route(self, host: str, verb: str, path: str) -> tuple[Method, dict[str, str]]:
        for service in services():
            if host == service.host or (host == "www.googleapis.com" and path.startswith("/compute/")):
                found = service.find(verb, path)
                if found:
                    return found
        raise NoSuchPath

    # -- who may ask ---------------------------------------------------------------------------

    @property
    def token_uri(self) -> str:
        """The token endpoint; Google's own name for it is reached through the proxy alone."""
        return f"{self.endpoint}/{LOGIN}/token"

    def service_account(self, email: str = "fleet@shop-prod.iam.gserviceaccount.com") -> Json:
        """A key for a service account, as the JSON that Google gives. ``login.expires_in`` is how long a token of
        it is good, in seconds."""
        return self.login.service_account(email, self.token_uri)

    def user(self, refresh_token: str = "stand-in-refresh-token") -> Json:
        """Application default credentials of a user who has logged in."""
        return self.login.user(refresh_token, self.token_uri)

    def issue_token(self, seconds: float | None = None) -> str:
        """A new bearer token, in the form of a bootstrap token: kubeadm's clusters can be configured to accept it.

        Args:
            seconds: how long it is good; None for ever.
        """
        token = f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"
        with self.cloud.lock:
            self.cloud.add_token(token, seconds)
            for hook in self.cloud.on_token:
                hook(token)
        return token

    # -- control, for tests in other processes -------------------------------------------------

    def control(self, verb: str, path: str, raw: bytes) -> tuple[int, t.Any]:
        """Below ``/standin``: ``GET log``, ``GET resources``, ``POST fail`` (a Fault's fields), ``POST stop``,
        ``POST service-account`` (an email, and how long its tokens are good; the key comes back)."""
        if (verb, path) == STOP:
            return 200, {}
        with self.cloud.lock:
            self.cloud.settle()
            if (verb, path) == ("GET", "/standin/log"):
                return 200, self.cloud.log
            if (verb, path) == ("DELETE", "/standin/log"):
                self.cloud.log.clear()
                return 200, {}
            if (verb, path) == ("GET", "/standin/resources"):
                return 200, self.cloud.resources
            if (verb, path) == ("POST", "/standin/service-account"):
                wanted = json.loads(raw or b"{}")
                self.login.expires_in = float(wanted.get("expires_in", self.login.expires_in))
                return 200, self.service_account(**{k: v for k, v in wanted.items() if k == "email"})
            if (verb, path) == ("POST", "/standin/fail"):
                self.cloud.fail(**json.loads(raw))
                return 200, {}
        return 404, {}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Of fifty that come at once, none shall be turned away to come again a second later.
    request_queue_size = 256


class _Handler(http.server.BaseHTTPRequestHandler):
    standin: StandIn
    protocol_version = "HTTP/1.1"
    host = ""

    def setup(self) -> None:
        super().setup()
        # Head and body leave in two writes; without this each answer waits for an acknowledgement.
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: object) -> None:
        """The cloud has a log of its own."""

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        if host not in HOSTS:
            self.send_error(403, f"{host} is not Google")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        try:
            self.connection = self.standin.tls.wrap_socket(self.connection, server_side=True)
        except (ssl.SSLError, OSError):
            self.close_connection = True
            return
        self.request = self.connection
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = self.connection.makefile("wb", 0)
        self.host = host
        self.close_connection = False

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        host, target = self.host, self.path
        if not host:
            first, _slash, rest = self.path.lstrip("/").partition("/")
            if first == "standin":
                self._send(*self.standin.control(self.command, self.path, raw), {})
                if (self.command, self.path) == STOP:
                    # Not before: the process may end before this thread has written the answer.
                    self.standin.over.set()
                return
            host, target = first, "/" + rest
        self._send(*self.standin.answer(host, self.command, target, self.headers, raw, proxied=bool(self.host)))

    def _send(self, status: int, body: t.Any, headers: dict[str, str]) -> None:
        page = isinstance(body, bytes)
        data = body if page else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{'text/html' if page else 'application/json'}; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve
