# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each, settle

CLUSTERS = ["west", "north", "east"]


def test_one_fails_and_the_others_finish() -> None:
    failing = asyncio.Event()
    refused = FleetError("it refused")

    async def work(name: str) -> str:
        if name == "north":
            failing.set()
            raise refused
        await failing.wait()
        await asyncio.sleep(0)
        return name.upper()

    done, failed = asyncio.run(on_each(CLUSTERS, work))
    assert done == {"west": "WEST", "east": "EAST"}
    assert failed == {"north": refused}
    assert refused.cluster == "north"


def test_an_error_keeps_the_cluster_that_it_names() -> None:
    async def work(name: str) -> None:
        raise FleetError("its primary does not answer", cluster="west")

    _done, failed = asyncio.run(on_each(["edge"], work))
    assert failed["edge"].cluster == "west"


@pytest.mark.parametrize("fault", [KeyError("x"), OSError(28, "disk full"), RecursionError("too deep")])
def test_no_exception_of_a_cluster_leaves_it(fault: Exception, defects: list[str]) -> None:
    async def work(name: str) -> str:
        if name == "west":
            raise fault
        await asyncio.sleep(0)
        return name.upper()

    done, failed = asyncio.run(on_each(CLUSTERS, work))
    assert done == {"north": "NORTH", "east": "EAST"}
    assert list(failed) == ["west"]
    assert failed["west"].cluster == "west"
    assert failed["west"].next_step
    assert str(fault) in failed["west"].seen
    assert len(defects) == (0 if isinstance(fault, OSError) else 1)
    defects.clear()


def test_what_ends_the_program_is_raised_when_all_have_ended() -> None:
    ended = []

    async def work(name: str) -> None:
        if name == "west":
            raise asyncio.CancelledError
        await asyncio.sleep(0)
        ended.append(name)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(on_each(CLUSTERS, work))
    assert ended == ["north", "east"]


def test_a_cancellation_ends_all() -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def run() -> None:
        task = asyncio.create_task(on_each(CLUSTERS, work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert ended == CLUSTERS


def test_jobs_without_a_name_settle_in_their_order() -> None:
    async def job(number: int) -> int:
        if number == 2:
            raise FleetError("two")
        return number

    one, two, three = asyncio.run(settle(map(job, (1, 2, 3))))
    assert (one, str(two), three) == (1, "two", 3)


def test_a_cluster_without_a_connection_drops_out(tmp_path: Path) -> None:
    hosts = {
        "west": {"cluster_region": "us-west1", "fleet_dir": str(tmp_path)},
        "fra": {"cluster_provider": "kubeconfig", "cluster_kubeconfig": str(tmp_path / "none.yaml")},
    }
    fleet = read_fleet(hosts, environment())

    async def connect(absent_ok: bool) -> tuple[list[str], list[str]]:
        async with contextlib.AsyncExitStack() as stack:
            kubes, failed = await connect_each(stack, fleet.clusters.values(), absent_ok=absent_ok)
            return list(kubes), list(failed)

    assert asyncio.run(connect(False)) == ([], ["west", "fra"])
    assert asyncio.run(connect(True)) == (["west", "fra"], [])
