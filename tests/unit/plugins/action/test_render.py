# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the last task of a run that renders refuses, writes and says."""

from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest
from ansible import constants

from ansible_collections.mesh.fleet.plugins.action.render import ActionModule
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rendering import RunRecords

CLUSTERS = ("west", "east")


class Run(t.NamedTuple):
    folder: Path
    ends: t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two clusters with a ConfigMap each, and with a Secret that is left out."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "tmp"))
    hosts = {name: {"fleet_name": "f", "cluster_region": "here"} for name in CLUSTERS}
    fleet = read_fleet(hosts, environment())
    record = Recording()
    for name in CLUSTERS:
        about = {"name": "c", "namespace": "x"}
        record.apply(name, [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": about}])
        record.apply(name, [{"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": {"k": "dg=="}}])
    RunRecords().add("apps", record)

    def ends(state: str = "present", **task_vars: t.Any) -> dict[str, t.Any]:
        action = ActionModule.__new__(ActionModule)
        action._task = types.SimpleNamespace(check_mode=False, diff=False)
        monkeypatch.setattr(action, "fleet", lambda _task_vars: fleet)
        args = {"state": state, "directory": str(tmp_path / "rendered")}
        return action.execute(args, {"ansible_play_hosts": list(CLUSTERS), **task_vars})

    return Run(tmp_path / "rendered", ends)


def test_files_are_written_once_and_removed(run: Run) -> None:
    first = run.ends()
    assert first["changed"]
    assert sorted(p.name for p in run.folder.rglob("*.yaml")) == ["60-apps.yaml", "60-apps.yaml"]
    (warning,) = first["warnings"]
    assert warning.startswith("apps: Secret x/c (west, east) is in no file: it holds a secret; ")
    assert [left["cluster"] for left in first["left_out"]] == ["west", "east"]
    assert not run.ends()["changed"]
    assert run.ends("absent")["changed"]
    assert list(run.folder.iterdir()) == []


def test_the_files_of_a_cluster_that_left_go(run: Run) -> None:
    run.ends()
    (run.folder / "west").rename(run.folder / "former")
    said = run.ends()
    assert sorted(p.name for p in run.folder.iterdir()) == ["east", "west"]
    assert {o["name"] for o in said["objects"] if o["action"] == "removed"} == {
        "former/60-apps.yaml",
        "former/README.md",
    }


def test_a_folder_of_no_cluster_comes_and_goes(run: Run) -> None:
    record = Recording()
    record.write("front_door_f", {"clusters.yaml": {"resources": []}})
    RunRecords().add("front_door", record)
    run.ends()
    there = run.folder / "front_door_f"
    assert sorted(p.name for p in there.iterdir()) == ["README.md", "clusters.yaml"]
    assert not run.ends()["changed"]
    (there / "clusters.yaml").write_text("theirs", encoding="utf-8")
    assert list(run.ends()["failures"]) == list(CLUSTERS), "no cluster's run may say that all is well"
    (there / "clusters.yaml").unlink()
    run.ends()
    there.rename(run.folder / "front_door_old")
    run.ends()
    assert sorted(p.name for p in run.folder.iterdir()) == ["east", "front_door_f", "west"]
    run.ends("absent")
    assert list(run.folder.iterdir()) == []


@pytest.mark.parametrize("chosen", [{"ansible_run_tags": ["apps"]}, {"ansible_skip_tags": ["trust"]}])
def test_a_part_of_the_stages_is_refused(run: Run, chosen: dict[str, t.Any]) -> None:
    with pytest.raises(FleetError, match="tags leave out stages"):
        run.ends(**chosen)
    assert not run.folder.exists()
    assert not run.ends("absent", **chosen)["changed"]


def test_tags_of_others_leave_nothing_out(run: Run) -> None:
    assert run.ends(ansible_run_tags=["all"], ansible_skip_tags=["notest"])["changed"]


def test_a_part_of_the_clusters_is_refused(run: Run) -> None:
    with pytest.raises(FleetError) as caught:
        run.ends(ansible_play_hosts=["west"])
    assert caught.value.seen == "without east"
    assert not run.folder.exists()


def test_another_fleets_files_are_left_and_in_the_way(run: Run) -> None:
    """Two fleets whose inventories are in one folder write to the same one, if nobody says otherwise."""
    run.ends()
    for path in run.folder.rglob("*.*"):
        path.write_text(path.read_text(encoding="utf-8").replace("fleet f:", "fleet g:"), encoding="utf-8")
    (run.folder / "west").rename(run.folder / "prod")
    theirs = {path: path.read_text(encoding="utf-8") for path in run.folder.rglob("*.*")}
    said = run.ends()
    assert list(said["failures"]) == ["east"]
    assert "in the way" in said["failures"]["east"]
    assert (run.folder / "west" / "60-apps.yaml").exists()
    run.ends("absent")
    assert {path: path.read_text(encoding="utf-8") for path in run.folder.rglob("*.*")} == theirs


def test_what_is_in_the_way_fails_that_cluster_alone(run: Run) -> None:
    (run.folder / "west").mkdir(parents=True)
    (run.folder / "west" / "60-apps.yaml").write_text("theirs", encoding="utf-8")
    said = run.ends()
    assert list(said["failures"]) == ["west"]
    assert (run.folder / "east" / "60-apps.yaml").exists()
