# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restart an istiod that keeps pods of a cluster which it does not watch any more among those of global names.

Istio 1.31 tells its registry of ServiceEntries of no pod that goes with its cluster: ``Cleanup`` in
``pilot/pkg/serviceregistry/kube/controller/controller.go`` ends the cluster's informers, and only their events remove
a pod from ``ExternalWorkloads`` in ``pilot/pkg/serviceregistry/serviceentry/controller.go``. Every ServiceEntry with a
workloadSelector is computed from these, also one that is written anew, so nothing but a restart helps.
"""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import parse_entry_clusters
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    LABEL,
    REMOVE,
    read_entries,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of, labels_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import debug_page, istiod_pods
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.restart import restart_istiod
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering import syncing
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import PeeringState

__all__ = ["RAN", "forget_pods", "remember_istiods"]

RAN = "mesh.fleet/ran-when-a-peer-was-removed"
"""Annotation of istiod's Deployment: its pods that ran when a remote secret was removed, as far as they still run.

It is there before the removal, so that a run which is killed after it is finished by the next one. It stays while such
a pod runs: a global name that is made later would have the pods of that cluster too."""
_MANAGER = "mesh.fleet-removed-peers"
"""A field manager of its own: the rest of the Deployment is Helm's, and stays so."""


async def remember_istiods(state: PeeringState, watcher: str) -> None:
    """Record which istiods run, before a removal of a remote secret is written."""
    kube = state.kubes[watcher]
    if not _concerned(state, watcher) or not _removed(state, watcher) or state.options.dry_run:
        return
    recorded = await _recorded(state, kube)
    if recorded is not None:
        await _record(state, kube, recorded, await _running(state, kube))


async def forget_pods(state: PeeringState, scope: WatcherScope) -> None:
    """Restart the istiod of a watcher if it keeps pods of a cluster whose remote secret is gone.

    In check mode the restart is among the changes if the run would need it.
    """
    watcher = scope.watcher
    kube, dry = state.kubes[watcher], state.options.dry_run
    if not _concerned(state, watcher):
        return
    recorded = await _recorded(state, kube)
    removed = _removed(state, watcher)
    if recorded is None or not (recorded or (dry and removed)):
        return
    former = sorted(await _kept(state, watcher))
    if former:
        names, one = ", ".join(former), istiod_name(state.fleet)
        if not state.options.restart:
            state.warnings.append(
                f"{watcher}: its istiod keeps pods of {names} behind global names until it is restarted: "
                f"kubectl -n {state.fleet.namespace} rollout restart deployment {one}"
            )
            return
        said = "would be restarted" if dry else "was restarted"
        state.warnings.append(f"{watcher}: its istiod {said}, as it keeps pods of {names} behind global names")
        state.changes += await restart_istiod(
            kube, state.fleet, "removed-peers", dry_run=dry, seconds=state.options.restart_timeout
        )
    if dry:
        return
    await _record(state, kube, recorded, recorded & await _running(state, kube))
    if former:
        await syncing.await_synced(state, scope)


def _concerned(state: PeeringState, watcher: str) -> bool:
    """Whether the watcher has an istiod, and keeps it."""
    plane = control_plane_of(state.fleet, state.fleet.clusters[watcher])
    leaves = state.options.absent and watcher in state.play
    return plane.has_istiod and not state.kubes[watcher].absent and not leaves


def _removed(state: PeeringState, watcher: str) -> set[str]:
    return {plan.cluster for plan in state.plans.get(watcher, ()) if plan.action == REMOVE}


async def _recorded(state: PeeringState, kube: Kube) -> set[str] | None:
    """The pods of the annotation; None without a Deployment."""
    found = await kube.get("apps/v1", "Deployment", istiod_name(state.fleet), state.fleet.namespace)
    return {name for name in annotations_of(found).get(RAN, "").split(",") if name} if found else None


async def _running(state: PeeringState, kube: Kube) -> set[str]:
    """Pods of the istiod, ready or not."""
    pods = await kube.pods(state.fleet.namespace, {"app": "istiod"})
    return {str(p["metadata"]["name"]) for p in pods if labels_of(p).get("istio.io/rev") == state.fleet.revision}


async def _record(state: PeeringState, kube: Kube, recorded: set[str], wanted: set[str]) -> None:
    """Nobody waits for this change: it is only a record."""
    if wanted == recorded:
        return
    metadata: dict[str, t.Any] = {"name": istiod_name(state.fleet), "namespace": state.fleet.namespace}
    if wanted:
        metadata["annotations"] = {RAN: ",".join(sorted(wanted))}
    await kube.apply([{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}], manager=_MANAGER)


async def _kept(state: PeeringState, watcher: str) -> set[str]:
    """Clusters that the istiod does not watch, of which it has pods behind ServiceEntries."""
    kube, namespace = state.kubes[watcher], state.fleet.namespace
    try:
        pods = await istiod_pods(kube, namespace, state.fleet.revision)
    except FleetError:
        return set()  # none is ready: that is said where it is waited for
    pages = await asyncio.gather(*(debug_page(kube, namespace, pod, "endpointShardz") for pod in pods))
    live = await kube.list("v1", "Secret", namespace, {LABEL: "true"})
    held = {entry.cluster for entry in read_entries(live, state.fleet.name)}
    if state.options.dry_run:
        held -= _removed(state, watcher)
    return {name for page in pages for name in parse_entry_clusters(page)} - held - {watcher}
