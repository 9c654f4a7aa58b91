# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VPC, subnets, firewall rules and NAT: what is missing, what stays, what one more cluster changes."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import nat_name, plan_nat
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import (
    ExistingNetwork,
    NetworkPlan,
    plan_network,
    plan_removal,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    cluster_specs,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

from .standin.discovery import services

Vars = dict[str, t.Any]
WEST: Vars = {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"}
NORTH: Vars = {"cluster_region": "europe-north1"}
SOUTH: Vars = {"cluster_region": "europe-west8"}
MARK = "made by mesh.fleet for fleet shop"
PLACE = ("shop-prod", "mesh-shop", "us-west1")


def everybody(hosts: t.Mapping[str, Vars], **more: t.Any) -> list[ClusterSpec]:
    base = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod", **more}
    fleet = read_fleet({host: {**base, **variables} for host, variables in hosts.items()}, environment())
    return list(cluster_specs(fleet, members(fleet)).values())


def planned(clusters: list[ClusterSpec], live: ExistingNetwork) -> NetworkPlan:
    plan, failed = plan_network(clusters, {w.host for w in clusters}, live, MARK)
    assert failed == {}
    return plan


def after(plan: NetworkPlan, live: ExistingNetwork) -> ExistingNetwork:
    """What is there once google.cloud's modules have made it."""
    networks = {**live.networks, **{n["name"]: n for n in plan.networks}}
    subnets = dict(live.subnets)
    for s in plan.subnets.values():
        second = [{"rangeName": r["range_name"], "ipCidrRange": r["ip_cidr_range"]} for r in s["secondary_ip_ranges"]]
        subnets[s["region"], s["name"]] = {
            "network": s["network"],
            "description": s["description"],
            "ipCidrRange": s["ip_cidr_range"],
            "secondaryIpRanges": second,
        }
    gone = {rule["name"] for rule in plan.stale}
    firewalls = {name: rule for name, rule in live.firewalls.items() if name not in gone}
    for f in plan.firewalls:
        firewalls[f["name"]] = {
            "network": f["network"],
            "description": f["description"],
            "sourceRanges": f["source_ranges"],
            "targetTags": f.get("target_tags"),
            "allowed": [{"IPProtocol": a["ip_protocol"], "ports": a.get("ports")} for a in f["allowed"]],
        }
    return ExistingNetwork(networks, subnets, firewalls)


def nothing() -> ExistingNetwork:
    return ExistingNetwork({}, {}, {})


def test_ranges_come_from_the_model() -> None:
    west, north = everybody({"west": WEST, "north": NORTH})
    plan = planned([west, north], nothing())
    assert [n["name"] for n in plan.networks] == ["mesh-shop"]
    assert plan.subnets["west"]["secondary_ip_ranges"] == [
        {"range_name": "pods", "ip_cidr_range": west.pod_cidr},
        {"range_name": "services", "ip_cidr_range": west.service_cidr},
    ]
    pods, webhooks = plan.firewalls
    assert pods["source_ranges"] == sorted([west.pod_cidr, north.pod_cidr])
    assert {a["ip_protocol"] for a in pods["allowed"]} >= {"tcp", "udp", "icmp"}
    assert webhooks["source_ranges"] == sorted([west.node_cidr, north.node_cidr])
    assert webhooks["allowed"] == [{"ip_protocol": "tcp", "ports": ["15017"]}]


def test_a_control_plane_range_is_allowed_to_the_webhook() -> None:
    clusters = everybody({"west": {**WEST, "gke_control_plane_cidr": "172.16.0.0/28"}})
    assert "172.16.0.0/28" in planned(clusters, nothing()).firewalls[1]["source_ranges"]


def test_the_second_time_nothing_is_missing() -> None:
    clusters = everybody({"west": WEST, "north": NORTH})
    assert planned(clusters, after(planned(clusters, nothing()), nothing())).count == 0


def test_a_third_cluster_adds_its_subnet_and_its_ranges_only() -> None:
    two = everybody({"west": WEST, "north": NORTH})
    live = after(planned(two, nothing()), nothing())
    three = everybody({"west": WEST, "north": NORTH, "south": SOUTH})
    plan = planned(three, live)
    assert (plan.networks, list(plan.subnets), plan.stale) == ([], ["south"], [])
    pods, webhooks = plan.firewalls
    assert set(pods["source_ranges"]) - set(live.firewalls["mesh-shop-pods"]["sourceRanges"]) == {three[2].pod_cidr}
    assert set(webhooks["source_ranges"]) - set(live.firewalls["mesh-shop-webhooks"]["sourceRanges"]) == {
        three[2].node_cidr
    }
    # A check shows what changes of a rule, and nothing else of it.
    was = plan.before["mesh-shop-pods"]
    assert {key for key in pods if pods[key] != was[key]} == {"source_ranges"}
    assert was["source_ranges"] == live.firewalls["mesh-shop-pods"]["sourceRanges"]


# In a VPC of others.


def corp() -> ExistingNetwork:
    return ExistingNetwork({"corp": {"name": "corp", "description": "the company's"}}, {}, {})


def test_rules_in_a_vpc_of_others_are_about_our_nodes_only() -> None:
    clusters = everybody({"west": WEST}, gke_network="corp")
    rules = planned(clusters, corp()).firewalls
    assert [rule["name"] for rule in rules] == ["corp-mesh-shop-pods-nodes", "corp-mesh-shop-webhooks-nodes"]
    assert all(rule["target_tags"] == ["mesh-shop"] for rule in rules)


def test_an_adopted_cluster_may_have_nodes_without_our_tag() -> None:
    live = after(planned(everybody({"west": WEST}, gke_network="corp"), corp()), corp())
    plan = planned(everybody({"west": {**WEST, "gke_adopt": True}}, gke_network="corp"), live)
    assert [rule["name"] for rule in plan.firewalls] == ["corp-mesh-shop-pods", "corp-mesh-shop-webhooks"]
    assert not any("target_tags" in rule for rule in plan.firewalls)
    # google.cloud's module cannot remove targets from a rule, so these replace the former.
    assert [rule["name"] for rule in plan.stale] == ["corp-mesh-shop-pods-nodes", "corp-mesh-shop-webhooks-nodes"]


def test_a_rule_of_others_is_never_changed() -> None:
    clusters = everybody({"west": WEST})
    live = ExistingNetwork({}, {}, {"mesh-shop-pods": {"network": "mesh-shop", "description": "by hand"}})
    with pytest.raises(FleetError, match="this fleet did not make it"):
        planned(clusters, live)


@pytest.mark.parametrize("variable", ["cluster_pod_cidr", "cluster_service_cidr", "gke_node_cidr"])
def test_a_range_that_overlaps_a_foreign_subnet_is_refused(variable: str) -> None:
    clusters = everybody({"west": WEST, "north": NORTH}, gke_network="corp")
    fields = {"cluster_pod_cidr": "pod_cidr", "cluster_service_cidr": "service_cidr", "gke_node_cidr": "node_cidr"}
    live = corp()
    used = getattr(clusters[0], fields[variable])
    live.subnets["us-east1", "office"] = {"network": "x/corp", "ipCidrRange": used}
    plan, failed = plan_network(clusters, {"west", "north"}, live, MARK)
    assert list(failed) == ["west"]
    assert failed["west"].what == f"{variable} {used} overlaps {used} of subnet us-east1/office"
    assert list(plan.subnets) == ["north"]


def test_an_existing_subnet_must_have_the_ranges() -> None:
    (west,) = everybody({"west": WEST}, gke_network="corp")
    live = corp()
    second = [{"rangeName": "gke-pods", "ipCidrRange": west.pod_cidr}]
    live.subnets["us-west1", west.subnetwork] = {
        "network": "corp",
        "ipCidrRange": "10.99.0.0/22",
        "secondaryIpRanges": second,
    }
    _plan, failed = plan_network([west], {"west"}, live, MARK)
    error = failed["west"]
    assert error.what == "gke_node_cidr, cluster_pod_cidr, cluster_service_cidr cannot be changed in place"
    assert "cluster_pod_cidr is no secondary range pods" in error.seen
    # An adopted cluster keeps the names of others, and Google's range for services.
    (adopted,) = everybody({"west": {**WEST, "gke_adopt": True, "gke_node_cidr": "10.99.0.0/22"}}, gke_network="corp")
    assert plan_network([adopted], {"west"}, live, MARK)[1] == {}


def test_two_clusters_in_one_subnet() -> None:
    hosts = {"west": {**WEST, "gke_subnetwork": "s"}, "also": {**WEST, "gke_subnetwork": "s"}}
    plan, failed = plan_network(everybody(hosts), {"west", "also"}, nothing(), MARK)
    assert list(plan.subnets) == ["west"]
    assert failed["also"].what == "subnet s is that of west too"


# Removal.


def test_removal_is_of_what_we_made_and_nobody_needs() -> None:
    clusters = everybody({"west": WEST, "north": NORTH})
    live = after(planned(clusters, nothing()), nothing())
    plan, failed = plan_removal(clusters, {"west"}, live, MARK)
    assert (list(plan.subnets), plan.firewalls, plan.networks, failed) == (["west"], [], [], {})
    plan, failed = plan_removal(clusters, {"west", "north"}, live, MARK)
    assert failed == {}
    assert sorted(rule["name"] for rule in plan.firewalls) == ["mesh-shop-pods", "mesh-shop-webhooks"]
    assert [n["name"] for n in plan.networks] == ["mesh-shop"]


def test_what_gke_left_in_the_vpc_is_named_and_never_deleted() -> None:
    clusters = everybody({"west": WEST})
    live = after(planned(clusters, nothing()), nothing())
    live.firewalls["k8s-fw-a1b2"] = {"network": "x/mesh-shop", "description": "kubernetes.io/service-name"}
    plan, failed = plan_removal(clusters, {"west"}, live, MARK)
    assert plan.networks == []
    assert sorted(rule["name"] for rule in plan.firewalls) == ["mesh-shop-pods", "mesh-shop-webhooks"]
    assert "VPC mesh-shop stays" in failed["west"].what
    assert failed["west"].seen == "firewall rule k8s-fw-a1b2"
    assert "run again" in failed["west"].next_step


# NAT.

AUTO = {"name": "nat", "natIpAllocateOption": "AUTO_ONLY"}
ROUTER = {"name": "mesh-shop-us-west1", "network": "x/mesh-shop", "description": MARK, "nats": [AUTO]}
NAME = nat_name("mesh-shop", "us-west1")


def west_place() -> dict[t.Any, ClusterSpec]:
    (west,) = everybody({"west": WEST})
    return {west.place: west}


def test_nat_has_any_address_where_none_must_be_known() -> None:
    plan = plan_nat(west_place(), (), {}, {}, MARK)
    assert (plan.addresses, plan.egress) == ([], {})
    (step,) = plan.routers
    assert step.body["nats"][0]["natIpAllocateOption"] == "AUTO_ONLY"
    compute = next(s for s in services() if s.name == "compute")
    compute.check_schema("Router", step.body, "")


def test_nat_has_an_address_reserved_where_others_must_know_it() -> None:
    plan = plan_nat(west_place(), {PLACE}, {}, {}, MARK)
    assert plan.addresses == [("us-west1", NAME)]
    (step,) = plan.routers
    assert step.body["nats"][0]["natIpAllocateOption"] == "MANUAL_ONLY"
    assert step.body["nats"][0]["natIps"][0].endswith(f"/regions/us-west1/addresses/{NAME}")
    # Then it is there.
    live = {("us-west1", "mesh-shop-us-west1"): {**ROUTER, "nats": step.body["nats"]}}
    plan = plan_nat(west_place(), {PLACE}, live, {("us-west1", NAME): {"address": "203.0.113.9"}}, MARK)
    assert (plan.addresses, plan.routers, plan.egress) == ([], [], {PLACE: ["203.0.113.9/32"]})


def test_our_nat_with_any_address_gets_the_reserved_one() -> None:
    plan = plan_nat(west_place(), {PLACE}, {("us-west1", "mesh-shop-us-west1"): ROUTER}, {}, MARK)
    (step,) = plan.routers
    assert step.patch
    assert step.body["nats"][0]["name"] == "nat"
    assert step.body["nats"][0]["natIpAllocateOption"] == "MANUAL_ONLY"


def test_nat_of_others_is_used_with_its_static_addresses() -> None:
    theirs = {**ROUTER, "description": "theirs"}
    routers = {("us-west1", "theirs"): theirs}
    assert plan_nat(west_place(), (), routers, {}, MARK).routers == []
    plan = plan_nat(west_place(), {PLACE}, routers, {}, MARK)
    assert plan.routers == []
    assert "cluster_egress" in plan.unknown[PLACE].next_step
    routers["us-west1", "theirs"] = {**theirs, "nats": [{"natIps": ["https://x/regions/us-west1/addresses/a"]}]}
    plan = plan_nat(west_place(), {PLACE}, routers, {("us-west1", "a"): {"address": "203.0.113.7"}}, MARK)
    assert (plan.routers, plan.egress, plan.unknown) == ([], {PLACE: ["203.0.113.7/32"]}, {})


def test_an_address_is_reserved_for_a_peer_outside_the_play() -> None:
    plan = plan_nat({}, {PLACE}, {}, {}, MARK)
    assert (plan.addresses, plan.routers) == ([("us-west1", NAME)], [])


@pytest.mark.parametrize("network", ["n", "n" * 63])
def test_names_fit(network: str) -> None:
    assert len(nat_name(network, "northamerica-northeast1")) <= 63
    (west,) = everybody({"west": WEST}, gke_network=network)
    live = ExistingNetwork({network: {"description": "theirs"}}, {}, {})
    for rule in planned([west], live).firewalls:
        assert len(rule["name"]) <= 63


# An inventory may lack a part.

PARTIAL = {"west": WEST, "north": NORTH, "south": SOUTH}


def without(*names: str) -> list[ClusterSpec]:
    """The clusters, without some of them; ranges are as in the whole fleet."""
    return [w for w in everybody(PARTIAL) if w.host not in names]


def stands() -> ExistingNetwork:
    """The network of the whole fleet."""
    return after(planned(without(), nothing()), nothing())


def test_rules_for_clusters_that_are_not_named_stay() -> None:
    mine = without("south")
    plan, failed = plan_network(mine, ["west"], stands(), MARK)
    assert (plan.count, failed) == (0, {})
    assert list(plan.kept) == ["west"]
    assert "europe-west8/mesh-shop-south" in plan.kept["west"].seen
    assert "-e peering_forget=south" in plan.kept["west"].next_step


def test_a_new_cluster_is_added_to_what_stays() -> None:
    live = after(planned(without("west"), nothing()), nothing())
    plan, _failed = plan_network(without("south"), ["west"], live, MARK)
    (pods,) = [rule for rule in plan.firewalls if rule["name"] == "mesh-shop-pods"]
    assert pods["source_ranges"] == sorted(w.pod_cidr for w in without())


@pytest.mark.parametrize("name", ["south", "mesh-shop-south"])
def test_rules_for_a_forgotten_cluster_go(name: str) -> None:
    mine = without("south")
    plan, _failed = plan_network(mine, ["west"], stands(), MARK, forget=[name])
    (pods,) = [rule for rule in plan.firewalls if rule["name"] == "mesh-shop-pods"]
    assert (pods["source_ranges"], plan.kept) == (sorted(w.pod_cidr for w in mine), {})


def test_rules_for_a_deleted_cluster_go() -> None:
    live = stands()
    del live.subnets["europe-west8", "mesh-shop-south"]
    plan, _failed = plan_network(without("south"), ["west"], live, MARK)
    assert len(plan.firewalls) == 2 and plan.kept == {}


def test_a_rule_that_others_replace_stays_for_the_unnamed() -> None:
    live = corp()
    old = [everybody({**PARTIAL, "south": {**SOUTH, "gke_adopt": True}}, gke_network="corp"), live]
    plan, _failed = plan_network(old[0], [w.host for w in old[0]], live, MARK)
    live = after(plan, live)
    mine = [w for w in everybody(PARTIAL, gke_network="corp") if w.host != "south"]
    plan, _failed = plan_network(mine, ["west"], live, MARK)
    assert plan.stale == [] and "west" in plan.kept
    plan, _failed = plan_network(mine, ["west"], live, MARK, forget=["south"])
    assert len(plan.stale) == 2


def test_removal_leaves_rules_for_the_unnamed() -> None:
    mine = without("south")
    plan, failed = plan_removal(mine, ["west", "north"], stands(), MARK)
    assert plan.firewalls == [] and plan.networks == []
    assert set(plan.kept) == {"west", "north"} == set(failed)
    plan, _failed = plan_removal(mine, ["west", "north"], stands(), MARK, forget=["south"])
    assert len(plan.firewalls) == 2
