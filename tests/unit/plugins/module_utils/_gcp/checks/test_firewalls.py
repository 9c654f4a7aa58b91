# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a firewall does to connections, also by property: address by address, as Google's page says it."""

from __future__ import annotations

import ipaddress
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.firewalls import (
    EGRESS,
    EVERYWHERE,
    GOOGLES,
    INGRESS,
    Denial,
    Flow,
    denials,
    layers_of,
)

Json = dict[str, t.Any]
NETWORK = "projects/shop-prod/global/networks/corp"
PODS = Flow("calls", INGRESS, "10.0.0.0/30", "10.0.0.8/30", None, NETWORK, frozenset({"nodes"}), "a@x")


def vpc_rule(action: str, **more: t.Any) -> Json:
    field = {"allow": "allowed", "deny": "denied"}[action]
    rule = {"name": f"{action}-it", "direction": INGRESS, "priority": 1000, field: [{"IPProtocol": "tcp"}]}
    return {**rule, "sourceRanges": [EVERYWHERE], **more}


def policy(*rules: Json, kind: str = "HIERARCHY", **more: t.Any) -> Json:
    return {"name": "1234", "displayName": "corp", "type": kind, "rules": list(rules), **more}


def policy_rule(action: str, priority: int = 100, **more: t.Any) -> Json:
    match = {"srcIpRanges": [EVERYWHERE], "layer4Configs": [{"ipProtocol": "all"}], **more.pop("match", {})}
    return {"action": action, "priority": priority, "direction": INGRESS, "match": match, **more}


def denied(
    flow: Flow, *rules: Json, policies: t.Sequence[Json] = (), order: str = "AFTER_CLASSIC_FIREWALL"
) -> list[Denial]:
    return denials(flow, layers_of({"firewallPolicys": list(policies)}, order, rules))


def names(found: t.Iterable[Denial]) -> list[tuple[str, bool]]:
    return [(denial.rule.name, denial.sure) for denial in found]


STOPPED = [("firewall rule deny-it", True)]


@pytest.mark.parametrize(
    ("rules", "stopped"),
    [
        ([vpc_rule("deny")], True),
        ([vpc_rule("deny", disabled=True)], False),
        ([vpc_rule("deny", direction=EGRESS)], False),
        ([vpc_rule("deny", denied=[{"IPProtocol": "udp"}])], False),
        ([vpc_rule("deny", denied=[{"IPProtocol": "6"}])], True),
        ([vpc_rule("deny", denied=[{"IPProtocol": "tcp", "ports": ["22", "80-90"]}])], False),
        ([vpc_rule("deny", denied=[{"IPProtocol": "tcp", "ports": ["1-65535"]}])], True),
        ([vpc_rule("deny", sourceRanges=["10.0.0.2/32"])], True),
        ([vpc_rule("deny", sourceRanges=["10.9.0.0/16"])], False),
        ([vpc_rule("deny", sourceRanges=["fd00::/8"])], False),
        ([vpc_rule("deny", destinationRanges=["10.0.0.0/30"])], False),
        ([vpc_rule("deny", targetTags=["nodes", "more"])], True),
        ([vpc_rule("deny", targetTags=["databases"])], False),
        ([vpc_rule("deny", targetServiceAccounts=["a@x"])], True),
        ([vpc_rule("deny", targetServiceAccounts=["b@x"])], False),
        # Which of two decides: the priority, then what denies.
        ([vpc_rule("deny"), vpc_rule("allow")], True),
        ([vpc_rule("deny"), vpc_rule("allow", priority=999)], False),
        ([vpc_rule("deny"), vpc_rule("allow", priority=999, sourceRanges=["10.0.0.0/31"])], True),
        ([vpc_rule("deny"), vpc_rule("allow", priority=999, targetTags=["databases"])], True),
    ],
)
def test_rules_of_a_vpc(rules: list[Json], stopped: bool) -> None:
    assert names(denied(PODS, *rules)) == (STOPPED if stopped else [])


def test_a_rule_about_one_port_stops_what_needs_that_port() -> None:
    rule = vpc_rule("deny", denied=[{"IPProtocol": "tcp", "ports": ["15000-15020"]}])
    flow = Flow("webhook", INGRESS, "10.0.0.0/30", "10.0.0.8/30", 15017, NETWORK)
    assert names(denied(flow, rule)) == STOPPED
    assert denied(Flow("other", INGRESS, "10.0.0.0/30", "10.0.0.8/30", 15443, NETWORK), rule) == []


@pytest.mark.parametrize(
    ("kind", "order", "first"),
    [
        ("HIERARCHY", "AFTER_CLASSIC_FIREWALL", True),
        ("SYSTEM_REGIONAL", "AFTER_CLASSIC_FIREWALL", True),
        ("NETWORK", "AFTER_CLASSIC_FIREWALL", False),
        ("NETWORK_REGIONAL", "AFTER_CLASSIC_FIREWALL", False),
        ("NETWORK", "BEFORE_CLASSIC_FIREWALL", True),
        ("NETWORK_REGIONAL", "BEFORE_CLASSIC_FIREWALL", True),
    ],
)
def test_which_policies_come_before_the_rules_of_the_vpc(kind: str, order: str, first: bool) -> None:
    above = policy(policy_rule("deny"), kind=kind)
    found = names(denied(PODS, vpc_rule("allow"), policies=[above], order=order))
    assert found == ([("rule 100 of firewall policy corp", True)] if first else [])
    letting = policy(policy_rule("allow"), kind=kind)
    assert names(denied(PODS, vpc_rule("deny"), policies=[letting], order=order)) == ([] if first else STOPPED)


def test_goto_next_leaves_it_to_the_next_layer() -> None:
    passing = policy(policy_rule("goto_next", 10, match={"srcIpRanges": ["10.0.0.0/31"]}), policy_rule("deny", 20))
    below = policy(policy_rule("deny", 5), kind="NETWORK", displayName="lower")
    found = denied(PODS, policies=[passing, below])
    assert names(found) == [("rule 20 of firewall policy corp", True), ("rule 5 of firewall policy lower", True)]
    assert not any(denial.whole for denial in found)


def test_policies_of_a_network_go_by_their_associations_priority() -> None:
    second = policy(policy_rule("deny"), kind="NETWORK", displayName="second", priority=2000)
    first = policy(policy_rule("allow"), kind="NETWORK", displayName="first", priority=1000)
    assert denied(PODS, policies=[second, first]) == []


@pytest.mark.parametrize(
    ("more", "unknown"),
    [
        ({"targetSecureTags": [{"name": "tagValues/1"}]}, "targetSecureTags"),
        ({"match": {"srcNetworkType": "INTERNET"}}, "srcNetworkType"),
        ({"match": {"srcIpRanges": [], "srcRegionCodes": ["FR"]}}, "srcRegionCodes"),
    ],
)
def test_what_cannot_be_judged_is_not_said_for_sure(more: Json, unknown: str) -> None:
    found = denied(PODS, policies=[policy(policy_rule("deny", **more))])
    assert [(denial.sure, denial.unknown) for denial in found] == [(False, (unknown,))]
    # Nor is what comes after one that may let it through.
    letting = policy(policy_rule("allow", **more), policy_rule("deny", 200))
    found = denied(PODS, policies=[letting])
    assert [(denial.rule.priority, denial.sure, denial.unknown) for denial in found] == [(200, False, (unknown,))]


def test_accounts_of_nodes_that_are_not_known_are_no_proof() -> None:
    flow = Flow("calls", INGRESS, "10.0.0.0/30", "10.0.0.8/30", None, NETWORK)
    found = denied(flow, vpc_rule("deny", targetServiceAccounts=["b@x"]))
    assert [(denial.sure, denial.unknown) for denial in found] == [(False, ("targetServiceAccounts",))]


def test_rules_for_another_network_or_balancers_are_not_about_it() -> None:
    other = "https://www.googleapis.com/compute/v1/projects/p/global/networks/other"
    assert denied(PODS, policies=[policy(policy_rule("deny", targetResources=[other]))]) == []
    mine = f"https://www.googleapis.com/compute/v1/{NETWORK}"
    assert len(denied(PODS, policies=[policy(policy_rule("deny", targetResources=[mine]))])) == 1
    assert denied(PODS, policies=[policy(policy_rule("deny", targetType="INTERNAL_MANAGED_LB"))]) == []


def test_what_google_inspects_is_let_through() -> None:
    inspected = policy(policy_rule("apply_security_profile_group"), policy_rule("deny", 200))
    assert denied(PODS, policies=[inspected]) == []


def test_googles_rules_come_in_their_place() -> None:
    flow = Flow("probes", INGRESS, "35.191.0.0/16", "10.0.0.8/30", 10256, NETWORK)
    later = vpc_rule("deny", priority=1001)
    assert len(denials(flow, layers_of({}, "", [later]))) == 1
    assert denials(flow, layers_of({}, "", [later], [GOOGLES])) == []
    assert len(denials(flow, layers_of({}, "", [vpc_rule("deny")], [GOOGLES]))) == 1


# -- by property --------------------------------------------------------------------------------

_NETS = st.sampled_from(["10.0.0.0/28", "10.0.0.0/30", "10.0.0.2/31", "10.0.0.1/32", "10.0.0.8/30", "10.0.0.9/32"])
_LISTS = st.lists(_NETS, min_size=1, max_size=2)


@st.composite
def _layers(draw: st.DrawFn) -> list[Json]:
    found = []
    for number in range(draw(st.integers(1, 3))):
        rules = [
            policy_rule(
                draw(st.sampled_from(["allow", "deny", "goto_next"])),
                priority,
                match={"srcIpRanges": draw(_LISTS), "destIpRanges": draw(st.one_of(st.just([]), _LISTS))},
            )
            for priority in draw(st.lists(st.integers(0, 9), max_size=4, unique=True))
        ]
        found.append(policy(*rules, displayName=f"p{number}"))
    return found


def _inside(address: ipaddress.IPv4Address, nets: t.Sequence[str]) -> bool:
    return any(address in ipaddress.IPv4Network(net) for net in nets)


def _decided(policies: t.Sequence[Json], source: ipaddress.IPv4Address, to: ipaddress.IPv4Address) -> str:
    """The rule that stops one connection; "" for none."""
    for one in policies:
        for rule in sorted(one["rules"], key=lambda r: int(r["priority"])):
            match = rule["match"]
            if not _inside(source, match["srcIpRanges"]) or not _inside(to, match["destIpRanges"] or [EVERYWHERE]):
                continue
            if rule["action"] == "deny":
                return f"rule {rule['priority']} of firewall policy {one['displayName']}"
            if rule["action"] == "allow":
                return ""
            break
    return ""


@given(_layers())
def test_each_connection_is_judged_as_google_judges_it(policies: list[Json]) -> None:
    sources = list(ipaddress.IPv4Network(PODS.source))
    destinations = list(ipaddress.IPv4Network(PODS.destination))
    stopped = [_decided(policies, source, to) for source in sources for to in destinations]
    found = denied(PODS, policies=policies)
    assert {denial.rule.name for denial in found} == set(stopped) - {""}
    assert all(denial.sure for denial in found)
    whole = {name for name in stopped if name and stopped.count(name) == len(stopped)}
    assert {denial.rule.name for denial in found if denial.whole} == whole


IPV6 = Flow("calls", INGRESS, "2600:1900:1::/64", "2600:1900:2::/64", None, NETWORK)


@pytest.mark.parametrize(
    ("rule", "stopped"),
    [
        (vpc_rule("deny", sourceRanges=["::/0"]), True),
        (vpc_rule("deny", sourceRanges=["2600:1900::/32"], destinationRanges=["2600:1900:2::/64"]), True),
        (vpc_rule("deny", sourceRanges=["2600:1901::/32"]), False),
        (vpc_rule("deny"), False),
        (vpc_rule("deny", sourceRanges=[]), False),
    ],
)
def test_rules_are_of_the_family_of_their_ranges(rule: Json, stopped: bool) -> None:
    assert names(denied(IPV6, rule)) == (STOPPED if stopped else [])
    # The lowest addresses of both families have the same numbers.
    assert not denied(PODS, vpc_rule("deny", sourceRanges=["::/96"]))


def test_a_policys_rule_without_ranges_is_of_both_families() -> None:
    """It names a kind of network instead; a rule of a VPC without ranges is about IPv4."""
    deny = policy_rule("deny", 100, match={"srcIpRanges": [], "srcNetworkType": "NON_INTERNET"})
    for flow in (PODS, IPV6):
        (found,) = denied(flow, policies=[policy(deny)])
        assert not found.sure
    own = vpc_rule("deny", sourceRanges=[])
    assert denied(PODS, own) and not denied(IPV6, own)


def test_a_policy_may_pass_one_family_on_alone() -> None:
    deny = policy_rule("deny", 200, match={"srcIpRanges": ["0.0.0.0/0", "::/0"]})
    assert denied(IPV6, policies=[policy(policy_rule("goto_next", 100), deny)])
    both = policy_rule("goto_next", 100, match={"srcIpRanges": ["::/0"]})
    assert not denied(IPV6, policies=[policy(both, deny)])
