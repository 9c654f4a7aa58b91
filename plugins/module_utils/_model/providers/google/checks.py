# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of GKE clusters: what goes together, ranges of one VPC against each other, ways to API servers."""

from __future__ import annotations

import ipaddress
import os
import typing as t

from ....errors import FleetError
from ...inventory.addresses import FreeRanges, Interval, interval, overlaps
from ...inventory.fleet import Cluster, Fleet
from ...inventory.problems import Problem, quoted
from ...inventory.variables import text
from .clusters import NODE_PREFIX, NODE_RANGE, node_ranges
from .node_pools import pools
from .paths import callers, network_name, network_project, outside

__all__ = ["check", "check_door"]

_Hosts = t.Mapping[str, t.Mapping[str, t.Any]]
_CONTROL_PLANE = 28
_SMALLEST_NODES = 29


def check(hosts: _Hosts) -> list[Problem]:
    """Everything about GKE clusters that cannot be, given values that are right in themselves."""
    try:
        fleet = Fleet.from_inventory(hosts)
    except ValueError:
        return []  # ranges that others of the checks name
    ours = {name: c for name, c in fleet.clusters.items() if c.provider == "gke" and not _elsewhere(c)}
    problems: list[Problem] = []
    for cluster in ours.values():
        problems += _cluster(cluster)
    if ours:
        problems += _names(ours)
        problems += _ranges(fleet, ours)
        problems += _ways(fleet, ours)
        problems += _exports(fleet, ours)
    return problems


def check_door(hosts: _Hosts) -> list[Problem]:
    """What Google's multi-cluster ingress asks of clusters on a Shared VPC; ``hosts`` are a front door's."""
    gke = {host: v for host, v in hosts.items() if text(v, "cluster_provider") == "gke"}
    projects = {host: _own(v) for host, v in gke.items()}
    shared = next((host for host, v in gke.items() if _host(v) not in ("", projects[host])), "")
    if not shared:
        return []
    message = f"is {{}}, {shared}'s {projects[shared]}: on a Shared VPC one front door has clusters of one project"
    hint = "leave the cluster out of front_door_routes[].clusters, or make it in that project"
    return [
        Problem(host, "gke_project", "", message.format(project), hint)
        for host, project in projects.items()
        if project != projects[shared]
    ]


def _own(v: t.Mapping[str, t.Any]) -> str:
    return text(v, "gke_project") or os.environ.get("GCP_PROJECT", "")


def _host(v: t.Mapping[str, t.Any]) -> str:
    return text(v, "gke_network_project")


def _exports(fleet: Fleet, ours: t.Mapping[str, Cluster]) -> list[Problem]:
    """Multi-cluster services do not span several Shared VPCs."""
    if not any(c.variables.get("mesh_exports") for c in ours.values()):
        return []
    vpcs = {h: f"{_host(c.variables)}/{network_name(c, fleet.name)}" for h, c in ours.items() if _is_shared(c)}
    first = next(iter(vpcs), "")
    hint = "Google's multi-cluster services take clusters of one Shared VPC: use one, or leave mesh_exports out"
    return [
        Problem(host, "gke_network_project", "", f"leads to VPC {vpc}, {first}'s to {vpcs[first]}", hint)
        for host, vpc in vpcs.items()
        if vpc != vpcs[first]
    ]


def _is_shared(cluster: Cluster) -> bool:
    return _host(cluster.variables) not in ("", _own(cluster.variables))


def _elsewhere(cluster: Cluster) -> bool:
    """Reached by a kubeconfig or an address of its own, so Google is not asked for it."""
    return bool(text(cluster.variables, "cluster_kubeconfig") or text(cluster.variables, "cluster_api_url"))


def _cluster(cluster: Cluster) -> list[Problem]:
    v, host = cluster.variables, cluster.name
    problems = []
    if text(v, "gke_mode") == "autopilot" and cluster.zone:
        hint = "leave cluster_zone out: Autopilot clusters are regional"
        problems.append(Problem(host, "gke_mode", quoted("autopilot"), f"does not go with zone {cluster.zone}", hint))
    elif text(v, "gke_mode") != "autopilot":
        try:
            pools(host, v)
        except FleetError as error:
            name, _cannot, value = error.what.partition(" cannot be ")
            problems.append(Problem(host, name, "", f"cannot be {value}", error.next_step))
    plane = text(v, "gke_control_plane_cidr")
    if plane and _prefix(plane) != _CONTROL_PLANE:
        problems.append(Problem(host, "gke_control_plane_cidr", plane, "is not a /28", f"a /{_CONTROL_PLANE}"))
    nodes = text(v, "gke_node_cidr")
    if nodes and _prefix(nodes) > _SMALLEST_NODES:
        problems.append(Problem(host, "gke_node_cidr", nodes, "is too small", f"at least a /{_SMALLEST_NODES}"))
    return problems


def _prefix(cidr: str) -> int:
    return ipaddress.IPv4Network(cidr, strict=False).prefixlen


def _names(ours: t.Mapping[str, Cluster]) -> list[Problem]:
    """Two clusters cannot be one."""
    problems = []
    seen: dict[tuple[str, ...], str] = {}
    for host, cluster in ours.items():
        project = text(cluster.variables, "gke_project") or os.environ.get("GCP_PROJECT", "")
        name = text(cluster.variables, "gke_name") or host
        other = seen.setdefault((project, cluster.zone or cluster.region, name), host)
        if other != host:
            hint = "give each cluster one of its own"
            problems.append(Problem(host, "gke_name", quoted(name), f"is {other}'s too", hint))
    return problems


class _Range(t.NamedTuple):
    host: str
    variable: str
    cidr: str
    vpc: str
    pods: bool
    """Of pods or services: those are held against each other elsewhere."""


def _ranges(fleet: Fleet, ours: t.Mapping[str, Cluster]) -> list[Problem]:
    """Ranges of nodes and control planes, against everything in the same VPC."""
    nodes, lacking = node_ranges(fleet, ours)
    if lacking:
        pool = text(next(iter(ours.values())).variables, "gke_node_range") or NODE_RANGE
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        message, hint = f"has no free /{NODE_PREFIX} left for {lacking[0]}{more}", "widen it, or set gke_node_cidr"
        return [Problem("", "gke_node_range", pool, message, hint)]
    listed: list[_Range] = []
    for host, c in ours.items():
        vpc = f"{network_project(c)} {network_name(c, fleet.name)}"
        for variable, cidr in (("cluster_pod_cidr", c.pod_cidr), ("cluster_service_cidr", c.service_cidr)):
            listed.append(_Range(host, variable, cidr, vpc, True))
        listed.append(_Range(host, "gke_node_cidr", nodes[host], vpc, False))
        plane = text(c.variables, "gke_control_plane_cidr")
        listed += [_Range(host, "gke_control_plane_cidr", plane, vpc, False)] if plane else []
    spans: list[tuple[_Range, Interval]] = [(one, interval(one.cidr)) for one in listed if one.cidr]
    free = FreeRanges(span for _one, span in spans)
    problems = []
    for later, earlier in overlaps(spans, _in_one_vpc):
        wrong, right = (earlier, later) if later.pods and not earlier.pods else (later, earlier)
        whose = "its own" if wrong.host == right.host else f"{right.host}'s"
        other = free.next(wrong.cidr)
        hint = f"choose another, free here: {other}" if other else "choose another"
        problems.append(
            Problem(wrong.host, wrong.variable, wrong.cidr, f"overlaps {whose} {right.variable} {right.cidr}", hint)
        )
    return problems


def _in_one_vpc(one: _Range) -> tuple[str, t.Collection[str]]:
    pods, others = f"pods {one.vpc}", f"nodes {one.vpc}"
    return (pods, (others,)) if one.pods else (others, (pods, others))


def _ways(fleet: Fleet, ours: t.Mapping[str, Cluster]) -> list[Problem]:
    """Watchers that come to a list of authorized networks from addresses that nobody knows, or that find no way."""
    blocked: dict[str, list[str]] = {}
    shut: list[Problem] = []
    for host, come in callers(fleet).items():
        if host in ours:
            shut += _shut_out(fleet, ours[host], come.hosts)
        if host in ours and ours[host].variables.get("gke_authorized_networks"):
            for watcher in come.unknown:
                blocked.setdefault(watcher, []).append(host)
    problems = []
    for watcher, clusters in blocked.items():
        more = f" and {len(clusters) - 1} more" if len(clusters) > 1 else ""
        message = f"is missing: it watches {clusters[0]}{more}, whose gke_authorized_networks must let it through"
        hint = "the addresses from which its pods come, or [] when they are in that list"
        problems.append(Problem(watcher, "cluster_egress", "", message, hint))
    return problems + shut


def _shut_out(fleet: Fleet, cluster: Cluster, watchers: t.Sequence[str]) -> list[Problem]:
    """The DNS endpoint is for Google's accounts, and with it the public one is closed: who is left outside."""
    v = cluster.variables
    if text(v, "gke_endpoint") != "dns" or text(v, "gke_peer_endpoint") or cluster.peer_endpoint:
        return []
    others = outside(fleet, cluster, watchers)
    if not others:
        return []
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    message = (
        f"leaves no way for {others[0]}{more}, whose istiod watches it from outside its VPC and has no Google token"
    )
    hint = "gke_endpoint: public; or gke_peer_endpoint: private where networks are joined, or cluster_peer_endpoint"
    return [Problem(cluster.name, "gke_endpoint", quoted("dns"), message, hint)]
