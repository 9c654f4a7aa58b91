# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment


def test_this_machine_says_where_state_is_kept_and_what_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GCP_PROJECT", "from-env")
    found = environment()
    assert found.state_dir == str(tmp_path / "state" / "mesh.fleet")
    assert found.variables["GCP_PROJECT"] == "from-env"
    assert found.locate("~/fleets", "west", False) == str(tmp_path / "fleets")
    assert environment({"GCP_PROJECT": "of-the-task"}).variables["GCP_PROJECT"] == "of-the-task"
    assert "from-env" not in repr(found)


def test_paths_of_a_host_begin_at_the_folder_that_names_it(tmp_path: Path) -> None:
    folders = {"west": {"inventory_dir": str(tmp_path / "a")}, "east": {"inventory_dir": str(tmp_path / "b")}}
    found = environment(hostvars=folders)
    assert found.first == ""
    assert environment(hostvars=folders, first="east").first == "east"
    assert found.locate("west.yaml", "west", False) == str(tmp_path / "a" / "west.yaml")
    assert found.locate("../east.yaml", "east", True) == str(tmp_path / "east.yaml")
    assert found.locate("/data/ci:42", "west", False) == "/data/ci:42"
    assert found.locate("west.yaml:/srv/all.yaml", "west", True) == f"{tmp_path}/a/west.yaml:/srv/all.yaml"
