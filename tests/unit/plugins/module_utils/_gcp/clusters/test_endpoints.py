# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The address of a GKE cluster's API server, by choice."""

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.endpoints import addresses, trimmed
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PLAIN: dict[str, t.Any] = {
    "name": "west",
    "location": "us-west1-a",
    "status": "RUNNING",
    "endpoint": "34.82.1.9",
    "masterAuth": {"clusterCaCertificate": base64.b64encode(CA.encode()).decode(), "clientKey": "a-secret"},
    "controlPlaneEndpointsConfig": {
        "ipEndpointsConfig": {"enabled": True, "publicEndpoint": "34.82.1.9", "privateEndpoint": "10.0.0.2"},
        "dnsEndpointConfig": {"endpoint": "gke-1.us-west1.gke.goog", "allowExternalTraffic": True},
    },
}
INSIDE: dict[str, t.Any] = {
    **PLAIN,
    "networkConfig": {"defaultEnablePrivateNodes": True},
    "controlPlaneEndpointsConfig": {
        "ipEndpointsConfig": {
            "publicEndpoint": "34.82.1.9",
            "privateEndpoint": "10.0.0.2",
            "globalAccess": True,
        }
    },
}
CLOSED: dict[str, t.Any] = {
    **PLAIN,
    "endpoint": "10.0.0.2",
    "privateClusterConfig": {
        "enablePrivateNodes": True,
        "enablePrivateEndpoint": True,
        "privateEndpoint": "10.0.0.2",
        "publicEndpoint": "34.82.1.9",
    },
}


@pytest.mark.parametrize(
    ("cluster", "choice", "peer_choice", "server", "peer"),
    [
        (PLAIN, "public", "", "34.82.1.9", "34.82.1.9"),
        (PLAIN, "private", "", "10.0.0.2", "34.82.1.9"),
        (INSIDE, "public", "", "34.82.1.9", "10.0.0.2"),
        (PLAIN, "public", "private", "34.82.1.9", "10.0.0.2"),
        (PLAIN, "dns", "", "gke-1.us-west1.gke.goog", "34.82.1.9"),
        (CLOSED, "dns", "", "gke-1.us-west1.gke.goog", "10.0.0.2"),
        (CLOSED, "private", "", "10.0.0.2", "10.0.0.2"),
        ({**PLAIN, "controlPlaneEndpointsConfig": {}}, "public", "", "34.82.1.9", "34.82.1.9"),
    ],
)
def test_addresses(cluster: dict[str, t.Any], choice: str, peer_choice: str, server: str, peer: str) -> None:
    found = addresses(trimmed(cluster), "west", choice, peer_choice)
    assert (found.server, found.peer) == (f"https://{server}", f"https://{peer}")
    assert found.ca_pem == ("" if choice == "dns" else CA)
    assert found.required_permission.startswith("container.clusters.connect") is (choice == "dns")


def test_clusters_that_are_not_in_one_network_meet_outside() -> None:
    assert addresses(INSIDE, "west", same_vpc=False).peer == "https://34.82.1.9"
    assert addresses(CLOSED, "west", "private", same_vpc=False).peer == "https://10.0.0.2"


def test_a_missing_endpoint_is_named_with_the_existing_ones() -> None:
    with pytest.raises(FleetError) as caught:
        addresses(CLOSED, "west", "public")
    assert caught.value.what == "it has no public endpoint"
    assert caught.value.seen == "endpoints: private 10.0.0.2, dns gke-1.us-west1.gke.goog"
    assert "gke_endpoint" in caught.value.next_step


@pytest.mark.parametrize(
    ("dns", "seen"),
    [
        ({"endpoint": "gke-1.us-west1.gke.goog"}, "switched off (allowExternalTraffic)"),
        ({"endpoint": "gke-1.us-west1.gke.goog", "allowExternalTraffic": False}, "switched off (allowExternalTraffic)"),
        ({}, "not there"),
        (None, "not there"),
    ],
)
def test_the_dns_endpoint_must_be_switched_on(dns: dict[str, t.Any] | None, seen: str) -> None:
    off = {**PLAIN, "controlPlaneEndpointsConfig": {"dnsEndpointConfig": dns} if dns is not None else {}}
    with pytest.raises(FleetError, match="it has no dns endpoint") as caught:
        addresses(trimmed(off), "west", "dns")
    assert caught.value.seen == f"endpoints: public 34.82.1.9; the DNS endpoint is {seen}"
    assert "gcloud container clusters update west --enable-dns-access --location us-west1-a" in caught.value.next_step


def test_a_cluster_with_only_the_dns_endpoint_has_no_peers() -> None:
    dns = PLAIN["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]
    alone = {
        **PLAIN,
        "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enabled": False}, "dnsEndpointConfig": dns},
    }
    found = addresses(trimmed(alone), "west", "dns")
    assert (found.server, found.peer) == ("https://gke-1.us-west1.gke.goog", "")
    with pytest.raises(FleetError, match="it has no public endpoint"):
        addresses(trimmed(alone), "west", "dns", "public")


@pytest.mark.parametrize("status", ["PROVISIONING", "STOPPING", "ERROR"])
def test_a_cluster_that_is_not_there_yet_or_any_more(status: str) -> None:
    with pytest.raises(FleetError) as caught:
        addresses({**PLAIN, "status": status, "statusMessage": "quota"}, "west")
    assert caught.value.seen == f"{status} quota"
    assert caught.value.next_step


@pytest.mark.parametrize("ca", ["", "no base64!", base64.b64encode(b"no PEM").decode()])
def test_without_a_ca_nothing_is_trusted(ca: str) -> None:
    with pytest.raises(FleetError, match="no CA certificate"):
        addresses({**PLAIN, "masterAuth": {"clusterCaCertificate": ca}}, "west")


def test_what_is_kept_holds_no_key() -> None:
    assert "a-secret" not in str(trimmed(PLAIN))
