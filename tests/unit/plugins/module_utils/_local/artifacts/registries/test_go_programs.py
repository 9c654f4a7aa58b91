# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written into programs when they are linked: the version that they say later."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.registries.go_programs import (
    TOOLS,
    GoPrograms,
    packages_done,
    stamps,
)
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.registries.wheels import Wheels

ISTIO = "istio.io/istio/pkg/version"


@pytest.fixture(scope="module")
def versions(root: Path) -> dict[str, str]:
    found = yaml.safe_load((root / "roles/artifacts/vars/main.yml").read_text())["__artifacts_versions"]
    return {name: str(value) for name, value in found.items()}


def test_istio_says_what_its_own_build_says(versions: dict[str, str]) -> None:
    said = stamps("istio", {**versions, "istio": "1.31.1", "istio_module": "v0.0.0-20260827124520-eed52ebb66ad"})
    assert said[f"{ISTIO}.buildVersion"] == said[f"{ISTIO}.buildTag"] == "1.31.1"
    assert said[f"{ISTIO}.buildGitRevision"] == "eed52ebb66ad"
    assert said[f"{ISTIO}.buildStatus"] == "Clean"
    assert said[f"{ISTIO}.buildHub"] == "localhost/mesh.fleet"
    assert said[f"{ISTIO}.buildOS"] == "linux"
    assert said[f"{ISTIO}.buildArch"] in ("amd64", "arm64")


def test_helm_says_all_of_its_version(versions: dict[str, str]) -> None:
    assert stamps("helm", versions)["helm.sh/helm/v3/internal/version.version"] == versions["helm"]


def test_kubernetes_says_its_version_in_parts(versions: dict[str, str]) -> None:
    said = {name.rpartition(".")[2]: value for name, value in stamps("kubernetes", versions).items()}
    assert said["gitVersion"] == versions["kubernetes"]
    assert f"v{said['gitMajor']}.{said['gitMinor']}." in versions["kubernetes"]


@pytest.mark.parametrize("tool", ["coredns", "etcd", "kind"])
def test_others_know_their_version_from_their_source(versions: dict[str, str], tool: str) -> None:
    assert stamps(tool, versions) == {}


def test_another_version_is_another_artifact(root: Path, versions: dict[str, str], tmp_path: Path) -> None:
    def inputs(known: dict[str, str]) -> dict[str, tuple[str, ...]]:
        go = GoPrograms(root / "roles/artifacts/files/go", known, tmp_path, Wheels({}, tmp_path))
        return {tool.name: go.step(tool).inputs for tool in TOOLS}

    before, after = inputs(versions), inputs({**versions, "istio": "1.31.2"})
    assert {name for name in before if before[name] != after[name]} == {"istio"}
    assert all(" " not in value for tool in TOOLS for value in stamps(tool.name, versions).values())


def test_packages_are_counted_as_they_are_built() -> None:
    count = packages_done(["runtime", "example.org/errors", "example.org/main"])
    assert count("runtime") == "1 of 3 packages"
    assert count("runtime") == "1 of 3 packages", "named twice, built once"
    assert count("# example.org/main") == "", "what introduces an error is none"
    assert count("example.org/errors") == "2 of 3 packages"
