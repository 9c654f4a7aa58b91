# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the VPCs of one project lack for its clusters, as arguments of google.cloud's modules: pure functions."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._model.inventory.addresses import interval
from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from ..api.answers import last_part
from .firewall import as_arguments, as_one_form, check_owner, covered, differs, made_by_us, our_rules, rules

__all__ = [
    "BOTH",
    "ExistingNetwork",
    "NetworkPlan",
    "further_pods",
    "ipv6_of",
    "networks_by_rules",
    "plan_network",
    "plan_removal",
]

Json = dict[str, t.Any]
BOTH = "IPV4_IPV6"
"""``Subnetwork.stackType`` of compute.v1: addresses of both families."""


@dataclasses.dataclass
class ExistingNetwork:
    """What a project has, by name (subnets: region and name)."""

    networks: dict[str, Json]
    subnets: dict[tuple[str, str], Json]
    firewalls: dict[str, Json]


@dataclasses.dataclass
class NetworkPlan:
    """Arguments of google.cloud's modules: only what has to be made, changed or deleted."""

    networks: list[Json] = dataclasses.field(default_factory=list)
    subnets: dict[str, Json] = dataclasses.field(default_factory=dict)
    """By host."""
    dual_stack: dict[str, Json] = dataclasses.field(default_factory=dict)
    """By host, subnets of ours that get IPv6: ``name``, ``region``, ``network`` and ``access``."""
    firewalls: list[Json] = dataclasses.field(default_factory=list)
    stale: list[Json] = dataclasses.field(default_factory=list)
    """Firewall rules of ours that others replace."""
    kept: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """By host, what stays for clusters that the inventory does not name."""
    before: dict[str, Json] = dataclasses.field(default_factory=dict)
    """Firewall rules that change, by name, as they are now: arguments as in ``firewalls``."""

    @property
    def count(self) -> int:
        return len(self.networks) + len(self.subnets) + len(self.dual_stack) + len(self.firewalls) + len(self.stale)

    @property
    def kinds(self) -> list[str]:
        """What is made, changed and removed, in the words of shared_vpc_requirements.py."""
        found = [kind for kind in ("networks", "subnets", "dual_stack", "stale") if getattr(self, kind)]
        return found + sorted({self.kind_of(rule) for rule in self.firewalls})

    def kind_of(self, rule: Json) -> str:
        """Whether a firewall rule is made, or changed."""
        return "changed firewalls" if rule["name"] in self.before else "firewalls"


def networks_by_rules(
    everybody: t.Sequence[ClusterSpec], firewalls: t.Collection[Json], marker: str
) -> dict[str, Json] | None:
    """The VPCs of the clusters, as the firewall rules in them tell of them; None where they do not tell of all.

    A rule cannot outlive its VPC, so no request for VPCs is needed then.

    Args:
        everybody: as for :func:`plan_network`.
        firewalls: all rules of the project.
        marker: description of what we make.
    """
    found: dict[str, Json] = {}
    for name in dict.fromkeys(w.network for w in everybody):
        ours = made_by_us(name, [w for w in everybody if w.network == name], firewalls, marker)
        if ours is None:
            return None
        found[name] = {"name": name, "description": marker if ours else ""}
    return found


def plan_network(
    everybody: t.Sequence[ClusterSpec],
    play: t.Collection[str],
    live: ExistingNetwork,
    marker: str,
    *,
    load_balancers: bool = False,
    forget: t.Collection[str] = (),
) -> tuple[NetworkPlan, dict[str, FleetError]]:
    """What the clusters need and the project lacks, and which hosts cannot have it.

    Args:
        everybody: all GKE clusters of the fleet whose VPC is of this project.
        play: hosts whose subnets are compared; firewall rules are always for all clusters.
        live: what exists.
        marker: description of what we make.
        load_balancers: whether multi-cluster ingress is in front of the clusters.
        forget: clusters that left the fleet: what firewall rules allow for them goes.
    """
    plan, failed = NetworkPlan(), dict[str, FleetError]()
    for name in dict.fromkeys(w.network for w in everybody):
        mine = [w for w in everybody if w.network == name]
        project = mine[0].network_project
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
            now = live.subnets.get((w.region, w.subnetwork)) or {}
            if w.dual_stack and now.get("stackType") != BOTH:
                plan.dual_stack[w.host] = {
                    "name": w.subnetwork,
                    "region": w.region,
                    "network": w.network,
                    "access": w.ipv6_access,
                }
        # A refused cluster keeps the ranges that it has: the rules are for those, and not for refused ones.
        there = [(w, live.subnets.get((w.region, w.subnetwork))) for w in mine]
        usable = [_in_use(w, subnet) for w, subnet in there if subnet is not None or w.host not in failed]
        more_pods = [cidr for w, subnet in there for cidr in further_pods(w, subnet).values()]
        wanted = (
            rules(
                name,
                usable,
                marker,
                ours=_is_ours(live, name, marker),
                load_balancers=load_balancers,
                more_pods=more_pods,
                ipv6=_ipv6_let_through(there, our_rules(name, mine, live.firewalls, marker), live),
            )
            if usable
            else []
        )
        unnamed = _unnamed(name, mine, live, marker, forget)
        theirs = [rule for rule in live.firewalls.values() if rule.get("description") != marker]
        for rule in wanted:
            found = live.firewalls.get(rule["name"])
            if unnamed and found is not None:
                # Ranges of control planes too: where a cluster is missing, nobody can tell whose they are.
                rule["source_ranges"] = sorted({*rule["source_ranges"], *(found.get("sourceRanges") or [])})
            # Nodes may have a further range as long as the subnet has it: Google drops one only when no pool uses it.
            still = {cidr for _w, subnet in there for cidr in _second(subnet or {}).values()}
            had = set((found or {}).get("sourceRanges") or []) & still
            rule["source_ranges"] = sorted({*rule["source_ranges"], *had})
            if found is None and any(w.shared for w in mine) and covered(rule, theirs):
                continue  # the administrator of the Shared VPC has a rule for it
            if differs(rule, found):
                check_owner(rule, found, marker)
                plan.firewalls.append({"project": project, **rule})
                if found is not None:
                    plan.before[rule["name"]] = {"project": project, **rule, **as_arguments(found)}
        current = {rule["name"] for rule in wanted}
        if unnamed:
            plan.kept.update(dict.fromkeys((w.host for w in mine if w.host in play), _stays(project, name, unnamed)))
        elif usable:
            plan.stale += [
                rule for rule in our_rules(name, mine, live.firewalls, marker) if rule["name"] not in current
            ]
    return plan, failed


def _unnamed(
    network: str, mine: t.Sequence[ClusterSpec], live: ExistingNetwork, marker: str, forget: t.Collection[str] = ()
) -> dict[str, str]:
    """Clusters that the inventory does not name, with their subnets: rules of ours allow a range of theirs.

    An inventory may lack a part. A cluster that left the fleet stays too, until ``forget`` names it or its subnet is
    deleted.
    """
    rules_of_ours = our_rules(network, mine, live.firewalls, marker)
    sources = {one for rule in rules_of_ours for one in live.firewalls[rule["name"]].get("sourceRanges") or []}
    named, hosts = {(w.region, w.subnetwork) for w in mine}, {w.host for w in mine}
    found = {}
    for (region, name), subnet in live.subnets.items():
        if last_part(subnet.get("network")) != network or (region, name) in named:
            continue
        host = name.removeprefix(f"{network}-")
        if host in hosts or {host, name} & set(forget):
            continue
        if sources & {subnet.get("ipCidrRange"), *_second(subnet).values()}:
            found[host] = f"{region}/{name}"
    return found


def _stays(project: str, network: str, unnamed: t.Mapping[str, str]) -> FleetError:
    return FleetError(
        f"the inventory does not name all clusters in VPC {network}; firewall rules of this fleet stay for the others",
        obj=f"projects/{project}/global/networks/{network}",
        seen=f"the rules allow ranges of subnet {', '.join(unnamed.values())}",
        means="a part of the inventory is missing, or they left the fleet",
        next_step="bring the missing part of the inventory back. If they left the fleet: delete the subnets, or run "
        f"playbooks/clusters.yml with -e peering_forget={','.join(unnamed)}",
    )


def _is_ours(live: ExistingNetwork, network: str, marker: str) -> bool:
    """Whether we made the VPC, or are about to."""
    return network not in live.networks or live.networks[network].get("description") == marker


def _subnet(w: ClusterSpec, mine: t.Sequence[ClusterSpec], live: ExistingNetwork, marker: str) -> Json | None:
    """The subnet to make; None when it exists as wanted."""
    found = live.subnets.get((w.region, w.subnetwork))
    owner = next(o for o in mine if (o.region, o.subnetwork) == (w.region, w.subnetwork))
    if owner.host != w.host and not w.adopt:
        raise FleetError(
            f"subnet {w.subnetwork} is that of {owner.host} too",
            cluster=w.host,
            obj=f"Subnetwork {w.region}/{w.subnetwork}",
            means="a subnet has the ranges of one cluster",
            next_step="remove gke_subnetwork, or name another one",
        )
    ranges = {"gke_node_cidr": w.node_cidr, "cluster_pod_cidr": w.pod_cidr, "cluster_service_cidr": w.service_cidr}
    if found is not None:
        wrong = _wrong_ranges(w, found, ranges)
        if wrong:
            raise _ranges_refused(w, wrong, ranges)
        _check_more_pods(w, found)
        _check_stack(w, found, marker)
        return None
    _check_more_pods(w, {})
    for (region, name), other in live.subnets.items():
        if last_part(other.get("network")) != w.network:
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
        "project": w.network_project,
        "name": w.subnetwork,
        "description": marker,
        "region": w.region,
        "network": w.network,
        "ip_cidr_range": w.node_cidr,
        "private_ip_google_access": True,
        "secondary_ip_ranges": [
            {"range_name": w.pod_range, "ip_cidr_range": w.pod_cidr},
            {"range_name": w.service_range, "ip_cidr_range": w.service_cidr},
        ],
    }


def _second(subnet: Json) -> dict[str, str]:
    return {r["rangeName"]: r["ipCidrRange"] for r in subnet.get("secondaryIpRanges") or []}


def further_pods(w: ClusterSpec, subnet: Json | None) -> dict[str, str]:
    """Further ranges of a cluster's pods, by name; the inventory has their names, and the subnet their addresses."""
    second = _second(subnet or {})
    return {name: second[name] for name in w.more_pod_ranges if name in second}


def ipv6_of(subnet: Json) -> list[str]:
    """IPv6 ranges of a subnet: of its nodes and their pods."""
    found = [subnet.get(name) for name in ("internalIpv6Prefix", "externalIpv6Prefix")]
    return [as_one_form(str(cidr)) for cidr in found if cidr]


def _ipv6_let_through(
    there: t.Iterable[tuple[ClusterSpec, Json | None]], ours: t.Iterable[Json], live: ExistingNetwork
) -> list[str]:
    """IPv6 ranges of clusters with both families, and of those whose nodes may still have both: of the rules so far."""
    had = {as_one_form(cidr) for rule in ours for cidr in live.firewalls[rule["name"]].get("sourceRanges") or []}
    return [cidr for w, subnet in there for cidr in ipv6_of(subnet or {}) if w.dual_stack or cidr in had]


def _check_stack(w: ClusterSpec, subnet: Json, marker: str) -> None:
    """Raises FleetError for a subnet without IPv6 where the cluster shall have it, unless we made the subnet."""
    if not w.dual_stack or subnet.get("stackType") == BOTH or subnet.get("description") == marker:
        return
    where = f"{w.subnetwork} --region {w.region} --project {w.network_project}"
    raise FleetError(
        f"subnet {w.subnetwork} has no IPv6 range",
        cluster=w.host,
        obj=f"Subnetwork {w.region}/{w.subnetwork}",
        seen=f"its stackType is {subnet.get('stackType') or 'IPV4_ONLY'}",
        means="gke_stack_type is ipv4_ipv6, and this fleet did not make the subnet",
        next_step=f"gcloud compute networks subnets update {where} --stack-type={BOTH} --ipv6-access-type=INTERNAL "
        "(it cannot be changed later; the VPC needs --enable-ula-internal-ipv6), or EXTERNAL for public addresses",
    )


def _check_more_pods(w: ClusterSpec, subnet: Json) -> None:
    """Raises FleetError for further ranges of pods that the subnet has not: no node could be made with them."""
    second = _second(subnet)
    lacking = [name for name in w.more_pod_ranges if name not in second]
    if lacking:
        given = f"--add-secondary-ranges {','.join(f'{name}=<range>' for name in lacking)}"
        where = f"{w.subnetwork} --region {w.region} --project {w.network_project}"
        raise FleetError(
            f"subnet {w.subnetwork} has no secondary range {', '.join(lacking)}",
            cluster=w.host,
            obj=f"Subnetwork {w.region}/{w.subnetwork}",
            seen=f"secondary ranges: {', '.join(second)}"
            if second
            else "no secondary ranges"
            if subnet
            else "the subnet is not there yet",
            means="gke_additional_pod_ranges, or pod_range of a pool, names it, and this collection does not make it",
            next_step=f"gcloud compute networks subnets update {where} {given}"
            + ("" if subnet else ", once a run without these names has made the subnet"),
        )


def _wrong_ranges(w: ClusterSpec, subnet: Json, ranges: t.Mapping[str, str]) -> dict[str, str]:
    """Ranges of an existing subnet that are not the wanted ones, by variable."""
    second = _second(subnet)
    has = {"gke_node_cidr": subnet.get("ipCidrRange", "")}
    if not w.adopt:
        has["cluster_pod_cidr"] = second.get(w.pod_range, f"no secondary range {w.pod_range}")
        has["cluster_service_cidr"] = second.get(w.service_range, f"no secondary range {w.service_range}")
    elif w.pod_cidr not in second.values():
        # Others named the ranges of an adopted cluster; its services may have a range of Google's own.
        has["cluster_pod_cidr"] = ", ".join(second.values()) or "no secondary range"
    return {name: found for name, found in has.items() if found != ranges[name]}


def _ranges_refused(w: ClusterSpec, wrong: t.Mapping[str, str], ranges: t.Mapping[str, str]) -> FleetError:
    """For wrong ranges: often only the order of the hosts has changed."""
    known = [f"{name}: {has}" for name, has in wrong.items() if has[:1].isdigit() and "," not in has]
    given = f"set {', '.join(known)} for {w.host}" if known else f"set {next(iter(wrong))} to what is there"
    moved = "put new hosts after the others in the inventory, or " if len(known) > 1 else ""
    return FleetError(
        f"{', '.join(wrong)} cannot be changed in place",
        cluster=w.host,
        obj=f"Subnetwork {w.region}/{w.subnetwork}",
        seen="; ".join(f"{name} is {has}, wanted {ranges[name]}" for name, has in wrong.items()),
        means="the ranges of a subnet in use stay as they are"
        + ("; those that are missing in the inventory are assigned in the order of its hosts" if moved else ""),
        next_step=f"{moved}{given}, or name another gke_subnetwork",
    )


def _in_use(w: ClusterSpec, subnet: Json | None) -> ClusterSpec:
    """The cluster with the ranges that its pods and nodes have now; those of the inventory may be refused."""
    if subnet is None or w.adopt:
        return w
    nodes, pods = subnet.get("ipCidrRange") or w.node_cidr, _second(subnet).get(w.pod_range, w.pod_cidr)
    return dataclasses.replace(w, node_cidr=nodes, pod_cidr=pods)


def plan_removal(
    everybody: t.Sequence[ClusterSpec],
    play: t.Collection[str],
    live: ExistingNetwork,
    marker: str,
    *,
    forget: t.Collection[str] = (),
) -> tuple[NetworkPlan, dict[str, FleetError]]:
    """What we made and no cluster needs without those of ``play``, and why a VPC cannot be removed."""
    plan, failed = NetworkPlan(), dict[str, FleetError]()
    for name in dict.fromkeys(w.network for w in everybody):
        mine = [w for w in everybody if w.network == name]
        project = mine[0].network_project
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
        ours = our_rules(name, mine, live.firewalls, marker)
        unnamed = _unnamed(name, mine, live, marker, forget)
        if unnamed:
            plan.kept.update(dict.fromkeys((w.host for w in mine), _stays(project, name, unnamed)))
        else:
            plan.firewalls += ours
        if live.networks.get(name, {}).get("description") != marker:
            continue
        left = _left_in(name, live, {r["name"] for r in ours}, {(w.region, w.subnetwork) for w in mine})
        if left:
            failed.update((w.host, _not_empty(project, name, left)) for w in mine)
        else:
            plan.networks.append({"project": project, "name": name})
    return plan, failed


def _left_in(
    network: str, live: ExistingNetwork, rules: t.Collection[str], subnets: t.Collection[tuple[str, str]]
) -> list[str]:
    """What the VPC holds that we did not make."""
    left = [
        f"firewall rule {name}"
        for name, rule in live.firewalls.items()
        if last_part(rule.get("network")) == network and name not in rules
    ]
    left += [
        f"subnet {region}/{name}"
        for (region, name), subnet in live.subnets.items()
        if last_part(subnet.get("network")) == network and (region, name) not in subnets
    ]
    return left


def _not_empty(project: str, network: str, left: t.Sequence[str]) -> FleetError:
    return FleetError(
        f"VPC {network} stays, because it holds something that this fleet did not make",
        obj=f"projects/{project}/global/networks/{network}",
        seen=", ".join(left),
        means="names with k8s- or gke- are GKE's, of a load balancer that was not deleted before its cluster",
        next_step="delete these, if nobody needs them; then run again",
    )


def _overlap(one: str, other: str) -> bool:
    (a, b), (c, d) = interval(one), interval(other)
    return a <= d and c <= b
