# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run writes about its artifacts, and how the next one uses it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import artifacts
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import removal as artifacts_removal
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.artifacts import ArtifactOptions, Artifacts
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import Outcome
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked

FOUND = Artifacts("registries", "because", "", "", "node:1", "hub", "1", "base:1", "podman", (), ())


def wanted(directory: Path, source: str = "auto") -> ArtifactOptions:
    return ArtifactOptions(source, directory, "auto", directory, {}, {}, "", "", "", "", "", frozenset({"node"}))


def publish(directory: Path, found: Artifacts) -> dict[str, str]:
    artifacts._publish(directory, Outcome({}, []), found)
    facts: dict[str, str] = json.loads((directory / "artifacts.json").read_text())
    return facts


def test_a_choice_is_remembered(tmp_path: Path) -> None:
    assert artifacts._remembered(wanted(tmp_path)) is None
    publish(tmp_path, FOUND)
    assert artifacts._remembered(wanted(tmp_path)) == ("registries", "because")
    (tmp_path / "artifacts.json").write_text("{ broken")
    assert artifacts._remembered(wanted(tmp_path)) is None


def test_a_run_for_programs_keeps_the_known_node_image(tmp_path: Path) -> None:
    assert publish(tmp_path, FOUND)["node_image"] == "node:1"
    assert publish(tmp_path, dataclasses.replace(FOUND, node_image=""))["node_image"] == "node:1"
    # Not that of another source, though.
    assert "node_image" not in publish(tmp_path, dataclasses.replace(FOUND, source="upstream", node_image=""))


def test_links_lead_to_what_is_current(tmp_path: Path) -> None:
    for number in ("1", "2"):
        folder = tmp_path / "store" / f"go-kind-{number}"
        folder.mkdir(parents=True)
        (folder / "kind").write_text(number)
        artifacts._publish(tmp_path, Outcome({"go-kind": folder}, []), FOUND)
        assert (tmp_path / "bin" / "kind").read_text() == number
    assert [p.name for p in (tmp_path / "bin").iterdir()] == ["kind"]


def test_without_root_registries_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(FleetError) as caught:
        asyncio.run(artifacts.ensure(wanted(tmp_path, "registries"), print))
    assert caught.value.what == "building the node image from package registries needs root"
    assert "artifacts_source: upstream" in caught.value.next_step


def test_removal_removes_ours_and_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no engine, so no image is touched
    for name in ("store/go-kind-1", "bin", "downloads", "tmp"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "store/go-kind-1/kind").write_text("x")
    (tmp_path / "charts").symlink_to(tmp_path / "store")
    for name in ("artifacts.json", "lock", "notes.txt"):
        (tmp_path / name).write_text("x")
    images, files = asyncio.run(artifacts_removal.remove(tmp_path, "auto", dry_run=True))
    assert (images, sorted(files)) == ([], ["artifacts.json", "bin", "charts", "downloads", "lock", "store", "tmp"])
    assert (tmp_path / "store/go-kind-1/kind").exists()
    asyncio.run(artifacts_removal.remove(tmp_path, "auto"))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert asyncio.run(artifacts_removal.remove(tmp_path, "auto")) == ([], [])


def test_removal_waits_for_no_builder(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"), pytest.raises(FleetError, match="artifacts are being built"):
        asyncio.run(artifacts_removal.remove(tmp_path, "auto"))
