# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sample pair: ``caller`` sends a message, ``producer`` obeys it and says where it was answered.

One program, standard library only, so that any image with Python 3.11 or newer runs it from a
ConfigMap. Its role is ``SAMPLE_ROLE``:

- ``producer``  POST /producer/messages, GET /
- ``caller``    GET / (a page), POST /caller/messages
- ``probe``     both APIs, no page

``sample.py call URL [--count N] [--timeout SECONDS]`` sends GET requests and prints one JSON document.

SIGUSR1 makes it fail: it answers every message with 500, and stays ready. SIGUSR2 mends it. Only who may run a command
in its container can send these.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from exchange import (
    MAX_BODY,
    MAX_DELAY_MS,
    MAX_TIMEOUT_MS,
    BadInput,
    call,
    call_command,
    identity,
    message,
    target_url,
    text,
    whole,
)

QUIET_SECONDS = 1.0
DRAIN_SECONDS = 15.0
TRACE_HEADERS = ("x-request-id", "traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled")
NO_BODY = (204, 205, 304)
ROLES = ("caller", "producer", "probe")


class Settings(t.NamedTuple):
    """What the pod's environment says. Times in milliseconds."""

    role: str
    me: dict[str, str]
    target: str
    targets: tuple[str, ...]
    page: bytes

    @classmethod
    def from_env(cls, env: t.Mapping[str, str]) -> Settings:
        role = env.get("SAMPLE_ROLE", "producer")
        if role not in ROLES:
            raise SystemExit(f"SAMPLE_ROLE is {role!r}, expected one of: {', '.join(ROLES)}")
        me = {"role": role}
        for key in ("cluster", "region", "zone", "namespace", "pod", "version", "service_account"):
            me[key] = env.get(f"SAMPLE_{key.upper()}", "")
        target = env.get("SAMPLE_TARGET", "http://sample-producer:8080")
        listed = tuple(env.get("SAMPLE_TARGETS", "").split())
        page = b""
        if role == "caller":
            here = os.path.dirname(os.path.abspath(__file__))
            with open(os.path.join(here, "page.html"), "rb") as file:
                page = file.read()
            # "<" is escaped, so that no value can end its script element.
            start = json.dumps({**me, "target": target}).replace("<", "\\u003c")
            page = page.replace(b"{/*start*/}", start.encode())
        return cls(role, me, target, (urlsplit(target).hostname or "", *listed), page)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sample"
    sys_version = ""
    timeout = 75.0
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self.dispatch("GET")

    def do_HEAD(self) -> None:
        self.dispatch("GET")

    def do_POST(self) -> None:
        self.dispatch("POST")

    def dispatch(self, method: str) -> None:
        self.began = time.monotonic()
        with self.server.busy():
            path = urlsplit(self.path).path
            routes = self.server.routes
            try:
                route = routes.get((method, path))
                if route is None:
                    others = [verb for verb, known in routes if known == path]
                    if others:
                        raise BadInput("method", f"{path} answers {', '.join(others)} only", 405)
                    raise BadInput("path", "known are " + ", ".join(sorted({known for _method, known in routes})), 404)
                route(self)
            except BadInput as error:
                # The rest of a body that was not read must not be parsed as the next request.
                self.close_connection = True
                self.reply(error.status, {"error": str(error), "field": error.field, "expected": error.expected})
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    def body(self) -> dict[str, t.Any]:
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            raise BadInput("content-length", "a JSON body with its length is needed", 411)
        if int(length) > MAX_BODY:
            raise BadInput("content-length", f"at most {MAX_BODY} bytes, not {length[:20]}", 413)
        raw = self.rfile.read(int(length))
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError):
            raise BadInput("body", 'JSON such as {"payload": "hello", "delay": 100, "status": 200}') from None
        if not isinstance(data, dict):
            raise BadInput("body", "a JSON object")
        return data

    def reply(self, status: int, data: t.Any, kind: str = "application/json") -> None:
        raw = data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n"
        self.send_response(status)
        if status in NO_BODY:
            raw = b""
        if status != 204 and status != 304:
            self.send_header("content-length", str(len(raw)))
        if raw:
            self.send_header("content-type", f"{kind}; charset=utf-8")
        self.send_header("cache-control", "no-store")
        self.send_header("x-content-type-options", "nosniff")
        self.send_header("x-sample-role", self.server.settings.role)
        if kind == "text/html":
            policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
            self.send_header("content-security-policy", policy + "; base-uri 'none'; frame-ancestors 'none'")
        if self.server.draining.is_set():
            self.close_connection = True
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.close_connection = True
        self.reply(int(code), {"error": message or http.client.responses.get(int(code), "")})

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if not self.path.startswith("/actuator/"):
            spent = round((time.monotonic() - getattr(self, "began", time.monotonic())) * 1000, 1)
            line = {"method": self.command, "path": self.path[:200], "status": int(code), "ms": spent}
            print(json.dumps(line), flush=True)

    def log_message(self, format: str, *args: t.Any) -> None:
        print(json.dumps({"note": format % args}), flush=True)

    # --- routes ---

    def live(self) -> None:
        self.reply(200, {"status": "UP"})

    def ready(self) -> None:
        draining = self.server.draining.is_set()
        self.reply(503 if draining else 200, {"status": "OUT_OF_SERVICE" if draining else "UP"})

    def page(self) -> None:
        accepted = self.headers.get("accept", "")
        if "application/json" in accepted and "text/html" not in accepted:
            self.whoami()
            return
        self.reply(200, self.server.settings.page, "text/html")

    def whoami(self) -> None:
        self.reply(200, self.answer({"id": "", "payload": "", "delay": 0, "status": 200}))

    def produce(self) -> None:
        wanted = message(self.body())
        # The delay is what the message asks for; a stop of the program does not cut it short.
        time.sleep(wanted["delay"] / 1000)
        self.reply(500 if self.server.failing.is_set() else wanted["status"], self.answer(wanted))

    def answer(self, wanted: dict[str, t.Any]) -> dict[str, t.Any]:
        header = ",".join(self.headers.get_all("x-forwarded-client-cert", []))
        found = identity(header)
        return {
            **wanted,
            **self.server.settings.me,
            "identity": {"by": found.get("by", ""), "uri": found.get("uri", "")},
            "x_forwarded_client_cert": header,
            "timing": {
                "answered_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "took_ms": round((time.monotonic() - self.began) * 1000, 1),
            },
        }

    def call(self) -> None:
        settings = self.server.settings
        data = self.body()
        wanted = message(data, known=("target", "timeout"))
        timeout = whole(data, "timeout", 10_000, 1, MAX_TIMEOUT_MS)
        target = target_url(text(data, "target", settings.target, 300) or settings.target, settings.targets)
        traced = {name: value for name in TRACE_HEADERS if (value := self.headers.get(name))}
        outcome = call("POST", f"{target}/producer/messages", wanted, timeout, traced)
        code = outcome.pop("code")
        self.reply(
            code if code in (502, 504) else (200 if outcome["problem"] is None else 502),
            {"request": {**wanted, "target": target, "timeout": timeout}, "caller": settings.me, **outcome},
        )


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self.settings = settings
        self.draining = threading.Event()
        self.failing = threading.Event()
        self.quiet = threading.Condition()
        self.inside = 0
        self.last = 0.0
        self.routes = self.routes_of(settings.role)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)

    @staticmethod
    def routes_of(role: str) -> dict[tuple[str, str], t.Callable[[Handler], None]]:
        routes = {
            ("GET", "/actuator/health/liveness"): Handler.live,
            ("GET", "/actuator/health/readiness"): Handler.ready,
            ("GET", "/"): Handler.page if role == "caller" else Handler.whoami,
        }
        if role != "caller":
            routes["POST", "/producer/messages"] = Handler.produce
        if role != "producer":
            routes["POST", "/caller/messages"] = Handler.call
        return routes

    def server_bind(self) -> None:
        # HTTPServer asks DNS for the host's full name here: not needed, and slow where DNS is.
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "sample", self.server_address[1]

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        print(json.dumps({"note": f"a connection ended: {sys.exc_info()[1]!r}"}), flush=True)

    def busy(self) -> Server:
        return self

    def __enter__(self) -> t.Self:
        with self.quiet:
            self.inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self.quiet:
            self.inside -= 1
            self.last = time.monotonic()
            self.quiet.notify_all()

    def drain(self) -> None:
        """Serve until requests stop: clients learn with delay that this pod is ending."""
        began = self.last = time.monotonic()
        with self.quiet:
            while (now := time.monotonic()) < began + MAX_DELAY_MS / 1000:
                idle = now - self.last
                if not self.inside and (idle >= QUIET_SECONDS or now > began + DRAIN_SECONDS):
                    break
                self.quiet.wait(max(0.05, QUIET_SECONDS - idle) if not self.inside else 1.0)
        self.shutdown()


def serve() -> None:
    settings = Settings.from_env(os.environ)
    host, port = os.environ.get("SAMPLE_HOST", "0.0.0.0"), os.environ.get("SAMPLE_PORT", "8080")
    try:
        server = Server(settings, host, int(port))
    except (OSError, ValueError, OverflowError) as error:
        raise SystemExit(f"cannot listen on {host} port {port}: {error}") from None

    def stop(_signal: int, _frame: object) -> None:
        if not server.draining.is_set():
            server.draining.set()
            threading.Thread(target=server.drain).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGUSR1, lambda _signal, _frame: server.failing.set())
    signal.signal(signal.SIGUSR2, lambda _signal, _frame: server.failing.clear())
    print(json.dumps({"note": f"{settings.role} listens on {host}:{server.server_port}", **settings.me}), flush=True)
    server.serve_forever(poll_interval=0.1)
    server.socket.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["call"]:
        sys.exit(call_command(sys.argv[2:]))
    serve()
