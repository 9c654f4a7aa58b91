# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that the report is made of, as they are after whole, half and no runs; and what it leaves."""

from __future__ import annotations

import dataclasses
import json
import types
import typing as t
from pathlib import Path

import pytest
from ansible import constants

from ansible_collections.mesh.fleet.plugins.action import report
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_record import record
from tests.report_data import verified

TEMPLATES = str(Path(__file__).resolve().parents[4] / "roles" / "report" / "templates")
SECRET = "eyJhbGciOi.a-token"


class Run(t.NamedTuple):
    folder: Path
    ends: t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two clusters, reached by a token; their folder is empty."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "ansible-local-1"))
    hosts = {
        name: {
            "cluster_provider": "kubeconfig",
            "cluster_region": "here",
            "cluster_server": "https://192.0.2.1",
            "cluster_token": SECRET,
        }
        for name in ("fra", "iad")
    }
    fleet = dataclasses.replace(read_fleet(hosts), directory=str(tmp_path))

    def ends(state: str = "present", *, check: bool = False) -> dict[str, t.Any]:
        action = report.ActionModule.__new__(report.ActionModule)
        action._task = types.SimpleNamespace(check_mode=check, diff=False)
        monkeypatch.setattr(action, "fleet", lambda _task_vars: fleet)
        return action.execute({"state": state, "templates": TEMPLATES, "directory": "", "verify_directory": ""}, {})

    return Run(tmp_path, ends)


def proven(folder: Path, document: t.Any) -> None:
    (folder / "verify").mkdir()
    (folder / "verify" / "verify.json").write_text(json.dumps(document), encoding="utf-8")


def test_a_fleet_that_nobody_has_looked_at_has_a_page(run: Run) -> None:
    done = run.ends()
    assert not done["changed"] and done["stage_line"].endswith("report/report.html · Nothing is proven yet")
    assert sorted(path.name for path in (run.folder / "report").iterdir()) == ["graph.svg", "report.html"]
    assert (run.folder / "report" / "report.html").stat().st_mode & 0o777 == 0o600


def test_what_verify_found_is_on_it_and_secrets_are_not(run: Run) -> None:
    proven(run.folder, {**verified(2), "started": "2099-01-01T00:00:00+00:00"})
    secret = {"before": SECRET, "after": SECRET}
    record(str(run.folder), "peering", "", 1, {**result(summary="2 edges"), "diff": [secret], "invocation": secret})
    assert run.ends()["stage_line"].endswith("· One mesh")
    for name in ("report.html", "graph.svg"):
        text = (run.folder / "report" / name).read_text(encoding="utf-8")
        assert SECRET not in text and "198.51.100.10" in text


def test_revocation_lists_have_a_column_where_there_are_any(run: Run) -> None:
    document = {**verified(2), "started": "2099-01-01T00:00:00+00:00"}
    proven(run.folder, document)
    run.ends()
    page = run.folder / "report" / "report.html"
    assert "revocation lists" not in page.read_text(encoding="utf-8")
    document["mesh"]["fra"]["certificates"]["revocation lists"] = "2099-01-08T10:00:00+00:00"
    (run.folder / "verify" / "verify.json").write_text(json.dumps(document), encoding="utf-8")
    run.ends()
    text = page.read_text(encoding="utf-8")
    assert "revocation lists</th>" in text and "2099-01-08 10:00" in text


def test_results_of_an_earlier_version_count_as_none(run: Run) -> None:
    proven(run.folder, {"started": "2026-01-01T00:00:00+00:00", "checks": [], "calls": []})
    assert run.ends()["stage_line"].endswith("Nothing is proven yet")


def test_results_that_are_no_json_are_an_error_of_ours(run: Run) -> None:
    proven(run.folder, {})
    (run.folder / "verify" / "verify.json").write_text("{", encoding="utf-8")
    with pytest.raises(FleetError, match="cannot be read"):
        run.ends()


def test_without_graphviz_there_is_a_page_that_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.ends()

    def missing(*_args: str) -> str:
        raise FleetError("pygraphviz is missing", next_step="pip install pygraphviz")

    monkeypatch.setattr(report, "draw", missing)
    (warning,) = run.ends()["warnings"]
    assert "pip install pygraphviz" in warning
    assert "pygraphviz is missing" in (run.folder / "report" / "report.html").read_text(encoding="utf-8")
    assert not (run.folder / "report" / "graph.svg").exists(), "no graph of an earlier state"


def test_check_mode_writes_nothing_and_absent_leaves_nothing(run: Run) -> None:
    run.ends(check=True)
    assert list(run.folder.iterdir()) == []
    record(str(run.folder), "trust", "", 0, result())
    run.ends()
    run.ends("absent", check=True)
    assert (run.folder / "report" / "report.html").exists() and (run.folder / "runs").exists()
    assert run.ends("absent")["msg"] == "2 files removed"
    assert [path for path in run.folder.rglob("*") if path.is_file()] == []
