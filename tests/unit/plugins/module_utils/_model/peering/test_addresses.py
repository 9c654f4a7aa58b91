# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which API address watchers use."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection, Lookup
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


def fleet(**hosts: dict[str, t.Any]) -> Fleet:
    return read_fleet({name: {"cluster_provider": "kubeconfig", **v} for name, v in hosts.items()})


def west(**variables: t.Any) -> Cluster:
    return fleet(west=variables).clusters["west"]


def kubeconfig(**servers: str) -> dict[str, t.Any]:
    return {
        "current-context": next(iter(servers)),
        "clusters": [{"name": f"c-{name}", "cluster": {"server": url}} for name, url in servers.items()],
        "contexts": [{"name": name, "context": {"cluster": f"c-{name}", "user": "u"}} for name in servers],
    }


def test_the_endpoint_of_the_inventory_comes_first() -> None:
    found = peer_server(west(cluster_peer_endpoint="api.example:6443"), kubeconfig(west="https://127.0.0.1:1"))
    assert (found.url, found.host_port) == ("https://api.example:6443", ("api.example", 6443))


def test_googles_dns_endpoint_is_refused() -> None:
    for config in (kubeconfig(west="https://gke-1.us-west1.gke.goog"), None):
        there = west(cluster_api_url="https://GKE-1.us-west1.gke.goog", cluster_api_token="x", cluster_api_ca="x")
        with pytest.raises(FleetError, match="is Google's DNS endpoint") as caught:
            peer_server(there, config)
        assert "cluster_peer_endpoint" in caught.value.next_step


def test_then_the_peer_context_then_the_connections_own() -> None:
    config = {"west": "https://10.0.0.1:6443", "west-peer": "https://10.0.0.2:6443"}
    assert peer_server(west(cluster_context="west"), kubeconfig(**config)).url == "https://10.0.0.2:6443"
    del config["west-peer"]
    assert peer_server(west(), kubeconfig(**config)).url == "https://10.0.0.1:6443"
    assert peer_server(west(cluster_api_url="https://h:1/"), None).url == "https://h:1"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:6443",
        "https://[::1]:6443",
        "https://localhost",
        "https://api.localhost",
        "https://0.0.0.0:1",
        "https://169.254.1.1",
        "https://224.0.0.1",
    ],
)
def test_an_address_that_leads_back_to_istiod_is_refused(url: str) -> None:
    with pytest.raises(FleetError) as caught:
        peer_server(west(), kubeconfig(west=url))
    assert "cannot be reached from another cluster" in str(caught.value)
    assert "set cluster_peer_endpoint" in str(caught.value)


def test_a_proxy_that_takes_no_service_account_is_refused() -> None:
    rancher = "https://rancher.example/k8s/clusters/c-m-abc"
    for cluster, config in ((west(), kubeconfig(west=rancher)), (west(cluster_api_url=rancher), None)):
        with pytest.raises(FleetError, match="is that of a proxy") as caught:
            peer_server(cluster, config)
        assert rancher in caught.value.seen and "set cluster_peer_endpoint" in caught.value.next_step
    own = west(cluster_peer_endpoint="https://192.0.2.1:6443/")
    assert peer_server(own, kubeconfig(west=rancher)).url == "https://192.0.2.1:6443"
    assert peer_server(west(), kubeconfig(west=rancher, **{"west-peer": "https://192.0.2.1:6443"})).url


@pytest.mark.parametrize(
    "server",
    [
        "https://connectgateway.googleapis.com/v1/projects/123/locations/global/gkeMemberships/west",
        "https://us-west1-connectgateway.googleapis.com/v1/projects/123/locations/us-west1/gkeMemberships/west",
        "https://ConnectGateway.googleapis.com",
    ],
)
def test_googles_connect_gateway_is_no_address_for_istiods(server: str) -> None:
    for cluster, config in (
        (west(), kubeconfig(west=server)),
        (west(cluster_api_url=server), None),
        (west(cluster_peer_endpoint=server), kubeconfig(west="https://192.0.2.1:6443")),
    ):
        with pytest.raises(FleetError, match="is Google's Connect gateway") as caught:
            peer_server(cluster, config)
        assert "set cluster_peer_endpoint to an address of the API server itself" in caught.value.next_step
    own = west(cluster_peer_endpoint="https://192.0.2.1:6443")
    assert peer_server(own, kubeconfig(west=server)).url == "https://192.0.2.1:6443"


def test_other_mistakes_name_the_next_step() -> None:
    with pytest.raises(FleetError, match="no address of its API server for other clusters is known"):
        peer_server(west(), None)
    for cluster, config in ((west(cluster_context="gone"), kubeconfig(here="https://h")), (west(), None)):
        with pytest.raises(FleetError, match="next"):
            peer_server(cluster, config)
    for wrong in ("http://plain", "https://"):
        with pytest.raises(FleetError, match="not an https address"):
            peer_server(west(cluster_peer_endpoint=wrong), None)


def test_the_port_and_the_name_in_the_certificate() -> None:
    config = kubeconfig(west="https://10.0.0.1")
    config["clusters"][0]["cluster"]["tls-server-name"] = "inside"
    found = peer_server(west(), config)
    assert (found.host_port, found.tls_server_name) == (("10.0.0.1", 443), "inside")
    config["clusters"][0]["cluster"] = {"insecure-skip-tls-verify": True}
    with pytest.raises(FleetError, match="context west names no server"):
        peer_server(west(), config)


def found_by_provider(known: Connection) -> Lookup:
    def lookup(*, refused: str = "") -> Connection:
        return known

    return lookup


def test_a_provider_may_have_an_address_for_peers() -> None:
    for known, url in (
        (Connection(server="https://10.0.0.1", peer_server="https://10.0.0.2"), "https://10.0.0.2"),
        (Connection(server="https://10.0.0.1"), "https://10.0.0.1"),
    ):
        there = dataclasses.replace(west(), connection=Connection(lookup=found_by_provider(known)))
        found = peer_server(there, None)
        assert (found.url, found.origin) == (url, "its provider")


def test_an_address_shows_nothing_of_its_kubeconfig() -> None:
    config = kubeconfig(west="https://10.0.0.1:6443")
    config["clusters"][0]["cluster"]["certificate-authority-data"] = "WFla"
    found = peer_server(west(), config)
    assert found.entry["certificate-authority-data"] == "WFla" and "WFla" not in repr(found)
    assert found == dataclasses.replace(found, entry={})
