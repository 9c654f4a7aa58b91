# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proof of a peering run: every istiod says that it has taken in what was written, or why not."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import (
    STUCK,
    diagnose,
    diagnose_blocked,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import remote_secrets as rs
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import (
    CONTAINER,
    SyncLeft,
    await_sync,
    istiod_pods,
    secret_events,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.restart import restart_istiod
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.reads import seen_from_here
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import State

__all__ = ["events_before", "prove"]

_LOG_LINES = 1500


async def events_before(state: State, watcher: str) -> dict[str, int]:
    """Events of remote secrets by istiod pod; none where no istiod can be asked, which the proof will say."""
    fleet, kube = state.fleet, state.kubes[watcher]
    plane = control_plane_of(fleet, fleet.clusters[watcher])
    if state.options.dry_run or not state.options.sync or not plane.has_istiod:
        return {}
    try:
        pods = await istiod_pods(kube, fleet.namespace, fleet.revision)
        return {pod: await secret_events(kube, fleet.namespace, pod) for pod in pods}
    except FleetError:
        return {}


async def prove(state: State, part: WatcherScope) -> None:
    """Wait for one watcher's istiods; note what fails in ``bad_edges``, ``blocked`` or ``unreachable``."""
    kube, fleet, watcher = state.kubes[part.watcher], state.fleet, part.watcher
    if kube.absent or not control_plane_of(fleet, fleet.clusters[watcher]).has_istiod:
        return
    wanted = [n for n in part.wanted if (watcher, n) not in state.bad_edges and n not in state.unreachable]
    gone = [p.cluster for p in state.plans[watcher] if p.action == rs.REMOVE]
    if not wanted and not gone:
        return
    if state.options.absent and watcher in state.play:
        return  # its istiod goes next: what it still shows is of no use to anybody
    held = {*(e.cluster for e in rs.read_entries(state.live[watcher])), *part.wanted} - set(gone)
    try:
        left = await _await(state, watcher, wanted, held)
        if state.options.restart and any(_is_blocked(one) for one in left):
            await _restart(state, watcher, left)
            left = await _await(state, watcher, wanted, held, anew=True)
        for one in left:
            await _explain(state, watcher, one)
    except FleetError as error:
        state.unreachable[watcher] = error


async def _await(
    state: State, watcher: str, wanted: list[str], held: set[str], *, anew: bool = False
) -> list[SyncLeft]:
    """What is left after the time allowed; ``anew``: these istiods have heard of nothing before what is written now."""
    kube, fleet = state.kubes[watcher], state.fleet
    pods = await istiod_pods(kube, fleet.namespace, fleet.revision)
    before = {} if anew else state.expected_events.get(watcher, {})
    return await await_sync(
        kube, fleet.namespace, {pod: before.get(pod, 0) for pod in pods}, wanted, held, state.options.timeout
    )


def _is_blocked(left: SyncLeft) -> bool:
    return bool(left.blocked) or any(status.startswith(STUCK) for status in left.wrong.values())


async def _diagnosed(state: State, watcher: str, left: SyncLeft) -> tuple[str, str]:
    log = await state.kubes[watcher].logs(state.fleet.namespace, left.pod, CONTAINER, tail=_LOG_LINES)
    return diagnose_blocked(log, left.blocked, left.wrong)


async def _restart(state: State, watcher: str, left: list[SyncLeft]) -> None:
    blocked = next(one for one in left if _is_blocked(one))
    seen, means = await _diagnosed(state, watcher, blocked)
    state.outcome.warnings.append(
        f"{watcher}: its istiod took in no remote secret any more and was restarted: {seen}; {means}"
    )
    state.outcome.changes += await restart_istiod(
        state.kubes[watcher], state.fleet, "remote-secrets", dry_run=False, seconds=state.options.restart_timeout
    )


async def _explain(state: State, watcher: str, left: SyncLeft) -> None:
    """Name the cause of what one istiod has not done: first its queue, then each edge."""
    fleet = state.fleet
    again = f"then run again with --limit {watcher}"
    restart = f"kubectl -n {fleet.namespace} rollout restart deployment {istiod_name(fleet)}"
    if _is_blocked(left):
        seen, means = await _diagnosed(state, watcher, left)
        state.blocked[watcher] = FleetError(
            f"{watcher}'s istiod has taken in no remote secret for {state.options.timeout:g} s",
            obj=f"Pod {fleet.namespace}/{left.pod}",
            seen=seen,
            means=means,
            next_step=f"in {watcher}: {restart}; {again}",
        )
        return
    log = await state.kubes[watcher].logs(fleet.namespace, left.pod, CONTAINER, tail=_LOG_LINES)
    for name, status in left.wrong.items():
        peer = state.peers.get(name)
        outside = await seen_from_here(peer) if peer else ""
        seen, means, advice = diagnose(log, watcher, name, peer.server if peer else "", status, outside)
        state.bad_edges[watcher, name] = FleetError(
            f"{watcher} → {name} failed after {state.options.timeout:g} s",
            seen=seen,
            means=means,
            next_step=f"{advice}; {again}" + (f",{name}" if name in fleet.clusters else ""),
        )
