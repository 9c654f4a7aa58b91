# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run reads: the watchers' Secrets and roots, the watched clusters, their tokens."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import static_tokens
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.leaving import deleted
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    LABEL,
    OURS,
    owner_of,
    read_entries,
    unproven,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.deciding import peers_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.peers import (
    read_peer,
    read_roots,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import PeeringState

__all__ = ["connect", "prove", "read_token_secret", "read_watched", "read_watcher"]


async def connect(state: PeeringState, stack: contextlib.AsyncExitStack, names: t.Iterable[str]) -> None:
    """Open a client for each; one that we make, and that is not there when clusters are removed, is empty."""
    clusters = [state.fleet.clusters[name] for name in names]
    theirs = [cluster for cluster in clusters if provider_of(cluster).exists(cluster.variables)]
    ours = [cluster for cluster in clusters if cluster not in theirs]
    for some, gone in ((theirs, False), (ours, state.options.absent)):
        kubes, failed = await connect_each(stack, some, absent_ok=state.options.dry_run or gone)
        state.kubes |= kubes
        state.faults.unreachable |= failed
    if state.options.absent:
        state.warnings += [
            deleted(kube.absence)
            for name, kube in state.kubes.items()
            if kube.absence and name in state.play and not provider_of(state.fleet.clusters[name]).local
        ]


async def read_watched(state: PeeringState, name: str) -> None:
    state.peers[name], changes = await read_peer(
        state.kubes[name],
        state.fleet.clusters[name],
        state.fleet.namespace,
        fleet=state.fleet.name,
        static=state.options.static,
        dry_run=state.options.dry_run,
    )
    state.changes += changes


async def read_watcher(state: PeeringState, name: str) -> None:
    kube = state.kubes[name]
    if control_plane_of(state.fleet, state.fleet.clusters[name]).has_istiod:
        state.roots[name] = await read_roots(kube, state.fleet.namespace)
    live = await kube.list("v1", "Secret", state.fleet.namespace, {LABEL: "true"})
    read_entries(live, state.fleet.name)  # what cannot be read fails here, and this watcher alone
    state.live[name] = live


async def read_token_secret(state: PeeringState, name: str) -> None:
    secret = await state.kubes[name].get("v1", "Secret", static_tokens.TOKEN_SECRET, state.fleet.namespace)
    if secret and owner_of(secret, state.fleet.name) == OURS:
        state.token_secrets[name] = secret


async def prove(state: PeeringState, watchers: t.Iterable[WatcherScope]) -> None:
    """Ask each watched cluster about the live tokens that look good, once about each, however many hold it."""
    asked: dict[str, set[str]] = {}
    for scope in watchers:
        for name, tokens in unproven(
            read_entries(state.live[scope.watcher], state.fleet.name), peers_of(state, scope)
        ).items():
            asked.setdefault(name, set()).update(one for one in tokens if (name, one) not in state.accepted)

    async def review(_state: PeeringState, name: str) -> None:
        for token in sorted(asked[name]):
            state.accepted[name, token] = await state.kubes[name].accepts(token)

    await state.on_each(sorted(asked), review)
