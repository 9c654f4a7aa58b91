# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role gke_cluster with problems: runs that are killed, APIs that are off, a VPC that is still in use."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from .role_runs import Playbook, changed
from .standin.server import StandIn

FIREWALL = "compute/projects/shop-prod/global/firewalls/k8s-fw-a1b2c3"
WEST = "container/projects/shop-prod/locations/us-west1-a/clusters/west"


@pytest.fixture
def playbook(tmp_path: Path, root: Path, google_cloud: StandIn) -> Playbook:
    found = Playbook(tmp_path, root, google_cloud)
    found.hosts = {"west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"}}
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        "compute.networks.insert",
        "compute.subnetworks.insert",
        "container.projects.locations.clusters.create",
    ],
)
def test_a_run_that_is_killed_is_completed_by_the_next(playbook: Playbook, google_cloud: StandIn, method: str) -> None:
    cloud = google_cloud.cloud
    cloud.duration = 0.8
    playbook.killed_at(method)
    code, _stats, said = playbook()
    assert code == 0, said
    kinds = sorted(key.split("/")[-2] for key in cloud.resources)
    assert kinds == ["clusters", "firewalls", "firewalls", "networks", "routers", "subnetworks"]
    assert cloud.resources[WEST]["status"] == "RUNNING"


@pytest.mark.slow
def test_an_api_that_is_off_is_named_or_switched_on(playbook: Playbook, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled |= {"compute.googleapis.com", "container.googleapis.com"}
    code, _stats, said = playbook()
    assert code != 0
    assert "API compute.googleapis.com is disabled in project shop-prod" in said
    assert "gke_enable_apis: true" in said
    assert google_cloud.cloud.resources == {}
    code, _stats, said = playbook("--check", "-e", "gke_enable_apis=true")
    assert code == 0, said
    assert google_cloud.cloud.resources == {}
    # It holds for reads at once, and for what the modules of google.cloud and the clusters need some time later.
    google_cloud.cloud.slow_apis = 3
    code, _stats, said = playbook("-e", "gke_enable_apis=true")
    assert code == 0, said
    assert google_cloud.cloud.disabled == set()
    assert any("is disabled" in entry.get("said", "") and entry["verb"] == "POST" for entry in google_cloud.cloud.log)
    assert google_cloud.cloud.resources[WEST]["status"] == "RUNNING"


@pytest.mark.slow
def test_a_refusal_of_the_network_is_reported(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    cloud.deny("compute.networks.create", "compute.networks.insert", times=1)
    code, _stats, said = playbook()
    assert code != 0
    assert "Make the VPC mesh-shop: permission compute.networks.create is missing" in said
    assert "grant a role with compute.networks.create" in said
    assert cloud.resources == {}
    cloud.fail("compute.subnetworks.insert", 0, "Quota 'SUBNETWORKS' exceeded.  Limit: 100.0 globally.")
    code, _stats, said = playbook()
    assert code != 0
    assert "Make the subnets: a quota of the project is used up" in said
    assert "Limit: 100.0 globally" in said
    # What passes by itself is tried again by the run itself.
    busy = [
        cloud.fail("compute.subnetworks.insert", 503, "The service is currently unavailable.", times=2),
        cloud.fail("compute.firewalls.insert", 429, "Rate Limit Exceeded", times=1),
    ]
    code, _stats, said = playbook()
    assert code == 0, said
    assert [fault.times for fault in busy] == [0, 0]
    assert cloud.resources[WEST]["status"] == "RUNNING"


@pytest.mark.slow
def test_what_gke_left_in_the_vpc_is_named(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    assert playbook()[0] == 0
    link = "https://www.googleapis.com/compute/v1/projects/shop-prod/global/networks/mesh-shop"
    cloud.resources[FIREWALL] = {"name": "k8s-fw-a1b2c3", "network": link, "description": "kubernetes.io/service-name"}
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code != 0
    assert "VPC mesh-shop stays, because it holds something that this fleet did not make" in said
    assert "firewall rule k8s-fw-a1b2c3" in said
    assert sorted(key.split("/")[-1] for key in cloud.resources) == ["k8s-fw-a1b2c3", "mesh-shop"]
    # What no list of ours holds, Google says when the VPC is to go.
    del cloud.resources[FIREWALL]
    cloud.fail(
        "compute.networks.delete", 400, "The network resource is already being used by 'networkEndpointGroups/x'"
    )
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code != 0
    assert "the VPC could not be removed" in said
    assert "networkEndpointGroups/x" in said
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert cloud.resources == {}


def ranges_of(cloud: t.Any) -> list[str]:
    """The authorized networks of west."""
    ends = cloud.resources[WEST]["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    return [block["cidrBlock"] for block in ends["authorizedNetworksConfig"]["cidrBlocks"]]


@pytest.mark.slow
def test_a_peer_of_another_vpc_is_allowed_by_a_reserved_address(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    # Ranges that others do not move when they are missing.
    playbook.hosts["west"] |= {"cluster_pod_cidr": "10.20.0.0/16", "cluster_service_cidr": "10.120.0.0/16"}
    playbook.hosts["west"] |= {"gke_node_cidr": "10.8.64.0/22", "gke_authorized_networks": ["198.51.100.7/32"]}
    playbook.hosts["north"] = {"cluster_region": "europe-north1", "gke_network": "other"}
    code, stats, said = playbook("--check", "--diff")
    assert code == 0, said
    assert changed(stats) > 0
    assert cloud.resources == {}
    # The one cluster alone: the address of its peer's NAT is reserved for it.
    code, _stats, said = playbook("--limit", "west")
    assert code == 0, said
    (address,) = [v for k, v in cloud.resources.items() if "/addresses/" in k]
    assert f"{address['address']}/32" in ranges_of(cloud)
    code, _stats, said = playbook()
    assert code == 0, said
    (router,) = [v for k, v in cloud.resources.items() if "/routers/" in k and "europe-north1" in k]
    assert router["nats"][0]["natIpAllocateOption"] == "MANUAL_ONLY"
    assert router["nats"][0]["natIps"] == [address["selfLink"]]
    cloud.log.clear()
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said
    assert len(cloud.log) <= 2 * 2 + 5
    # An inventory without the peer takes nothing from it, until that is forgotten.
    north = playbook.hosts.pop("north")
    code, _stats, said = playbook()
    assert code == 0, said
    assert "the inventory does not name north" in said and "peering_forget=north" in said
    assert f"{address['address']}/32" in ranges_of(cloud)
    code, _stats, said = playbook("-e", '{"peering_forget": ["north"]}')
    assert code == 0, said
    assert f"{address['address']}/32" not in ranges_of(cloud)
    playbook.hosts["north"] = north
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert cloud.resources == {}
