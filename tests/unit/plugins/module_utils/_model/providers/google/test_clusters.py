# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What GKE clusters shall be: who reaches their API servers from where, their ranges, their node pools."""

from __future__ import annotations

import ipaddress
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    cluster_specs,
    own_ranges,
    with_egress,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.paths import callers
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

Vars = dict[str, t.Any]
WEST: Vars = {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"}
NORTH: Vars = {"cluster_region": "europe-north1"}
OWN: Vars = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "/k", "cluster_region": "eu-de"}
LIMITED: Vars = {"gke_authorized_networks": ["198.51.100.7/32"]}


def fleet_of(hosts: t.Mapping[str, Vars], environment: Environment | None = None, **more: t.Any) -> Fleet:
    base = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod", **more}
    return read_fleet({host: {**base, **variables} for host, variables in hosts.items()}, environment)


def wanted_of(hosts: t.Mapping[str, Vars], **more: t.Any) -> dict[str, ClusterSpec]:
    fleet = fleet_of(hosts, **more)
    return cluster_specs(fleet, members(fleet))


def lets_through(cluster: ClusterSpec, address: str) -> bool:
    nets = [ipaddress.IPv4Network(text) for text in cluster.authorized or ()]
    return any(ipaddress.IPv4Address(address) in net for net in nets)


def first_of(cidr: str) -> str:
    return str(ipaddress.IPv4Network(cidr)[5])


# Within one VPC: pods and nodes, by their own addresses.


def test_peers_of_one_vpc_come_by_their_own_addresses() -> None:
    found = wanted_of({"west": WEST, "north": NORTH}, gke_endpoint="private")
    west, north = found["west"], found["north"]
    assert lets_through(west, first_of(north.pod_cidr))
    assert lets_through(west, first_of(north.node_cidr))
    assert not lets_through(west, first_of(north.service_cidr))
    assert (west.nats, north.nats) == ((), ())


def test_who_does_not_watch_is_not_let_through() -> None:
    found = wanted_of({"west": WEST, "north": {**NORTH, "mesh_peers": []}}, gke_endpoint="private")
    assert found["west"].authorized == ()
    assert lets_through(found["north"], first_of(found["west"].pod_cidr))


def test_a_public_endpoint_without_a_list_is_open() -> None:
    assert wanted_of({"west": WEST, "north": NORTH})["west"].authorized is None


def test_fifty_neighbours_are_few_ranges() -> None:
    hosts = {f"c{n:02d}": WEST for n in range(50)}
    began = time.process_time()
    found = wanted_of(hosts, gke_endpoint="private", fleet_pod_range="10.0.0.0/10", fleet_service_range="10.64.0.0/10")
    assert time.process_time() - began < 2
    assert all(len(w.authorized or ()) <= 8 for w in found.values())
    assert all(lets_through(w, first_of(other.pod_cidr)) for w in found.values() for other in found.values())


def test_more_ranges_than_google_takes_are_refused() -> None:
    given = [f"198.51.{n}.0/32" for n in range(0, 202, 2)]
    with pytest.raises(FleetError, match="gke_authorized_networks cannot be 1") as caught:
        wanted_of({"west": {**WEST, "gke_authorized_networks": given}})
    assert "Google accepts 100" in caught.value.next_step


# Beyond it: by NAT, or by what the inventory tells.


def test_a_peer_of_another_vpc_comes_by_its_nat() -> None:
    found = wanted_of({"west": {**WEST, **LIMITED}, "north": {**NORTH, "gke_network": "corp"}})
    assert found["west"].nats == (("shop-prod", "corp", "europe-north1"),)
    assert found["north"].nats == ()  # open to everybody
    west = with_egress(found["west"], {("shop-prod", "corp", "europe-north1"): ["203.0.113.9/32"]})
    assert lets_through(west, "203.0.113.9")
    assert lets_through(west, "198.51.100.7")


def test_all_watchers_use_nat_if_one_is_in_another_vpc() -> None:
    # One address of a cluster is written for all that watch it.
    found = wanted_of({"west": {**WEST, **LIMITED}, "south": WEST, "own": {**OWN, "cluster_egress": ["192.0.2.0/28"]}})
    assert found["west"].nats == (("shop-prod", "mesh-shop", "us-west1"),)
    assert lets_through(found["west"], "192.0.2.3")


def test_service_projects_on_one_network_share_a_vpc() -> None:
    shared = {"gke_network_project": "shop-net"}
    found = wanted_of({"west": {**WEST, **LIMITED, **shared}, "north": {**NORTH, **shared, "gke_project": "team-b"}})
    assert found["west"].nats == ()
    assert lets_through(found["west"], first_of(found["north"].pod_cidr))
    assert found["north"].place == ("shop-net", "mesh-shop", "europe-north1")
    # On a network of its own the second one comes by its NAT, which is in the host project of that network.
    corp = {**NORTH, "gke_project": "team-b", "gke_network_project": "corp-net"}
    apart = wanted_of({"west": {**WEST, **LIMITED, **shared}, "north": corp})
    assert apart["west"].nats == (("corp-net", "mesh-shop", "europe-north1"),)


def test_the_project_of_the_environment_is_that_of_its_nat() -> None:
    here = Environment(variables={"GCP_PROJECT": "from-environment"})
    fleet = fleet_of({"west": {**WEST, **LIMITED}, "north": {**NORTH, "gke_network": "corp"}}, here, gke_project="")
    assert cluster_specs(fleet, members(fleet))["west"].nats[0][0] == "from-environment"


def test_every_cluster_has_its_ranges_whoever_it_watches() -> None:
    hosts = {"west": WEST, "north": {**NORTH, "mesh_peers": []}, "own": {**OWN, "cluster_egress": ["192.0.2.0/28"]}}
    fleet = fleet_of(hosts)
    specs = cluster_specs(fleet, members(fleet))
    egress = {("shop-prod", "mesh-shop", "europe-north1"): ["203.0.113.7/32", "address of NAT, to be reserved"]}
    found = own_ranges(fleet, members(fleet), egress)
    for host, more in (("west", []), ("north", ["203.0.113.7/32"])):
        assert [r for r, h in found if h == host] == [specs[host].pod_cidr, specs[host].node_cidr, *more]
    assert ("192.0.2.0/28", "own") in found


def test_an_unknown_egress_address_is_an_error() -> None:
    found = wanted_of({"west": {**WEST, **LIMITED}, "north": {**NORTH, "gke_network": "corp"}})
    with pytest.raises(FleetError) as caught:
        with_egress(found["west"], {})
    assert "shop-prod/corp/europe-north1" in caught.value.seen
    assert "cluster_egress" in caught.value.next_step


def test_an_address_still_to_be_reserved_stands_in_words() -> None:
    found = wanted_of({"west": {**WEST, **LIMITED}, "north": {**NORTH, "gke_network": "corp"}})
    west = with_egress(found["west"], {("shop-prod", "corp", "europe-north1"): ["address of NAT, to be reserved"]})
    assert west.authorized is not None
    assert west.authorized[-1] == "address of NAT, to be reserved"


@pytest.mark.parametrize(
    ("other", "unknown"),
    [
        (OWN, ("other",)),
        ({**OWN, "cluster_egress": ["192.0.2.1/32"]}, ()),
        ({**OWN, "cluster_egress": []}, ()),
        ({**OWN, "mesh_peers": []}, ()),
        ({**NORTH, "gke_network": "corp", "gke_private_nodes": False}, ("other",)),
        ({**NORTH, "gke_private_nodes": False}, ()),
    ],
)
def test_whose_addresses_nobody_knows(other: Vars, unknown: tuple[str, ...]) -> None:
    assert callers(fleet_of({"west": {**WEST, **LIMITED}, "other": other}))["west"].unknown == unknown


@pytest.mark.parametrize(
    "more",
    [
        {"gke_peer_endpoint": "private"},
        {"cluster_peer_endpoint": "https://api.west.example"},
        {"gke_endpoint": "private"},
        {"mesh_control_plane": "managed"},
    ],
)
def test_where_the_way_is_another_no_address_is_asked_for(more: Vars) -> None:
    found = callers(fleet_of({"west": {**WEST, **LIMITED, **more}, "own": OWN}))["west"]
    assert (found.unknown, found.nats) == ((), ())


def test_thousand_clusters_cost_little() -> None:
    hosts = {f"c{n:04d}": {**WEST, "cluster_pod_cidr": f"10.{n // 256}.{n % 256}.0/24"} for n in range(1000)}
    fleet = fleet_of(hosts, gke_endpoint="private", fleet_service_range="172.16.0.0/6", gke_node_range="100.64.0.0/10")
    began = time.process_time()
    assert len(cluster_specs(fleet, members(fleet))) == 1000
    assert time.process_time() - began < 10


# Node pools.


def test_one_pool_from_plain_variables() -> None:
    (pool,) = wanted_of({"west": {**WEST, "gke_spot": True, "gke_node_count": 3}})["west"].pools
    assert (pool.name, pool.spot, pool.count, pool.machine) == ("nodes", True, 3, "e2-standard-4")


def test_pools_inherit_the_plain_variables() -> None:
    listed = [
        {"name": "nodes", "node_count_max": 9},
        {"name": "edge", "machine_type": "c3-standard-4", "taints": [{"key": "edge", "value": "only"}]},
    ]
    nodes, edge = wanted_of({"west": {**WEST, "gke_node_pools": listed, "gke_disk_size": 50}})["west"].pools
    assert (nodes.maximum, nodes.disk, nodes.machine) == (9, 50, "e2-standard-4")
    assert (edge.maximum, edge.disk, edge.machine) == (0, 50, "c3-standard-4")
    assert edge.taints == (("edge", "only", "NoSchedule"),)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (["nodes"], "gke_node_pools[0] cannot be nodes"),
        ([{"name": "a", "machine": "x"}], "gke_node_pools[0].machine cannot be x"),
        ([{"machine_type": "x"}], "gke_node_pools[0].name cannot be empty"),
        ([{"name": "a"}, {"name": "a"}], "gke_node_pools[1].name cannot be a"),
        ([{"name": "a", "node_count": 0}], "gke_node_count cannot be 0"),
        ([{"name": "a", "taints": [{"key": "k", "effect": "Never"}]}], "gke_node_pools[0].taints"),
        ([{"name": "a", "taints": [{"key": "k"}]}], "gke_node_pools cannot be tainted throughout"),
    ],
)
def test_pools_that_cannot_be(listed: list[t.Any], said: str) -> None:
    with pytest.raises(FleetError) as caught:
        wanted_of({"west": {**WEST, "gke_node_pools": listed}})
    assert said in caught.value.what
    assert caught.value.cluster == "west"
