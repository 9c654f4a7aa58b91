# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stand-in remembers: resources, operations that take time, tokens, and faults to inject."""

from __future__ import annotations

import base64
import copy
import dataclasses
import fnmatch
import itertools
import re
import threading
import time
import typing as t

from .errors import Refused, permission_missing

__all__ = ["Cloud", "Fault", "Operation"]

Json = dict[str, t.Any]

DEFAULT_TOKEN = "standin.0123456789abcdef"
_LARGEST = {"maxResults": 500}
"""Sizes of pages that are refused above; others give as many as they like."""
_EXPECTED = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


@dataclasses.dataclass
class Fault:
    """A failure on demand.

    Args:
        method: pattern over method ids ("container.*.clusters.create").
        status: HTTP status of the answer; 0 lets the request through and fails the operation it begins.
        times: how many requests it hits; -1 for all.
        path: text that the request's path must hold.
        never: with status 0, the operation never ends.
        body: text that the request's body must hold, as JSON.
        permission: with status 403, the one that the caller lacks; each service says it in words of its own.
    """

    method: str
    status: int = 0
    message: str = "injected"
    reason: str = ""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    retry_after: float | None = None
    times: int = 1
    path: str = ""
    body: str = ""
    never: bool = False
    permission: str = ""


@dataclasses.dataclass
class Operation:
    """A running operation. ``end`` is when it ends (time.monotonic), ``then`` what happens at that moment."""

    name: str
    view: Json
    end: float
    then: t.Callable[[], None] | None
    error: str = ""
    done: bool = False


class Cloud:
    """All projects of the stand-in's world. Use it under ``lock``.

    Args:
        duration: seconds that an operation takes.
        page: items in a page of a list.
        kubeconfigs: kubeconfig of the real cluster behind each cluster, by its name.
    """

    def __init__(
        self, *, duration: float = 0.05, page: int = 500, kubeconfigs: t.Mapping[str, str] | None = None
    ) -> None:
        self.lock = threading.RLock()
        self.duration, self.page = duration, page
        self.kubeconfigs = dict(kubeconfigs or {})
        self.resources: dict[str, Json] = {}
        """Every resource by its full name ("container/projects/p/locations/l/clusters/c")."""
        self.operations: dict[str, Operation] = {}
        self.faults: list[Fault] = []
        self.tokens = {DEFAULT_TOKEN}
        """Tokens that Google accepts."""
        self.ends: dict[str, float] = {}
        """When a token ends (time.monotonic); one that is not here is valid until it is revoked."""
        self.issued = {DEFAULT_TOKEN}
        self.disabled: set[str] = set()
        self.disabled_in: dict[str, set[str]] = {}
        """APIs that are off in one project alone."""
        self.lingers: float | None = None
        """Seconds after which a cluster that could not be made is deleted; None for later than any test lasts."""
        self.unbilled: set[str] = set()
        """Projects for which nobody pays."""
        self.perimeters: set[str] = set()
        """Projects inside a service perimeter, which the caller is not."""
        self.quotas: dict[tuple[str, str, str], tuple[float, float]] = {}
        """Limit and use by project, region ("" for the project's own) and metric, where they are not the usual ones."""
        self.no_machines: set[tuple[str, str]] = set()
        """Zones and machine types that they do not have."""
        self.accounts: dict[str, Json | None] = {}
        """Service accounts that are disabled (``{"disabled": True}``), or gone (None)."""
        self.org_policies: dict[tuple[str, str], Json] = {}
        """Policies of the organisation that are in force, by project and constraint."""
        self.firewall_policies: dict[str, list[Json]] = {}
        """Firewall policies that apply to a VPC, by its path, as compute.v1 has the effective ones."""
        self.door = ""
        """An address of this machine, which the first global address gets that is reserved: something listens there."""
        self.channels: dict[str, str] = {}
        """Versions of release channels, where they are not the usual ones."""
        self.no_quota_project = False
        """Whether the caller is a user whose login names no quota project."""
        self.slow_apis = self.slow_roles = self.slow_agents = 0
        """How many requests are refused after an API was enabled, a role granted, an account of Google's own made."""
        self.unsettled: dict[str, int] = {}
        """How many will be: by ``project host``, by ``policy role member``, or by ``project agent of hub``."""
        self.hosts: set[str] = set()
        """Shared VPC host projects."""
        self.attached: dict[str, str] = {}
        """By service project, its host project."""
        self.unreachable: set[str] = set()
        """Regions and zones that do not answer: lists over all places lack what is there, and say so."""
        self.policies: dict[str, Json] = {}
        self.log: list[Json] = []
        self.numbers: dict[str, str] = {}
        self.count = itertools.count(1)
        self._pages: dict[str, int] = {}
        self.on_cluster: list[t.Callable[[Json], None]] = []
        """Called with each cluster when it starts to run: backing.py gives it a real one's endpoint."""
        self.on_change: list[t.Callable[[Json], None]] = []
        """Called with each cluster that was changed: backing.py has the real one heed what Autopilot allows."""
        self.on_token: list[t.Callable[[str], None]] = []
        """Called with each token that is issued: backing.py makes the real clusters accept it."""
        self.controlled = False
        """Whether Google's controllers are played in the real clusters, too."""
        self.planes: dict[str, Json] = {}
        """By membership, what they say of the control plane that they run there."""

    # -- tokens --------------------------------------------------------------------------------

    def add_token(self, token: str, seconds: float | None = None) -> None:
        """Accept a token, for some time or for ever."""
        self.tokens.add(token)
        self.issued.add(token)
        if seconds is not None:
            self.ends[token] = time.monotonic() + seconds

    def check_token(self, header: str) -> None:
        """Refused unless the header Authorization holds a token that is good now."""
        kind, _space, token = header.partition(" ")
        if kind != "Bearer" or not token:
            raise Refused(
                401,
                f"Request is missing required authentication credential. {_EXPECTED}",
                reason="CREDENTIALS_MISSING",
                domain="googleapis.com",
            )
        if token in self.tokens and self.ends.get(token, float("inf")) > time.monotonic():
            return
        known = token in self.issued
        raise Refused(
            401,
            f"Request had invalid authentication credentials. {_EXPECTED}",
            reason="ACCESS_TOKEN_EXPIRED" if known else "ACCESS_TOKEN_TYPE_UNSUPPORTED",
            domain="googleapis.com",
        )

    # -- projects ------------------------------------------------------------------------------

    def number(self, project: str) -> str:
        """The number of a project; made up once. A number is its own."""
        if project.isdigit():
            return project
        return self.numbers.setdefault(project, str(100000000000 + len(self.numbers)))

    def project_id(self, text: str) -> str:
        """The id of a project that is given by id or number."""
        return next((name for name, number in self.numbers.items() if number == text), text)

    # -- resources -----------------------------------------------------------------------------

    def get(self, key: str) -> Json:
        found = self.resources.get(key)
        if found is None:
            raise Refused(404, f"Not found: {key.partition('/')[2]}.")
        return copy.deepcopy(found)

    def under(self, pattern: str) -> list[tuple[str, Json]]:
        """Resources whose key matches; "-" in place of a location matches any."""
        matcher = re.compile("/".join("[^/]+" if p in ("-", "*") else re.escape(p) for p in pattern.split("/")))
        return [(k, copy.deepcopy(v)) for k, v in sorted(self.resources.items()) if matcher.fullmatch(k)]

    def paged(self, items: list[t.Any], params: Json, size_name: str = "pageSize") -> tuple[list[t.Any], Json]:
        """The page that is asked for, and what points to the next one."""
        given = str(params.get("pageToken") or "")
        wanted = int(params.get(size_name) or 0)
        if not 0 <= wanted <= _LARGEST.get(size_name, wanted):
            raise Refused(400, f"Invalid value for field '{size_name}': '{wanted}'.")
        # A caller can make nothing of a token but send it back.
        start = 0 if not given else self._pages.get(given, -1)
        if start < 0:
            raise Refused(400, f"Invalid value for field 'pageToken': '{given}'.")
        size = min(wanted or self.page, self.page)
        if start + size >= len(items):
            return items[start : start + size], {}
        token = base64.urlsafe_b64encode(f"{next(self.count)}:{start + size}".encode()).decode()
        self._pages[token] = start + size
        return items[start : start + size], {"nextPageToken": token}

    def reached(self, found: list[tuple[str, Json]]) -> tuple[list[Json], list[str]]:
        """Resources of the locations that answer, and the locations that do not."""
        shown = [v for k, v in found if k.split("/")[4] not in self.unreachable]
        return shown, sorted(self.unreachable)

    # -- operations ----------------------------------------------------------------------------

    def begin(self, key: str, view: Json, then: t.Callable[[], None] | None = None, fault: Fault | None = None) -> Json:
        """Start an operation whose resource is ``key``; returns what the caller sees of it."""
        now = time.monotonic()
        operation = Operation(key, view, now + self.duration, then)
        if fault is not None:
            operation.end = float("inf") if fault.never else operation.end
            operation.error = "" if fault.never else fault.message
        self.operations[key] = operation
        return self.see(operation)

    def settle(self) -> None:
        """Let what is over by now have happened."""
        now = time.monotonic()
        for operation in list(self.operations.values()):
            if not operation.done and operation.end <= now:
                operation.done = True
                if operation.then:
                    operation.then()

    def see(self, operation: Operation) -> Json:
        """The operation as a caller sees it: each service has its own form."""
        view = copy.deepcopy(operation.view)
        service = operation.name.partition("/")[0]
        failed = operation.error if operation.done else ""
        if service not in ("container", "compute"):
            # "done" is shown only once it is true: false fields are left out.
            if not operation.done or failed:
                view.pop("response", None)
            return view | ({"done": True} if operation.done else {}) | ({"error": _status(failed)} if failed else {})
        view["status"] = "DONE" if operation.done else "RUNNING"
        if operation.done:
            view["endTime"] = "2026-01-01T00:00:01.000-08:00"
        if service == "compute":
            view["progress"] = 100 if operation.done else 0
            if failed:
                view |= {"httpErrorStatusCode": 400, "httpErrorMessage": "BAD REQUEST"}
                view["error"] = {"errors": [{"code": "INTERNAL", "message": failed}]}
        elif failed:
            view |= {"error": _status(failed), "statusMessage": failed}
        return view

    def running(self, text: str) -> list[Operation]:
        """Operations that are not over and whose target holds ``text``."""
        return [o for o in self.operations.values() if not o.done and text in str(o.view.get("targetLink", ""))]

    def working(self, target: str) -> list[Operation]:
        """Operations that are not over on exactly this target."""
        return [o for o in self.operations.values() if not o.done and o.view.get("targetLink") == target]

    # -- faults --------------------------------------------------------------------------------

    def fail(self, method: str, status: int = 0, message: str = "injected", **more: t.Any) -> Fault:
        """Inject a failure; see Fault."""
        fault = Fault(method, status, message, **more)
        with self.lock:
            self.faults.append(fault)
        return fault

    def deny(self, permission: str, method: str = "*", times: int = -1, path: str = "") -> None:
        """Take a permission away from the caller, for the methods that the pattern names, below ``path``."""
        self.fail(method, 403, permission=permission, times=times, path=path)

    def attach(self, project: str, host: str) -> None:
        """What a Shared VPC admin does: ``project`` becomes a service project of ``host``."""
        self.hosts.add(host)
        self.attached[project] = host

    def grant(self, policy: str, role: str, *members: str) -> None:
        """Give a role, in a project's policy or in that of a resource with this path."""
        found = self.policies.setdefault(policy, {"version": 1, "etag": "BwAAAAAAAAA=", "bindings": []})
        found["bindings"].append({"role": role, "members": list(members)})

    def settles(self, key: str) -> bool:
        """Whether what takes time holds by now; each question brings it nearer."""
        left = self.unsettled.get(key, 0)
        self.unsettled[key] = max(0, left - 1)
        return left <= 0

    def hit(self, method: str, path: str, body: str) -> Fault | None:
        """The fault that this request meets, if any: raised, or returned for its operation."""
        for fault in self.faults:
            if fault.times == 0 or not fnmatch.fnmatchcase(method, fault.method):
                continue
            if fault.path not in path or fault.body not in body:
                continue
            fault.times -= 1 if fault.times > 0 else 0
            if fault.permission:
                project = re.search(r"projects/[^/:]+", path)
                raise permission_missing(method.partition(".")[0], fault.permission, project[0] if project else "")
            if fault.status:
                raise Refused(
                    fault.status,
                    fault.message,
                    reason=fault.reason,
                    metadata=fault.metadata,
                    retry_after=fault.retry_after,
                )
            return fault
        return None


def _status(message: str) -> Json:
    """An error as google.rpc.Status."""
    return {"code": 13, "message": message}
