# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""execution-environment.yml is what ansible-builder accepts: it writes a build context from it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def test_ansible_builder_writes_a_build_context(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["ansible-builder", "create", "-f", "execution-environment.yml", "-c", str(tmp_path), "-v", "2"],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "aiohttp==" in (tmp_path / "_build" / "requirements.txt").read_text(encoding="utf-8")
    assert "google.cloud" in (tmp_path / "_build" / "requirements.yml").read_text(encoding="utf-8")
