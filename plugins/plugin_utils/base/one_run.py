# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time changes a cluster, whichever controller it is started on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube import lease
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.playbook_names import called
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_lock import RunLock

__all__ = ["hold", "only_run"]

WAIT_SECONDS = 1800.0
"""How long another run is waited for."""
_LOOK_SECONDS = 1.0
_REMIND_SECONDS = 60.0


def hold(
    lock: RunLock, clusters: t.Mapping[str, Cluster], wanted: t.Collection[str], say: t.Callable[[str], None], job: str
) -> set[str]:
    """Hold the Leases of a play until the run ends; see ``run_lock.py``.

    Args:
        lock: the run's.
        clusters: all of the fleet.
        wanted: those of the play, by name.
        say: prints a line of progress while another run is at work.
        job: the number of AWX's job, or "".

    Returns:
        The clusters whose Leases are renewed until the run ends.

    Raises:
        FleetError: another run was still at work after WAIT_SECONDS.
    """
    ours = _ours(job)

    async def take(new: t.Sequence[Cluster]) -> list[str]:
        async with contextlib.AsyncExitStack() as stack:
            kubes, _silent = await connect_each(stack, new, absent_ok=False)
            held, _refused = await _take_all(kubes, ours, say, WAIT_SECONDS)
        return held

    return lock.hold(clusters, wanted, ours, take)


def _ours(job: str) -> lease.Holder:
    playbooks = [os.path.basename(playbook) for playbook in called()]
    return lease.this_run(", ".join([*playbooks, *([f"AWX job {job}"] if job else [])]))


@contextlib.asynccontextmanager
async def only_run(
    clusters: t.Sequence[Cluster],
    say: t.Callable[[str], None],
    *,
    lock: RunLock | None = None,
    kept: t.Container[str] = (),
    drop: bool = False,
    job: str = "",
    wait: float = WAIT_SECONDS,
) -> t.AsyncIterator[list[str]]:
    """Hold the Lease of each cluster while the block runs; see ``_kube/lease.py``.

    A cluster that does not answer is left to the block, which says so itself.

    Args:
        clusters: those that the block may change.
        say: prints a line of progress while another run is at work.
        lock: the run's, which holds the Leases afterwards; None outside of a run.
        kept: clusters whose Leases the run's keeper renews.
        drop: remove the Leases afterwards, so that nothing of ours is left.
        job: the number of AWX's job, or "".
        wait: seconds to wait for other runs.

    Yields:
        Warnings: clusters where the account may not write Leases.

    Raises:
        FleetError: another run was still at work after ``wait`` seconds.
    """
    ours = _ours(job)
    async with contextlib.AsyncExitStack() as stack:
        # Always in one order: of two runs that want the same clusters, one gets them all.
        kubes, _silent = await connect_each(stack, sorted(clusters, key=lambda c: c.name), absent_ok=False)
        held, refused = await _take_all(kubes, ours, say, wait)
        keeper = _Keeper([c for c in clusters if c.name in held and c.name not in kept], ours)
        keeper.start()
        try:
            yield [
                f"{name}: a second run on this cluster is not noticed: the account may not write {where}"
                for name, where in refused.items()
            ]
        finally:
            keeper.end()
            if drop:
                with lock.removing(held) if lock else contextlib.nullcontext():
                    await on_each(held, lambda name: lease.drop(kubes[name], ours))


async def _take_all(
    kubes: t.Mapping[str, Kube], ours: lease.Holder, say: t.Callable[[str], None], wait: float
) -> tuple[list[str], dict[str, str]]:
    """Clusters whose Lease we hold, and by cluster what the account may not write."""
    loop = asyncio.get_running_loop()
    began, reminded, told = loop.time(), 0.0, ""
    names, refused = list(kubes), dict[str, str]()
    seen = {name: lease.Observed() for name in names}
    upto = len(names)
    while True:
        # While one is waited for, those behind it in the order are not renewed: a run that waits for these gets them.
        found, failed = await on_each(names[:upto], lambda name: lease.take(kubes[name], ours, seen[name]))
        refused |= {n: e.obj for n, e in failed.items() if isinstance(e, ApiError) and e.forbidden}
        names = [name for name in names if name not in failed]
        blocked = next((name for name in names if found.get(name)), "")
        if not blocked and upto >= len(names):
            return names, refused
        if not blocked:
            upto = len(names)
            continue
        upto, other, now = names.index(blocked) + 1, found[blocked], loop.time()
        if now - began >= wait:
            raise FleetError(
                "another run is at work on this cluster",
                cluster=blocked,
                seen=f"{other}, and said so {other.heard:.0f} s ago" if other else "",
                means=f"waited {wait:.0f} s; two runs at once would undo each other's work",
                next_step="run again when it is done; one that is killed holds nobody up for more than "
                f"{lease.SECONDS} s",
            )
        if told != f"{blocked} {other}" or now - reminded >= _REMIND_SECONDS:
            told, reminded = f"{blocked} {other}", now
            say(f"  {blocked}: {other}; waiting until it is done")
        # By looking, not by a watch: that a run does not renew its Lease any more is no event.
        await asyncio.sleep(_LOOK_SECONDS)


class _Keeper(threading.Thread):
    """Renews the Leases. A thread, for Helm and other programs keep the loop of the task waiting."""

    def __init__(self, clusters: t.Sequence[Cluster], ours: lease.Holder) -> None:
        super().__init__(daemon=True)
        self._clusters = clusters
        self._ours = ours
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._keep())

    def run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    def end(self) -> None:
        with contextlib.suppress(RuntimeError):  # it had nothing to renew, and is over
            self._loop.call_soon_threadsafe(self._task.cancel)
        self.join()

    async def _keep(self) -> None:
        if not self._clusters:
            return
        await asyncio.sleep(lease.RENEW_SECONDS)
        async with contextlib.AsyncExitStack() as stack:
            kubes, _silent = await connect_each(stack, self._clusters, absent_ok=False)
            while True:
                # What fails is asked again: the Lease outlives two renewals.
                await on_each(kubes, lambda name: lease.take(kubes[name], self._ours))
                await asyncio.sleep(lease.RENEW_SECONDS)
