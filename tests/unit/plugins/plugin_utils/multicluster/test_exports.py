# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for Google's kinds: only a time that is over is called one."""

from __future__ import annotations

import asyncio
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import exports


class Waiting:
    """An API server that ends a wait with an error."""

    cluster, absent = "west", False

    def __init__(self, error: FleetError) -> None:
        self.error = error

    async def wait(self, *_: t.Any, **__: t.Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotInTime("not as expected after 60 s", seen="not found"), "are not there after 60 s"),
        (FleetError("refused by the API server: forbidden"), "forbidden"),
    ],
)
def test_an_answer_that_ends_the_wait_is_no_time_that_is_over(error: FleetError, said: str) -> None:
    run = t.cast("t.Any", types.SimpleNamespace(timeout=60.0, dry_run=False))
    with pytest.raises(FleetError) as caught:
        asyncio.run(exports.ExportRun._await_crd(run, t.cast("t.Any", Waiting(error)), "ServiceExport"))
    assert said in caught.value.what
    assert ("after 60 s" in caught.value.what) is isinstance(error, NotInTime)


class Answering:
    """An API server from which reading ends so."""

    def __init__(self, cluster: str, outcome: t.Any) -> None:
        self.cluster, self.outcome = cluster, outcome

    async def get(self, *_: t.Any) -> t.Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def list(self, *_: t.Any, **__: t.Any) -> list[t.Any]:
        return []


def test_a_defect_in_asking_one_cluster_fails_that_one(defects: list[str]) -> None:
    export = Export("web", "shop")
    answers = {"west": KeyError("metadata"), "east": FleetError("not reachable"), "south": None}
    run = exports.ExportRun(read_fleet({}), [], [export])
    run.kubes = {name: t.cast("t.Any", Answering(name, answer)) for name, answer in answers.items()}
    said = asyncio.run(run._reported_by(list(answers), export))
    assert all(line.startswith("south reports") for line in said)
    assert list(run.failures) == ["west"]
    (error,) = run.failures["west"]
    assert error.cluster == "west"
    assert "KeyError" in error.seen
    assert len(defects) == 1
    defects.clear()
