# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's CNI agent in a cluster: whose it is, and the wait for it."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import daemonset_ready
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.releases import newest
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import CNI, release_owner
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["await_agent", "others_agent", "our_agent"]

_DAEMONSET = "istio-cni-node"


async def our_agent(kube: Kube, fleet: Fleet, namespace: str) -> bool:
    """Whether a release is there that this fleet made, or may take over."""
    stored = await kube.list("v1", "Secret", namespace=namespace, labels=f"owner=helm,name={CNI},status!=superseded")
    record = newest(stored, CNI)
    return record is not None and (kube.take_over or release_owner(record.values) == fleet.name)


async def others_agent(kube: Kube, fleet: Fleet, namespace: str) -> str:
    """``namespace/name`` of an agent that is not this fleet's, or "": two on one node would undo each other."""
    found = await kube.list("apps/v1", "DaemonSet", labels={"k8s-app": _DAEMONSET})
    for agent in found:
        if agent["metadata"]["namespace"] != namespace or not await our_agent(kube, fleet, namespace):
            return f"{agent['metadata']['namespace']}/{agent['metadata']['name']}"
    return ""


async def await_agent(kube: Waiter, namespace: str, seconds: float) -> None:
    """Wait until every node has the agent: without it no pod with a sidecar starts there. Raises FleetError."""
    try:
        await kube.wait("apps/v1", "DaemonSet", _DAEMONSET, namespace, until=daemonset_ready, timeout=seconds)
    except NotInTime as error:
        raise FleetError(
            f"Istio's CNI agent is not ready after {seconds:.0f} s",
            cluster=kube.cluster,
            obj=f"DaemonSet {namespace}/{_DAEMONSET}",
            seen=error.seen,
            means=error.means,
            next_step=f"kubectl -n {namespace} describe daemonset {_DAEMONSET}; the nodes' paths are those of "
            "cluster_platform, or cniBinDir and cniConfDir in control_plane_cni_values",
        ) from error
