# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules of others that would stop the mesh: those of the VPCs that clusters are about to join, and of policies."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.findings import Findings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.mesh_flows import (
    Needs,
    Target,
    Vpc,
    stopped,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.meanings import API_OFF, PERMISSION
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.firewall import as_resource
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import (
    ExistingNetwork,
    NetworkPlan,
    ipv6_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import ClusterSpec

__all__ = ["Joining", "find_denials"]

Json = dict[str, t.Any]
_METHOD = "regionNetworkFirewallPolicies.getEffectiveFirewalls"
_RIGHT = "compute.networks.getRegionEffectiveFirewalls"


class Joining(t.NamedTuple):
    """A cluster that is not part of the mesh yet."""

    spec: ClusterSpec
    targets: list[Target]


def find_denials(
    google: Google,
    fleet: Fleet,
    everybody: t.Sequence[ClusterSpec],
    joining: t.Sequence[Joining],
    live: ExistingNetwork,
    plan: NetworkPlan,
    *,
    istiods: t.Container[str],
    front_door: bool,
) -> Findings:
    """What stops connections that the mesh of these clusters needs. One request for each region of a VPC.

    Args:
        google: a client for the VPCs' project.
        fleet: the fleet.
        everybody: all its GKE clusters.
        joining: clusters whose VPC is of that project.
        live: what is there.
        plan: what the run makes there.
        istiods: hosts with an istiod of ours.
        front_door: whether multi-cluster ingress is in front of the clusters.
    """
    found = Findings()
    answers: dict[tuple[str, str], Json] = {}
    rules = {**live.firewalls, **{rule["name"]: {**rule, **as_resource(rule)} for rule in plan.firewalls}}
    for w, targets in joining:
        network = live.networks.get(w.network)
        if network is None:
            continue  # made by the run: nothing of others is in it but policies of the organisation
        place = (w.network, w.region)
        if place not in answers:
            answers[place] = _ask(google, w, found)
        vpc = Vpc(
            w.network,
            w.network_project,
            answers[place],
            str(network.get("networkFirewallPolicyEnforcementOrder") or ""),
            [rule for rule in rules.values() if str(rule.get("network")).rpartition("/")[2] == w.network],
        )
        problems, warnings = stopped(w, _needs(fleet, w, everybody, live, istiods, front_door), targets, vpc)
        found.problems += problems
        found.warnings += warnings
    return found


def _ask(google: Google, w: ClusterSpec, found: Findings) -> Json:
    """What decides in a region of a VPC; nothing where that may not be read, which is said once."""
    link = f"https://www.googleapis.com/compute/v1/{w.network_path}"
    try:
        return google.call("compute", _METHOD, project=google.project, region=w.region, network=link, at_once=True)
    except GoogleError as error:
        if error.kind not in (API_OFF, PERMISSION) and error.status != 404:
            found.problems.append(error)
        else:
            said = f"project {google.project}: not known to these credentials: firewall policies ({_RIGHT})"
            found.warnings += [said] if said not in found.warnings else []
        return {}


def _needs(
    fleet: Fleet,
    w: ClusterSpec,
    everybody: t.Sequence[ClusterSpec],
    live: ExistingNetwork,
    istiods: t.Container[str],
    front_door: bool,
) -> Needs:
    mine = fleet.clusters[w.host].network
    beside = {o.host: o for o in everybody if o.host != w.host and fleet.clusters[o.host].network == mine}
    return Needs(
        callers=beside,
        istiod=w.host in istiods,
        gateways=any(cluster.network != mine for cluster in fleet.clusters.values()),
        front_door=front_door,
        ipv6={
            o.host: ipv6_of(live.subnets.get((o.region, o.subnetwork), {}))
            for o in (w, *beside.values())
            if o.dual_stack
        },
    )
