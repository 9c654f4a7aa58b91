# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a cluster that exists already fits the inventory: what is refused there, and what a run should know."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError
from ...metadata import labels_of
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..istio.helm_values import istiod_name
from ..istio.ownership import MANAGER, fleet_of
from ..providers.registry import provider_of
from .dns_domain import Dns, check_clusterset_zone, check_dns_domain

__all__ = ["Standing", "check_standing"]

Object = t.Mapping[str, t.Any]
_OWNER = "install.operator.istio.io/owning-resource"
"""The charts' label with the value ``ownerName``."""
_REGION = "topology.kubernetes.io/region"
_ZONE = "topology.kubernetes.io/zone"
_PASSING = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "node.cilium.io/agent-not-ready",
    "ebs.csi.aws.com/agent-not-ready",
    "efs.csi.aws.com/agent-not-ready",
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/",
    "eks.amazonaws.com/compute-type",
)
"""Beginnings of taints by which a cluster says how a node is at the moment, or, as Fargate, that it makes one for each
pod."""


@dataclasses.dataclass(frozen=True)
class Standing:
    """What was read of a cluster; empty where it could not be read."""

    namespaces: t.Sequence[Object] = ()
    istiods: t.Sequence[Object] = ()
    """Deployments with the label ``app: istiod``, of all namespaces."""
    nodes: t.Sequence[Object] = ()
    api_service: Object | None = None
    """Service ``default/kubernetes``."""
    dns: Dns = dataclasses.field(default_factory=Dns)


def check_standing(fleet: Fleet, cluster: Cluster, found: Standing) -> list[str]:
    """What a run should know of the cluster, as warnings.

    Raises:
        FleetError: what the inventory asks for cannot be done there.
    """
    _same_namespace(fleet, cluster, found)
    _one_control_plane(fleet, cluster, found)
    _addresses(cluster, found)
    names = [*check_dns_domain(cluster, found.dns), *check_clusterset_zone(fleet, cluster, found.dns)]
    return [*names, *_other_revisions(fleet, cluster, found), *_localities(cluster, found), *_no_room(cluster, found)]


def _ours(fleet: Fleet, found: Standing) -> list[Object]:
    """Istiods that this fleet's runs installed."""
    spaces = {str(one["metadata"]["name"]) for one in found.namespaces if fleet_of(one) == fleet.name}
    return [
        one
        for one in found.istiods
        if labels_of(one).get(_OWNER) == MANAGER and one["metadata"].get("namespace") in spaces
    ]


def _same_namespace(fleet: Fleet, cluster: Cluster, found: Standing) -> None:
    for istiod in _ours(fleet, found):
        former = str(istiod["metadata"]["namespace"])
        if former != fleet.namespace:
            raise FleetError(
                "the fleet's control plane runs in another namespace",
                cluster=cluster.name,
                obj=f"Deployment {former}/{istiod['metadata']['name']}",
                seen=f"mesh_namespace is {fleet.namespace}",
                means="a control plane cannot be moved: both would sign and inject in the same cluster",
                next_step=f"set mesh_namespace: {former} again; or remove the mesh with that value "
                "(playbooks/teardown.yml), then run playbooks/site.yml with the new one",
            )


def _one_control_plane(fleet: Fleet, cluster: Cluster, found: Standing) -> None:
    if control_plane_of(fleet, cluster).ours:
        return
    for istiod in _ours(fleet, found):
        raise FleetError(
            "an istiod of this fleet runs in it, and Google's control plane cannot run beside that",
            cluster=cluster.name,
            obj=f"Deployment {istiod['metadata']['namespace']}/{istiod['metadata']['name']}",
            seen="mesh_control_plane is managed",
            next_step="remove it first: playbooks/teardown.yml -e mesh_control_plane=istiod "
            f"--limit {cluster.name}; then run again",
        )


def _addresses(cluster: Cluster, found: Standing) -> None:
    families = ((found.api_service or {}).get("spec") or {}).get("ipFamilies") or []
    if families[:1] == ["IPv6"]:
        raise FleetError(
            "the cluster's Services have IPv6 addresses",
            cluster=cluster.name,
            obj="Service default/kubernetes",
            seen=", ".join(map(str, families)),
            means="this collection supports IPv4, and dual-stack clusters whose first family is IPv4",
            next_step="use a cluster whose first address family is IPv4",
        )


def _other_revisions(fleet: Fleet, cluster: Cluster, found: Standing) -> list[str]:
    others = sorted({str(one["metadata"]["name"]) for one in _ours(fleet, found)} - {istiod_name(fleet)})
    return [
        f"{cluster.name}: {name} of this fleet runs beside mesh_revision {fleet.revision}: what it injected stays with "
        f"it. Restart these workloads once {istiod_name(fleet)} runs, then remove it with its own mesh_revision"
        for name in others
    ]


def _localities(cluster: Cluster, found: Standing) -> list[str]:
    if provider_of(cluster).local:
        return []  # a run labels the nodes of this machine
    unlike = {
        str(node["metadata"]["name"]): seen for node in found.nodes if (seen := _unlike(cluster, labels_of(node)))
    }
    if not unlike:
        return []
    name, seen = next(iter(unlike.items()))
    where = f"cluster_region {cluster.region}" + (f", cluster_zone {cluster.zone}" if cluster.zone else "")
    return [
        f"{cluster.name}: {len(unlike)} of {len(found.nodes)} nodes are not labelled as {where} says "
        f"({name}: {seen}); istiod prefers near endpoints by the nodes' labels, not by the inventory"
    ]


def _unlike(cluster: Cluster, labels: t.Mapping[str, str]) -> str:
    """How a node's labels differ from the inventory; "" where they do not. Without a zone any zone is right."""
    for label, word, wanted in ((_REGION, "region", cluster.region), (_ZONE, "zone", cluster.zone)):
        has = labels.get(label, "")
        if not has:
            return f"no label {label}"
        if wanted and has != wanted:
            return f"{word} {has}"
    return ""


def _no_room(cluster: Cluster, found: Standing) -> list[str]:
    """A pod that no node takes waits for ever. It is no refusal: an autoscaler may add nodes that take it."""
    unfit = {str(node["metadata"]["name"]): _unfit(cluster, node) for node in found.nodes}
    if not unfit or not all(unfit.values()):
        return []
    name, why = next(iter(unfit.items()))
    return [
        f"{cluster.name}: none of its {len(unfit)} nodes takes the pods of a run ({name}: {why}); set node_selector "
        "and tolerations in mesh_pods, unless an autoscaler adds nodes that take them"
    ]


def _unfit(cluster: Cluster, node: Object) -> str:
    """Why a node takes no pod with the cluster's settings; "" where it does."""
    has = labels_of(node)
    for label, value in cluster.pods.node_selector.items():
        if has.get(label) != value:
            return f"no label {label}={value}"
    for taint in (node.get("spec") or {}).get("taints") or []:
        hard = taint.get("effect") in ("NoSchedule", "NoExecute") and not str(taint["key"]).startswith(_PASSING)
        if hard and not any(_tolerates(one, taint) for one in cluster.pods.tolerations):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"taint {taint['key']}{value}:{taint['effect']}"
    return ""


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]) or toleration.get("key") not in (
        None,
        "",
        taint["key"],
    ):
        return False
    return toleration.get("operator") == "Exists" or (toleration.get("value") or "") == (taint.get("value") or "")
