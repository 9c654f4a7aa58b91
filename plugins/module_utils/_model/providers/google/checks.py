# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of GKE clusters: what goes together, ranges of one VPC against each other, ways to API servers.

Those of the Google fleet are in ``fleet_checks.py``.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ...inventory.addresses import FreeRanges, Interval, interval, overlaps
from ...inventory.fleet import Cluster, Fleet
from ...inventory.problems import Problem, quoted
from .clusters import NODE_PREFIX, NODE_RANGE, node_ranges
from .field_checks import check_fields
from .paths import callers, is_dns_endpoint, network_name, network_project, outside
from .variables import PROJECT_VARIABLE, text

__all__ = ["check_cluster", "check_fleet", "check_name", "check_peer_endpoints", "further_ranges", "is_elsewhere"]

Values = t.Mapping[str, t.Any]
_LONGEST_NAME = 40
_CONTROL_PLANE = 28
_SMALLEST_NODES = 29
_CREDENTIALS = {
    "serviceaccount": (("gke_service_account_file", "gke_service_account_contents"), "GCP_SERVICE_ACCOUNT_"),
    "accesstoken": (("gke_access_token",), "GCP_ACCESS_TOKEN"),
}
"""By ``gke_auth_kind``, the variables that may hold the credential, and how environment variables for it begin."""


def is_elsewhere(variables: Values) -> bool:
    """Reached by a kubeconfig or an address of its own, so Google is not asked for it."""
    return bool(text(variables, "cluster_kubeconfig") or text(variables, "cluster_api_url"))


def check_name(host: str) -> list[Problem]:
    """A host whose name GKE would refuse."""
    if len(host) <= _LONGEST_NAME and host[0].isalpha():
        return []
    hint = f"begin with a letter, at most {_LONGEST_NAME}"
    return [Problem(host, "", "", "the name is not one that GKE accepts", hint)]


def check_cluster(host: str, variables: Values, environment: t.Mapping[str, str]) -> list[Problem]:
    """What is missing or wrong of one cluster that nobody else must be compared with."""
    problems = []
    region, zone = text(variables, "cluster_region"), text(variables, "cluster_zone")
    if region and zone and not zone.startswith(f"{region}-"):
        message = f"is not in region {quoted(region)}"
        problems.append(Problem(host, "cluster_zone", quoted(zone), message, f"such as {region}-a"))
    if is_elsewhere(variables):
        return problems
    if not text(variables, "gke_project"):
        hint = f"set gke_project to the ID of your project, or the environment variable {PROJECT_VARIABLE}"
        problems.append(Problem(host, "gke_project", "", "is missing", hint))
    names, beginning = _CREDENTIALS.get(text(variables, "gke_auth_kind"), ((), ""))
    given = any(text(variables, name) for name in names)
    if names and not given and not any(v for name, v in environment.items() if name.startswith(beginning)):
        kind = quoted(text(variables, "gke_auth_kind"))
        hint = f"set {' or '.join(names)}, or leave gke_auth_kind out"
        problems.append(Problem(host, "gke_auth_kind", kind, "is given without a credential", hint))
    return problems


def check_peer_endpoints(hosts: t.Mapping[str, Values]) -> list[Problem]:
    """Of hosts of every provider: a kubeconfig may lead to a GKE cluster too."""
    hint = "an address of the API server itself, or leave it out and set gke_peer_endpoint"
    message = "is Google's DNS endpoint, which accepts Google's tokens: istiods have those of the cluster"
    endpoints = {host: text(variables, "cluster_peer_endpoint") for host, variables in hosts.items()}
    return [
        Problem(host, "cluster_peer_endpoint", quoted(endpoint), message, hint)
        for host, endpoint in endpoints.items()
        if endpoint and is_dns_endpoint(endpoint)
    ]


def check_fleet(fleet: Fleet) -> list[Problem]:
    """Everything about GKE clusters that cannot be, given values that are right in themselves."""
    ours = {name: c for name, c in fleet.clusters.items() if c.provider == "gke" and not is_elsewhere(c.variables)}
    problems: list[Problem] = []
    for cluster in ours.values():
        problems += [*_cluster(cluster), *check_fields(fleet, cluster)]
    if ours:
        problems += _names(ours)
        problems += _ranges(fleet, ours)
        problems += _ways(fleet, ours)
        problems += _exports(fleet, ours)
    return problems


def _exports(fleet: Fleet, ours: t.Mapping[str, Cluster]) -> list[Problem]:
    """Multi-cluster services do not span several Shared VPCs."""
    if not any(c.variables.get("mesh_exports") for c in ours.values()):
        return []
    vpcs = {h: f"{network_project(c)}/{network_name(c, fleet.name)}" for h, c in ours.items() if _is_shared(c)}
    first = next(iter(vpcs), "")
    hint = "Google's multi-cluster services work within one Shared VPC: use one, or leave mesh_exports out"
    return [
        Problem(host, "gke_network_project", "", f"leads to VPC {vpc}, {first}'s to {vpcs[first]}", hint)
        for host, vpc in vpcs.items()
        if vpc != vpcs[first]
    ]


def _is_shared(cluster: Cluster) -> bool:
    return network_project(cluster) != text(cluster.variables, "gke_project")


def _cluster(cluster: Cluster) -> list[Problem]:
    v, host = cluster.variables, cluster.name
    problems = []
    if text(v, "gke_mode") == "autopilot" and cluster.zone:
        hint = "leave cluster_zone out: Autopilot clusters are regional"
        problems.append(Problem(host, "gke_mode", quoted("autopilot"), f"does not go with zone {cluster.zone}", hint))
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
        project = text(cluster.variables, "gke_project")
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


def further_ranges(fleet: Fleet) -> list[tuple[str, str, str]]:
    """Of each cluster that Google is asked for, the ranges of nodes and of the control plane: what and which."""
    ours = {name: c for name, c in fleet.clusters.items() if c.provider == "gke" and not is_elsewhere(c.variables)}
    nodes, _lacking = node_ranges(fleet, ours)
    found = [(name, "range of nodes", cidr) for name, cidr in nodes.items()]
    planes = ((name, text(cluster.variables, "gke_control_plane_cidr")) for name, cluster in ours.items())
    return found + [(name, "range of the control plane", cidr) for name, cidr in planes if cidr]


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
