# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections that a mesh needs in the VPC of a GKE cluster, and the rules of others that stop them: pure functions."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from ..network.firewall import WEBHOOK_PORT
from .firewalls import EGRESS, EVERYWHERE, GOOGLES, INGRESS, Flow, Rule, denials, layers_of

__all__ = ["Needs", "Target", "Vpc", "flows_of", "stopped", "targets_of"]

Json = t.Mapping[str, t.Any]
_GATEWAY_PORTS = (15443, 15012, 15017, 15021)
"""Calls of other networks, istiods for remotes, their webhooks, and the gateway's health."""
_PROBES = ("35.191.0.0/16", "130.211.0.0/22")
_OLDER_PROBES = ("209.85.152.0/22", "209.85.204.0/22")
"""Sources of health checks (https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges). The older
ones are those of target pools, which GKE makes for Services unless they ask for other load balancers."""
_HEALTH_PORT = 10256
"""kube-proxy's answer for all Services of a node (Kubernetes' default for ``healthzBindAddress``)."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Nodes that firewall rules tell apart."""

    tags: frozenset[str]
    account: str
    """The service account's e-mail address; "" for not known."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What of a mesh is in a cluster."""

    callers: t.Mapping[str, ClusterSpec] = dataclasses.field(default_factory=dict)
    """By host, clusters whose pods call its pods, and are called by them, without a gateway: one VPC, one network."""
    istiod: bool = True
    """Whether it has an istiod of ours, whose webhook the control plane calls."""
    gateways: bool = False
    """Whether clusters of other networks call it."""
    front_door: bool = False
    ipv6: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    """By host, IPv6 ranges of pods in clusters with both families, as far as they are known."""


def targets_of(cluster: Json) -> list[Target]:
    """The kinds of nodes of a cluster, as Google's Cluster describes it."""
    scaled = cluster.get("autoscaling") or {}
    on_demand = scaled.get("autoprovisioningNodePoolDefaults") or {}
    found = [_target(pool.get("config") or {}) for pool in cluster.get("nodePools") or []]
    if (cluster.get("autopilot") or {}).get("enabled") or scaled.get("enableNodeAutoprovisioning"):
        tags = ((cluster.get("nodePoolAutoConfig") or {}).get("networkTags") or {}).get("tags") or []
        found.append(_target({**on_demand, "tags": tags}))
    return list(dict.fromkeys(found)) or [Target(frozenset(), "")]


def _target(config: Json) -> Target:
    account = str(config.get("serviceAccount") or "default")
    return Target(frozenset(map(str, config.get("tags") or [])), "" if account == "default" else account)


def flows_of(w: ClusterSpec, needs: Needs, target: Target) -> list[tuple[Flow, bool, bool]]:
    """Each with whether only a rule counts that stops all of it, and whether GKE makes a rule for it."""
    found: list[tuple[Flow, bool, bool]] = []

    def add(
        what: str,
        direction: str,
        source: str,
        to: str,
        port: int | None = None,
        *,
        whole: bool = False,
        gke: bool = False,
    ) -> None:
        flow = Flow(what, direction, source, to, port, w.network_path, target.tags, target.account)
        found.append((flow, whole, gke))

    for name, other in needs.callers.items():
        add(f"calls from pods of {name}", INGRESS, other.pod_cidr, w.pod_cidr)
        add(f"calls to pods of {name}", EGRESS, w.pod_cidr, other.pod_cidr)
        for mine, theirs in itertools.product(needs.ipv6.get(w.host, ()), needs.ipv6.get(name, ())):
            add(f"calls from pods of {name} (IPv6)", INGRESS, theirs, mine)
            add(f"calls to pods of {name} (IPv6)", EGRESS, mine, theirs)
    if needs.istiod:
        for plane in dict.fromkeys(cidr for cidr in (w.node_cidr, w.control_plane_cidr) if cidr):
            add("the webhook of istiod", INGRESS, plane, w.pod_cidr, int(WEBHOOK_PORT))
    if needs.gateways:
        for port in _GATEWAY_PORTS:
            add(f"port {port} of the east-west gateway", INGRESS, EVERYWHERE, EVERYWHERE, port, whole=True, gke=True)
        for probe in (*_PROBES, *_OLDER_PROBES):
            add("health checks of gateways", INGRESS, probe, w.node_cidr, _HEALTH_PORT, gke=True)
    if needs.front_door:
        for probe in _PROBES:
            # In a Shared VPC the rule is of ours, and among those that are given.
            add("health checks and calls of the front door", INGRESS, probe, w.pod_cidr, gke=not w.shared)
    return found


@dataclasses.dataclass(frozen=True)
class Vpc:
    """What is known of the firewall in one region of a VPC."""

    name: str
    project: str
    answer: Json
    """Of compute.regionNetworkFirewallPolicies.getEffectiveFirewalls."""
    order: str
    """The VPC's networkFirewallPolicyEnforcementOrder."""
    firewalls: t.Collection[Json]
    """The VPC's own rules, those included that the run makes."""


def stopped(w: ClusterSpec, needs: Needs, targets: t.Iterable[Target], vpc: Vpc) -> tuple[list[FleetError], list[str]]:
    """Problems with the cluster, one for each rule that stops something; and warnings of those that may."""
    layers = layers_of(vpc.answer, vpc.order, vpc.firewalls)
    with_googles = layers_of(vpc.answer, vpc.order, vpc.firewalls, [GOOGLES])
    sure: dict[Rule, list[Flow]] = {}
    doubtful: dict[Rule, dict[str, tuple[str, ...]]] = {}
    for target in targets:
        for flow, whole, gke in flows_of(w, needs, target):
            for denial in denials(flow, with_googles if gke else layers):
                if whole and not denial.whole:
                    continue
                if denial.sure:
                    sure.setdefault(denial.rule, []).append(flow)
                else:
                    doubtful.setdefault(denial.rule, {})[flow.what] = denial.unknown
    problems = [_problem(w, vpc, rule, flows) for rule, flows in sure.items()]
    return problems, [_warning(w, vpc, rule, what) for rule, what in doubtful.items() if rule not in sure]


def _problem(w: ClusterSpec, vpc: Vpc, rule: Rule, flows: t.Collection[Flow]) -> FleetError:
    policy = f", {rule.policy}" if rule.policy else ""
    what = ", ".join(dict.fromkeys(flow.what for flow in flows))
    return FleetError(
        f"{rule.name} stops what the mesh needs",
        cluster=w.host,
        obj=f"VPC {vpc.name}, project {vpc.project}",
        seen=f"it denies {what} ({rule.direction.lower()}, priority {rule.priority}{policy})",
        next_step=_mend(rule, vpc, {flow.destination for flow in flows}),
    )


def _warning(w: ClusterSpec, vpc: Vpc, rule: Rule, what: t.Mapping[str, tuple[str, ...]]) -> str:
    unknown = ", ".join(dict.fromkeys(name for names in what.values() for name in names))
    return (
        f"{w.host}: {rule.name} (VPC {vpc.name}, project {vpc.project}) may stop {', '.join(what)}: that depends on "
        f"{unknown}, which cannot be judged here"
    )


def _mend(rule: Rule, vpc: Vpc, destinations: t.Iterable[str]) -> str:
    if rule.policy:
        return (
            f"have the administrator of firewall policy {rule.policy} allow it by a rule with a priority below "
            f"{rule.priority}, or pass it on by one (goto_next)"
        )
    name = rule.name.rpartition(" ")[2]
    if rule.direction == INGRESS:
        return (
            f"narrow it, or let the rules of this fleet come first, which have priority 1000: `gcloud compute "
            f"firewall-rules update {name} --priority=2000 --project={vpc.project}`"
        )
    return (
        f"narrow it, or let it through before: `gcloud compute firewall-rules create {vpc.name}-mesh-out "
        f"--network={vpc.name} --direction=EGRESS --action=ALLOW --rules=tcp "
        f"--destination-ranges={','.join(sorted(destinations))} --priority={max(rule.priority - 1, 0)} "
        f"--project={vpc.project}`"
    )
