# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What preflight says of the Google fleet."""

from __future__ import annotations

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import problems_with

FRA = {"cluster_region": "eu-de", "cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/fra"}
GKE = {"cluster_region": "us-west1", "cluster_provider": "gke", "gke_project": "shop-prod"}
SHARED = {"gke_network_project": "shop-net", "gke_fleet_project": "shop-prod"}


def test_the_config_cluster_is_a_gke_cluster() -> None:
    hosts = {"west": GKE, "north": GKE, "fra": FRA}
    assert problems_with(hosts, gke_config_cluster="north") == []
    (found,) = problems_with(hosts, gke_config_cluster="nrth")
    assert 'gke_config_cluster "nrth" is not a cluster of this fleet | did you mean "north"?' in found
    (found,) = problems_with(hosts, gke_config_cluster="fra")
    assert 'gke_config_cluster "fra" is no GKE cluster, and Google reads multi-cluster ingress in one' in found


def test_clusters_of_several_projects_name_one_google_fleet() -> None:
    hosts = {"west": GKE, "north": GKE, "data": {**GKE, "gke_project": "team-data"}}
    (found,) = problems_with(hosts)
    assert found.startswith(
        "data gke_fleet_project would be team-data, and west's shop-prod: a mesh is one fleet | set"
    )
    assert problems_with(hosts, gke_fleet_project="shop-prod") == []


def test_a_front_door_on_a_shared_vpc_is_of_one_project() -> None:
    hosts = {"west": {**GKE, **SHARED}, "data": {**GKE, **SHARED, "gke_project": "team-data"}}
    assert problems_with(hosts) == []
    (found,) = problems_with(hosts, front_door_routes=[{"service": "web.shop"}])
    assert found.startswith("data gke_project is team-data, west's shop-prod: on a Shared VPC one front door has")
    assert problems_with(hosts, front_door_routes=[{"service": "web.shop", "clusters": ["west"]}]) == []
    own = {host: {**v, "gke_network_project": ""} for host, v in hosts.items()}
    assert problems_with(own, front_door_routes=[{"service": "web.shop"}]) == []


def test_two_clusters_cannot_have_one_membership() -> None:
    hosts = {
        "west": {**GKE, "gke_name": "main"},
        "data": {**GKE, "gke_project": "team-data", "gke_name": "main"},
    }
    (found,) = problems_with(hosts, gke_fleet_project="shop-prod")
    assert 'data gke_membership "main" would be west\'s too' in found
    hosts["data"] = {**hosts["data"], "gke_membership": "data"}
    assert problems_with(hosts, gke_fleet_project="shop-prod") == []
