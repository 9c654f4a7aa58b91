# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's own charts accept the values that we derive from an inventory, and render what we mean."""

from __future__ import annotations

import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio import helm_values as wiring
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.exposure import cross_network_gateway
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import chart_of

from . import control_plane

CHARTS = os.environ.get("MESH_FLEET_CHARTS") or os.path.join(artifacts_dir(), "charts")
Objects = dict[tuple[str, str], dict[str, t.Any]]


def fleet(network: str = "per_cluster", revision: str = "default") -> Fleet:
    shared = {"cluster_provider": "kubeconfig", "mesh_id": "shop", "mesh_network": network, "mesh_revision": revision}
    return read_fleet(
        {"fra": shared, "west": shared, "edge": {**shared, "mesh_role": "remote", "mesh_primary": "fra"}}, environment()
    )


def rendered(release: wiring.Release, tmp_path: Path) -> Objects:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(release.values))
    helm = control_plane.program("helm")
    done = subprocess.run(
        [helm, "template", release.name, release.chart, "-n", release.namespace, "-f", values],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(done.stdout) if o}


def chart(*names: str) -> str:
    return chart_of(CHARTS, *names)[0]


ISTIOD = ("istio-control/istio-discovery", "istio-discovery", "istiod")


@pytest.mark.parametrize("revision", ["default", "canary"])
def test_istiod_of_a_primary(tmp_path: Path, revision: str) -> None:
    it = fleet(revision=revision)
    release = wiring.istiod_release(it, it.clusters["fra"], chart(*ISTIOD), hub="hub", tag="1.31.1", replicas=2)
    objects = rendered(release, tmp_path)
    deployment = objects["Deployment", release.name]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert container["image"] == "hub/pilot:1.31.1"
    assert deployment["spec"]["replicas"] == 2
    assert env["CLUSTER_ID"] == "fra"
    assert env["EXTERNAL_ISTIOD"] == "true"
    assert not any(kind == "HorizontalPodAutoscaler" for kind, _name in objects)
    assert ("MutatingWebhookConfiguration", wiring.webhook_name(it)) in objects
    assert deployment["metadata"]["labels"]["install.operator.istio.io/owning-resource"] == "mesh.fleet"
    name = "istio" if revision == "default" else f"istio-{revision}"
    mesh = yaml.safe_load(objects["ConfigMap", name]["data"]["mesh"])
    assert mesh["trustDomain"] == "cluster.local"
    assert mesh["defaultConfig"]["meshId"] == "shop"
    assert mesh["defaultConfig"]["proxyMetadata"] == {"ISTIO_META_DNS_CAPTURE": "true"}


@pytest.mark.parametrize("address", ["10.0.0.9", "gateway.example"])
def test_a_remote_has_no_istiod_but_finds_its_primarys(tmp_path: Path, address: str) -> None:
    it = fleet()
    edge = it.clusters["edge"]
    objects = rendered(wiring.istiod_release(it, edge, chart(*ISTIOD), primary_address=address), tmp_path)
    assert not any(kind == "Deployment" for kind, _name in objects)
    service = objects["Service", "istiod"]
    if address[0].isdigit():
        assert objects["EndpointSlice", "istiod"]["endpoints"][0]["addresses"] == [address]
    else:
        assert service["spec"]["externalName"] == address
    webhook = objects["MutatingWebhookConfiguration", wiring.webhook_name(it)]
    assert {hook["clientConfig"]["service"]["path"] for hook in webhook["webhooks"]} == {
        "/inject/cluster/edge/net/edge"
    }


@pytest.mark.parametrize("name", ["fra", "edge"])
def test_base_has_the_account_that_peers_read_with(tmp_path: Path, name: str) -> None:
    it = fleet()
    objects = rendered(wiring.base_release(it, it.clusters[name], chart("base")), tmp_path)
    assert ("ServiceAccount", "istio-reader-service-account") in objects
    assert ("CustomResourceDefinition", "virtualservices.networking.istio.io") in objects


def test_an_east_west_gateway_belongs_to_its_network(tmp_path: Path) -> None:
    it = fleet()
    release = wiring.gateway_release(it, it.clusters["west"], chart("gateway"), wiring.EASTWEST, replicas=1)
    objects = rendered(release, tmp_path)
    service = objects["Service", wiring.EASTWEST]
    assert service["metadata"]["labels"]["topology.istio.io/network"] == "west"
    assert [port["port"] for port in service["spec"]["ports"]] == [15021, 15443, 15012, 15017]
    pods = objects["Deployment", wiring.EASTWEST]["spec"]["template"]["metadata"]["labels"]
    selector = cross_network_gateway(it, it.clusters["west"])[0]["spec"]["selector"]
    assert selector.items() <= pods.items()
    assert pods["mesh.fleet/part-of"] == "gateways"


def test_an_ingress_gateway_serves_http_and_https(tmp_path: Path) -> None:
    it = fleet(revision="canary")
    objects = rendered(wiring.gateway_release(it, it.clusters["west"], chart("gateway"), wiring.INGRESS), tmp_path)
    ports = [port["port"] for port in objects["Service", wiring.INGRESS]["spec"]["ports"]]
    assert ports == [15021, 80, 443]
    pods = objects["Deployment", wiring.INGRESS]["spec"]["template"]["metadata"]["labels"]
    assert pods["istio.io/rev"] == "canary"
    known = wiring.ingress_labels(it, it.clusters["west"])
    by_istiod = {key: known.pop(key) for key in list(known) if key.startswith("topology.istio.io/")}
    assert known.items() <= pods.items(), "what selects these pods is found by these labels"
    assert by_istiod == {"topology.istio.io/cluster": "west", "topology.istio.io/network": "west"}
    assert sorted(pods.keys() - known) == ["app.kubernetes.io/version", "helm.sh/chart"]


def test_a_gateway_can_be_told_to_trust_a_front_door(tmp_path: Path) -> None:
    """As docs/front-door.md says it."""
    page = Path(__file__).parents[2] / "docs" / "front-door.md"
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (values,) = [found for block in blocks if (found := yaml.safe_load(block).get("gateways_ingress_values"))]
    it = fleet()
    release = wiring.gateway_release(it, it.clusters["west"], chart("gateway"), wiring.INGRESS, user=(values,))
    annotations = rendered(release, tmp_path)["Deployment", wiring.INGRESS]["spec"]["template"]["metadata"][
        "annotations"
    ]
    assert yaml.safe_load(annotations["proxy.istio.io/config"]) == {"gatewayTopology": {"numTrustedProxies": 1}}
    assert annotations["inject.istio.io/templates"] == "gateway", "the chart's own stay"
