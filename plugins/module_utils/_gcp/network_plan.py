# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VPC under the clusters of one project: what is missing of it, as google.cloud's modules take it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._model.addresses import interval
from .._model.gke_wanted import PODS, SERVICES, Wanted
from ..errors import FleetError

__all__ = ["Live", "NetworkPlan", "plan_network", "plan_removal", "plan_routers"]

Json = dict[str, t.Any]
_PROTOCOLS = ("tcp", "udp", "icmp", "esp", "ah", "sctp")
WEBHOOK_PORT = "15017"


@dataclasses.dataclass
class Live:
    """What a project has, by name (subnets and routers: region and name)."""

    networks: dict[str, Json]
    subnets: dict[tuple[str, str], Json]
    firewalls: dict[str, Json]


@dataclasses.dataclass
class NetworkPlan:
    """Arguments of google.cloud's modules: only what has to be made, changed or deleted."""

    networks: list[Json] = dataclasses.field(default_factory=list)
    subnets: dict[str, Json] = dataclasses.field(default_factory=dict)
    """By host."""
    firewalls: list[Json] = dataclasses.field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.networks or self.subnets or self.firewalls)


def plan_network(
    everybody: t.Sequence[Wanted], play: t.Collection[str], live: Live, marker: str
) -> tuple[NetworkPlan, dict[str, FleetError]]:
    """What the clusters need that is not there, and which hosts cannot have it.

    Args:
        everybody: all GKE clusters of the fleet in this project.
        play: hosts whose subnets are looked at; firewall rules always speak of everybody.
        live: what is there.
        marker: description of what we make.
    """
    plan, failed = NetworkPlan(), dict[str, FleetError]()
    for name in dict.fromkeys(w.network for w in everybody):
        mine = [w for w in everybody if w.network == name]
        project = mine[0].member.project
        if name not in live.networks:
            plan.networks.append({"project": project, "name": name, "description": marker})
        for w in mine:
            if w.host not in play:
                continue
            try:
                subnet = _subnet(w, mine, live, marker)
            except FleetError as error:
                failed[w.host] = error
                continue
            if subnet:
                plan.subnets[w.host] = subnet
        for rule in _rules(name, mine, marker):
            if _differs(rule, live.firewalls.get(rule["name"])):
                _check_rule(rule, live.firewalls.get(rule["name"]), marker)
                plan.firewalls.append({"project": project, **rule})
    return plan, failed


def _subnet(w: Wanted, mine: t.Sequence[Wanted], live: Live, marker: str) -> Json | None:
    """The subnet to make; None when it is there as wanted."""
    found = live.subnets.get((w.region, w.subnetwork))
    ranges = {"gke_node_cidr": w.node_cidr, "cluster_pod_cidr": w.pod_cidr, "cluster_service_cidr": w.service_cidr}
    if found is not None:
        second = {r["rangeName"]: r["ipCidrRange"] for r in found.get("secondaryIpRanges") or []}
        has = {
            "gke_node_cidr": found.get("ipCidrRange"),
            "cluster_pod_cidr": second.get(PODS),
            "cluster_service_cidr": second.get(SERVICES),
        }
        wrong = [name for name, cidr in ranges.items() if has[name] != cidr]
        if wrong:
            raise FleetError(
                f"{', '.join(wrong)} cannot be changed in place",
                cluster=w.host,
                obj=f"Subnetwork {w.region}/{w.subnetwork}",
                seen="; ".join(f"{name} is {has[name]}, wanted {ranges[name]}" for name in wrong),
                means="the ranges of a subnet in use stay as they are",
                next_step=f"set {wrong[0]} to what is there, or name another gke_subnetwork",
            )
        return None
    ours = {(o.region, o.subnetwork) for o in mine}
    for (region, name), other in live.subnets.items():
        if (region, name) in ours or _last(other.get("network")) != w.network:
            continue
        for cidr in (other["ipCidrRange"], *(r["ipCidrRange"] for r in other.get("secondaryIpRanges") or [])):
            for variable, mine_cidr in ranges.items():
                if _overlap(cidr, mine_cidr):
                    raise FleetError(
                        f"{variable} {mine_cidr} overlaps {cidr} of subnet {region}/{name}",
                        cluster=w.host,
                        obj=f"Network {w.network}",
                        means="one VPC cannot hold two ranges that overlap",
                        next_step=f"choose another {variable}, or another gke_network",
                    )
    return {
        "project": w.member.project,
        "name": w.subnetwork,
        "description": marker,
        "region": w.region,
        "network": w.network,
        "ip_cidr_range": w.node_cidr,
        "private_ip_google_access": True,
        "secondary_ip_ranges": [
            {"range_name": PODS, "ip_cidr_range": w.pod_cidr},
            {"range_name": SERVICES, "ip_cidr_range": w.service_cidr},
        ],
    }


def _rules(network: str, mine: t.Sequence[Wanted], marker: str) -> list[Json]:
    """Pods to every cluster's nodes and pods; control planes to istiod's webhook."""
    pods = sorted({w.pod_cidr for w in mine})
    planes = sorted({cidr for w in mine for cidr in (w.node_cidr, w.control_plane_cidr) if cidr})
    return [
        {
            "name": f"{network}-pods",
            "description": marker,
            "network": network,
            "source_ranges": pods,
            "allowed": [{"ip_protocol": protocol} for protocol in _PROTOCOLS],
        },
        {
            "name": f"{network}-webhooks",
            "description": marker,
            "network": network,
            "source_ranges": planes,
            "allowed": [{"ip_protocol": "tcp", "ports": [WEBHOOK_PORT]}],
        },
    ]


def _differs(rule: Json, found: Json | None) -> bool:
    if found is None:
        return True
    allowed = sorted((a.get("IPProtocol", ""), tuple(a.get("ports") or ())) for a in found.get("allowed") or [])
    wanted = sorted((a["ip_protocol"], tuple(a.get("ports") or ())) for a in rule["allowed"])
    return sorted(found.get("sourceRanges") or []) != rule["source_ranges"] or allowed != wanted


def _check_rule(rule: Json, found: Json | None, marker: str) -> None:
    if found is not None and found.get("description") != marker:
        raise FleetError(
            f"firewall rule {rule['name']} exists, and this fleet did not make it",
            seen=str(found.get("description") or "no description"),
            next_step="rename or delete it, or choose another gke_network",
        )


def plan_routers(
    everybody: t.Sequence[Wanted], play: t.Collection[str], live: t.Mapping[tuple[str, str], Json], marker: str
) -> list[tuple[str, str, Json]]:
    """Cloud NAT for the private nodes of ``play``: regions and bodies of routers that are missing."""
    wanted: dict[tuple[str, str], Wanted] = {}
    for w in everybody:
        if w.private_nodes and w.host in play:
            wanted.setdefault((w.region, w.network), w)
    served = {(region, _last(router.get("network"))) for (region, _name), router in live.items() if router.get("nats")}
    return [
        (
            w.host,
            region,
            {
                "name": f"{network}-{region}"[:63].rstrip("-"),
                "description": marker,
                "network": f"projects/{w.member.project}/global/networks/{network}",
                "nats": [
                    {
                        "name": "nat",
                        "natIpAllocateOption": "AUTO_ONLY",
                        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
                    }
                ],
            },
        )
        for (region, network), w in wanted.items()
        if (region, network) not in served
    ]


def plan_removal(everybody: t.Sequence[Wanted], play: t.Collection[str], live: Live, marker: str) -> NetworkPlan:
    """What we made and nobody of the fleet needs once the clusters of ``play`` are gone."""
    plan = NetworkPlan()
    for name in dict.fromkeys(w.network for w in everybody):
        mine = [w for w in everybody if w.network == name]
        project = mine[0].member.project
        for w in mine:
            found = live.subnets.get((w.region, w.subnetwork), {})
            if w.host in play and found.get("description") == marker:
                plan.subnets[w.host] = {
                    "project": project,
                    "name": w.subnetwork,
                    "region": w.region,
                    "network": w.network,
                    "ip_cidr_range": found["ipCidrRange"],
                }
        if any(w.host not in play for w in mine):
            continue
        plan.firewalls += [
            {"project": project, "name": rule["name"], "network": name}
            for rule in _rules(name, mine, marker)
            if live.firewalls.get(rule["name"], {}).get("description") == marker
        ]
        if live.networks.get(name, {}).get("description") == marker:
            plan.networks.append({"project": project, "name": name})
    return plan


def _overlap(one: str, other: str) -> bool:
    (a, b), (c, d) = interval(one), interval(other)
    return a <= d and c <= b


def _last(text: t.Any) -> str:
    return str(text or "").rsplit("/", 1)[-1]
