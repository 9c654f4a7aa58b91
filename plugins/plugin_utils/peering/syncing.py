# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wait until the istiods of watchers have synced; one that no longer reads remote secrets is restarted."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import (
    STUCK,
    diagnose,
    diagnose_blocked,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    LABEL,
    REMOVE,
    read_entries,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import (
    CONTAINER,
    SyncLeft,
    await_sync,
    istiod_pods,
    secret_events,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.restart import restart_istiod
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.peers import (
    connection_error,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import PeeringState

__all__ = ["await_synced", "count_secret_events", "sync"]

_LOG_LINES = 1500
_TRIES = 5
"""How often it is looked again whether another run is at work."""


async def count_secret_events(state: PeeringState, watcher: str) -> dict[str, int]:
    """Remote secret events by istiod pod; empty if no istiod answers, which :func:`sync` reports."""
    plane = control_plane_of(state.fleet, state.fleet.clusters[watcher])
    if state.options.dry_run or not state.options.sync or not plane.has_istiod:
        return {}
    kube, namespace = state.kubes[watcher], state.fleet.namespace
    try:
        pods = await istiod_pods(kube, namespace, state.fleet.revision)
        return {pod: await secret_events(kube, namespace, pod) for pod in pods}
    except FleetError:
        return {}


async def sync(state: PeeringState, read: t.Mapping[str, WatcherScope]) -> None:
    """Wait until the istiods of all watchers have synced, and restart blocked ones; what fails is in ``faults``."""
    await state.on_each(read, lambda state, name: await_synced(state, read[name]))


async def await_synced(state: PeeringState, scope: WatcherScope) -> None:
    """Wait until the istiods of one watcher have synced; restart them if they are blocked, and note what fails."""
    watcher = scope.watcher
    kube, plane = state.kubes[watcher], control_plane_of(state.fleet, state.fleet.clusters[watcher])
    if kube.absent or not plane.has_istiod:
        return
    wanted = [name for name in state.targets(scope) if name not in state.faults.unreachable]
    gone = [plan.cluster for plan in state.plans[watcher] if plan.action == REMOVE]
    if not wanted and not gone:
        return
    if state.options.absent and watcher in state.play:
        return  # its istiod is removed next
    if not wanted and not await _runs(state, watcher):
        return  # what does not run watches nobody, and the Secret is gone before it starts again
    held = {*(entry.cluster for entry in read_entries(state.live[watcher], state.fleet.name)), *scope.wanted} - set(
        gone
    )
    left = await _sync_left(state, watcher, wanted, held, state.expected_events.get(watcher, {}))
    for _again in range(_TRIES):
        # What another run wrote meanwhile is no sign of a blocked istiod: it is at work.
        keys = await _keys(state, watcher) if any(map(_is_blocked, left)) else held
        if keys <= held:
            break
        held |= keys
        left = await _sync_left(state, watcher, wanted, held, {})
    if state.options.restart and any(_is_blocked(one) for one in left):
        await _restart(state, watcher, next(one for one in left if _is_blocked(one)))
        left = await _sync_left(state, watcher, wanted, held, {})
    for one in left:
        await _explain(state, watcher, one)


async def _runs(state: PeeringState, watcher: str) -> bool:
    """Whether the watcher has a pod of its istiod, ready or not."""
    pods = await state.kubes[watcher].pods(state.fleet.namespace, {"app": "istiod"})
    ended = ("Succeeded", "Failed")
    alive = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ended]
    return any(labels_of(pod).get("istio.io/rev") == state.fleet.revision for pod in alive)


async def _keys(state: PeeringState, watcher: str) -> set[str]:
    secrets = await state.kubes[watcher].list("v1", "Secret", state.fleet.namespace, {LABEL: "true"})
    return {entry.cluster for entry in read_entries(secrets, state.fleet.name)}


async def _sync_left(
    state: PeeringState, watcher: str, wanted: list[str], held: set[str], expected: t.Mapping[str, int]
) -> list[SyncLeft]:
    """What is not synced when the time is up; ``expected``: events by pod, empty after a restart."""
    kube, namespace = state.kubes[watcher], state.fleet.namespace
    pods = await istiod_pods(kube, namespace, state.fleet.revision)
    events = {pod: expected.get(pod, 0) for pod in pods}
    return await await_sync(kube, namespace, events, wanted, held, state.options.timeout)


async def _log(state: PeeringState, watcher: str, pod: str) -> str:
    return await state.kubes[watcher].logs(state.fleet.namespace, pod, CONTAINER, tail=_LOG_LINES)


async def _restart(state: PeeringState, watcher: str, blocked: SyncLeft) -> None:
    seen, means = diagnose_blocked(await _log(state, watcher, blocked.pod), blocked.blocked, blocked.wrong)
    state.warnings.append(f"{watcher}: its istiod no longer read remote secrets and was restarted: {seen}; {means}")
    state.changes += await restart_istiod(
        state.kubes[watcher], state.fleet, "remote-secrets", dry_run=False, seconds=state.options.restart_timeout
    )


async def _explain(state: PeeringState, watcher: str, left: SyncLeft) -> None:
    """Note why one istiod has not synced: a blocked queue, else the cause of each edge."""
    namespace, timeout = state.fleet.namespace, f"{state.options.timeout:g} s"
    log = await _log(state, watcher, left.pod)
    again = f"then run again with --limit {watcher}"
    if _is_blocked(left):
        seen, means = diagnose_blocked(log, left.blocked, left.wrong)
        restart = f"kubectl -n {namespace} rollout restart deployment {istiod_name(state.fleet)}"
        state.faults.blocked_istiods[watcher] = FleetError(
            f"{watcher}'s istiod has read no remote secret for {timeout}",
            obj=f"Pod {namespace}/{left.pod}",
            seen=seen,
            means=means,
            next_step=f"in {watcher}: {restart}; {again}",
        )
        return
    for name, status in left.wrong.items():
        peer = state.peers.get(name)
        outside = await connection_error(peer) if peer else ""
        seen, means, advice = diagnose(log, watcher, name, peer.server if peer else "", status, outside)
        state.faults.failed_edges[watcher, name] = FleetError(
            f"{watcher} → {name} failed after {timeout}",
            seen=seen,
            means=means,
            next_step=f"{advice}; {again}" + (f",{name}" if name in state.fleet.clusters else ""),
        )


def _is_blocked(left: SyncLeft) -> bool:
    return bool(left.blocked) or any(status.startswith(STUCK) for status in left.wrong.values())
