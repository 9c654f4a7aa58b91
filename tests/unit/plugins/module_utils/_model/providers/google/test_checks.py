# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What preflight says of GKE clusters before Google is asked anything."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check

Vars = dict[str, t.Any]
WEST: Vars = {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"}
NORTH: Vars = {"cluster_region": "europe-north1"}
OWN: Vars = {
    "cluster_provider": "kubeconfig",
    "cluster_kubeconfig": "/k",
    "cluster_region": "eu-de",
    "gke_project": None,
}


def said(hosts: t.Mapping[str, Vars], **more: t.Any) -> list[str]:
    base = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod", **more}
    merged = {host: {**base, **variables} for host, variables in hosts.items()}
    found = check({host: {k: v for k, v in variables.items() if v is not None} for host, variables in merged.items()})
    return [f"{p.host} {p.statement} | {p.hint}" for p in found]


def test_a_sound_fleet_has_no_problem() -> None:
    pools = [{"name": "nodes"}, {"name": "edge", "taints": [{"key": "edge"}], "machine_type": "c3-standard-4"}]
    west = {
        **WEST,
        "gke_node_pools": pools,
        "gke_control_plane_cidr": "172.16.0.0/28",
        "gke_node_cidr": "10.140.0.0/24",
    }
    north = {**NORTH, "gke_mode": "autopilot", "gke_authorized_networks": ["198.51.100.7/32"], "gke_network": "corp"}
    assert said({"west": west, "north": north, "own": {**OWN, "cluster_egress": ["192.0.2.1/32"]}}) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"gke_machin_type": "e2-small"}, "gke_machin_type is not a variable of this collection | did you mean gke_m"),
        (
            {"gke_cluster_delet": True},
            "gke_cluster_delet is not a variable of this collection | did you mean gke_cluster_de",
        ),
        ({"gke_mode": "autopilot"}, 'gke_mode "autopilot" does not go with zone us-west1-a | leave cluster_zone out'),
        ({"gke_mode": "auto"}, 'gke_mode "auto" is unknown | one of: standard, autopilot'),
        ({"gke_release_channel": "weekly"}, 'gke_release_channel "weekly" is unknown'),
        ({"gke_node_count": 0}, "gke_node_count cannot be 0 | a whole number, at least 1"),
        ({"gke_node_count": "many"}, 'gke_node_count "many" is not a whole number'),
        ({"gke_node_count": 3, "gke_node_count_max": 2}, "gke_node_count_max cannot be 2 | 0, or at least gke_node_co"),
        ({"gke_disk_size": 5}, "gke_disk_size cannot be 5 | a whole number, at least 12"),
        ({"gke_private_nodes": "perhaps"}, 'gke_private_nodes "perhaps" is not true or false'),
        ({"gke_machine_type": "E2 small"}, 'gke_machine_type "E2 small" is not a name in Google Cloud'),
        ({"gke_name": "9lives"}, 'gke_name "9lives" is not a name that GKE accepts'),
        ({"gke_name": "x" * 41}, "is not a name that GKE accepts | at most 40"),
        ({"gke_labels": {"Team": "x"}}, 'gke_labels {"Team": "x"} has \'Team\', which is not a label\'s name'),
        ({"gke_labels": {"team": "Core"}}, "has a value for team that is not a label's"),
        ({"gke_labels": {"team": 1}}, "has a value for team that is not text | put it in quotes"),
        ({"gke_node_labels": {"a b": "c"}}, "is not a label's name"),
        ({"gke_authorized_networks": ["home"]}, "has home, which is not a range in CIDR form"),
        ({"gke_authorized_networks": ["198.51.100.7/24"]}, "has host bits set | 198.51.100.0/24 is the range"),
        ({"gke_authorized_networks": "198.51.100.7/32"}, "is text, not a list"),
        (
            {"gke_network": "projects/host/global/networks/shared"},
            "is a path, not a name | give its name",
        ),
        ({"gke_subnetwork": "Sub"}, 'gke_subnetwork "Sub" is not a name in Google Cloud'),
        (
            {"gke_node_pools": [{"name": "a", "machine": "x"}]},
            "gke_node_pools[0].machine cannot be x | known are: ",
        ),
        ({"gke_control_plane_cidr": "172.16.0.0/24"}, "gke_control_plane_cidr 172.16.0.0/24 is not a /28"),
        (
            {"gke_control_plane_cidr": "10.16.0.16/28"},
            "overlaps its own cluster_pod_cidr 10.16.0.0/16 | choose",
        ),
        ({"gke_node_cidr": "10.128.0.0/30"}, "gke_node_cidr 10.128.0.0/30 is too small"),
        (
            {"gke_node_cidr": "10.17.4.0/22"},
            "10.17.4.0/22 overlaps north's cluster_pod_cidr 10.17.0.0/16",
        ),
        ({"gke_node_cidr": "10.112.0.0/22"}, "overlaps its own cluster_service_cidr"),
        ({"cluster_egress": ["2001:db8::/64"]}, "cluster_egress"),
    ],
)
def test_a_problem_of_one_cluster(variables: Vars, expected: str) -> None:
    found = said({"west": {**WEST, **variables}, "north": NORTH})
    assert len(found) == 1, found
    assert found[0].startswith("west ")
    assert expected in found[0]


def test_ranges_of_different_vpcs_may_be_the_same() -> None:
    same = {"gke_node_cidr": "10.140.0.0/22"}
    assert said({"west": {**WEST, **same}, "north": {**NORTH, **same, "gke_network": "corp"}}) == []
    (found,) = said({"west": {**WEST, **same}, "north": {**NORTH, **same}})
    assert found.startswith("north gke_node_cidr 10.140.0.0/22 overlaps west's gke_node_cidr")


def test_ranges_on_one_shared_vpc_are_held_against_each_other() -> None:
    same = {"gke_node_cidr": "10.140.0.0/22", "gke_network_project": "shop-net"}
    north, fleet = {**NORTH, **same, "gke_project": "team-b"}, {"gke_fleet_project": "shop-prod"}
    (found,) = said({"west": {**WEST, **same}, "north": north}, **fleet)
    assert found.startswith("north gke_node_cidr 10.140.0.0/22 overlaps west's gke_node_cidr")
    assert said({"west": {**WEST, **same}, "north": {**north, "gke_network_project": "corp-net"}}, **fleet) == []


def test_ranges_for_nodes_that_are_used_up() -> None:
    (found,) = said({"west": WEST, "north": NORTH}, gke_node_range="10.128.0.0/22")
    assert found == " gke_node_range 10.128.0.0/22 has no free /22 left for north | widen it, or set gke_node_cidr"


def test_two_clusters_that_are_one() -> None:
    found, *_memberships = said({"west": {**WEST, "gke_name": "shop"}, "also": {**WEST, "gke_name": "shop"}})
    assert found == 'also gke_name "shop" is west\'s too | give each cluster one of its own'


def test_a_watcher_whose_addresses_nobody_knows() -> None:
    west = {**WEST, "gke_authorized_networks": ["198.51.100.7/32"]}
    (found,) = said({"west": west, "own": OWN})
    assert found.startswith("own cluster_egress is missing: it watches west, whose gke_authorized_networks must let it")
    assert said({"west": west, "own": {**OWN, "cluster_egress": []}}) == []
    assert said({"west": WEST, "own": OWN}) == []


def test_a_gke_cluster_with_a_kubeconfig_is_not_checked() -> None:
    assert said({"west": {**WEST, "cluster_kubeconfig": "/k", "gke_node_count": 0}}) == []


DNS = "gke-0a1b2c.us-west1.gke.goog"


def test_istiods_are_not_sent_to_the_dns_endpoint() -> None:
    assert said({"west": {**WEST, "gke_peer_endpoint": "dns"}}) == [
        'west gke_peer_endpoint "dns" cannot be used by istiods | '
        "public or private: an istiod has a token of the cluster it watches, and Google asks for its own there"
    ]
    (found,) = said({"west": {**WEST, "cluster_peer_endpoint": f"https://{DNS}"}, "north": NORTH})
    assert found.startswith(f'west cluster_peer_endpoint "https://{DNS}" is Google\'s DNS endpoint')


@pytest.mark.parametrize(
    ("west", "others", "shut_out"),
    [
        ({}, {"north": NORTH}, ""),
        ({}, {"north": {**NORTH, "gke_network": "corp"}}, "north"),
        ({}, {"north": {**NORTH, "gke_network": "corp"}, "own": OWN}, "north and 1 more"),
        ({}, {"own": OWN}, "own"),
        ({}, {"own": {**OWN, "mesh_peers": []}}, ""),
        ({"gke_peer_endpoint": "private"}, {"own": OWN}, ""),
        ({"cluster_peer_endpoint": "https://192.0.2.1"}, {"own": OWN}, ""),
        ({"gke_endpoint": "public"}, {"own": OWN}, ""),
    ],
)
def test_the_dns_endpoint_alone_excludes_other_vpcs(west: Vars, others: dict[str, Vars], shut_out: str) -> None:
    found = said({"west": {**WEST, "gke_endpoint": "dns", **west}, **others})
    if not shut_out:
        assert found == []
        return
    assert len(found) == 1, found
    assert found[0].startswith(f'west gke_endpoint "dns" leaves no way for {shut_out}, whose istiod watches it')
    assert "gke_peer_endpoint: private where networks are joined" in found[0]


def test_a_key_may_be_a_dictionary_and_is_never_shown() -> None:
    key = {"type": "service_account", "private_key": "sesame"}
    assert said({"west": {**WEST, "gke_service_account_contents": key}, "north": NORTH}) == []
    wrong = said({"west": {**WEST, "gke_service_account_contents": [key]}, "north": NORTH})
    assert len(wrong) == 1 and "is not text" in wrong[0] and "sesame" not in wrong[0]


def test_the_google_fleet_is_no_matter_of_clusters_elsewhere() -> None:
    """As the inventory plugin tells it: of Google's clusters alone, beside a file with others."""
    google = {"west": {**WEST, "gke_fleet_project": "shop-prod"}, "north": {**NORTH, "gke_project": "shop-prod"}}
    assert said({**google, "own": OWN}) == []
    google["north"]["gke_fleet_project"] = "shop-edge"
    assert any("gke_fleet_project" in line and "differs from" in line for line in said({**google, "own": OWN}))


def test_exports_stay_on_one_shared_vpc() -> None:
    shared = {"gke_network_project": "shop-net", "gke_fleet_project": "shop-prod"}
    hosts = {"west": {**WEST, **shared}, "data": {**NORTH, **shared, "gke_network": "corp"}}
    assert said(hosts) == []
    (found,) = said(hosts, mesh_exports=[{"service": "orders.shop", "to": "all"}])
    assert found.startswith("data gke_network_project leads to VPC shop-net/corp, west's to shop-net/mesh-")
