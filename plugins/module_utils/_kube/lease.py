# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Lease in a cluster by which runs of any controller keep out of each other's way.

A run takes it before it reads what it will change, and renews it while it works. It gives it back by not renewing it:
SECONDS later it is anybody's. So a run that was killed locks nobody out. A holder whose process has ended on this very
machine is not waited for at all. All times are those of the API server's clock.
"""

from __future__ import annotations

import datetime
import getpass
import hashlib
import os
import socket
import typing as t

from .diffs import Object
from .errors import ApiError
from .reading import Reader

__all__ = ["NAME", "NAMESPACE", "RENEW_SECONDS", "SECONDS", "AtWork", "Holder", "drop", "take", "this_run", "who_works"]

NAMESPACE = "default"
"""It is in every cluster, and a managed one (GKE Autopilot) lets users write there, unlike ``kube-system``."""
NAME = "mesh-fleet"
SECONDS = 15
"""After so long without a renewal it is free, as usual for leader election in Kubernetes."""
RENEW_SECONDS = 5.0

_COLLECTION = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
_PATH = f"{_COLLECTION}/{NAME}"
_WHERE = f"Lease {NAMESPACE}/{NAME}"


class Holder(t.NamedTuple):
    """A run: one ``ansible-playbook``."""

    who: str
    """``user@host``, and the playbook if there is one: ``user@host (site.yml)``."""
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

    def ended(self, here: str) -> bool:
        """Whether it is known that its process is gone; ``here`` is this process's ``machine``."""
        if not self.machine or self.machine != here:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return bool(self.started) and _started(self.pid) not in ("", self.started)


class AtWork(t.NamedTuple):
    """Another run that holds the Lease."""

    who: str
    since: datetime.datetime | None
    heard: float
    """Seconds since it renewed the Lease."""

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{self.who} is at work{since}"


def this_run(playbook: str = "") -> Holder:
    """The run that this process belongs to. Ansible makes a process for each task: the run is their parent.

    Args:
        playbook: what the run does, for those who wait for it; the same in all its tasks.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    run = os.getppid()
    who = f"{user}@{socket.gethostname()}" + (f" ({playbook})" if playbook else "")
    return Holder(who, _machine(), run, _started(run))


def who_works(lease: t.Mapping[str, t.Any], ours: Holder, now: datetime.datetime) -> AtWork | None:
    """Who else holds a Lease; None when it is ours, or free."""
    spec: t.Mapping[str, t.Any] = lease.get("spec") or {}
    identity, renewed = str(spec.get("holderIdentity") or ""), _time(spec.get("renewTime"))
    if not identity or identity == ours.identity or renewed is None:
        return None
    heard = (now - renewed).total_seconds()
    other = Holder.read(identity)
    if heard >= float(spec.get("leaseDurationSeconds") or SECONDS) or other.ended(ours.machine):
        return None
    return AtWork(other.who, _time(spec.get("acquireTime")), max(heard, 0.0))


async def take(kube: Reader, ours: Holder) -> AtWork | None:
    """Take or renew the Lease; who holds it when that is another run.

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
        other = who_works(found, ours, now)
        if other:
            return other
        spec = found.get("spec") or {}
        renewed = _time(spec.get("renewTime"))
        fresh = renewed is not None and (now - renewed).total_seconds() < RENEW_SECONDS / 2
        if spec.get("holderIdentity") == ours.identity and fresh:
            return None
        if await _written(kube, "PUT", _PATH, _held(found, ours, now)):
            return None


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
