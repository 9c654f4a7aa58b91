# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run decides: which edges are not made, and what happens to each key of a remote secret."""

from __future__ import annotations

import time

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    Peer,
    decide,
    read_entries,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.withheld import withheld_edge
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import PeeringState

__all__ = ["decide_edges", "peers_of", "withhold"]


def withhold(state: PeeringState, scope: WatcherScope) -> None:
    held = {entry.cluster for entry in read_entries(state.live[scope.watcher], state.fleet.name)}
    for name in scope.wanted:
        error = withheld_edge(
            state.fleet,
            scope.watcher,
            name,
            failed=state.failed_earlier,
            roots=state.roots,
            held=name in held,
        )
        if error is not None:
            state.faults.withheld[scope.watcher, name] = error


def peers_of(state: PeeringState, scope: WatcherScope) -> dict[str, Peer | None]:
    unreachable = state.faults.unreachable
    return {name: None if name in unreachable else state.peers.get(name) for name in state.targets(scope)}


def decide_edges(state: PeeringState, scope: WatcherScope) -> None:
    state.plans[scope.watcher] = decide(
        read_entries(state.live[scope.watcher], state.fleet.name),
        peers_of(state, scope),
        scope.unwanted,
        scope.unnamed,
        static=state.options.static,
        renew_before=state.options.renew_before,
        now=time.time(),
        run_every=state.options.run_every,
        refused={token for (_name, token), accepted in state.accepted.items() if not accepted},
    )
