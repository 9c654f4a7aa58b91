# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role gke_cluster by ansible-playbook, google.cloud's modules included, against the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from .role_runs import HOSTS, Playbook, changed
from .standin.server import StandIn


@pytest.fixture
def playbook(tmp_path: Path, root: Path, google_cloud: StandIn) -> Playbook:
    return Playbook(tmp_path, root, google_cloud)


@pytest.mark.slow
def test_from_nothing_and_back(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    playbook.hosts["west"]["gke_node_service_account"] = "fleet"
    account = "mesh-shop-nodes@shop-prod.iam.gserviceaccount.com"

    code, stats, _said = playbook("--check")
    assert code == 0
    assert changed(stats) > 0
    assert cloud.resources == {}
    assert cloud.accounts == {}

    code, stats, said = playbook()
    assert code == 0, said
    kinds = sorted(key.split("/")[-2] for key in cloud.resources)
    assert kinds == ["clusters"] * 2 + ["firewalls"] * 2 + ["networks"] + ["routers"] * 2 + ["subnetworks"] * 2
    west = cloud.resources["container/projects/shop-prod/locations/us-west1-a/clusters/west"]
    assert [pool["config"]["serviceAccount"] for pool in west["nodePools"]] == [account]
    role = {"role": "roles/container.defaultNodeServiceAccount", "members": [f"serviceAccount:{account}"]}
    assert cloud.policies["shop-prod"]["bindings"] == [role]

    cloud.log.clear()
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said
    assert len(cloud.log) <= 2 * len(HOSTS) + 5
    assert {entry["verb"] for entry in cloud.log} == {"GET"}

    code, _stats, said = playbook(tasks_from="absent")
    assert code != 0
    assert "gke_cluster_delete=true" in said
    assert len(cloud.resources) == 9

    asked = ("-e", "gke_cluster_delete=true", "-e", "mesh_state_cluster=west")
    code, _stats, said = playbook(*asked, tasks_from="absent")
    assert code != 0
    assert "the cluster keeps the fleet's state, and is not deleted" in said
    assert len(cloud.resources) == 9

    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert cloud.resources == {}
    assert cloud.accounts == {account: None}
    assert cloud.policies["shop-prod"]["bindings"] == []


@pytest.mark.slow
def test_both_families_from_nothing_and_back(playbook: Playbook, google_cloud: StandIn) -> None:
    """One VPC of ours, and one of others, which has no internal addresses of IPv6 until its owner says so."""
    cloud, there = google_cloud.cloud, google_cloud.cloud.resources
    corp = "compute/projects/shop-prod/global/networks/corp"
    link = "https://www.googleapis.com/compute/v1/projects/shop-prod/global/networks/corp"
    there[corp] = {"name": "corp", "selfLink": link}
    for variables in playbook.hosts.values():
        variables["gke_stack_type"] = "ipv4_ipv6"
    playbook.hosts["west"] |= {"gke_mode": "standard"}
    playbook.hosts["north"] |= {"gke_network": "corp"}
    subnet = "compute/projects/shop-prod/regions/us-west1/subnetworks/mesh-shop-west"
    code, _stats, said = playbook("--check", "--diff")
    assert code == 0, said
    assert list(there) == [corp]
    # Killed after the subnet was made, and before it had its range.
    playbook.killed_at("compute.subnetworks.insert")
    code, stats, said = playbook()
    assert (code != 0, stats["north"]["failures"], stats["west"]["failures"]) == (True, 1, 0), said
    assert "VPC corp has no internal IPv6 addresses" in said and "--enable-ula-internal-ipv6" in said
    assert (there[subnet]["stackType"], there[subnet]["ipv6AccessType"]) == ("IPV4_IPV6", "INTERNAL")
    assert there["compute/projects/shop-prod/global/networks/mesh-shop"]["enableUlaInternalIpv6"]
    assert "enableUlaInternalIpv6" not in there[corp], "it is not ours to change"
    rules = [rule for key, rule in there.items() if "/firewalls/" in key and ":" in str(rule["sourceRanges"])]
    assert [rule["network"].rsplit("/", 1)[-1] for rule in rules] == ["mesh-shop"]
    west = there["container/projects/shop-prod/locations/us-west1-a/clusters/west"]
    assert west["ipAllocationPolicy"]["stackType"] == "IPV4_IPV6"
    playbook.hosts["north"] |= {"gke_ipv6_access": "external"}
    code, _stats, said = playbook()
    assert code == 0, said
    assert len([1 for key, rule in there.items() if "/firewalls/" in key and ":" in str(rule["sourceRanges"])]) == 2
    cloud.log.clear()
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said
    assert len(cloud.log) <= 2 * len(HOSTS) + 5
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert list(there) == [corp]


@pytest.mark.slow
def test_one_cluster_fails_alone_and_a_rerun_completes(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    playbook.hosts["south"] = {"cluster_region": "us-west1", "cluster_zone": "us-west1-b"}
    playbook.hosts["island"] = {"cluster_region": "us-east1", "gke_mode": "autopilot", "gke_node_count": 2}
    cloud.fail("container.*.clusters.create", 403, "Quota exceeded for CPUS", path="us-west1-a", times=-1)
    code, stats, said = playbook()
    assert code != 0
    assert (stats["west"]["failures"], stats["north"]["failures"]) == (1, 0)
    assert "a quota of the project is used up" in said
    # What its mode would ignore is refused before it is made, also where preflight did not run.
    assert stats["island"]["failures"] == 1
    assert "gke_node_count is not for Autopilot" in said
    assert not any(key.endswith("clusters/island") for key in cloud.resources)
    del playbook.hosts["island"]["gke_node_count"]
    assert "container/projects/shop-prod/locations/europe-north1/clusters/north" in cloud.resources
    cloud.faults.clear()
    code, _stats, said = playbook()
    assert code == 0, said
    # Taking one away leaves what the others need, also one that the inventory does not name.
    del playbook.hosts["south"]
    code, _stats, said = playbook("--limit", "west", "-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    left = sorted(key.split("/", 2)[-1] for key in cloud.resources)
    assert not any("west" in key.replace("us-west1", "") for key in left)
    assert any("/routers/" in key and "us-west1" in key for key in left)
    assert any(key.endswith("networks/mesh-shop") for key in left)


@pytest.mark.slow
def test_what_is_in_an_existing_vpc_stays(playbook: Playbook, google_cloud: StandIn) -> None:
    network = "compute/projects/shop-prod/global/networks/corp"
    link = "https://www.googleapis.com/compute/v1/projects/shop-prod/global/networks/corp"
    office = "compute/projects/shop-prod/regions/us-east1/subnetworks/office"
    google_cloud.cloud.resources |= {
        network: {"name": "corp", "selfLink": link},
        office: {"name": "office", "network": link, "ipCidrRange": "10.16.0.0/20", "region": "x/us-east1"},
    }
    for variables in playbook.hosts.values():
        variables["gke_network"] = "corp"
    code, stats, said = playbook()
    assert code != 0
    assert "cluster_pod_cidr 10.16.0.0/16 overlaps 10.16.0.0/20 of subnet us-east1/office" in said
    assert (stats["north"]["failures"], stats["west"]["failures"]) == (1, 0)
    playbook.hosts["north"]["cluster_pod_cidr"] = "10.40.0.0/16"
    playbook.hosts["west"]["cluster_pod_cidr"] = "10.17.0.0/16"
    # Somebody took NAT off our router, and gave the subnet a further range, which pods are to have.
    there = google_cloud.cloud.resources
    base = "compute/projects/shop-prod/regions/us-west1"
    nats = there[f"{base}/routers/corp-us-west1"].pop("nats")
    more = {"rangeName": "more", "ipCidrRange": "10.200.0.0/16"}
    there[f"{base}/subnetworks/corp-west"]["secondaryIpRanges"].append(more)
    playbook.hosts["west"]["gke_additional_pod_ranges"] = ["more"]
    code, _stats, said = playbook()
    assert code == 0, said
    (nat,) = there[f"{base}/routers/corp-us-west1"]["nats"]
    assert nat.items() <= nats[0].items()
    rules = [rule for key, rule in there.items() if "/firewalls/" in key]
    assert sum("10.200.0.0/16" in rule["sourceRanges"] for rule in rules) == 1
    # It has the addresses of another cluster's pods now.
    more["ipCidrRange"] = "10.40.128.0/17"
    code, stats, said = playbook("--check")
    assert (code != 0, stats["west"]["failures"]) == (True, 1)
    assert "secondary range more 10.40.128.0/17 overlaps pods of another cluster" in said
    more["ipCidrRange"] = "10.200.0.0/16"
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert sorted(google_cloud.cloud.resources) == [network, office]
