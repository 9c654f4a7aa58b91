# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One client for all of Google's services that the collection uses.

google-api-python-client builds each request from the discovery documents that it brings along, so an
unknown method or parameter fails before anything is sent. Sending, retrying and reading answers is here.
"""

from __future__ import annotations

import copy
import datetime
import functools
import itertools
import json
import random
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.mesh.fleet.plugins.module_utils._gcp import patience
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.answers import (
    check_operation,
    decode,
    describe,
    is_done,
    retry_after,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.credentials import Settings, make_credentials
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.problems import (
    GoogleError,
    LibraryMissing,
    explain,
    library_missing,
    login_failed,
    no_answer,
    part_missing,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

try:
    import requests
    from google.auth import exceptions as auth_errors
    from google.auth.transport.requests import AuthorizedSession
    from googleapiclient import discovery
    from googleapiclient.discovery_cache import get_static_doc
except ImportError as _missing:
    MISSING: ImportError | None = _missing
else:
    MISSING = None

__all__ = ["VERSIONS", "Google", "GoogleError", "LibraryMissing"]

Json = dict[str, t.Any]

VERSIONS: t.Mapping[str, str] = {
    "cloudresourcemanager": "v1",
    "compute": "v1",
    "container": "v1",
    "gkehub": "v1",
    "iam": "v1",
    "serviceusage": "v1",
}
"""Version of each service; ``service:version`` in a call asks for another."""

_OURS = ("content-length", "user-agent")
"""Headers that the library proposes and the connection sets."""
_AGAIN = (429, 500, 502, 503, 504)


@functools.cache
def document(service: str) -> Json:
    """The discovery document of ``service`` or ``service:version``, as it came with the library."""
    name, _colon, version = service.partition(":")
    found: Json = json.loads(get_static_doc(name, version or VERSIONS[name]))
    return found


class Google:
    """Calls to Google for one project, from any number of threads.

    Args:
        settings: project, credentials and endpoint; see :class:`Settings`.
        timeout: seconds for one request; and, together with its retries, ``patience`` seconds.
        patience: seconds for which 429, 5xx and lost connections are tried again.
    """

    def __init__(self, settings: Settings, *, timeout: float = 60, patience: float = 120) -> None:
        if MISSING is not None:
            raise library_missing(MISSING)
        self.settings = settings
        self.project = settings.project
        self.timeout, self.patience = timeout, patience
        self.requests = 0
        """How many requests were sent, retries among them."""
        self._credentials = make_credentials(settings)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._services: dict[str, t.Any] = {}

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any]) -> Google:
        """From task arguments with google.cloud's option names; an empty one falls back to its environment variable."""
        return cls(Settings.from_args(args))

    def of(self, project: str) -> Google:
        """The same client for another project: one login, one set of connections; requests are counted apart."""
        other = copy.copy(self)
        other.project, other.requests = project, 0
        return other

    def token(self) -> str:
        """A bearer token that is good now, refreshed when it has expired: secret."""
        self._refresh()
        return str(self._credentials.token)

    def token_expires(self) -> datetime.datetime | None:
        """When :meth:`token` ends, in UTC; None where that is not known (a given access token)."""
        expiry: datetime.datetime | None = self._credentials.expiry
        return expiry.replace(tzinfo=datetime.UTC) if expiry else None

    # -- requests ------------------------------------------------------------------------------

    def call(
        self, service: str, method: str, *, cluster: str = "", obj: str = "", absent: bool = False, **params: t.Any
    ) -> Json:
        """Call ``method`` ("projects.locations.clusters.get") of ``service`` ("container") and return its answer.

        Args:
            service: a key of VERSIONS, or ``name:version``.
            method: the method's name in the discovery document, without the service's.
            cluster: the host that this is about, for messages.
            obj: the object that this is about, for messages.
            absent: return ``{}`` for 404 instead of raising.
            params: the method's parameters by their names, and ``body``.

        Raises GoogleError for what Google answers and FleetError for what keeps us from asking.
        """
        request = self._request(service, method, params)
        return self._send(request, f"{service.partition(':')[0]}.{method}", cluster, obj, absent)

    def pages(self, service: str, method: str, key: str, **params: t.Any) -> list[t.Any]:
        """All items of a list method: ``key`` names them in the answer; pages are followed.

        For an ``aggregatedList`` each entry is a pair ``(place, {...})``. Takes what :meth:`call` takes.

        Raises FleetError for an answer that lacks the places which Google could not reach: whoever takes it for the
        whole makes or removes what is there already.
        """
        found: list[t.Any] = []
        while True:
            answer = self.call(service, method, **params)
            silent = answer.get("unreachable") or answer.get("unreachables")
            if silent:
                raise part_missing(silent, f"{service.partition(':')[0]}.{method}", self.project)
            items = answer.get(key) or []
            found += items.items() if isinstance(items, dict) else items
            token = answer.get("nextPageToken")
            if not token:
                return found
            params["pageToken"] = token

    def wait(
        self,
        service: str,
        operation: Json,
        timeout: float,
        *,
        cluster: str = "",
        obj: str = "",
        interval: float | None = None,
    ) -> Json:
        """Wait until a long-running operation is done, and return it as last seen.

        Args:
            service: the service that began it.
            operation: what the call that began it returned.
            timeout: seconds.
            interval: the longest pause between two looks, in seconds; by default grows to 10.

        Raises GoogleError when it failed, and FleetError when it is not over in time: Google goes on with
        it, so a rerun picks up from there.
        """
        looks = itertools.chain([operation], iter(lambda: self._look(service, operation, cluster, obj), None))

        def look() -> tuple[bool, Json]:
            found = next(looks)
            return is_done(found), found

        first = 0.05 if interval is not None and interval < 1 else 0.5
        try:
            over = patience.until(look, timeout, first=first, longest=interval)
        except patience.TimeIsUp as up:
            raise FleetError(
                f"Google is not done after {timeout:g} s",
                cluster=cluster,
                obj=obj,
                seen=describe(up.args[0]),
                means="the operation goes on without this run",
                next_step="run again: what is done by then is taken as it is; or allow more time",
            ) from up
        check_operation(over, cluster, obj)
        return over

    def _look(self, service: str, operation: Json, cluster: str, obj: str) -> Json:
        """The operation as it is now."""
        name = str(operation["name"])
        near: Json = {"cluster": cluster, "obj": obj}
        kind = service.partition(":")[0]
        if kind == "compute":
            near |= {"project": self.project, "operation": name}
            for scope in ("zone", "region"):
                if operation.get(scope):
                    near[scope] = str(operation[scope]).rsplit("/", 1)[-1]
                    return self.call(service, f"{scope}Operations.get", **near)
            return self.call(service, "globalOperations.get", **near)
        if kind == "container" and not name.startswith("projects/"):
            place = operation.get("zone") or operation.get("location")
            name = f"projects/{self.project}/locations/{place}/operations/{name}"
        prefix = "projects.locations." if name.startswith("projects/") else ""
        return self.call(service, f"{prefix}operations.get", name=name, **near)

    def _service(self, service: str) -> t.Any:
        with self._lock:
            if service not in self._services:
                doc = document(service)
                root = doc["rootUrl"]
                if self.settings.endpoint:
                    host = urllib.parse.urlsplit(root).netloc
                    root = f"{self.settings.endpoint.rstrip('/')}/{host}/"
                self._services[service] = discovery.build_from_document(
                    doc, http=_NoHttp(), client_options={"api_endpoint": root + doc["servicePath"]}
                )
            return self._services[service]

    def _request(self, service: str, method: str, params: Json) -> t.Any:
        part = self._service(service)
        *resources, verb = method.split(".")
        try:
            for name in resources:
                part = getattr(part, name)()
            return getattr(part, verb)(**params)
        except (AttributeError, TypeError) as error:
            raise FleetError(f"{service}.{method} cannot be called like this", seen=str(error)) from error

    def _send(self, request: t.Any, method: str, cluster: str, obj: str, absent: bool) -> Json:
        deadline = time.monotonic() + self.patience
        pause = 0.5
        while True:
            answer: requests.Response | None = None
            try:
                with self._lock:
                    self.requests += 1
                headers = {k: v for k, v in request.headers.items() if k.lower() not in _OURS}
                answer = self._session().request(
                    request.method, request.uri, data=request.body, headers=headers, timeout=self.timeout
                )
            except auth_errors.GoogleAuthError as error:
                raise login_failed(error, self.settings, cluster) from error
            except requests.RequestException as error:
                lost: Exception = error
                wait = pause
            else:
                if answer.status_code < 300:
                    return decode(answer)
                if answer.status_code == 404 and absent:
                    return {}
                lost = explain(answer.status_code, answer.content, method, self.project, cluster=cluster, obj=obj)
                if answer.status_code not in _AGAIN:
                    raise lost
                wait = max(retry_after(answer.headers.get("Retry-After")), pause)
            if time.monotonic() + wait > deadline:
                if answer is not None:
                    raise lost
                raise no_answer(lost, request.uri, cluster, obj) from lost
            time.sleep(wait * random.uniform(1.0, 1.2))
            pause = min(pause * 2, 20)

    def _session(self) -> AuthorizedSession:
        """One for each thread: connections are kept, and never shared."""
        session: AuthorizedSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = AuthorizedSession(self._credentials, refresh_timeout=self.timeout)
            session.headers["User-Agent"] = "mesh.fleet"
        return session

    def _refresh(self) -> None:
        from google.auth.transport.requests import Request

        try:
            with self._lock:
                if not self._credentials.valid:
                    self._credentials.refresh(Request())
        except auth_errors.GoogleAuthError as error:
            raise login_failed(error, self.settings, "") from error


class _NoHttp:
    """Stands where the library wants a transport: requests are built by it and sent by us."""

    def close(self) -> None:
        """Nothing is open."""
