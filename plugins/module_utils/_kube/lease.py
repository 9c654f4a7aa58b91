# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Lease in a cluster by which runs of any controller keep out of each other's way.

A run takes it before it reads what it will change, and renews it until it ends; then it releases it. A run that was
killed with all that belongs to it renews no more. Who waits counts by its own clock how long the Lease has not changed:
after SECONDS it is free, as in Kubernetes' own leader election (client-go's ``tools/leaderelection``). Clocks of others
count only where they are far apart from any doubt: a Lease that was left long ago is free at once.
"""

from __future__ import annotations

import datetime
import getpass
import hashlib
import os
import socket
import time
import typing as t

from .diffs import Object
from .errors import ApiError
from .reading import Reader

__all__ = [
    "NAME",
    "NAMESPACE",
    "RENEW_SECONDS",
    "SECONDS",
    "AtWork",
    "Holder",
    "Observed",
    "drop",
    "is_alive",
    "release",
    "take",
    "this_run",
    "who_works",
]

NAMESPACE = "default"
"""It is in every cluster, and a managed one (GKE Autopilot) lets users write there, unlike ``kube-system``."""
NAME = "mesh-fleet"
SECONDS = 15
"""After so long without a renewal it is free, as usual for leader election in Kubernetes."""
RENEW_SECONDS = 5.0
_CLOCKS_SECONDS = 60.0
"""By so much the clocks of a cluster's API servers may differ."""

_COLLECTION = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
_PATH = f"{_COLLECTION}/{NAME}"
_WHERE = f"Lease {NAMESPACE}/{NAME}"


class Holder(t.NamedTuple):
    """A run: one ``ansible-playbook``."""

    who: str
    """``user@host``, and what it does if that is known: ``user@host (site.yml, AWX job 42)``."""
    machine: str
    """The same for all processes that see each other by their numbers, "" where that cannot be known."""
    pid: int
    started: str
    """When the process was started, as the system counts it; a number may be given again."""

    @property
    def identity(self) -> str:
        return "/".join((self.who, self.machine, str(self.pid), self.started))

    @classmethod
    def read(cls, identity: str) -> Holder:
        """From :attr:`identity`; somebody else's text is all ``who``."""
        parts = identity.rsplit("/", 3)
        if len(parts) == 4 and parts[2].isdecimal():
            return cls(parts[0], parts[1], int(parts[2]), parts[3])
        return cls(identity, "", 0, "")


class AtWork(t.NamedTuple):
    """Another run that holds the Lease."""

    who: str
    since: datetime.datetime | None
    heard: float
    """Seconds since it renewed the Lease."""

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{self.who} is at work{since}"


class Observed:
    """For how long a Lease was seen unchanged, by this process's clock."""

    def __init__(self) -> None:
        self._seen: t.Any = None
        self._since = 0.0

    def silence(self, spec: t.Mapping[str, t.Any]) -> float:
        """Seconds since it was first seen as it is now."""
        seen = (spec.get("holderIdentity"), spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since


def this_run(doing: str = "") -> Holder:
    """The run that this process belongs to. Ansible makes a process for each task: the run is their parent.

    Args:
        doing: what the run does, for those who wait for it; the same in all its tasks.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    run = os.getppid()
    who = f"{user}@{socket.gethostname()}" + (f" ({doing})" if doing else "")
    return Holder(who, _machine(), run, _started(run))


def is_alive(run: Holder) -> bool:
    """Whether the process of a run of this machine has not ended."""
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not run.started or _started(run.pid) in ("", run.started)


def who_works(
    lease: t.Mapping[str, t.Any], ours: Holder, now: datetime.datetime, observed: Observed | None = None
) -> AtWork | None:
    """Who else holds a Lease; None when it is ours, or free.

    Args:
        lease: as it was read.
        ours: this run.
        now: by the API server's clock.
        observed: what the same process saw of it before.
    """
    spec: t.Mapping[str, t.Any] = lease.get("spec") or {}
    identity, renewed = str(spec.get("holderIdentity") or ""), _time(spec.get("renewTime"))
    if not identity or identity == ours.identity or renewed is None:
        return None
    heard, lasts = (now - renewed).total_seconds(), float(spec.get("leaseDurationSeconds") or SECONDS)
    silence = observed.silence(spec) if observed else 0.0
    if silence >= lasts or heard >= lasts + _CLOCKS_SECONDS:
        return None
    return AtWork(Holder.read(identity).who, _time(spec.get("acquireTime")), max(heard, silence, 0.0))


async def take(kube: Reader, ours: Holder, observed: Observed | None = None) -> AtWork | None:
    """Take or renew the Lease; who holds it when that is another run.

    Args:
        observed: the same at each try, for one that waits until the other run is over.

    Raises:
        ApiError: the server does not answer, or the account may not read and write Leases.
    """
    while True:
        found = await kube.get_path(_PATH, obj=_WHERE)
        now = kube.transport.server_time()
        if found is None:
            if await _written(kube, "POST", _COLLECTION, _held({}, ours, now)):
                return None
            continue
        other = who_works(found, ours, now, observed)
        if other:
            return other
        spec = found.get("spec") or {}
        renewed = _time(spec.get("renewTime"))
        fresh = renewed is not None and (now - renewed).total_seconds() < RENEW_SECONDS / 2
        if spec.get("holderIdentity") == ours.identity and fresh:
            return None
        if await _written(kube, "PUT", _PATH, _held(found, ours, now)):
            return None


async def release(kube: Reader, ours: Holder) -> None:
    """Let others have the Lease at once if it is ours. It stays, without a holder."""
    found = await kube.get_path(_PATH, obj=_WHERE)
    if found is not None and (found.get("spec") or {}).get("holderIdentity") == ours.identity:
        await _written(kube, "PUT", _PATH, {**found, "spec": {**found["spec"], "holderIdentity": ""}})


async def drop(kube: Reader, ours: Holder) -> None:
    """Remove the Lease if it is ours."""
    found = await kube.get_path(_PATH, obj=_WHERE)
    if found is None or (found.get("spec") or {}).get("holderIdentity") != ours.identity:
        return
    condition = {"preconditions": {"resourceVersion": found["metadata"]["resourceVersion"]}}
    await _written(kube, "DELETE", _PATH, condition)


def _held(found: Object, ours: Holder, now: datetime.datetime) -> Object:
    # With the resourceVersion that was read: of two runs that find it free at the same moment, one gets it.
    spec = found.get("spec") or {}
    same = spec.get("holderIdentity") == ours.identity
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": found.get("metadata") or {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            **spec,
            "holderIdentity": ours.identity,
            "leaseDurationSeconds": SECONDS,
            "acquireTime": (spec.get("acquireTime") if same else None) or stamp,
            "renewTime": stamp,
        },
    }


async def _written(kube: Reader, method: str, path: str, body: Object) -> bool:
    try:
        answer = await kube.transport.request(method, path, body=body, obj=_WHERE, action="write")
    except ApiError as error:
        if error.status in (404, 409) and (error.status == 409 or method != "POST"):
            return False  # another run was faster
        raise
    if answer.get("kind") not in ("Lease", "Status"):
        raise kube.strange(answer, _WHERE, "write")
    return True


def _time(text: t.Any) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None


def _machine() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            seen = f"{stream.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
    return hashlib.sha256(seen.encode()).hexdigest()[:12]


def _started(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
