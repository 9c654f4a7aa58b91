# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refused ranges: the cluster keeps its own, and no other cluster is affected. Further ranges of pods."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.firewall import covered, differs
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import serves
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import (
    ExistingNetwork,
    NetworkPlan,
    plan_network,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import read_network

from .caller import Caller, error
from .standin.server import StandIn
from .test_gke_network import MARK, NORTH, SOUTH, WEST, Vars, after, everybody, nothing, planned


def test_a_range_that_is_refused_changes_no_rule_of_the_others() -> None:
    north = {**NORTH, "cluster_pod_cidr": "10.17.0.0/16"}
    two = everybody({"west": WEST, "north": north})
    live = after(planned(two, nothing()), nothing())
    wrong = everybody({"west": {**WEST, "cluster_pod_cidr": "10.60.0.0/16"}, "north": north})
    for play in ({"west", "north"}, {"north"}):
        plan, failed = plan_network(wrong, play, live, MARK)
        # West's pods still reach north's, from the range that they have.
        assert (plan.count, set(failed)) == (0, {"west"} & play)
    _plan, failed = plan_network(wrong, {"west"}, live, MARK)
    assert f"set cluster_pod_cidr: {two[0].pod_cidr} for west" in str(failed["west"])


def test_a_range_that_overlaps_others_is_let_through_nowhere() -> None:
    network = {"name": "mesh-shop", "description": MARK}
    office = {"network": "mesh-shop", "ipCidrRange": "10.60.0.0/20"}
    live = ExistingNetwork({"mesh-shop": network}, {("us-east1", "office"): office}, {})
    clusters = everybody({"north": NORTH, "west": {**WEST, "cluster_pod_cidr": "10.60.0.0/16"}})
    plan, failed = plan_network(clusters, {"west", "north"}, live, MARK)
    assert list(failed) == ["west"]
    assert [rule["source_ranges"] for rule in plan.firewalls] == [[clusters[0].pod_cidr], [clusters[0].node_cidr]]
    plan, _failed = plan_network(clusters[1:], {"west"}, live, MARK)
    assert plan.count == 0


def test_hosts_in_another_order_get_a_hint() -> None:
    two = everybody({"west": WEST, "north": NORTH})
    live = after(planned(two, nothing()), nothing())
    three = everybody({"east": SOUTH, "west": WEST, "north": NORTH})
    plan, failed = plan_network(three, {w.host for w in three}, live, MARK)
    assert plan.count == 0
    assert "overlaps" in failed["east"].what
    said = str(failed["west"])
    assert "put new hosts after the others" in said
    for name, cidr in (("gke_node_cidr", two[0].node_cidr), ("cluster_pod_cidr", two[0].pod_cidr)):
        assert f"{name}: {cidr}" in said


# Further ranges of pods: the inventory has their names, and the subnet their addresses.

MORE: Vars = {"gke_additional_pod_ranges": ["more"]}
POOL: Vars = {"gke_node_pools": [{"name": "main"}, {"name": "wide", "pod_range": "more"}]}


class Corp:
    """A VPC of others in the stand-in, with the subnet of one cluster."""

    def __init__(self, standin: StandIn, options: dict[str, t.Any], **ranges: str) -> None:
        self.ask, self.google, self.base = Caller(standin), Google.from_args(options), "/compute/v1/projects/shop-prod"
        (west,) = everybody({"west": WEST}, gke_network="corp")
        self.ask.done("POST", f"{self.base}/global/networks", {"name": "corp", "autoCreateSubnetworks": False})
        second = {"pods": west.pod_cidr, "services": west.service_cidr, **ranges}
        subnet = {
            "name": west.subnetwork,
            "network": "projects/shop-prod/global/networks/corp",
            "ipCidrRange": west.node_cidr,
            "secondaryIpRanges": [{"rangeName": name, "ipCidrRange": cidr} for name, cidr in second.items()],
        }
        self.ask.done("POST", f"{self.base}/regions/us-west1/subnetworks", subnet)

    def plan(self, variables: Vars) -> tuple[NetworkPlan, dict[str, FleetError]]:
        clusters = everybody({"west": {**WEST, **variables}}, gke_network="corp")
        return plan_network(clusters, {"west"}, read_network(self.google, clusters, MARK), MARK)

    def apply(self, plan: NetworkPlan) -> None:
        for rule in plan.firewalls:
            body = {
                "name": rule["name"],
                "description": rule["description"],
                "network": "projects/shop-prod/global/networks/corp",
                "sourceRanges": rule["source_ranges"],
                "allowed": [
                    {"IPProtocol": a["ip_protocol"], **({"ports": a["ports"]} if "ports" in a else {})}
                    for a in rule["allowed"]
                ],
                **({"targetTags": rule["target_tags"]} if "target_tags" in rule else {}),
            }
            where = f"{self.base}/global/firewalls"
            if rule["name"] in plan.before:
                self.ask.done("PATCH", f"{where}/{rule['name']}", body)
            else:
                self.ask.done("POST", where, body)


@pytest.mark.parametrize("adopt", [False, True], ids=["ours", "adopted"])
@pytest.mark.parametrize("named", [MORE, POOL], ids=["cluster", "pool"])
def test_further_ranges_of_pods_are_let_through(
    google_cloud: StandIn, options: dict[str, t.Any], named: Vars, adopt: bool
) -> None:
    corp = Corp(google_cloud, options, more="10.200.0.0/16")
    plain = {"gke_adopt": adopt}
    plan, failed = corp.plan(plain)
    corp.apply(plan)
    assert (corp.plan(plain)[0].count, failed) == (0, {})
    plan, failed = corp.plan({**plain, **named})
    assert failed == {}
    (pods,) = plan.firewalls
    assert pods["name"] in plan.before and "10.200.0.0/16" in pods["source_ranges"]
    corp.apply(plan)
    assert corp.plan({**plain, **named})[0].count == 0
    # The name goes first, and nodes with that range later: their pods are let through as long as the subnet has it.
    assert corp.plan(plain)[0].count == 0


def test_a_further_range_that_is_not_there_is_named(google_cloud: StandIn, options: dict[str, t.Any]) -> None:
    corp = Corp(google_cloud, options)
    plan, failed = corp.plan(MORE)
    assert failed["west"].what == "subnet corp-west has no secondary range more"
    assert "pods, services" in failed["west"].seen
    assert "--add-secondary-ranges more=<range>" in failed["west"].next_step
    assert all("10.200.0.0/16" not in rule["source_ranges"] for rule in plan.firewalls)


def test_a_further_range_needs_a_subnet_that_is_there() -> None:
    (west,) = everybody({"west": {**WEST, **MORE}})
    plan, failed = plan_network([west], {"west"}, nothing(), MARK)
    assert plan.subnets == {}
    assert failed["west"].seen == "the subnet is not there yet"
    assert "without these names" in failed["west"].next_step


def test_nat_of_a_list_must_have_further_ranges_too() -> None:
    (west,) = everybody({"west": {**WEST, **MORE}})
    west = dataclasses.replace(west, passed={"networkConfig": {"defaultSnatStatus": {"disabled": True}}})
    subnet = {
        "name": f"https://x/{west.subnetwork_path}",
        "sourceIpRangesToNat": ["PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"],
        "secondaryIpRangeNames": ["pods"],
    }
    nat = {"sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS", "subnetworks": [subnet]}
    assert not serves({"nats": [nat]}, west)
    subnet["secondaryIpRangeNames"] = ["pods", "more"]
    assert serves({"nats": [nat]}, west)


# IPv6: a subnet of both families, and a rule of its own for it.

DUAL: Vars = {"gke_stack_type": "ipv4_ipv6", "gke_subnetwork": "corp-west"}


@pytest.mark.parametrize("access", ["EXTERNAL", "INTERNAL"])
def test_ipv6_of_a_subnet_is_let_through(google_cloud: StandIn, options: dict[str, t.Any], access: str) -> None:
    corp = Corp(google_cloud, options)
    corp.apply(corp.plan({})[0])
    plan, failed = corp.plan(DUAL)
    assert plan.dual_stack == {}, "it is not ours"
    assert failed["west"].what == "subnet corp-west has no IPv6 range"
    assert "--stack-type=IPV4_IPV6" in failed["west"].next_step
    subnet = f"{corp.base}/regions/us-west1/subnetworks/corp-west"
    body = {"stackType": "IPV4_IPV6", "ipv6AccessType": access}
    found = corp.ask("GET", subnet).json()
    live = google_cloud.cloud.resources["compute/projects/shop-prod/global/networks/corp"]
    if access == "INTERNAL":
        error(corp.ask("PATCH", subnet, {**body, "fingerprint": found["fingerprint"]}), 400)
        live["enableUlaInternalIpv6"] = True
    corp.ask.done("PATCH", subnet, {**body, "fingerprint": found["fingerprint"]})
    plan, failed = corp.plan(DUAL)
    assert failed == {}
    (rule,) = plan.firewalls
    assert rule["name"] == "corp-mesh-shop-pods-ipv6-nodes"
    assert all(cidr.endswith("::/64") for cidr in rule["source_ranges"]) and len(rule["source_ranges"]) == 1
    assert {"tcp", "58"} <= {one["ip_protocol"] for one in rule["allowed"]}
    corp.apply(plan)
    assert corp.plan(DUAL)[0].count == 0
    # Nodes may still have both families when the inventory no longer says so.
    assert corp.plan({})[0].count == 0


def test_a_subnet_that_we_make_gets_ipv6() -> None:
    (west,) = everybody({"west": {**WEST, **DUAL, "gke_ipv6_access": "external"}})
    plan, failed = plan_network([west], {"west"}, nothing(), MARK)
    assert failed == {} and plan.subnets["west"]["name"] == plan.dual_stack["west"]["name"]
    assert plan.dual_stack["west"]["access"] == "EXTERNAL"
    assert "dual_stack" in plan.kinds


def test_a_subnet_that_we_made_before_gets_ipv6(google_cloud: StandIn, options: dict[str, t.Any]) -> None:
    corp = Corp(google_cloud, options)
    key = "compute/projects/shop-prod/regions/us-west1/subnetworks/corp-west"
    google_cloud.cloud.resources[key]["description"] = MARK
    corp.apply(corp.plan({})[0])
    plan, failed = corp.plan(DUAL)
    west = {"name": "corp-west", "region": "us-west1", "network": "corp", "access": "INTERNAL"}
    assert (plan.dual_stack, plan.count, failed) == ({"west": west}, 1, {})


def test_the_stand_in_keeps_families_apart(google_cloud: StandIn, options: dict[str, t.Any]) -> None:
    corp = Corp(google_cloud, options)
    body = {"name": "r", "network": "projects/shop-prod/global/networks/corp", "allowed": [{"IPProtocol": "icmp"}]}
    for sources in (["2600:1900::/64", "10.0.0.0/8"], ["2600:1900::/64"]):
        error(corp.ask("POST", f"{corp.base}/global/firewalls", {**body, "sourceRanges": sources}), 400)


def test_a_rule_of_others_covers_a_family_of_its_own() -> None:
    rule = {"network": "corp", "source_ranges": ["2600:1900::/64"], "allowed": [{"ip_protocol": "tcp"}]}
    found = {"network": "x/corp", "allowed": [{"IPProtocol": "all"}]}
    assert not covered(rule, [{**found, "sourceRanges": ["0.0.0.0/0"]}])
    assert covered(rule, [{**found, "sourceRanges": ["::/0"]}])


def test_an_ipv6_range_with_all_its_zeros_is_the_same() -> None:
    rule = {"source_ranges": ["2600:1900:4000:1::/64"], "allowed": [{"ip_protocol": "tcp"}]}
    found = {"sourceRanges": ["2600:1900:4000:1:0:0:0:0/64"], "allowed": [{"IPProtocol": "tcp"}]}
    assert not differs(rule, found)
