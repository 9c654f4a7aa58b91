# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run writes about its artifacts, and how the next one uses it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import platform
import shutil
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import artifacts, upstream
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import removal as artifacts_removal
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.artifacts import ArtifactOptions, Artifacts
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import Outcome
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked

from .test_downloads import serving

ROLE = Path(__file__).resolve().parents[6] / "roles" / "artifacts"
NOWHERE = "http://127.0.0.1:9"
FOUND = Artifacts("registries", "because", "", "", "node:1", "hub", "1", "base:1", "podman", (), ())


def wanted(directory: Path, source: str = "auto") -> ArtifactOptions:
    return ArtifactOptions(source, directory, "auto", directory, {}, {}, "", "", "", "", "", frozenset({"node"}))


@pytest.fixture(autouse=True)
def no_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is on PATH, whatever this machine has."""
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "helm" else found(name, **more))


def for_programs(directory: Path, **fields: t.Any) -> ArtifactOptions:
    """What a fleet of clusters that exist already wants, from a mirror at a port where nobody listens."""
    role = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    versions = {name: str(value) for name, value in role["__artifacts_versions"].items()}
    known = {"files": ROLE / "files", "versions": versions, "downloads": NOWHERE, "charts": NOWHERE}
    return dataclasses.replace(wanted(directory), **{"parts": frozenset({"helm", "charts"}), **known, **fields})


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


def test_where_programs_came_from_says_nothing_of_images(tmp_path: Path) -> None:
    publish(tmp_path, dataclasses.replace(FOUND, node_image=""))
    assert artifacts._remembered(for_programs(tmp_path)) == ("registries", "because")
    assert artifacts._remembered(wanted(tmp_path)) is None


def test_with_no_parts_nothing_is_asked_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "choose_source", lambda _image: pytest.fail("it asked"))
    options = dataclasses.replace(wanted(tmp_path / "artifacts"), parts=frozenset())
    assert asyncio.run(artifacts.ensure(options, pytest.fail)).built == ()
    assert not (tmp_path / "artifacts").exists()


def test_auto_asks_for_what_it_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "choose_source", lambda _image: pytest.fail("it asked for a node's image"))
    source, why = asyncio.run(artifacts.source_of(for_programs(tmp_path)))
    assert source == "registries"
    assert f"{NOWHERE}/helm-v3.22.0" in why
    assert f"{NOWHERE}/index.yaml: " in why
    # A folder is used as it is: nothing is asked for it.
    only = for_programs(tmp_path, parts=frozenset({"charts"}), charts=str(tmp_path))
    assert asyncio.run(artifacts.source_of(only))[0] == "upstream"


def test_no_password_of_a_mirror_is_shown_or_kept(tmp_path: Path) -> None:
    mirror = "http://user:hunter2@127.0.0.1:9"
    options = for_programs(tmp_path, downloads=mirror, charts=mirror)
    why = asyncio.run(artifacts.source_of(options))[1]
    assert "hunter2" not in why and f"{NOWHERE}/index.yaml: " in why
    (tmp_path / "artifacts.json").write_text(json.dumps({"source": "registries", "why": f"{mirror} is silent"}))
    assert asyncio.run(artifacts.source_of(options)) == ("registries", f"{NOWHERE} is silent")


def test_a_mirror_needs_no_sums_of_what_is_pinned(tmp_path: Path) -> None:
    options = for_programs(tmp_path, parts=frozenset({"helm"}))
    file = f"helm-v3.22.0-linux-{upstream.arch()}.tar.gz"
    with serving({f"/{file}": (200, b"x")}) as mirror:
        there = dataclasses.replace(options, downloads=mirror)
        assert f"{file}.sha256: answers 404" in asyncio.run(artifacts.source_of(there))[1]
        pinned = dataclasses.replace(there, checksums={file: "0" * 64})
        assert asyncio.run(artifacts.source_of(pinned)) == ("upstream", "it can be reached")
    with serving({}) as mirror:
        why = asyncio.run(artifacts.source_of(dataclasses.replace(pinned, downloads=mirror)))[1]
        assert f"{file}: answers 404" in why


def test_programs_are_those_of_this_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    options = for_programs(tmp_path, parts=frozenset({"tools"}), source="upstream", downloads="")
    asked = {step.name: step.inputs[0] for step in artifacts._build(options, "upstream", None).steps(options.parts)}
    assert asked["get-helm"] == "https://get.helm.sh/helm-v3.22.0-darwin-arm64.tar.gz"
    assert asked["get-kubectl"].endswith("/bin/darwin/arm64/kubectl")
    assert asked["get-istioctl"].endswith("/istioctl-1.31.1-osx-arm64.tar.gz")


@pytest.mark.parametrize(
    ("parts", "source", "steps"),
    [
        ({"helm", "charts"}, "registries", {"go-helm", "istio-files"}),
        ({"tools"}, "registries", {"go-helm", "go-istio"}),
        ({"charts"}, "registries", {"istio-files"}),
        ({"helm", "charts"}, "upstream", {"get-helm", "charts"}),
        ({"tools"}, "upstream", {"get-helm", "get-istioctl", "get-kubectl"}),
        ({"charts"}, "upstream", {"charts"}),
    ],
)
def test_only_what_is_asked_for_is_made(tmp_path: Path, parts: set[str], source: str, steps: set[str]) -> None:
    options = for_programs(tmp_path, parts=frozenset(parts), source=source)
    assert set(asyncio.run(artifacts.ensure(options, print, dry_run=True)).built) == steps


def test_a_helm_on_path_is_used_and_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_names, **_options: "/usr/bin/helm")
    found = asyncio.run(artifacts.ensure(for_programs(tmp_path, source="upstream"), print, dry_run=True))
    assert (found.built, found.bin) == (("charts",), "")
    tools = for_programs(tmp_path, parts=frozenset({"tools"}), source="upstream")
    assert "get-helm" in asyncio.run(artifacts.ensure(tools, print, dry_run=True)).built


def test_upstream_has_the_version_that_is_wanted(tmp_path: Path) -> None:
    inputs = {}
    for istio in ("", "1.30.2"):
        options = for_programs(tmp_path, parts=frozenset({"tools", "charts"}), source="upstream", istio=istio)
        steps = artifacts._build(options, "upstream", None).steps(options.parts)
        inputs[istio] = {step.name: step.inputs for step in steps}
    assert {name for name in inputs[""] if inputs[""][name] != inputs["1.30.2"][name]} == {"get-istioctl", "charts"}
    assert "1.30.2" in inputs["1.30.2"]["charts"]


def test_registries_refuse_a_version_that_they_do_not_have(tmp_path: Path) -> None:
    options = for_programs(tmp_path, source="registries", istio="1.30.2")
    with pytest.raises(FleetError, match=r"Istio 1\.30\.2 cannot be had from package registries") as caught:
        asyncio.run(artifacts.not_to_be_had(options))
    assert caught.value.seen == "they are pinned to 1.31.1"
    pulled = dataclasses.replace(options, charts="oci://127.0.0.1:9/istio")
    steps = artifacts._build(pulled, "registries", None).steps(pulled.parts)
    assert next(step.inputs for step in steps if step.name == "charts") == ("oci://127.0.0.1:9/istio", "1.30.2")


def test_helm_is_made_to_pull_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = for_programs(tmp_path, parts=frozenset({"charts"}), charts="oci://127.0.0.1:9/istio", source="upstream")
    assert asyncio.run(artifacts.ensure(options, print, dry_run=True)).built == ("get-helm", "charts")
    for source in ("upstream", "registries"):
        given = dataclasses.replace(options, helm="/opt/helm", source=source)
        assert asyncio.run(artifacts.ensure(given, print, dry_run=True)).built == ("charts",)
    monkeypatch.setattr(shutil, "which", lambda *_names, **_options: "/usr/bin/helm")
    assert asyncio.run(artifacts.ensure(options, print, dry_run=True)).built == ("charts",)


@pytest.mark.parametrize(("source", "step"), [("upstream", "charts"), ("registries", "istio-files")])
def test_the_charts_are_those_of_the_version(tmp_path: Path, source: str, step: str) -> None:
    """In check mode too, and whatever another fleet, or a run before an upgrade, has linked."""
    (tmp_path / "charts").symlink_to(tmp_path / "store" / "charts-of-before" / "charts")
    options = for_programs(tmp_path, parts=frozenset({"charts"}), source=source)
    planned = Path(asyncio.run(artifacts.ensure(options, print, dry_run=True)).charts)
    assert planned.parent.parent == tmp_path / "store" and planned.parent.name.startswith(f"{step}-")
    assert not planned.exists()
    planned.mkdir(parents=True)
    assert asyncio.run(artifacts.ensure(options, print)).charts == str(planned)
    assert os.readlink(tmp_path / "charts") == str(planned)


def test_the_users_own_helm_pulls(tmp_path: Path) -> None:
    (tmp_path / "helm").write_text('#!/bin/sh\necho "Error: $0 $1 $2" >&2; exit 1\n')
    (tmp_path / "helm").chmod(0o755)
    options = for_programs(
        tmp_path, parts=frozenset({"charts"}), charts="oci://127.0.0.1:9/istio", helm=str(tmp_path / "helm")
    )
    for source in ("upstream", "registries"):
        with pytest.raises(FleetError, match="fetching chart") as caught:
            asyncio.run(artifacts.ensure(dataclasses.replace(options, source=source), print))
        assert f"Error: {tmp_path}/helm pull oci://127.0.0.1:9/istio/base" in caught.value.seen


def test_a_folder_of_charts_is_linked(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    options = for_programs(tmp_path / "made", parts=frozenset({"charts"}), charts=str(tmp_path / "mine"))
    found = asyncio.run(artifacts.ensure(options, print))
    assert (found.charts, found.built) == (str(tmp_path / "mine"), ())
    assert os.readlink(tmp_path / "made" / "charts") == str(tmp_path / "mine")


def test_what_cannot_be_had_is_named_with_both_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_go(_self: t.Any, _wanted: t.Any) -> str:
        return "no Go"

    monkeypatch.setattr(artifacts.RegistryBuild, "unreachable", no_go)
    todo, why = asyncio.run(artifacts.not_to_be_had(for_programs(tmp_path)))
    assert todo == ["go-helm", "istio-files"]
    assert "upstream cannot be reached" in why and why.endswith("no Go")
    assert asyncio.run(artifacts.not_to_be_had(for_programs(tmp_path, source="upstream")))[0] == ["get-helm", "charts"]


def test_what_is_made_needs_no_address(tmp_path: Path) -> None:
    options = for_programs(tmp_path, parts=frozenset({"charts"}), charts=str(tmp_path))
    assert asyncio.run(artifacts.not_to_be_had(options)) == ([], "")


def test_a_run_for_programs_keeps_the_known_node_image(tmp_path: Path) -> None:
    assert publish(tmp_path, FOUND)["node_image"] == "node:1"
    kept = publish(tmp_path, FOUND)
    # Of another fleet perhaps, with another source and another Istio.
    other = dataclasses.replace(
        FOUND, source="upstream", why="it", hub="docker.io/istio", tag="2", sample_image="python"
    )
    assert publish(tmp_path, dataclasses.replace(other, node_image="")) == kept
    assert publish(tmp_path, dataclasses.replace(other, node_image="node:2"))["hub"] == "docker.io/istio"


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
