# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection as users get it: built, installed somewhere else, and found there."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder)]
    subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return next(folder.glob("mesh-fleet-*.tar.gz"))


def test_the_archive_holds_the_collection_and_nothing_else(built: Path) -> None:
    with tarfile.open(built) as archive:
        names = set(archive.getnames())
    tops = {name.split("/")[0] for name in names}
    assert {"plugins", "roles", "playbooks", "meta", "README.md", "LICENSE", "MANIFEST.json"} <= tops
    assert not tops & {
        ".git",
        ".github",
        ".venv",
        ".venv.lock",
        ".cache",
        "build",
        "collections",
        ".hypothesis",
        ".mypy_cache",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_collections_that_roles_call_are_dependencies(root: Path) -> None:
    """Whoever installs the collection gets them; for an execution environment requirements.yml lists them once more."""
    dependencies = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    listed = yaml.safe_load((root / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert dependencies == {one["name"]: one["version"] for one in listed}
    for name in ("google.cloud", "kubernetes.core"):
        called = [f for f in (root / "roles").glob("*/tasks/*.yml") if f"{name}." in f.read_text(encoding="utf-8")]
        assert name in dependencies or not called


def test_the_workflow_has_the_pinned_ansible_and_our_targets(root: Path) -> None:
    jobs = yaml.safe_load((root / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    pinned = (root / "requirements.txt").read_text(encoding="utf-8")
    for job in ("unit", "sanity"):
        assert f"ansible=={jobs[job]['strategy']['matrix']['include'][0]['ansible']}\n" in pinned
        assert f"make {job}" in [step.get("run") for step in jobs[job]["steps"]]


def test_it_is_found_where_it_is_installed(built: Path, tmp_path: Path) -> None:
    # Its dependencies lie in site-packages already, with the ansible package.
    install = ["ansible-galaxy", "collection", "install", str(built), "-p", str(tmp_path), "--no-deps", "--offline"]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_STDOUT_CALLBACK": "mesh.fleet.stages"}
    env.pop("ANSIBLE_CONFIG", None)
    done = subprocess.run(install, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    group = yaml.safe_load((tmp_path / "ansible_collections/mesh/fleet/meta/runtime.yml").read_text())["action_groups"]
    listing = subprocess.run(
        ["ansible-doc", "--json", "-t", "module", *(f"mesh.fleet.{name}" for name in group["fleet"])],
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(listing.stdout)
    assert set(found) == {f"mesh.fleet.{name}" for name in group["fleet"]}
    assert all(entry["doc"]["filename"].startswith(str(tmp_path)) for entry in found.values())
