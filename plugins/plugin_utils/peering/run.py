# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A peering run: read each watched cluster once, write each watcher once, then wait until every istiod has synced."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.report import PeeringReport, make_report
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope, scopes
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering import (
    deciding,
    forgetting,
    leaving,
    reading,
    syncing,
    writing,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Options, PeeringState

__all__ = ["run_peering", "said_of"]


async def run_peering(
    fleet: Fleet, play: t.Collection[str], options: Options, failed: t.Iterable[str] = ()
) -> PeeringReport:
    """Peer the clusters of ``play``, or let them leave.

    ``failed``: the clusters that failed earlier in this run of Ansible, which are not in ``play`` any more.
    """
    every = scopes(fleet, play, absent=options.absent, forget=options.forget)
    state = PeeringState(fleet, play, options, failed)
    watchers = [scope.watcher for scope in every]
    # Whoever watches a cluster of the play has a scope: this is all of its clusters that anybody watches.
    watched = {name for scope in every for name in scope.wanted}
    with_tokens = sorted({*watched, *state.play})
    static = watched if options.static else set[str]()
    async with contextlib.AsyncExitStack() as stack:
        await reading.connect(state, stack, sorted({*watchers, *with_tokens}))
        await asyncio.gather(
            state.on_each(watchers, reading.read_watcher),
            # A static token that is wanted is read with its cluster.
            state.on_each([name for name in with_tokens if name not in static], reading.read_token_secret),
        )
        read = {scope.watcher: scope for scope in every if scope.watcher in state.live}
        for scope in read.values():
            deciding.withhold(state, scope)
        # A cluster to which no edge is made gets no Secret for a static token either.
        await state.on_each({n for scope in every for n in state.targets(scope)}, reading.read_watched)
        await reading.prove(state, read.values())
        for scope in read.values():
            deciding.decide_edges(state, scope)
        await writing.prepare(state, read)
        await state.on_each(read, lambda state, name: writing.write(state, read[name]))
        if options.sync and not options.dry_run:
            await syncing.sync(state, read)
        if options.sync or options.dry_run:
            await state.on_each(read, lambda state, name: forgetting.forget_pods(state, read[name]))
        # Last, because an istiod uses the old token until it has synced with the new one.
        await state.on_each(with_tokens, lambda state, name: leaving.remove_token_secret(state, name, watchers))
        await state.on_each(sorted(state.play), leaving.remove_former_signer)
    return said_of(state, every)


def said_of(state: PeeringState, every: t.Sequence[WatcherScope]) -> PeeringReport:
    """The report of what was done so far."""
    options = state.options
    return make_report(
        state.fleet,
        every,
        state.plans,
        state.faults,
        play=state.play,
        changes=state.changes,
        warnings=state.warnings,
        dry_run=options.dry_run,
        waited=options.sync,
        absent=options.absent,
        forget=options.forget,
        asked=options.lifetime,
        run_every=options.run_every,
    )
