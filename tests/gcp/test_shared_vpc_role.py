# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role gke_cluster with clusters of two service projects on the network of a host project."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from .role_runs import Playbook, changed
from .standin.cloud import Cloud
from .standin.server import StandIn

HOST = "shop-net"
TEAMS = ("team-a", "team-b")
AGENT_USER, USER = "roles/container.hostServiceAgentUser", "roles/compute.networkUser"


@pytest.fixture
def playbook(tmp_path: Path, root: Path, google_cloud: StandIn) -> Playbook:
    made = Playbook(tmp_path, root, google_cloud)
    for team, variables in zip(TEAMS, made.hosts.values(), strict=True):
        variables |= {"gke_project": team, "gke_network_project": HOST}
    return made


def robot(cloud: Cloud, project: str) -> str:
    return f"serviceAccount:service-{cloud.number(project)}@container-engine-robot.iam.gserviceaccount.com"


def apis(cloud: Cloud, project: str) -> str:
    return f"serviceAccount:{cloud.number(project)}@cloudservices.gserviceaccount.com"


def permit(cloud: Cloud, project: str) -> None:
    """All that the administrator of the host project does for a service project."""
    cloud.attach(project, HOST)
    cloud.grant(HOST, AGENT_USER, robot(cloud, project))
    cloud.grant(HOST, USER, robot(cloud, project), apis(cloud, project))


def made(cloud: Cloud, kind: str) -> list[str]:
    return sorted(key.partition("/")[2] for key in cloud.resources if key.split("/")[-2] == kind)


@pytest.mark.slow
def test_two_service_projects_on_one_network(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    for team in TEAMS:
        permit(cloud, team)
    policies = json.dumps(cloud.policies)

    code, stats, said = playbook("--check")
    assert code == 0, said
    assert changed(stats) > 0
    assert cloud.resources == {}

    code, _stats, said = playbook()
    assert code == 0, said
    network = f"projects/{HOST}/global/networks/mesh-shop"
    assert made(cloud, "networks") == [network]
    assert made(cloud, "subnetworks") == [
        f"projects/{HOST}/regions/europe-north1/subnetworks/mesh-shop-north",
        f"projects/{HOST}/regions/us-west1/subnetworks/mesh-shop-west",
    ]
    assert len(made(cloud, "routers")) == 2
    assert all(f"projects/{HOST}/" in path for path in made(cloud, "routers") + made(cloud, "firewalls"))
    clusters = [cloud.resources[f"container/{path}"] for path in made(cloud, "clusters")]
    assert [c["networkConfig"]["network"] for c in clusters] == [network, network]
    # One rule, in the host project, lets the pods of both projects reach each other.
    pods = cloud.resources[f"compute/projects/{HOST}/global/firewalls/mesh-shop-pods"]
    assert sorted(pods["sourceRanges"]) == sorted(c["clusterIpv4Cidr"] for c in clusters)

    cloud.log.clear()
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said
    assert len(cloud.log) <= 2 * len(playbook.hosts) + 5
    assert {entry["verb"] for entry in cloud.log} == {"GET"}

    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert cloud.resources == {}
    assert json.dumps(cloud.policies) == policies


@pytest.mark.slow
def test_who_may_not_drops_out_alone_before_anything_is_made(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    code, stats, said = playbook()
    assert code != 0
    assert (stats["west"]["failures"], stats["north"]["failures"]) == (1, 1)
    assert "project team-a is not attached to project shop-net" in said
    assert "shop-net is no Shared VPC host project" in said
    assert "gcloud compute shared-vpc enable shop-net" in said
    assert "gcloud compute shared-vpc associated-projects add team-b --host-project shop-net" in said
    assert cloud.resources == {}

    permit(cloud, "team-a")
    cloud.attach("team-b", HOST)
    cloud.grant(HOST, AGENT_USER, robot(cloud, "team-b"))
    code, stats, said = playbook()
    assert (stats["west"]["failures"], stats["north"]["failures"]) == (0, 1)
    assert "accounts of project team-b lack roles in host project shop-net" in said
    for member in (robot(cloud, "team-b"), apis(cloud, "team-b")):
        assert f"add-iam-policy-binding shop-net --member={member} --role={USER}" in said
    assert f"{AGENT_USER} for {robot(cloud, 'team-b')}" not in said
    assert made(cloud, "clusters") == ["projects/team-a/locations/us-west1-a/clusters/west"]
    assert not any("north" in path for path in made(cloud, "subnetworks"))


@pytest.mark.slow
def test_roles_are_granted_where_wanted_and_revoked(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    for team in TEAMS:
        cloud.attach(team, HOST)
    cloud.grant(HOST, USER, robot(cloud, "team-a"), "group:net@shop.example")
    for variables in playbook.hosts.values():
        variables["gke_network_roles"] = "granted"
    record = playbook.folder / "state" / "shop" / "google" / "network_grants.json"

    code, _stats, said = playbook("--check")
    assert code == 0, said
    assert not record.exists()
    code, _stats, said = playbook()
    assert code == 0, said
    assert len(made(cloud, "clusters")) == 2
    # team-a's robot had one of them before.
    assert len(json.loads(record.read_text())) == 5
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said

    def holders() -> set[tuple[str, str]]:
        return {(b["role"], m) for b in cloud.policies[HOST]["bindings"] for m in b["members"]}

    code, _stats, said = playbook("--limit", "west", "-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    north = {(AGENT_USER, robot(cloud, "team-b")), (USER, robot(cloud, "team-b")), (USER, apis(cloud, "team-b"))}
    others = {(USER, robot(cloud, "team-a")), (USER, "group:net@shop.example")}
    assert holders() == north | others
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert holders() == others
    assert not record.exists()
    assert cloud.resources == {}


def network(cloud: Cloud) -> str:
    """A network that others made, with subnets for both clusters and ranges of their own names; its address."""
    link = f"https://www.googleapis.com/compute/v1/projects/{HOST}/global/networks/corp"
    cloud.resources[f"compute/projects/{HOST}/global/networks/corp"] = {"name": "corp", "selfLink": link}
    for region, nodes, pods, services in (
        ("us-west1", "10.128.0.0/22", "10.17.0.0/16", "10.112.16.0/20"),
        ("europe-north1", "10.128.4.0/22", "10.16.0.0/16", "10.112.0.0/20"),
    ):
        cloud.resources[f"compute/projects/{HOST}/regions/{region}/subnetworks/{region}"] = {
            "name": region,
            "network": link,
            "region": f"x/{region}",
            "ipCidrRange": nodes,
            "secondaryIpRanges": [
                {"rangeName": "gke-p", "ipCidrRange": pods},
                {"rangeName": "gke-s", "ipCidrRange": services},
            ],
        }
    return link


@pytest.mark.slow
def test_a_network_of_others_is_used_as_it_is(playbook: Playbook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    link = network(cloud)
    for team, region in zip(TEAMS, ("us-west1", "europe-north1"), strict=True):
        cloud.attach(team, HOST)
        cloud.grant(HOST, AGENT_USER, robot(cloud, team))
        subnet = f"projects/{HOST}/regions/{region}/subnetworks/{region}"
        cloud.grant(subnet, USER, robot(cloud, team), apis(cloud, team))
    for permission in ("firewalls", "routers"):
        verb = f"compute.{permission}.insert"
        cloud.deny(f"compute.{permission}.create", verb, path=f"projects/{HOST}")
    for variables in playbook.hosts.values():
        region = variables["cluster_region"]
        variables |= {"gke_network": "corp", "gke_subnetwork": region}
        variables |= {"gke_pod_range_name": "gke-p", "gke_service_range_name": "gke-s"}
    playbook.hosts["west"] |= {"gke_node_cidr": "10.128.0.0/22", "cluster_pod_cidr": "10.17.0.0/16"}
    playbook.hosts["west"] |= {"cluster_service_cidr": "10.112.16.0/20"}
    playbook.hosts["north"] |= {"gke_node_cidr": "10.128.4.0/22", "cluster_pod_cidr": "10.16.0.0/16"}
    playbook.hosts["north"] |= {"cluster_service_cidr": "10.112.0.0/20"}
    before = sorted(cloud.resources)

    code, _stats, said = playbook()
    assert code != 0
    assert "the network in host project shop-net lacks something that these credentials may not make" in said
    assert "firewall rule corp-mesh-shop-pods-nodes: tcp, udp, icmp, esp, ah, sctp from 10.16.0.0/16" in said
    assert "firewall rule corp-mesh-shop-webhooks-nodes: tcp:15017 from 10.128.0.0/22, 10.128.4.0/22 to" in said
    assert "the account lacks compute.firewalls.create in project shop-net" in said
    assert sorted(cloud.resources) == before

    # The administrator makes one rule for all of it, under a name of their own.
    rule: dict[str, t.Any] = {"name": "inside", "network": link, "direction": "INGRESS", "sourceRanges": ["10.0.0.0/8"]}
    rule["allowed"] = [{"IPProtocol": "all"}]
    cloud.resources[f"compute/projects/{HOST}/global/firewalls/inside"] = rule
    code, _stats, said = playbook()
    assert code != 0
    assert "missing: router us-west1/corp-us-west1 with NAT for all subnets, made" in said
    assert "or set cluster_egress if its nodes reach the internet without NAT" in said
    assert made(cloud, "clusters") == []

    for variables in playbook.hosts.values():
        variables["cluster_egress"] = ["192.0.2.1/32"]
    code, _stats, said = playbook()
    assert code == 0, said
    assert len(made(cloud, "clusters")) == 2
    assert made(cloud, "routers") == []
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said
    code, _stats, said = playbook("-e", "gke_cluster_delete=true", tasks_from="absent")
    assert code == 0, said
    assert sorted(cloud.resources) == sorted([*before, f"compute/projects/{HOST}/global/firewalls/inside"])


@pytest.mark.slow
def test_googles_controllers_get_their_roles_in_the_host_project(
    tmp_path: Path, root: Path, google_cloud: StandIn
) -> None:
    cloud = google_cloud.cloud
    playbook = Playbook(tmp_path, root, google_cloud)
    playbook.role = "gke_fleet"
    exports = {"mesh_exports": [{"service": "orders.shop", "to": "all"}], "gke_fleet_timeout": 5}
    playbook.hosts = {"west": {"cluster_region": "us-west1", "gke_network_project": HOST, **exports}}
    west = "container/projects/shop-prod/locations/us-west1/clusters/west"
    cloud.resources[west] = {"name": "west", "location": "us-west1", "status": "RUNNING"}
    cloud.grant(HOST, "roles/owner", "user:net@shop.example")

    cloud.deny("resourcemanager.projects.getIamPolicy", "*.getIamPolicy", path=f"projects/{HOST}")
    code, _stats, said = playbook()
    assert code != 0
    assert (
        "have an administrator of project shop-net grant roles/compute.networkViewer to serviceAccount:shop-prod"
        in said
    )
    code, _stats, said = playbook("-e", "gke_network_roles=trusted")
    assert code == 0, said
    cloud.faults.clear()

    code, _stats, said = playbook()
    assert code == 0, said
    agent = f"serviceAccount:service-{cloud.number('shop-prod')}@gcp-sa-mcsd.iam.gserviceaccount.com"
    assert {(b["role"], *b["members"]) for b in cloud.policies[HOST]["bindings"]} == {
        ("roles/owner", "user:net@shop.example"),
        ("roles/compute.networkViewer", "serviceAccount:shop-prod.svc.id.goog[gke-mcs/gke-mcs-importer]"),
        ("roles/multiclusterservicediscovery.serviceAgent", agent),
    }
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said
    code, _stats, said = playbook(tasks_from="absent")
    assert code == 0, said
    assert [b["role"] for b in cloud.policies[HOST]["bindings"]] == ["roles/owner"]
