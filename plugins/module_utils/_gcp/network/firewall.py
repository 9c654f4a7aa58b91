# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Firewall rules of one VPC, as arguments of google.cloud's module: pure functions."""

from __future__ import annotations

import ipaddress
import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from ..api.answers import last_part

__all__ = [
    "as_arguments",
    "as_one_form",
    "as_resource",
    "check_owner",
    "covered",
    "differs",
    "made_by_us",
    "our_rules",
    "rules",
]

Json = dict[str, t.Any]
_Net = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_PROTOCOLS = ("tcp", "udp", "icmp", "esp", "ah", "sctp")
_NEEDED = ("tcp", "udp", "icmp", "58")
"""A rule of others must allow these to cover one of ours."""
WEBHOOK_PORT = "15017"
_KINDS = ("pods", "webhooks", "doors", "pods-ipv6")
_PROTOCOLS_IPV6 = ("tcp", "udp", "58", "esp", "ah", "sctp")
"""58 is ICMPv6, which Google has no name for (https://cloud.google.com/firewall/docs/firewalls#protocols_and_ports)."""
_PROBES = ("130.211.0.0/22", "35.191.0.0/16")
"""Sources of Google's load balancers and their health checks."""


def rules(
    network: str,
    mine: t.Sequence[ClusterSpec],
    marker: str,
    *,
    ours: bool,
    load_balancers: bool,
    more_pods: t.Iterable[str] = (),
    ipv6: t.Iterable[str] = (),
) -> list[Json]:
    """From pods to all nodes and pods; from control planes to istiod's webhook; from load balancers to a Shared VPC.

    Our own VPC holds only our clusters, so rules there apply to all of it. In a VPC of others they apply to nodes with
    our tag, unless there is an adopted cluster, whose nodes may lack the tag.

    Args:
        network: name of the VPC.
        mine: the clusters on it.
        marker: description of what we make.
        ours: whether we made the VPC.
        load_balancers: whether multi-cluster ingress is in front of the clusters.
        more_pods: further ranges of their pods.
        ipv6: IPv6 ranges of their nodes and pods.
    """
    pods = sorted({*(w.pod_cidr for w in mine), *more_pods})
    # With Private Service Connect, webhooks are called through an agent in a pod; with a peered VPC, from the
    # control plane's own range.
    planes = sorted({cidr for w in mine for cidr in (w.node_cidr, w.control_plane_cidr) if cidr})
    tagged = not ours and not any(w.adopt for w in mine)
    tcp = {"ip_protocol": "tcp"}
    parts: dict[str, tuple[list[str], list[Json]]] = {
        "pods": (pods, [{"ip_protocol": protocol} for protocol in _PROTOCOLS]),
        "webhooks": (planes, [{**tcp, "ports": [WEBHOOK_PORT]}]),
    }
    if load_balancers and any(w.shared for w in mine):
        # Google makes this rule itself in a VPC of the clusters' own project, but not in a host project.
        parts["doors"] = (sorted(_PROBES), [tcp])
    if six := sorted(set(ipv6)):
        # One rule cannot hold ranges of both families.
        parts["pods-ipv6"] = (six, [{"ip_protocol": protocol} for protocol in _PROTOCOLS_IPV6])
    return [
        {
            "name": _name(network, mine[0], kind, ours=ours, tagged=tagged),
            "description": marker,
            "network": network,
            "source_ranges": sources,
            "allowed": allowed,
            **({"target_tags": [mine[0].tag]} if tagged else {}),
        }
        for kind, (sources, allowed) in parts.items()
    ]


def _name(network: str, one: ClusterSpec, kind: str, *, ours: bool, tagged: bool) -> str:
    # google.cloud's module cannot change the targets of a rule, so they are in its name; two fleets may share a VPC.
    base = network if ours else f"{network}-{one.tag}"
    end = f"-{kind}-nodes" if tagged else f"-{kind}"
    return base[: 63 - len(end)].rstrip("-") + end


def made_by_us(network: str, mine: t.Sequence[ClusterSpec], live: t.Iterable[Json], marker: str) -> bool | None:
    """Whether we made the VPC, as the rules in it tell: each is named by that. None where no rule of ours is in it."""
    found = set()
    for rule in live:
        if rule.get("description") != marker or last_part(rule.get("network")) != network:
            continue
        for ours in (True, False):
            names = {
                _name(network, mine[0], kind, ours=ours, tagged=tagged) for kind in _KINDS for tagged in (True, False)
            }
            found |= {ours} if rule.get("name") in names else set()
    return found.pop() if len(found) == 1 else None


def our_rules(network: str, mine: t.Sequence[ClusterSpec], live: t.Mapping[str, Json], marker: str) -> list[Json]:
    """All rules of ours that exist."""
    names = {
        _name(network, mine[0], kind, ours=ours, tagged=tagged)
        for kind in _KINDS
        for ours, tagged in ((True, False), (False, False), (False, True))
    }
    return [
        {"project": mine[0].network_project, "name": name, "network": network}
        for name in sorted(names)
        if live.get(name, {}).get("description") == marker
    ]


def differs(rule: Json, found: Json | None) -> bool:
    """Whether the rule must be made or changed."""
    if found is None:
        return True
    is_so = as_arguments(found)
    allowed, wanted = (sorted(map(repr, one["allowed"])) for one in (is_so, rule))
    return bool(is_so["source_ranges"] != rule["source_ranges"] or allowed != wanted)


def as_arguments(found: Json) -> Json:
    """What a live rule allows, as arguments of google.cloud's module."""
    allowed = [
        {"ip_protocol": a["IPProtocol"], **{k: a[k] for k in ("ports",) if a.get(k)}}
        for a in found.get("allowed") or []
    ]
    sources = [as_one_form(cidr) for cidr in found.get("sourceRanges") or []]
    return {"source_ranges": sorted(sources), "allowed": allowed}


def as_one_form(cidr: str) -> str:
    """An IPv6 range as this code writes it: Google writes some with all their zeros."""
    return str(ipaddress.IPv6Network(cidr, strict=False)) if ":" in cidr else cidr


def as_resource(rule: Json) -> Json:
    """A rule in arguments of google.cloud's module, as Compute Engine has it once it is made."""
    allowed = [
        {"IPProtocol": a["ip_protocol"], **({"ports": a["ports"]} if "ports" in a else {})} for a in rule["allowed"]
    ]
    found = {"name": rule["name"], "sourceRanges": rule["source_ranges"], "allowed": allowed}
    return {**found, **({"targetTags": rule["target_tags"]} if "target_tags" in rule else {})}


def check_owner(rule: Json, found: Json | None, marker: str) -> None:
    """Raises FleetError for a rule of that name that somebody else made."""
    if found is not None and found.get("description") != marker:
        raise FleetError(
            f"firewall rule {rule['name']} exists, and this fleet did not make it",
            seen=str(found.get("description") or "no description"),
            next_step="rename or delete it, or choose another gke_network",
        )


def covered(rule: Json, live: t.Iterable[Json]) -> bool:
    """Whether a rule of others in the same VPC allows all that ``rule`` would."""
    return any(_covers(found, rule) for found in live)


def _covers(found: Json, rule: Json) -> bool:
    if str(found.get("network", "")).rsplit("/", 1)[-1] != rule["network"] or found.get("disabled"):
        return False
    if found.get("direction", "INGRESS") != "INGRESS" or not found.get("allowed"):
        return False
    if found.get("targetServiceAccounts") or found.get("destinationRanges"):
        return False
    tags = found.get("targetTags") or []
    if tags and not set(rule.get("target_tags") or ["every machine"]) <= set(tags):
        return False
    sources = [ipaddress.ip_network(text) for text in found.get("sourceRanges") or []]
    inside = all(any(_inside(ipaddress.ip_network(one), net) for net in sources) for one in rule["source_ranges"])
    needed = [wanted for wanted in rule["allowed"] if wanted["ip_protocol"] in _NEEDED]
    return inside and all(any(_allows(a, wanted) for a in found["allowed"]) for wanted in needed)


def _inside(one: _Net, other: _Net) -> bool:
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and one.subnet_of(other)


def _allows(allowed: Json, wanted: Json) -> bool:
    if allowed.get("IPProtocol") not in ("all", wanted["ip_protocol"]):
        return False
    ports, needed = allowed.get("ports"), wanted.get("ports")
    return not ports or bool(needed and all(any(_within(one, some) for some in ports) for one in needed))


def _within(port: str, ports: str) -> bool:
    """Whether ``8080`` is that port, or among ``8000-9000``."""
    first, _dash, last = ports.partition("-")
    return int(first) <= int(port) <= int(last or first)
