# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tasks of a run record is kept for the tasks after them."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rendering import (
    STAGE,
    RunRecords,
    rendered_stage,
    rendering,
)


def config(name: str, **data: str) -> dict[str, t.Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "x"}, "data": data}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


def test_a_task_finds_what_the_tasks_before_it_recorded() -> None:
    with rendering({STAGE: "trust"}):
        found = recording()
        assert found is not None
        found.apply("west", [config("a")])
        found.leave_out("east", "Secret s", "why")
    with rendering({STAGE: "apps"}):
        found = recording()
        assert found is not None
        assert found.get("west", "v1", "ConfigMap", "a", "x") == config("a")
        found.apply("west", [config("a", k="v"), config("b")])
    kept = RunRecords().of("west")
    assert {stage: [obj["metadata"]["name"] for obj in one.objects] for stage, one in kept.items()} == {
        "trust": ["a"],
        "apps": ["a", "b"],
    }
    assert RunRecords().objects("west")[1]["data"] == {"k": "v"}
    assert [left.object for left in RunRecords().of("east")["trust"].left_out] == ["Secret s"]
    assert RunRecords().of("north") == {}


def test_what_a_failed_task_recorded_is_not_kept() -> None:
    def fails() -> None:
        with rendering({STAGE: "trust"}):
            found = recording()
            assert found is not None
            found.apply("west", [config("a")])
            raise OSError("it failed")

    with pytest.raises(OSError, match="it failed"):
        fails()
    assert RunRecords().of("west") == {}
    assert recording() is None


def test_tasks_side_by_side_keep_what_each_recorded() -> None:
    def one(number: int) -> None:
        record = Recording()
        record.apply("west", [config(f"c{number}")])
        RunRecords().add("apps", record)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(40)))
    assert len(RunRecords().objects("west")) == 40


def test_folders_of_files_are_kept() -> None:
    assert RunRecords().files() == {}
    for folder in ("one", "two"):
        record = Recording()
        record.write(folder, {"a.yaml": {"resources": [folder]}})
        RunRecords().add("front_door", record)
    RunRecords().add("apps", Recording())
    assert RunRecords().files() == {name: {"a.yaml": {"resources": [name]}} for name in ("one", "two")}


def test_a_task_that_renders_nothing_records_nothing(folder: Path) -> None:
    with rendering({}):
        assert recording() is None
    assert rendered_stage({}) == ""
    assert list(folder.iterdir()) == []
