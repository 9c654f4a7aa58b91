# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check mode on a machine that has nothing yet: no chart, no program, no cache, and clusters without a mesh."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from . import control_plane
from .chart_servers import Charts
from .plays import run_plays

ROOT = Path(__file__).parents[2]


def istio_version() -> str:
    """The version that the collection installs."""
    path = ROOT / "roles" / "artifacts" / "vars" / "main.yml"
    return str(yaml.safe_load(path.read_text(encoding="utf-8"))["__artifacts_versions"]["istio"])


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Charts]:
    """From where a run would bring Helm and the charts."""
    made = Charts(tmp_path_factory.mktemp("charts"))
    made.mirror_helm()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def fleet(google_planes: dict[str, control_plane.ControlPlane], charts: Charts) -> dict[str, t.Any]:
    """Two clusters made by hand, as in inventories/existing."""
    hosts = {
        name: {
            "cluster_kubeconfig": str(plane.kubeconfig),
            "cluster_context": "admin",
            "cluster_region": name,
            # Other pods would reach it there.
            "cluster_peer_endpoint": f"https://{name}.example:6443",
        }
        for name, plane in google_planes.items()
    }
    variables = {
        "fleet_name": "first",
        "mesh_id": "first",
        "mesh_network": "per_cluster",
        "cluster_provider": "kubeconfig",
        "trust_vault_password_create": True,
        "artifacts_downloads": charts.downloads,
        "artifacts_charts": charts.repository,
    }
    return {"vars": variables, "hosts": hosts}


def namespaces(planes: t.Mapping[str, control_plane.ControlPlane]) -> dict[str, str]:
    """What the clusters hold, by their namespaces and CRDs."""
    return {name: plane.kubectl("get", "namespaces,crd,secrets", "-A", "-o", "name") for name, plane in planes.items()}


def test_it_says_what_would_happen_and_what_is_unknown(
    fleet: dict[str, t.Any], google_planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    caches, before = tmp_path / "caches", namespaces(google_planes)
    ran = run_plays(
        tmp_path,
        fleet,
        ROOT / "playbooks" / "site.yml",
        "--check",
        "--diff",
        environment={"XDG_CACHE_HOME": str(caches), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"},
    )
    assert ran.code == 0, ran.output
    lines = dict(re.findall(r"^(\w+) {2,}(.*?) {2,}\d", ran.stdout, re.MULTILINE))
    version = re.escape(istio_version())
    assert re.fullmatch(rf"north {version} \(planned\) · west {version} \(planned\)", lines["control_plane"])
    assert lines["peering"] == "2 edges: 2 added, 0 renewed, 0 removed · planned"
    assert re.fullmatch(r"calls unknown until a run · 0 of 2 checks hold now, 2 unknown until a run", lines["verify"])
    # Nothing that nobody asked for: no sample, and nothing on an ingress.
    assert lines["apps"] == "north no apps · west no apps"
    assert "istio-apps" not in ran.stdout
    assert "checks failed" not in ran.output
    # Each release, with the values that it would get.
    for name in google_planes:
        for release in ("istio-base", "istiod", "istio-eastwestgateway", "istio-ingressgateway"):
            assert f" {name} Release istio-system/{release}" in ran.stdout
    assert "What is unknown until then" in ran.output or list(caches.rglob("charts/*/Chart.yaml"))
    assert not [path for path in tmp_path.rglob("*") if path.name in ("vault-password", "trust")], ran.output
    assert namespaces(google_planes) == before
