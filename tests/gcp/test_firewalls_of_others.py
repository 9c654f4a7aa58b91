# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Firewall rules and policies of others that would stop the mesh: preflight names them, and makes nothing."""

from __future__ import annotations

import typing as t

import pytest

from .cluster_runs import HOSTS, Run, make
from .standin.server import StandIn
from .test_preflight import PROJECT, Look, said

Json = dict[str, t.Any]
NETWORK = f"projects/{PROJECT}/global/networks/corp"
LINK = f"https://www.googleapis.com/compute/v1/{NETWORK}"
ASKED = "compute.regionNetworkFirewallPolicies.getEffectiveFirewalls"


@pytest.fixture
def look(google_cloud: StandIn, options: Json) -> Look:
    """Two new clusters in a VPC of others."""
    network = {"name": "corp", "selfLink": LINK, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"}
    google_cloud.cloud.resources[f"compute/{NETWORK}"] = network
    found = Look(google_cloud, options)
    found.hosts = {name: {**v, "gke_network": "corp"} for name, v in HOSTS.items()}
    return found


def rule(look: Look, name: str, **more: t.Any) -> None:
    found = {"name": name, "network": LINK, "direction": "INGRESS", "priority": 100, "sourceRanges": ["10.0.0.0/8"]}
    found |= {"selfLink": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/firewalls/{name}"}
    key = f"compute/projects/{PROJECT}/global/firewalls/{name}"
    look.standin.cloud.resources[key] = {
        **found,
        **({} if "allowed" in more else {"denied": [{"IPProtocol": "all"}]}),
        **more,
    }


def policy(look: Look, kind: str, **more: t.Any) -> None:
    match = {"srcIpRanges": ["0.0.0.0/0"], "layer4Configs": [{"ipProtocol": "tcp", "ports": ["15000-15100"]}]}
    deny = {"action": "deny", "direction": "INGRESS", "priority": 7, "match": match, **more}
    found = {"name": "998877", "displayName": "corp-guard", "type": kind, "rules": [deny]}
    look.standin.cloud.firewall_policies[NETWORK] = [found]


def test_nothing_of_others_is_asked_once_for_each_region(look: Look) -> None:
    found = look()
    assert said(found) == ""
    assert look.asked.count(ASKED) == len({v["cluster_region"] for v in HOSTS.values()})


def test_a_rule_that_denies_calls_between_pods_is_named(look: Look) -> None:
    rule(look, "corp-deny")
    found = look()
    text = said(found)
    assert len(found.problems) == len(HOSTS), text
    assert "west VPC corp, project shop-prod: firewall rule corp-deny stops what the mesh needs" in text
    assert "calls from pods of north, the webhook of istiod (ingress, priority 100)" in text
    assert f"gcloud compute firewall-rules update corp-deny --priority=2000 --project={PROJECT}" in text
    assert look.standin.cloud.log and {e["verb"] for e in look.standin.cloud.log} <= {"GET", "POST"}


def test_a_rule_behind_those_that_the_run_makes_is_none(look: Look) -> None:
    rule(look, "corp-deny", priority=1001)
    assert said(look()) == ""


def test_a_rule_for_other_machines_is_none(look: Look) -> None:
    rule(look, "corp-deny", targetTags=["databases"])
    assert said(look()) == ""


def test_a_rule_for_a_tag_of_our_nodes_is_named(look: Look) -> None:
    rule(look, "corp-deny", targetTags=["frontends"])
    look.hosts["west"]["gke_network_tags"] = ["frontends"]
    found = look()
    assert [p.cluster for p in found.problems] == ["west"], said(found)


def test_a_pool_with_the_tag_is_enough(look: Look) -> None:
    rule(look, "corp-deny", targetTags=["frontends"])
    look.hosts["west"]["gke_node_pools"] = [{"name": "a"}, {"name": "b", "network_tags": ["frontends"]}]
    assert [p.cluster for p in look().problems] == ["west"]


def test_calls_that_may_not_leave_are_named(look: Look) -> None:
    rule(look, "no-way-out", direction="EGRESS", sourceRanges=[], destinationRanges=["0.0.0.0/0"], priority=2000)
    text = said(look())
    assert "it denies calls to pods of north (egress, priority 2000)" in text
    assert "--direction=EGRESS --action=ALLOW --rules=tcp --destination-ranges=" in text
    assert "--priority=1999" in text


def test_policies_above_the_vpc_are_named(look: Look) -> None:
    policy(look, "HIERARCHY")
    text = said(look())
    assert "rule 7 of firewall policy corp-guard stops what the mesh needs" in text
    assert "the webhook of istiod (ingress, priority 7, 998877, of the organisation or a folder)" in text
    assert "a rule with a priority below 7" in text


def test_policies_behind_the_rules_of_the_vpc_are_none(look: Look) -> None:
    policy(look, "NETWORK")
    assert said(look()) == ""
    look.standin.cloud.resources[f"compute/{NETWORK}"]["networkFirewallPolicyEnforcementOrder"] = (
        "BEFORE_CLASSIC_FIREWALL"
    )
    assert "rule 7 of firewall policy corp-guard" in said(look())


def test_ports_of_gateways_and_health_checks_are_looked_at(look: Look) -> None:
    look.more = {"mesh_network": "per_cluster"}
    policy(look, "HIERARCHY", match={"srcIpRanges": ["0.0.0.0/0"], "layer4Configs": [{"ipProtocol": "all"}]})
    text = said(look())
    for port in (15443, 15012, 15017, 15021):
        assert f"port {port} of the east-west gateway" in text
    assert "health checks of gateways" in text
    # Pods of separate networks do not call each other.
    assert "calls from pods" not in text


def test_who_lets_others_through_first_is_not_told_of_gateways(look: Look) -> None:
    look.more = {"mesh_network": "per_cluster"}
    gateways = [{"ipProtocol": "tcp", "ports": ["15443", "15012", "15017", "15021"]}]
    policy(look, "HIERARCHY", match={"srcIpRanges": ["0.0.0.0/0"], "layer4Configs": gateways})
    first = {"action": "allow", "direction": "INGRESS", "priority": 1}
    first["match"] = {"srcIpRanges": ["203.0.113.0/24"], "layer4Configs": gateways}
    look.standin.cloud.firewall_policies[NETWORK][0]["rules"].append(first)
    assert "east-west gateway" not in said(look())


def test_what_cannot_be_judged_is_a_warning(look: Look) -> None:
    policy(look, "HIERARCHY", targetSecureTags=[{"name": "tagValues/1"}])
    found = look()
    assert said(found) == ""
    assert any(
        "west: rule 7 of firewall policy corp-guard" in w and "depends on targetSecureTags" in w for w in found.warnings
    )


def test_policies_that_may_not_be_read_are_a_warning(look: Look) -> None:
    look.standin.cloud.deny("compute.networks.getRegionEffectiveFirewalls", ASKED)
    rule(look, "corp-deny")
    found = look()
    assert "firewall rule corp-deny stops" in said(found)
    told = [w for w in found.warnings if "firewall policies (compute.networks.getRegionEffectiveFirewalls)" in w]
    assert len(told) == 1


def test_a_cluster_that_stands_and_joins_is_looked_at_too(look: Look, google_cloud: StandIn, options: Json) -> None:
    cloud = google_cloud.cloud
    corp = cloud.resources.pop(f"compute/{NETWORK}")
    make(Run(options), google_cloud)
    link = LINK.replace("corp", "default")
    cloud.resources["compute/" + NETWORK.replace("corp", "default")] = {**corp, "name": "default", "selfLink": link}
    rule(look, "corp-deny", network=link)
    look.hosts = {name: {**v, "gke_network": "default"} for name, v in HOSTS.items()}
    assert "firewall rule corp-deny stops what the mesh needs" in said(look())


@pytest.mark.parametrize(
    ("sources", "stack", "problems"),
    [(["::/0"], "ipv4_ipv6", 2), (["2600:1900:aa::/48"], "ipv4_ipv6", 2), (["::/0"], "ipv4", 0)],
)
def test_a_rule_against_ipv6_of_pods_is_named(look: Look, sources: list[str], stack: str, problems: int) -> None:
    for number, (name, variables) in enumerate(look.hosts.items()):
        variables |= {"gke_stack_type": stack, "gke_subnetwork": f"corp-{name}"}
        variables |= {"gke_node_cidr": f"10.90.{number * 4}.0/22", "cluster_pod_cidr": f"10.{100 + number}.0.0/16"}
        variables |= {"cluster_service_cidr": f"10.{110 + number}.0.0/20"}
        ranges = {"pods": variables["cluster_pod_cidr"], "services": variables["cluster_service_cidr"]}
        key = f"compute/projects/{PROJECT}/regions/{variables['cluster_region']}/subnetworks/corp-{name}"
        look.standin.cloud.resources[key] = {
            "name": f"corp-{name}",
            "selfLink": f"https://www.googleapis.com/{key.replace('compute/', 'compute/v1/', 1)}",
            "region": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/regions/{variables['cluster_region']}",
            "network": LINK,
            "ipCidrRange": variables["gke_node_cidr"],
            "secondaryIpRanges": [{"rangeName": n, "ipCidrRange": cidr} for n, cidr in ranges.items()],
            "stackType": "IPV4_IPV6",
            "externalIpv6Prefix": f"2600:1900:aa:{number}:0:0:0:0/64",
        }
    assert said(look()) == ""
    rule(look, "corp-deny-six", sourceRanges=sources)
    found = look()
    text = said(found)
    assert len(found.problems) == problems, text
    assert ("calls from pods of north (IPv6) (ingress, priority 100)" in text) == bool(problems)
