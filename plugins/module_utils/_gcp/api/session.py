# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One client for all of Google's services that the collection uses: calls, lists, operations.

methods.py builds a request, sending.py sends it, with the token of auth/login.py.
"""

from __future__ import annotations

import copy
import datetime
import functools
import itertools
import threading
import typing as t

from ...errors import FleetError
from ..auth.settings import Settings
from ..errors import part_missing
from . import settling
from .answers import check_operation, describe, is_done
from .polling import PollTimeout, poll_until

try:
    # Only these import Google's packages: a fleet without GKE clusters needs none of them.
    from ..auth.login import Login
    from .methods import Methods
    from .sending import About, Sender
except ImportError as _error:
    _MISSING: ImportError | None = _error
else:
    _MISSING = None

__all__ = ["Google"]

Json = dict[str, t.Any]


class Google:
    """Calls to Google for one project, from any number of threads.

    Args:
        settings: project, credentials and endpoint; see :class:`Settings`.
        timeout: seconds for one request; and, together with its retries, ``patience`` seconds.
        patience: seconds for which 429, 5xx and lost connections are tried again.
    """

    def __init__(self, settings: Settings, *, timeout: float = 60, patience: float = 120) -> None:
        if _MISSING is not None:
            raise FleetError(
                "Python packages for Google Cloud are missing",
                seen=str(_MISSING),
                next_step="pip install google-api-python-client google-auth requests",
            )
        self.settings = settings
        self.project = settings.project
        self.requests = 0
        """How many requests were sent, retries included."""
        self._counting = threading.Lock()
        self.settle_seconds = settling.SECONDS
        """How long refusals are waited for that pass by themselves: see settling.py."""
        self.say: t.Callable[[str], None] = lambda _text: None
        """Shows one line of progress."""
        self._methods = Methods(settings.endpoint)
        self._login = Login(settings, timeout)
        self._sender = Sender(self._login, timeout, patience)

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any]) -> Google:
        """From task arguments with google.cloud's option names; an empty one falls back to its environment variable."""
        return cls(Settings.from_args(args))

    def of(self, project: str) -> Google:
        """The same client for another project: one login, one set of connections, its own count of requests."""
        other = copy.copy(self)
        other.project, other.requests = project, 0
        return other

    @property
    def account(self) -> str:
        """Who we are to Google, in words."""
        return self._login.account

    def token(self) -> str:
        """A valid bearer token, refreshed when it has expired. Secret."""
        return self._login.token()

    def token_expires(self) -> datetime.datetime | None:
        """When :meth:`token` ends, in UTC; None where that is not known (a given access token)."""
        return self._login.ends()

    # -- requests ------------------------------------------------------------------------------

    def call(
        self,
        service: str,
        method: str,
        *,
        cluster: str = "",
        obj: str = "",
        absent: bool = False,
        at_once: bool = False,
        **params: t.Any,
    ) -> Json:
        """Call ``method`` ("projects.locations.clusters.get") of ``service`` ("container") and return its answer.

        Args:
            service: a key of methods.VERSIONS, or ``name:version``.
            method: the method's name in the discovery document, without the service's.
            cluster: the host that this is about, for messages.
            obj: the object that this is about, for messages.
            absent: return ``{}`` instead of raising where Google says that there is no such thing.
            at_once: do not wait for what takes time to hold.
            params: the method's parameters by their names, and ``body``.

        Raises GoogleError for a refusal, and FleetError when no request can be sent.
        """
        request = self._methods.request(service, method, params)
        about = About(f"{service.partition(':')[0]}.{method}", self.project, cluster, obj)
        send = functools.partial(self._sender.send, request, about, self._count, absent=absent)
        if at_once:
            return send()
        ask = functools.partial(self.call, at_once=True)
        target = settling.project_of(service, params) or self.project
        waits = settling.Settling(self.project, ask, seconds=self.settle_seconds, say=self.say, target=target)
        return waits.settled(send, service.partition(":")[0])

    def _count(self) -> None:
        with self._counting:
            self.requests += 1

    def pages(self, service: str, method: str, key: str, **params: t.Any) -> list[t.Any]:
        """All items of a list method: ``key`` names them in the answer; pages are followed.

        For an ``aggregatedList`` each entry is a pair ``(place, {...})``. Arguments as of :meth:`call`.

        Raises FleetError for an answer without the locations that Google could not reach: by such a list one would
        make what exists already, or remove what is in use.
        """
        found: list[t.Any] = []
        while True:
            answer = self.call(service, method, **params)
            unreachable = answer.get("unreachable") or answer.get("unreachables")
            if unreachable:
                raise part_missing(unreachable, f"{service.partition(':')[0]}.{method}", self.project)
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
        """Wait until a long-running operation has ended; return its last state.

        Args:
            service: the service that runs it.
            operation: as the call that started it returned it.
            timeout: seconds.
            interval: longest pause between two polls, in seconds; by default 10.

        Raises GoogleError when it failed, and FleetError when it has not ended in time. Google continues it, so
        another run goes on from there.
        """
        looks = itertools.chain([operation], iter(lambda: self._look(service, operation, cluster, obj), None))

        def look() -> tuple[bool, Json]:
            found = next(looks)
            return is_done(found), found

        try:
            ended = poll_until(look, timeout, first=0.5, longest=interval)
        except PollTimeout as up:
            raise FleetError(
                f"Google is not done after {timeout:g} s",
                cluster=cluster,
                obj=obj,
                seen=describe(up.seen),
                means="the operation continues without this run",
                next_step="run again, which goes on from there; or allow more time",
            ) from up
        check_operation(ended, cluster, obj)
        return ended

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
