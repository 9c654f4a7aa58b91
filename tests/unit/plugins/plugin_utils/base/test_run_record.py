# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run writes down of itself."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change, failed_result, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_record import last_run, record, remove_runs

PROBLEM = FleetError("it does not answer", cluster="east", next_step="start it")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str], Path]:
    """Begins a run of that name; returns the fleet's folder."""

    def begin(name: str) -> Path:
        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", f"/tmp/ansible-local-{name}")
        return tmp_path / "fleet"

    return begin


def test_results_are_kept_in_their_order(run: t.Callable[[str], Path]) -> None:
    folder = str(run("1"))
    changes = [Change("west", "Secret", "s", "created", "n"), Change("west", "Secret", "t", "unchanged", "n")]
    record(folder, "trust", "west", 1.26, result(changes, summary="west signed"))
    record(folder, "peering", "", 2, result(summary="0 edges", errors={"east": PROBLEM}))
    record(folder, "gateways", "east", 0, failed_result({"east": PROBLEM}, msg=str(PROBLEM)))
    first, second, third = last_run(folder)
    assert (first["stage"], first["host"], first["seconds"], first["line"]) == ("trust", "west", 1.3, "west signed")
    assert first["changed"] == 1 and [one["name"] for one in first["objects"]] == ["s"]
    assert second["problems"]["east"][0]["next"] == "start it" and second["failures"] == ["east"]
    assert third["failed"] and third["problems"]["east"]
    assert not any("before" in one or "diff" in one for one in (first, second, third))


def test_only_its_owner_reads_it(run: t.Callable[[str], Path]) -> None:
    folder = run("1")
    record(str(folder), "trust", "west", 0, result())
    assert [path.stat().st_mode & 0o777 for path in sorted((folder / "runs").iterdir())] == [0o600, 0o600]
    assert (folder / "runs").stat().st_mode & 0o777 == 0o700


def test_the_latest_run_counts_and_old_ones_go(run: t.Callable[[str], Path]) -> None:
    for number in range(8):
        folder = run(str(number))
        record(str(folder), f"stage{number}", "", 0, result())
        for path in (folder / "runs").glob(f"*-{number}.jsonl"):
            os.utime(path, (1000 + number, 1000 + number))
    assert len(list((folder / "runs").glob("*.jsonl"))) == 5
    assert [one["stage"] for one in last_run(str(run("a report by hand")))] == ["stage7"]
    assert [one["stage"] for one in last_run(str(run("6")))] == ["stage6"], "a run's own record comes first"
    remove_runs(str(folder))
    assert not (folder / "runs").exists()
    assert last_run(str(folder)) == []


def test_a_line_that_a_kill_cut_off_is_left_out(run: t.Callable[[str], Path]) -> None:
    folder = run("1")
    record(str(folder), "trust", "", 0, result())
    with open(next((folder / "runs").glob("*.jsonl")), "a", encoding="utf-8") as stream:
        stream.write('{"stage": "peer')
    assert [one["stage"] for one in last_run(str(folder))] == ["trust"]


def test_a_run_goes_on_without_its_record(run: t.Callable[[str], Path]) -> None:
    folder = run("1")
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("no folder")
    record(str(folder), "trust", "", 0, result())
    assert last_run(str(folder)) == []
