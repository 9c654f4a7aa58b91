# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the fields of one GKE cluster cannot say together, and what its mode does not take."""

from __future__ import annotations

import re
import typing as t

from ....errors import FleetError
from ...inventory.fleet import Cluster, Fleet
from ...inventory.problems import Problem, quoted
from .clusters import cluster_fields, needs_net_admin
from .field import Said
from .field_forms import key_location
from .fields import CLUSTER_FIELDS, POOL_FIELDS
from .node_pools import Pool, pools
from .values import flag, is_given
from .variables import OF_POOLS, text

__all__ = ["check_fields", "refuse"]

_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_FEWEST_PODS, _MOST_PODS = 8, 256
"""Of a node: https://cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr"""


def refuse(fleet: Fleet, cluster: Cluster) -> None:
    """Raise the first of the problems, where a stage is run without preflight."""
    for problem in check_fields(fleet, cluster):
        raise FleetError(
            " ".join(part for part in (problem.variable, problem.value, problem.message) if part),
            cluster=cluster.name,
            next_step=problem.hint,
        )


def check_fields(fleet: Fleet, cluster: Cluster) -> list[Problem]:
    """All of one cluster."""
    v, host = cluster.variables, cluster.name
    autopilot = text(v, "gke_mode") == "autopilot"
    problems = _mode(fleet, cluster, autopilot=autopilot)
    try:
        said = cluster_fields(fleet, cluster, autopilot=autopilot)
        mine = () if autopilot else pools(host, v)
    except FleetError as error:
        name, _cannot, value = error.what.partition(" cannot be ")
        return [*problems, Problem(host, name, "", f"cannot be {value}", error.next_step)]
    problems += _keys(cluster, said, mine)
    problems += _zones(cluster, said, mine)
    problems += _dns(cluster)
    problems += _network(cluster, autopilot=autopilot)
    for variable, one in _all(said, mine):
        if one.field.path.endswith("maxPodsPerNode") and not _FEWEST_PODS <= one.value <= _MOST_PODS:
            hint = f"{_FEWEST_PODS} to {_MOST_PODS} pods of a node"
            problems.append(Problem(host, variable, str(one.value), "is not what GKE accepts", hint))
    return problems


def _all(said: t.Iterable[Said], mine: t.Iterable[Pool]) -> t.Iterator[tuple[str, Said]]:
    """Every field that the inventory says, with its variable; pools of one value once."""
    seen: set[tuple[str, str]] = set()
    for one in [*said, *(inner for pool in mine for inner in pool.fields)]:
        key = (one.field.name, str(one.value))
        if not one.new and key not in seen:
            seen.add(key)
            yield f"gke_{one.field.name}", one


def _mode(fleet: Fleet, cluster: Cluster, *, autopilot: bool) -> list[Problem]:
    """What a cluster of this mode does not take: it would be ignored, or refused when the cluster is made."""
    v, host = cluster.variables, cluster.name
    problems = []
    taken = {f"gke_{f.name}" for f in CLUSTER_FIELDS if (f.autopilot if autopilot else f.standard)}
    pooled = {*OF_POOLS, *(f"gke_{field.name}" for field in POOL_FIELDS)}
    others = {f"gke_{field.name}" for field in CLUSTER_FIELDS} | (pooled if autopilot else set())
    for name in sorted(others - taken - (set() if autopilot else pooled)):
        if is_given(v.get(name)) and v[name] != []:
            mode = "Autopilot, whose nodes and their settings are Google's" if autopilot else "a standard cluster"
            hint = "leave it out; for one host of a group that sets it, set it to null"
            problems.append(Problem(host, name, "", f"is not for {mode}", hint))
    if not autopilot:
        return problems
    if not flag(host, v, "gke_dataplane_v2", True):
        problems.append(Problem(host, "gke_dataplane_v2", "false", "is not for Autopilot", "leave it out"))
    if needs_net_admin(fleet, cluster) and not flag(host, v, "gke_allow_net_admin", True):
        message = "leaves no way for sidecars: Istio's init container needs NET_ADMIN in each pod"
        hint = "leave it out, or let Google run the control plane (mesh_control_plane: managed)"
        problems.append(Problem(host, "gke_allow_net_admin", "false", message, hint))
    if cluster.cni:
        message = "is not for Autopilot, which takes no agents that write to its nodes"
        problems.append(Problem(host, "mesh_cni", "true", message, "leave it out: pods may have NET_ADMIN there"))
    return problems


def _keys(cluster: Cluster, said: t.Iterable[Said], mine: t.Iterable[Pool]) -> list[Problem]:
    """A key encrypts where it is: .../docs/how-to/encrypting-secrets, .../docs/how-to/using-cmek"""
    problems = []
    for variable, one in _all(said, mine):
        if one.field.name not in ("database_key", "disk_key"):
            continue
        location = key_location(str(one.value))
        wider = one.field.name == "disk_key" and not _REGION.fullmatch(location)  # "global", "us"
        if location != cluster.region and not wider:
            hint = f"a key in {cluster.region}"
            problems.append(Problem(cluster.name, variable, "", f"is a key in {location}", hint))
    return problems


def _zones(cluster: Cluster, said: t.Iterable[Said], mine: t.Iterable[Pool]) -> list[Problem]:
    problems = []
    for variable, one in _all(said, mine):
        if one.field.path != "locations":
            continue
        name = variable if one.field in CLUSTER_FIELDS else "gke_node_pools"
        odd = [zone for zone in one.value if not zone.startswith(f"{cluster.region}-")]
        if odd:
            message = f"has {odd[0]}, which is not in region {cluster.region}"
            problems.append(Problem(cluster.name, name, "", message, f"such as {cluster.region}-a"))
        if cluster.zone and one.field in CLUSTER_FIELDS and cluster.zone not in one.value:
            message = f"is without {cluster.zone}, where the control plane is"
            problems.append(Problem(cluster.name, name, "", message, f"add {cluster.zone}"))
    return problems


def _dns(cluster: Cluster) -> list[Problem]:
    v, host = cluster.variables, cluster.name
    scope, domain = text(v, "gke_dns_scope"), text(v, "gke_dns_domain")
    problems = []
    if scope and text(v, "gke_dns") != "cloud_dns":
        problems.append(Problem(host, "gke_dns_scope", quoted(scope), "is of Cloud DNS", "gke_dns: cloud_dns"))
    if scope == "vpc" and not domain:
        hint = "gke_dns_domain: a domain of the cluster's own, such as west.shop.example"
        problems.append(Problem(host, "gke_dns_scope", quoted(scope), "needs a domain", hint))
    if domain and scope != "vpc":
        problems.append(Problem(host, "gke_dns_domain", quoted(domain), "is of scope vpc", "gke_dns_scope: vpc"))
    return problems


def _network(cluster: Cluster, *, autopilot: bool) -> list[Problem]:
    v, host = cluster.variables, cluster.name
    problems = []
    calico = is_given(v.get("gke_network_policy")) and flag(host, v, "gke_network_policy", False)
    if calico and not autopilot and flag(host, v, "gke_dataplane_v2", True):
        message = "does not go with Dataplane V2, which enforces NetworkPolicies itself"
        problems.append(
            Problem(host, "gke_network_policy", "true", message, "leave it out, or gke_dataplane_v2: false")
        )
    plane = text(v, "gke_control_plane_cidr")
    if plane and text(v, "gke_private_endpoint_subnetwork"):
        hint = "one of them: the subnet has a range"
        message = "does not go with gke_control_plane_cidr"
        problems.append(Problem(host, "gke_private_endpoint_subnetwork", "", message, hint))
    if plane and not flag(host, v, "gke_private_nodes", True):
        message = "is ignored by Google where nodes have public addresses"
        problems.append(
            Problem(host, "gke_control_plane_cidr", plane, message, "leave it out, or gke_private_nodes: true")
        )
    region = text(v, "gke_private_endpoint_subnetwork").partition("/regions/")[2].partition("/")[0]
    if region and region != cluster.region:
        message, hint = f"is in {region}", f"a subnet in {cluster.region}"
        problems.append(Problem(host, "gke_private_endpoint_subnetwork", "", message, hint))
    return problems
