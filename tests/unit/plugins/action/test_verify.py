# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file for the node exporter: what would not be collected is refused before a call is made."""

from __future__ import annotations

import asyncio
import dataclasses
import types
import typing as t
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.mesh.fleet.plugins.action import verify
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

Run = t.Callable[[str], dict[str, t.Any]]
PROGRAM = str(Path(__file__).resolve().parents[4] / "roles" / "apps" / "files" / "sample")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The action over one cluster of which nothing was read."""
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "cluster_region": "here"}})
    fleet = dataclasses.replace(fleet, directory=str(tmp_path / "fleet"))

    async def nothing(self: verify.VerifyRun) -> None:
        self.facts = {"west": Facts("west", problem="it does not answer")}

    monkeypatch.setattr(verify.VerifyRun, "run", nothing)

    def ends(metrics_file: str) -> dict[str, t.Any]:
        action = verify.ActionModule.__new__(verify.ActionModule)
        action._task = types.SimpleNamespace(check_mode=False, diff=False)
        monkeypatch.setattr(action, "fleet", lambda _task_vars: fleet)
        args = {name: option.get("default") for name, option in action.ARGUMENT_SPEC.items()}
        args |= {"program": PROGRAM, "metrics_file": metrics_file}
        return asyncio.run(action.execute(args, {"ansible_play_hosts": ["west"]}))

    return ends


def test_everybody_reads_the_file_and_prometheus_understands_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mesh_fleet.prom"
    path.write_text("old")
    run(str(path))
    assert path.stat().st_mode & 0o777 == 0o644
    names = {family.name for family in text_string_to_metric_families(path.read_text())}
    assert "mesh_fleet_cluster_up" in names
    assert sorted(one.name for one in tmp_path.iterdir()) == ["fleet", "mesh_fleet.prom"]


@pytest.mark.parametrize(
    ("name", "step"),
    [("mesh_fleet.txt", "end the name with .prom"), ("none/mesh_fleet.prom", "readable for the exporter")],
)
def test_a_file_that_nobody_collects_is_refused_at_once(run: Run, tmp_path: Path, name: str, step: str) -> None:
    with pytest.raises(FleetError) as caught:
        run(str(tmp_path / name))
    assert step in str(caught.value)
    assert not (tmp_path / "fleet").exists(), "before anything is asked or written"


def test_without_it_no_file_is_written(run: Run, tmp_path: Path) -> None:
    run("")
    assert [one.name for one in tmp_path.iterdir()] == ["fleet"]
