# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Helm is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import helm_binary


def helm_in(folder: Path) -> str:
    folder.mkdir(parents=True)
    program = folder / "helm"
    program.touch(mode=0o755)
    return str(program)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Helm; its cache and its PATH lie in the folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def test_the_nearest_helm_is_found(empty: Path) -> None:
    elsewhere = {"artifacts_bin": str(empty / "elsewhere" / "bin")}
    with pytest.raises(FleetError, match="elsewhere/bin, none on PATH"):
        helm_binary("", elsewhere)
    on_path = helm_in(empty / "path")
    assert helm_binary("", elsewhere) == on_path
    made = helm_in(empty / "cache" / "mesh.fleet" / "artifacts" / "bin")
    assert helm_binary("", {}) == made
    assert helm_binary("", elsewhere) == on_path
    there = helm_in(empty / "elsewhere" / "bin")
    assert helm_binary("", elsewhere) == there
    asked = helm_in(empty / "asked")
    assert helm_binary(asked, elsewhere) == asked


def test_a_helm_that_is_asked_for_has_to_be_there(empty: Path) -> None:
    helm_in(empty / "path")
    with pytest.raises(FleetError, match="asked/helm"):
        helm_binary(str(empty / "asked" / "helm"), {})
