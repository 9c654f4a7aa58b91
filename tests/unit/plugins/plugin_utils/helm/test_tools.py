# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Helm is started."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.charts import Chart
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import (
    brought_later,
    charts_folder,
    helm_binary,
    helm_major,
    other_version,
)


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
    assert helm_binary("", {}, empty / "elsewhere") == there
    asked = helm_in(empty / "asked")
    assert helm_binary(asked, elsewhere) == asked


def test_a_helm_of_the_users_comes_before_one_of_earlier_runs(empty: Path) -> None:
    made = helm_in(empty / "cache" / "mesh.fleet" / "artifacts" / "bin")
    assert helm_binary("", {"artifacts_parts": []}) == made
    on_path = helm_in(empty / "path")
    for parts in ([], ["charts"]):
        assert helm_binary("", {"artifacts_parts": parts}) == on_path
    for parts in (["helm"], ["tools", "charts"]):
        assert helm_binary("", {"artifacts_parts": parts}) == made


def test_a_helm_that_is_asked_for_has_to_be_there(empty: Path) -> None:
    helm_in(empty / "path")
    with pytest.raises(FleetError, match="asked/helm"):
        helm_binary(str(empty / "asked" / "helm"), {})


@pytest.mark.parametrize(("version", "major"), [("v3.22.0", 3), ("v4.3.1", 4), ("v4.3.1+g1234567", 4)])
def test_the_major_version_of_a_helm(tmp_path: Path, version: str, major: int) -> None:
    program = tmp_path / "helm"
    program.write_text(f'#!/bin/sh\ntest "$1 $2 $3" = "version --template {{{{.Version}}}}" && printf {version}\n')
    program.chmod(0o755)
    assert asyncio.run(helm_major(str(program))) == major


@pytest.mark.parametrize("answer", ["echo I am no Helm", "echo error >&2; exit 1", "printf v2.16.1"])
def test_another_program_is_no_helm(tmp_path: Path, answer: str) -> None:
    program = tmp_path / "helm"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    with pytest.raises(FleetError, match="this program is no Helm that is supported"):
        asyncio.run(helm_major(str(program)))
    with pytest.raises(FleetError, match="this program is no Helm that is supported"):
        asyncio.run(helm_major(str(tmp_path / "nowhere")))


@pytest.mark.parametrize(
    ("version", "app", "other"),
    [
        ("1.31.1", "1.31.1", ""),
        ("v1.31.1", "", ""),
        ("1.20.0", "1.20.0", "1.20.0"),
        ("1.31.10", "", "1.31.10"),
        ("1.0.0", "1.0.0", ""),  # of a checkout of Istio
        ("0.3.0", "1.31.1", ""),  # of the user's own
        ("1.31.1-distroless", "", ""),
        ("1.31.1+patched", "", ""),
    ],
)
def test_the_version_of_a_chart(version: str, app: str, other: str) -> None:
    assert other_version(Chart("base", version, app, {}), "1.31.1") == other


def test_charts_that_another_fleet_made_are_not_used(tmp_path: Path) -> None:
    charts = tmp_path / "charts"
    assert charts_folder("", tmp_path, "1.31.1", ["base", "istiod"]) == str(charts)
    for name, version in (("base", "1.31.1"), ("istiod", "1.31.1"), ("cni", "1.30.0")):
        (charts / name).mkdir(parents=True)
        (charts / name / "Chart.yaml").write_text(f"name: {name}\nversion: {version}\n")
    assert charts_folder("", tmp_path, "1.31.1", ["base", "istiod"]) == str(charts)
    for given in ("", str(charts)):
        with pytest.raises(FleetError, match="another version") as caught:
            charts_folder(given, tmp_path, "1.31.1", ["base", "istiod", "cni"])
        assert (caught.value.seen, caught.value.obj) == ("1.30.0", str(charts / "cni"))
    # The user's own are preflight's to check.
    assert charts_folder(str(charts), tmp_path / "made", "1.31.1", ["cni"]) == str(charts)
    assert charts_folder("oci://charts.example", tmp_path, "1.31.1", ["cni"]) == "oci://charts.example"


def test_a_chart_is_brought_later_to_our_own_folder_alone(empty: Path) -> None:
    ours = empty / "cache" / "mesh.fleet" / "artifacts" / "charts"
    facts = {"artifacts_charts_dir": str(empty / "elsewhere")}
    assert brought_later(str(ours / "base"), {})
    assert brought_later(str(empty / "elsewhere" / "base"), facts)
    assert not brought_later(str(empty / "elsewhere" / "base"), {}), "a folder that the user names must be there"
    assert brought_later(str(empty / "elsewhere" / "charts" / "base"), {}, empty / "elsewhere")
    assert not brought_later("istiod", {}), "a name in a repository"
    (ours / "base").mkdir(parents=True)
    assert not brought_later(str(ours / "base"), {})
