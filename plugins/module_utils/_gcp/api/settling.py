# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes time to hold at Google: an API that was just enabled, a role that was just granted, an account just made.

It does not hold everywhere at the same time, so that a request succeeds says nothing of the next one. A refusal of such
a kind is waited for where there is a reason to: this machine changed something a moment ago, or Google says that the
API is on, or that the caller has the permission, which the refusal says to be missing.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import typing as t

from ...errors import FleetError
from ...files import write_file
from ...locks import locked
from ...paths import cache_dir
from ..errors import GoogleError
from ..meanings import AGENT, API_OFF, BUSY, PERMISSION, UNKNOWN_ACCOUNT
from .polling import retry_refused

__all__ = ["SECONDS", "Settling", "note_change", "project_of"]

SECONDS = 300.0
"""How long such a refusal is waited for, unless the inventory says otherwise. Google speaks of minutes."""
_FRESH_SECONDS = 900.0
"""How long a change of ours counts as new."""
_OFF = re.compile(r"API (?P<name>\S+) is disabled")
_MISSING = re.compile(r"permission (?P<name>\S+) is missing")
_PROJECT = re.compile(r"projects/(?P<name>[^/-][^/]*)")
_HUB = "hub default service account"
_OPEN = ("compute", "gkehub", "serviceusage")
"""Services whose requests may be sent again as they are when another operation has ended. What the others refuse for
that reason, their callers send anew: a policy is read again, and a cluster has a time of its own."""
_Answer = t.TypeVar("_Answer")
Ask = t.Callable[..., dict[str, t.Any]]


def project_of(service: str, params: t.Mapping[str, t.Any]) -> str:
    """The project that a request is about, by its parameters; "" where they do not name one."""
    if service.partition(":")[0] == "cloudresourcemanager" and "/" not in str(params.get("resource", "/")):
        return str(params["resource"])
    for key in ("project", "projectId"):
        if params.get(key):
            return str(params[key])
    for key in ("name", "parent", "resource"):
        found = _PROJECT.match(str(params.get(key) or ""))
        if found:
            return found["name"]
    return ""


def note_change(*projects: str) -> None:
    """Something was switched on, granted or made in these projects: it holds after some time."""
    now = time.time()
    folder = cache_dir() / "google"
    with contextlib.suppress(FleetError, OSError), locked(folder / "changes.lock"):
        known = {name: at for name, at in _changes().items() if now - at < _FRESH_SECONDS}
        write_file(folder / "changes.json", json.dumps({**known, **dict.fromkeys(projects, now)}))


def _changes() -> dict[str, float]:
    """When each project was changed last, in seconds since the epoch."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        found = json.loads((cache_dir() / "google" / "changes.json").read_text(encoding="utf-8"))
        return {str(name): float(at) for name, at in found.items()}
    return {}


class Settling:
    """Repeats requests of one client that are refused for what does not hold yet.

    Args:
        project: the client's.
        ask: sends one of its requests, without waiting.
        seconds: how long to wait; 0 for not at all.
        say: shows one line of progress.
        target: the project that the request is about, by default the client's: a permission counts there.
    """

    def __init__(
        self, project: str, ask: Ask, *, seconds: float, say: t.Callable[[str], None], target: str = ""
    ) -> None:
        self.project, self.ask, self.seconds, self.say = project, ask, seconds, say
        self.target = target or project
        self._told: set[str] = set()
        self._turn = threading.Lock()

    def settled(self, send: t.Callable[[], _Answer], service: str) -> _Answer:
        """What ``send`` returns, once Google does it."""
        try:
            return send()
        except GoogleError as error:
            why = self.reason(error, service) if self.seconds > 0 else ""
            if not why:
                raise
            with self._turn:
                first = why not in self._told
                self._told.add(why)
            if first:
                self.say(f"  project {self.project}: {why}; waiting for at most {self.seconds:g} s")
        return retry_refused(send, lambda error: bool(self.reason(error, service)), self.seconds)

    def reason(self, error: GoogleError, service: str) -> str:
        """Why a refusal should pass, in words; "" where nothing says that it will."""
        if error.kind == BUSY:
            return "another operation has to end" if service in _OPEN else ""
        if error.kind == API_OFF:
            found = _OFF.search(error.what)
            api = found["name"] if found else f"{service}.googleapis.com"
            return f"{api} is on, and does not answer everywhere yet" if self._is_on(api) else ""
        if error.kind == UNKNOWN_ACCOUNT and service == "cloudresourcemanager":
            # Who writes a policy has Google make such an account first, and then waits until it is known.
            return ""
        if error.kind in (AGENT, UNKNOWN_ACCOUNT):
            moment = self._fresh() or _HUB in error.seen
            return "an account of Google's own does not have its roles yet" if moment else ""
        if error.kind == PERMISSION:
            found = _MISSING.search(error.what)
            return f"{found['name']} is granted, and does not hold yet" if found and self._has(found["name"]) else ""
        return ""

    def _fresh(self) -> bool:
        """Whether this machine changed something a moment ago, in whichever project: one grants for another."""
        return any(time.time() - at < _FRESH_SECONDS for at in _changes().values())

    def _is_on(self, api: str) -> bool:
        name = f"projects/{self.project}/services/{api}"
        with contextlib.suppress(FleetError):
            return self.ask("serviceusage", "services.get", name=name).get("state") == "ENABLED"
        return False

    def _has(self, permission: str) -> bool:
        body = {"permissions": [permission]}
        with contextlib.suppress(FleetError):
            answer = self.ask("cloudresourcemanager", "projects.testIamPermissions", resource=self.target, body=body)
            return permission in (answer.get("permissions") or [])
        return False
