# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks of a run and their keeper tell each other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube import lease
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.plugin_utils.base import run_lock
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_lock import RunLock

NAMES = ("east", "west", "a b/c")
OURS = lease.Holder("ann@laptop", "m", os.getpid(), "")


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


CLUSTERS = t.cast("dict[str, Cluster]", {name: Named(name) for name in NAMES})


class Leases:
    """What happens to the Leases of all clusters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.happened: list[tuple[str, str]] = []
        self.due, self.reached = 0, asyncio.Event()
        monkeypatch.setattr(run_lock, "connect_each", self.connect)
        monkeypatch.setattr(lease, "take", self.said("take"))
        monkeypatch.setattr(lease, "release", self.said("release"))

    async def connect(self, _stack: t.Any, clusters: t.Iterable[t.Any], *, absent_ok: bool) -> t.Any:
        assert not absent_ok
        return {cluster.name: cluster.name for cluster in clusters}, {}

    def said(self, what: str) -> t.Any:
        async def do(kube: str, ours: lease.Holder) -> None:
            assert ours == OURS._replace(pid=ours.pid)
            self.happened.append((what, kube))
            if self.count("take", NAMES[-1]) >= self.due:
                self.reached.set()

        return do

    async def renewed(self, times: int) -> None:
        """Wait until the Lease of the last cluster was renewed so often from now on."""
        self.due = self.count("take", NAMES[-1]) + times
        self.reached.clear()
        await self.reached.wait()

    def count(self, what: str, name: str) -> int:
        return self.happened.count((what, name))


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> Leases:
    return Leases(monkeypatch)


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunLock:
    """A lock whose keeper is a process that does nothing."""
    found = RunLock(str(tmp_path / "run"))
    monkeypatch.setattr(found, "_start", lambda clusters, ours: None)
    return found


def test_each_cluster_is_asked_for_once_and_in_one_order(lock: RunLock) -> None:
    asked: list[list[str]] = []

    async def take(new: t.Sequence[Cluster]) -> list[str]:
        asked.append([cluster.name for cluster in new])
        return ["east"]

    assert lock.hold(CLUSTERS, ["west", "east", "stranger"], OURS, take) == {"east"}
    assert lock.hold(CLUSTERS, NAMES, OURS, take) == {"east"}
    assert lock.hold(CLUSTERS, NAMES, OURS, take) == {"east"}
    assert asked == [["east", "west"], ["a b/c"]]
    assert lock.held() == {"east"}


def test_a_keeper_is_started_once_and_again_when_it_ended(lock: RunLock, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(clusters: t.Mapping[str, Cluster], _ours: lease.Holder) -> None:
        started.append(subprocess.Popen(["sleep", "600"]))
        Path(lock.folder, "keeper").write_text("\n".join((str(started[-1].pid), *clusters)))

    async def take(new: t.Sequence[Cluster]) -> list[str]:
        return [cluster.name for cluster in new]

    monkeypatch.setattr(lock, "_start", start)
    try:
        for _task in range(2):
            assert lock.hold({"east": CLUSTERS["east"]}, ["east"], OURS, take) == {"east"}
        assert len(started) == 1
        # A cluster that came later is not the keeper's: its own task renews it.
        assert lock.hold(CLUSTERS, NAMES, OURS, take) == {"east"}
        started[0].kill()
        started[0].wait()
        assert lock.hold(CLUSTERS, NAMES, OURS, take) == set(NAMES)
        assert len(started) == 2
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_leases_are_renewed_until_the_run_ends_and_then_released(
    lock: RunLock, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
    run = subprocess.Popen(["sleep", "600"])
    ours = OURS._replace(pid=run.pid)

    def remove() -> None:
        with lock.removing(["east"]):
            pass

    async def happen() -> None:
        keeping = asyncio.create_task(run_lock.keep(lock, CLUSTERS, ours))
        async with asyncio.timeout(60):
            await leases.renewed(2)
            # In a thread: the lock may be held by the keeper, which is another process where it is none of a test's.
            await asyncio.to_thread(remove)
            before = leases.count("take", "east")
            await leases.renewed(3)
            assert leases.count("take", "east") == before, "what a teardown removed is not made again"
            with lock.at_work():
                run.kill()
                run.wait()
                await leases.renewed(3)
                assert not keeping.done() and not leases.count("release", "a b/c"), "a task is still at work"
            await keeping

    lock.note("east", held=True)
    lock.note("a b/c", held=True)
    lock.note("west", held=False)
    try:
        asyncio.run(happen())
    finally:
        run.kill()
        run.wait()
    assert [what for what in leases.happened if what[0] == "release"] == [("release", "a b/c")]
    assert not leases.count("take", "west")


def test_a_task_that_hangs_does_not_hold_for_ever(lock: RunLock, leases: Leases) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with lock.at_work():
        lock.note("east", held=True)
        asyncio.run(run_lock.keep(lock, CLUSTERS, OURS._replace(pid=gone.pid), tasks=0.3))
    assert leases.happened[-1] == ("release", "east")


def test_what_the_run_held_is_released_when_its_folder_is_gone(
    lock: RunLock, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ansible removes the folder before its process ends."""
    run = subprocess.Popen(["sleep", "600"])
    lock.note("east", held=True)

    async def happen() -> None:
        keeping = asyncio.create_task(run_lock.keep(lock, CLUSTERS, OURS._replace(pid=run.pid)))
        await asyncio.sleep(0)
        shutil.rmtree(lock.folder)
        run.kill()
        run.wait()
        await keeping

    asyncio.run(happen())
    assert leases.happened == [("release", "east")]


def test_only_tasks_of_ansible_have_a_run() -> None:
    assert run_lock.of_this_run() is None


def test_the_keeper_leaves_nothing_of_its_task(lock: RunLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is forked for real: who reads the task's output must not wait for it."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    reader, writer = os.pipe()
    RunLock(lock.folder).note("east", held=False)
    RunLock(lock.folder)._start(CLUSTERS, OURS._replace(pid=gone.pid))
    os.close(writer)
    assert os.read(reader, 1) == b"", "nobody else has the pipe open"
    os.close(reader)
    pid = int(Path(lock.folder, "keeper").read_text().split("\n")[0])
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        try:
            assert os.waitpid(pid, 0)[1] == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
