# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.exposure import (
    cross_network_gateway,
    expose_istiod,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import eastwest_wanted

from ..fleets import SERVED, TWO, fleet


def test_configuration_is_written_to_primaries_only() -> None:
    it = fleet(SERVED, mesh_network="per_cluster")
    assert [o["metadata"]["name"] for o in cross_network_gateway(it, it.clusters["fra"])] == ["cross-network-gateway"]
    assert cross_network_gateway(it, it.clusters["edge"]) == []
    assert [o["kind"] for o in expose_istiod(it, it.clusters["fra"])] == ["Gateway", "VirtualService"]
    assert expose_istiod(it, it.clusters["edge"]) == []


def test_cross_network_gateway_passes_mesh_tls_through() -> None:
    it = fleet(TWO, mesh_network="per_cluster")
    spec = cross_network_gateway(it, it.clusters["west"])[0]["spec"]
    assert spec["selector"] == {"istio": "eastwestgateway"}
    assert spec["servers"] == [
        {
            "port": {"number": 15443, "name": "tls", "protocol": "TLS"},
            "tls": {"mode": "AUTO_PASSTHROUGH"},
            "hosts": ["*.local", "*.global"],
        }
    ]
    one = fleet(TWO)
    assert cross_network_gateway(one, one.clusters["west"]) == []


def test_the_exposed_istiod_is_of_the_fleets_revision() -> None:
    it = fleet(SERVED, mesh_revision="canary")
    routes = expose_istiod(it, it.clusters["fra"])[1]["spec"]["tls"]
    targets = [route["route"][0]["destination"] for route in routes]
    assert {target["host"] for target in targets} == {"istiod-canary.istio-system.svc.cluster.local"}
    assert [target["port"]["number"] for target in targets] == [15012, 443]


def test_a_federated_gateway_forwards_global_names_alone() -> None:
    it = fleet(TWO, mesh_federation={"peers": []}, mesh_trust_domain="west.mesh")
    (gateway,) = cross_network_gateway(it, it.clusters["west"])
    assert gateway["spec"]["servers"][0]["hosts"] == ["*.global"]
    assert eastwest_wanted(it, it.clusters["west"])
    assert not eastwest_wanted(fleet(TWO), fleet(TWO).clusters["west"])
