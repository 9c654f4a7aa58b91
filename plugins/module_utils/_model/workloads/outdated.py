# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Workloads whose sidecars were injected under other settings than the inventory has now.

A sidecar keeps the network, the name of its cluster and the trust domain with which it was injected. After one of them
changes, istiod and the sidecar disagree, and calls fail, until the workload is restarted.
"""

from __future__ import annotations

import typing as t

from ...metadata import annotations_of, labels_of
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet

__all__ = [
    "INJECTED",
    "RESTARTABLE",
    "Workload",
    "injected_workloads",
    "outdated_workloads",
    "restart_commands",
    "restarted",
]

INJECTED = "service.istio.io/canonical-name"
"""A label that the injector gives every pod."""
RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")
_PROXY = "istio-proxy"
_REVISION = "istio.io/rev"
_LEARNS_ROOTS = "PROXY_CONFIG_XDS_AGENT"
"""By it a sidecar learns of the roots of a federation's peers. It reads this once, at its start."""
_MANY = 5


class Workload(t.NamedTuple):
    """What a pod belongs to; a Pod if nothing makes it anew."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def outdated_workloads(
    fleet: Fleet, cluster: Cluster, pods: t.Iterable[t.Mapping[str, t.Any]]
) -> dict[Workload, list[str]]:
    """By workload, how its sidecars differ from the inventory.

    Args:
        fleet: the fleet.
        cluster: whose pods these are.
        pods: those with the label INJECTED. Pods of another revision, and those that end, are left out.
    """
    plane = control_plane_of(fleet, cluster)
    if not plane.ours:
        return {}
    wanted = {
        "ISTIO_META_NETWORK": ("network", cluster.network),
        "ISTIO_META_CLUSTER_ID": ("cluster", cluster.name),
        "TRUST_DOMAIN": ("trust domain", fleet.trust_domain),
    }
    found: dict[Workload, list[str]] = {}
    for workload, env in _sidecars(fleet, pods):
        wrong = [f"{what} {env[name]}" for name, (what, value) in wanted.items() if env.get(name, value) != value]
        if fleet.federated and env.get(_LEARNS_ROOTS) != "true":
            wrong.append("no roots of peers")
        if wrong:
            found.setdefault(workload, wrong)
    return dict(sorted(found.items()))


def injected_workloads(fleet: Fleet, cluster: Cluster, pods: t.Iterable[t.Mapping[str, t.Any]]) -> list[Workload]:
    """Those whose sidecars this fleet's istiods injected for the cluster; parameters as of outdated_workloads."""
    if not control_plane_of(fleet, cluster).ours:
        return []
    found = {workload for workload, env in _sidecars(fleet, pods) if env.get("ISTIO_META_CLUSTER_ID") == cluster.name}
    return sorted(found)


def _sidecars(fleet: Fleet, pods: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[tuple[Workload, dict[str, str]]]:
    """The variables of each sidecar of the fleet's revision, with the workload that it belongs to."""
    for pod in pods:
        ends = pod["metadata"].get("deletionTimestamp") or (pod.get("status") or {}).get("phase") in (
            "Succeeded",
            "Failed",
        )
        if ends or annotations_of(pod).get(_REVISION, fleet.revision) != fleet.revision:
            continue
        spec = pod.get("spec") or {}
        for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
            if container.get("name") == _PROXY:
                yield _owner(pod), {e["name"]: str(e.get("value") or "") for e in container.get("env") or []}


def _owner(pod: t.Mapping[str, t.Any]) -> Workload:
    meta = pod["metadata"]
    namespace = str(meta.get("namespace") or "")
    owner = next((one for one in meta.get("ownerReferences") or [] if one.get("controller")), None)
    if owner is None:
        return Workload(namespace, "Pod", str(meta.get("name")))
    kind, name = str(owner["kind"]), str(owner["name"])
    suffix = labels_of(pod).get("pod-template-hash")
    if kind == "ReplicaSet" and suffix and name.endswith(f"-{suffix}"):
        return Workload(namespace, "Deployment", name.removesuffix(f"-{suffix}"))
    return Workload(namespace, kind, name)


def restart_commands(workloads: t.Sequence[Workload]) -> str:
    """What restarts them by hand, for the text of an advice."""
    lines = [
        f"kubectl -n {w.namespace} rollout restart {w.kind.lower()} {w.name}"
        if w.kind in RESTARTABLE
        else f"make {w} anew"
        for w in workloads[:_MANY]
    ]
    more = len(workloads) - len(lines)
    return "; ".join([*lines, *([f"and {more} more"] if more else [])])


def restarted(workload: Workload, at: str) -> dict[str, t.Any]:
    """What is applied to restart it; ``at``: the time, which makes its pods new."""
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": {"name": workload.name, "namespace": workload.namespace},
        "spec": {"template": {"metadata": {"annotations": {"mesh.fleet/restarted-for-injection": at}}}},
    }
