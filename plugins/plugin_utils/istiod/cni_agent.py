# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's CNI agent in a cluster: whether a run installs it, what of it goes, and the wait for it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import daemonset_ready
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.releases import newest
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    CNI,
    Release,
    cni_release,
    release_owner,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Agent", "await_agent", "our_releases", "plan_agent"]

_DAEMONSET = "istio-cni-node"


@dataclasses.dataclass(frozen=True)
class Agent:
    """What a run does about the agent of a cluster."""

    namespace: str
    """Where it is, or where a run installs it."""
    wanted: bool
    """Whether a run installs it: the inventory asks for one, and there is none of others."""
    others: str = ""
    """``namespace/name`` of an agent that is used as it is, because this fleet did not install it."""

    instead_of: str = ""
    """The namespace that the inventory names now, where it is in another one."""

    def releases(self, fleet: Fleet, cluster: Cluster, chart: str, **settings: t.Any) -> list[Release]:
        """What a run installs, if anything; ``settings``: those of :func:`cni_release`."""
        return [cni_release(fleet, cluster, chart, namespace=self.namespace, **settings)] if self.wanted else []

    @property
    def note(self) -> str:
        if self.instead_of:
            stays = f"its CNI agent stays in {self.namespace}, not {self.instead_of}"
            return f" ({stays}; to move it, set mesh_cni: false once)"
        return f" (with the CNI agent {self.others})" if self.others else ""


async def plan_agent(kube: Kube, fleet: Fleet, cluster: Cluster, namespace: str) -> Agent:
    """Look whether the cluster has an agent already: two on one node would undo each other.

    One of others is used as it is. One of ours stays in its namespace, whatever ``namespace`` says now.
    """
    if not cluster.cni:
        return Agent(namespace, wanted=False)
    spaces = await _namespaces(kube)
    for space in spaces:
        if not await _is_ours(kube, fleet, space, namespace):
            return Agent(namespace, False, f"{space}/{_DAEMONSET}")
    if spaces and namespace not in spaces:
        return Agent(spaces[0], wanted=True, instead_of=namespace)
    return Agent(namespace, wanted=True)


async def our_releases(kube: Kube, fleet: Fleet, namespace: str) -> list[Release]:
    """The release of an agent that this fleet made; none where there is none. For its removal.

    In ``namespace``, also one that it may take over.
    """
    spaces = dict.fromkeys([namespace, *await _namespaces(kube)])
    return [Release(CNI, space, "cni") for space in spaces if await _is_ours(kube, fleet, space, namespace)]


async def _namespaces(kube: Kube) -> list[str]:
    found = await kube.list("apps/v1", "DaemonSet", labels={"k8s-app": _DAEMONSET})
    return [str(agent["metadata"]["namespace"]) for agent in found]


async def _is_ours(kube: Kube, fleet: Fleet, namespace: str, named: str) -> bool:
    """``named``: the namespace that the inventory names; mesh_take_over is about nothing elsewhere."""
    stored = await kube.list("v1", "Secret", namespace=namespace, labels=f"owner=helm,name={CNI},status!=superseded")
    record = newest(stored, CNI)
    if record is None:
        return False
    return release_owner(record.values) == fleet.name or (kube.take_over and namespace == named)


async def await_agent(kube: Waiter, agent: Agent, seconds: float) -> None:
    """Wait until every node has the agent that a run installed: without it no pod with a sidecar starts there.

    Raises FleetError.
    """
    if not agent.wanted:
        return
    try:
        await kube.wait("apps/v1", "DaemonSet", _DAEMONSET, agent.namespace, until=daemonset_ready, timeout=seconds)
    except NotInTime as error:
        raise FleetError(
            f"Istio's CNI agent is not ready after {seconds:.0f} s",
            cluster=kube.cluster,
            obj=f"DaemonSet {agent.namespace}/{_DAEMONSET}",
            seen=error.seen,
            means=error.means,
            next_step=f"kubectl -n {agent.namespace} describe daemonset {_DAEMONSET}; the nodes' paths are those of "
            "cluster_platform, or cniBinDir and cniConfDir in control_plane_cni_values",
        ) from error
