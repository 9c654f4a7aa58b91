# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stand-in remembers: resources, operations that take time, tokens, and faults to inject."""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
import itertools
import re
import threading
import time
import typing as t

from .discovery import Refused

__all__ = ["Cloud", "Fault", "Operation"]

Json = dict[str, t.Any]

DEFAULT_TOKEN = "standin.0123456789abcdef"


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


@dataclasses.dataclass
class Operation:
    """Something that goes on. ``end`` is when it is over (time.monotonic), ``then`` what happens at that moment."""

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
        kubeconfigs: kubeconfig of the real cluster that stands behind each cluster, by its name.
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
        self.disabled: set[str] = set()
        self.policies: dict[str, Json] = {}
        self.log: list[Json] = []
        self.numbers: dict[str, str] = {}
        self.count = itertools.count(1)
        self.on_cluster: list[t.Callable[[Json], None]] = []
        """Called with each cluster when it starts to run: backing.py gives it a real one's endpoint."""
        self.on_token: list[t.Callable[[str], None]] = []
        """Called with each token that is issued: backing.py makes the real clusters accept it."""

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
        """Resources whose key matches; "-" in a place stands for any."""
        matcher = re.compile("/".join("[^/]+" if p in ("-", "*") else re.escape(p) for p in pattern.split("/")))
        return [(k, copy.deepcopy(v)) for k, v in sorted(self.resources.items()) if matcher.fullmatch(k)]

    def paged(self, items: list[t.Any], params: Json, size_name: str = "pageSize") -> tuple[list[t.Any], Json]:
        """The page that is asked for, and what points to the next one."""
        start = int(params.get("pageToken") or 0)
        size = min(int(params.get(size_name) or self.page), self.page)
        more = {"nextPageToken": str(start + size)} if start + size < len(items) else {}
        return items[start : start + size], more

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
        if service in ("container", "compute"):
            view["status"] = "DONE" if operation.done else "RUNNING"
            if operation.done and operation.error:
                plain = {"code": 13, "message": operation.error}
                listed = {"errors": [{"code": "INTERNAL", "message": operation.error}]}
                view["error"] = plain if service == "container" else listed
            if service == "compute":
                view["progress"] = 100 if operation.done else 0
            return view
        view["done"] = operation.done
        if operation.done and operation.error:
            view["error"] = {"code": 13, "message": operation.error}
            view.pop("response", None)
        elif not operation.done:
            view.pop("response", None)
        return view

    def running(self, text: str) -> list[Operation]:
        """Operations that are not over and whose target holds ``text``."""
        return [o for o in self.operations.values() if not o.done and text in str(o.view.get("targetLink", ""))]

    # -- faults --------------------------------------------------------------------------------

    def fail(self, method: str, status: int = 0, message: str = "injected", **more: t.Any) -> Fault:
        """Inject a failure; see Fault."""
        fault = Fault(method, status, message, **more)
        with self.lock:
            self.faults.append(fault)
        return fault

    def deny(self, permission: str, method: str = "*", times: int = -1) -> None:
        """Take a permission away from the caller, for the methods that the pattern names."""
        self.fail(
            method,
            403,
            f'Required "{permission}" permission(s) for the project. See https://cloud.google.com/iam',
            reason="IAM_PERMISSION_DENIED",
            metadata={"permission": permission},
            times=times,
        )

    def hit(self, method: str, path: str, body: str) -> Fault | None:
        """The fault that this request meets, if any: raised, or returned for its operation."""
        for fault in self.faults:
            if fault.times == 0 or not fnmatch.fnmatchcase(method, fault.method):
                continue
            if fault.path not in path or fault.body not in body:
                continue
            fault.times -= 1 if fault.times > 0 else 0
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
