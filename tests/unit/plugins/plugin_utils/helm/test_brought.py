# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is lacking of Helm and charts; tests/api/test_brought.py asks real repositories and a registry."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.artifacts import ArtifactOptions
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm import brought as module
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.brought import Brought, check_tools

NOTHING = frozenset({("control_plane_helm", "")}), frozenset({("control_plane_charts", "")})
NEEDED = {"control_plane_charts": ["base", "istiod", "gateway"]}


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Helm and artifacts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def made(*parts: str, charts: str = "https://charts.example") -> ArtifactOptions:
    nowhere = Path("/nonexistent")
    versions = {"helm": "v3.22.0"}
    return ArtifactOptions("auto", nowhere, "auto", nowhere, versions, {}, "", charts, "", "", "", frozenset(parts))


def lacks(brought: Brought, options: ArtifactOptions) -> list[str]:
    return [f"{problem.statement} | {problem.hint}" for problem in asyncio.run(check_tools(brought, options))]


def helm_in(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "helm").write_text("#!/bin/sh\nprintf v3.22.0\n")
    (folder / "helm").chmod(0o755)
    return str(folder / "helm")


def charts_in(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "Chart.yaml").write_text(f"name: {name}\nversion: 1.31.1\n")
    return str(folder)


def test_with_nothing_brought_and_nothing_wanted_both_lack(empty: Path) -> None:
    helm, charts = lacks(Brought(*NOTHING, NEEDED, "1.31.1"), made())[::-1]
    charts, helm = (charts, helm) if charts.startswith("control_plane_charts") else (helm, charts)
    assert helm.startswith("control_plane_helm is not set, and there is no Helm (no helm in ")
    assert "bring Helm 3 or 4 (v3.22.0 is tested) on PATH, or its path in control_plane_helm" in helm
    assert "/nonexistent/charts has no base, istiod, gateway of version 1.31.1 (nothing is there)" in charts
    assert "bring Istio's charts base, gateway, istiod of version 1.31.1: control_plane_charts is" in charts


def test_what_is_brought_is_enough(empty: Path) -> None:
    helm_in(empty / "path")
    place = charts_in(empty / "charts", "base", "istiod", "gateway")
    one = Brought(NOTHING[0], frozenset({("control_plane_charts", place)}), NEEDED, "1.31.1")
    assert lacks(one, made()) == []
    more = dataclasses.replace(one, needed={"control_plane_charts": ["base", "cni"]})
    assert lacks(more, made())[0].startswith(
        f"control_plane_charts {place} has no cni of version 1.31.1 (it holds base"
    )


def test_a_folder_with_charts_of_another_version_is_not_enough(empty: Path) -> None:
    helm_in(empty / "path")
    place = charts_in(empty / "charts", "base", "istiod", "gateway")
    one = Brought(NOTHING[0], frozenset({("control_plane_charts", place)}), NEEDED, "1.31.1")
    (empty / "charts" / "istiod" / "Chart.yaml").write_text("name: istiod\nversion: 1.20.0\nappVersion: 1.20.0\n")
    (problem,) = lacks(one, made())
    assert problem.startswith(f"control_plane_charts {place} has no istiod of version 1.31.1 (it holds istiod 1.20.0)")
    (empty / "charts" / "istiod" / "Chart.yaml").write_text("name: istiod\nversion: 1.0.0\nappVersion: 1.0.0\n")
    assert lacks(one, made()) == []


def test_what_cannot_be_had_is_said_of_each(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[frozenset[str]] = []

    async def nothing(options: ArtifactOptions) -> tuple[list[str], str]:
        asked.append(options.parts)
        return ["go-helm", "istio-files"], "no way"

    monkeypatch.setattr(module, "not_to_be_had", nothing)
    found = lacks(Brought(*NOTHING, NEEDED, "1.31.1"), made("helm", "charts"))
    assert asked == [frozenset({"helm", "charts"})]
    assert [text.split(" ", 1)[0] for text in found] == ["control_plane_helm", "control_plane_charts"]
    assert "Helm cannot be had from here: no way |" in found[0]
    assert "Istio's charts cannot be had either |" in found[1]


def test_nothing_is_asked_for_what_is_brought(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "not_to_be_had", lambda _options: pytest.fail("it asked"))
    helm = helm_in(empty / "mine")
    place = charts_in(empty / "charts", "base", "istiod", "gateway")
    one = Brought(
        frozenset({("control_plane_helm", helm)}), frozenset({("control_plane_charts", place)}), NEEDED, "1.31.1"
    )
    assert lacks(one, made()) == []


def test_what_the_stage_makes_has_to_be_had_though_unused(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[frozenset[str]] = []

    async def nothing(options: ArtifactOptions) -> tuple[list[str], str]:
        asked.append(options.parts)
        return [{"helm": "get-helm"}.get(part, part) for part in sorted(options.parts)], "no way"

    monkeypatch.setattr(module, "not_to_be_had", nothing)
    place = charts_in(empty / "charts", "base", "istiod", "gateway")
    one = Brought(
        frozenset({("control_plane_helm", helm_in(empty / "mine"))}),
        frozenset({("control_plane_charts", place)}),
        NEEDED,
        "1.31.1",
    )
    found = lacks(one, made("helm", "charts"))
    assert asked == [frozenset({"helm", "charts"})]
    assert found[0].startswith('artifacts_parts ["charts", "helm"] asks for it, and Helm cannot be had from here: no ')
    assert "| leave helm out of artifacts_parts: control_plane_helm says where yours is" in found[0]
    assert "cannot be had either | leave charts out of artifacts_parts: control_plane_charts says where" in found[1]


def test_a_program_on_path_that_is_no_helm_is_named(empty: Path) -> None:
    Path(helm_in(empty / "path")).write_text("#!/bin/sh\necho something else\n")
    place = charts_in(empty / "charts", "base", "istiod", "gateway")
    one = Brought(NOTHING[0], frozenset({("control_plane_charts", place)}), NEEDED, "1.31.1")
    program = empty / "path" / "helm"
    for parts, advice in (
        ((), f"| replace {program}; or bring"),
        (("helm",), f"| replace {program}, or take it away: "),
    ):
        (problem,) = lacks(one, made(*parts))
        assert problem.startswith(
            f"control_plane_helm is not set, and {program} is no Helm 3 or 4 (something else) {advice}"
        )
    program.write_text("#!/bin/sh\nprintf v2.16.1\n")
    assert f"{program} is no Helm 3 or 4 (v2.16.1)" in lacks(one, made())[0]


def test_a_folder_of_the_artifacts_is_looked_into(empty: Path) -> None:
    helm_in(empty / "path")
    options = made("charts", charts=charts_in(empty / "charts", "base", "gateway"))
    (problem,) = lacks(Brought(*NOTHING, NEEDED, "1.31.1"), options)
    assert problem.startswith(f"artifacts_charts {empty / 'charts'} has no istiod of version 1.31.1")
    assert "artifacts_charts is a folder" in problem


@pytest.mark.parametrize("parts", [("charts",), ()])
def test_a_path_that_is_no_helm_is_named(empty: Path, monkeypatch: pytest.MonkeyPatch, parts: tuple[str, ...]) -> None:
    async def all_there(_options: t.Any) -> tuple[list[str], str]:
        return [], ""

    monkeypatch.setattr(module, "not_to_be_had", all_there)
    place = charts_in(empty / "charts", "base", "istiod", "gateway")
    helms = frozenset({("control_plane_helm", helm_in(empty / "mine")), ("apps_helm", "/nowhere/helm")})
    found = lacks(Brought(helms, frozenset({("control_plane_charts", place)}), NEEDED, "1.31.1"), made(*parts))
    assert [text.split(" | ")[0] for text in found] == ["apps_helm /nowhere/helm names no Helm 3 or 4 (/nowhere/helm)"]
