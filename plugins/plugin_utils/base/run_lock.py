# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run holds the Leases of its clusters from its first change to its end, in whatever task it is.

Ansible makes a process for each task and none that is ours for the whole run. So the first task that changes clusters
starts one, the keeper: it renews the Leases, sees the end of ``ansible-playbook`` in whatever way that comes, waits for
tasks that are still at work, and releases them. It is forked, because a task knows the clusters and their credentials,
which are written nowhere. What tasks and keeper tell each other is in Ansible's folder of the run.

All clusters of a play are taken at its first change, in one order: of two runs that want the same, one gets them all,
and neither has some that the other waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import typing as t
import urllib.parse

from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils import locks
from ansible_collections.mesh.fleet.plugins.module_utils._kube import lease
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils.files import make_folder, write_file
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each

__all__ = ["RunLock", "keep", "of_this_run"]

_FOLDER = "mesh_fleet_run"
_KEEPER = "keeper"
_TASKS, _RENEWING = "tasks", "renewing"
"""Locks: shared by tasks at work; held by who renews or removes Leases."""
_MARK = "cluster-"
_ASKED, _HELD = "asked", "held"
_TASKS_SECONDS = 60.0
"""So long the keeper waits for tasks of a run that has ended."""
_RELEASE_SECONDS = 15.0
_LOOK_SECONDS = 0.2
_ALIVE_SECONDS = 1.0
"""How often the keeper looks whether the run lives, where the system does not tell it."""

Take = t.Callable[[t.Sequence[Cluster]], t.Awaitable[t.Iterable[str]]]


class RunLock:
    """What the tasks of a run and their keeper share: a folder.

    Args:
        folder: made where it is missing.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def held(self) -> set[str]:
        """The clusters whose Leases the run holds."""
        with contextlib.suppress(FileNotFoundError):
            names = [name for name in os.listdir(self.folder) if name.startswith(_MARK) and self._read(name) == _HELD]
            return {urllib.parse.unquote(name.removeprefix(_MARK)) for name in names}
        return set()

    def note(self, cluster: str, *, held: bool) -> None:
        """Note that a cluster was asked for its Lease, and whether the run holds it."""
        write_file(os.path.join(self.folder, _mark(cluster)), _HELD if held else _ASKED, durable=False)

    @contextlib.contextmanager
    def removing(self, clusters: t.Iterable[str]) -> t.Iterator[None]:
        """The block removes the Leases of clusters: the keeper makes none of them again."""
        with locks.locked_file(os.path.join(self.folder, _RENEWING)):
            for cluster in clusters:
                self.note(cluster, held=False)
            yield

    @contextlib.contextmanager
    def renewing(self) -> t.Iterator[set[str]]:
        """The block renews the Leases of the clusters that it gets; none of them is removed meanwhile.

        Raises:
            OSError: Ansible has removed its folder: the run came to its end.
        """
        with locks.locked_file(os.path.join(self.folder, _RENEWING)):
            yield self.held()

    def hold(
        self, clusters: t.Mapping[str, Cluster], wanted: t.Collection[str], ours: lease.Holder, take: Take
    ) -> set[str]:
        """Take the Leases that this run did not ask for before, and have a keeper renew all.

        Call it in a task, before an event loop runs. Other tasks of the run wait meanwhile.

        Args:
            clusters: all of the fleet: the keeper knows no others.
            wanted: names of those that the play may change.
            ours: this run.
            take: takes the Leases; it returns the names of those that it got.

        Returns:
            The clusters whose Leases the keeper renews.

        Raises:
            FleetError: another run was at work for too long.
        """
        with locks.locked(os.path.join(self.folder, ".lock")):
            asked = set(os.listdir(self.folder))
            new = [clusters[name] for name in sorted(wanted) if name in clusters and _mark(name) not in asked]
            if new:
                got = set(asyncio.run(_as_coroutine(take(new))))
                for cluster in new:
                    self.note(cluster.name, held=cluster.name in got)
            known = self._keeper()
            if known is None and self.held():
                known = set(clusters)
                self._start(clusters, ours)
        return self.held() & (known or set())

    @contextlib.contextmanager
    def at_work(self) -> t.Iterator[None]:
        """While the block runs, the keeper does not release the Leases, even if the run is killed."""
        make_folder(self.folder)
        with locks.locked_file(os.path.join(self.folder, _TASKS), shared=True):
            yield

    def idle(self) -> bool:
        """Whether no task is at work."""
        try:
            with locks.locked_file(os.path.join(self.folder, _TASKS), wait=False):
                return True
        except BlockingIOError:
            return False
        except OSError:  # Ansible has removed its folder: the run came to its end
            return True

    def _read(self, name: str) -> str:
        with contextlib.suppress(OSError), open(os.path.join(self.folder, name), encoding="utf-8") as stream:
            return stream.read()
        return ""

    def _keeper(self) -> set[str] | None:
        """The clusters that the keeper knows; None when there is none that lives."""
        pid, _line, names = self._read(_KEEPER).partition("\n")
        if not pid.isdecimal():
            return None
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return set(names.splitlines())

    def _start(self, clusters: t.Mapping[str, Cluster], ours: lease.Holder) -> None:
        pid = os.fork()
        if pid:
            write_file(os.path.join(self.folder, _KEEPER), "\n".join((str(pid), *clusters)), durable=False)
            return
        try:
            _detach()
            asyncio.run(keep(self, clusters, ours))
        finally:
            # Nothing of the task that it was forked from is run here: no clean-up, no output.
            os._exit(0)


def of_this_run() -> RunLock | None:
    """The lock of the run to which this task belongs; None in a process that is no task of Ansible's."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid != os.getppid():
        return None
    return RunLock(os.path.join(str(constants.DEFAULT_LOCAL_TMP), _FOLDER))


def _mark(cluster: str) -> str:
    return _MARK + urllib.parse.quote(cluster, safe="")


async def _as_coroutine(found: t.Awaitable[t.Iterable[str]]) -> t.Iterable[str]:
    return await found


def _detach() -> None:
    """Leave the terminal and the files of the task: nobody who reads its output waits for the keeper."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 65536 else 65536)


async def keep(
    lock: RunLock, clusters: t.Mapping[str, Cluster], ours: lease.Holder, *, tasks: float = _TASKS_SECONDS
) -> None:
    """Renew the Leases that a run holds until it ends, and release them then.

    Args:
        lock: which they are.
        clusters: by name.
        ours: the run.
        tasks: seconds to wait for its tasks after its end.
    """
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # only the main thread may
        loop.add_signal_handler(signal.SIGTERM, over.set)
    watch = asyncio.create_task(_until_ended(ours, over))
    kubes: dict[str, Kube] = {}
    held: set[str] = set()
    async with contextlib.AsyncExitStack() as stack:

        async def renew() -> None:
            nonlocal held
            with contextlib.suppress(OSError), lock.renewing() as names:
                held = names & set(clusters)
                await reach(held)
                # What fails is asked again: the Lease outlives two renewals.
                await on_each(held & set(kubes), lambda name: lease.take(kubes[name], ours))

        async def reach(names: t.Iterable[str]) -> None:
            new = [clusters[name] for name in names if name not in kubes]
            kubes.update((await connect_each(stack, new, absent_ok=False))[0])

        held = lock.held() & set(clusters)
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), lease.RENEW_SECONDS)
                break
            await renew()
        watch.cancel()
        deadline, renewed = loop.time() + tasks, loop.time()
        while not lock.idle() and loop.time() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)  # a lock of the file system is no event
            if loop.time() - renewed >= lease.RENEW_SECONDS:
                await renew()
                renewed = loop.time()
        with contextlib.suppress(OSError), lock.renewing() as names:
            held = names & set(clusters)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                await reach(held)
                await on_each(held & set(kubes), lambda name: lease.release(kubes[name], ours))


async def _until_ended(run: lease.Holder, over: asyncio.Event) -> None:
    """Set ``over`` when the process of a run has ended."""
    loop = asyncio.get_running_loop()
    handle = -1
    try:
        with contextlib.suppress(OSError, AttributeError):  # macOS has no such handles
            handle = os.pidfd_open(run.pid)
            loop.add_reader(handle, over.set)
        while not over.is_set() and lease.is_alive(run):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _ALIVE_SECONDS)
        over.set()
    finally:
        if handle >= 0:
            loop.remove_reader(handle)
            os.close(handle)
