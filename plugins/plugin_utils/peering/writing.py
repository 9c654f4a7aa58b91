# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run writes: tokens of watched clusters, and the watchers' remote secrets."""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t
from http import HTTPStatus

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ACCOUNT,
    ADD,
    ISTIOCTL,
    RENEW,
    owner_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.secret_writes import Writes, compose
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import Life
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.deciding import decide_edges
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.forgetting import remember_istiods
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.peers import (
    PLANNED,
    check_certificate,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.reading import prove, read_watcher
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import PeeringState
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.syncing import count_secret_events

__all__ = ["prepare", "write", "write_once"]

_NOTHING = Writes([], [], [], [])
_SECRET = {"apiVersion": "v1", "kind": "Secret"}
"""What a list leaves out of each of its objects."""
_TRIES = 5
"""How often a watcher's Secrets are decided anew when another run writes them too."""


async def prepare(state: PeeringState, watchers: t.Iterable[str]) -> None:
    """Get one new token of each watched cluster that needs one, and check the addresses that will be written."""
    planned = {watcher: state.plans[watcher] for watcher in watchers}
    needed = {p.cluster for plans in planned.values() for p in plans if p.needs_token} - state.tokens.keys()
    written = {p.cluster for plans in planned.values() for p in plans if p.action in (ADD, RENEW)}
    if state.options.dry_run:
        state.tokens.update(dict.fromkeys(needed, PLANNED))
    else:
        await state.on_each(sorted(needed), _request_token)
    peers = {name: state.peers[name] for name in sorted(written)}
    await state.on_each(list(peers), lambda _state, name: check_certificate(peers[name]))
    for watcher, plans in planned.items():
        state.plans[watcher] = [
            dataclasses.replace(p, life=state.lives.get(p.cluster)) if p.needs_token else p
            for p in plans
            if p.cluster not in state.faults.unreachable or p.cluster not in written
        ]


async def _request_token(state: PeeringState, name: str) -> None:
    kube = state.kubes[name]
    token, ends = await kube.token(state.fleet.namespace, ACCOUNT, seconds=state.options.lifetime)
    claims = kubeconfig.read_token(token)
    began = claims.issued if claims and claims.issued else time.time() + kube.ahead.total_seconds()
    # The API server may have shortened the lifetime.
    state.tokens[name], state.lives[name] = token, Life(ends.timestamp(), ends.timestamp() - began)


async def write(state: PeeringState, scope: WatcherScope) -> None:
    """Write a watcher's Secrets as they were decided; where somebody wrote one since, read and decide anew."""
    for left in reversed(range(_TRIES)):
        try:
            await write_once(state, scope.watcher)
            return
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT or not left:
                raise
        await read_watcher(state, scope.watcher)
        await prove(state, [scope])
        decide_edges(state, scope)
        await prepare(state, [scope.watcher])


async def write_once(state: PeeringState, watcher: str) -> None:
    """Raises ApiError 409 when a Secret is not as it was read."""
    namespace, kube, live, dry = state.fleet.namespace, state.kubes[watcher], state.live[watcher], state.options.dry_run
    writes = compose(
        live,
        state.plans[watcher],
        state.peers,
        state.tokens,
        namespace=namespace,
        fleet=state.fleet.name,
        now=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    await _require_namespace(state, kube, writes)
    await remember_istiods(state, watcher)
    before = await count_secret_events(state, watcher) if writes != _NOTHING else {}
    managers = _managers(live, {str(o["metadata"]["name"]) for o in writes.apply}, state.fleet.name)
    read = {str(secret["metadata"]["name"]): {**_SECRET, **secret} for secret in live}
    changes: list[Change] = []

    async def apply(secrets: list[dict[str, t.Any]], take_over: t.Sequence[str] = ()) -> None:
        for secret in secrets:  # in this order
            changes.extend(await kube.apply([secret], dry_run=dry, take_over=take_over, read=read.values()))

    async def delete(names: list[str]) -> None:
        for name in names:
            changes.append(await kube.delete("v1", "Secret", name, namespace, dry_run=dry, read=read[name]))

    try:
        await apply(writes.first)
        await delete(writes.delete_first)
        await apply(writes.apply, managers)
        await delete(writes.delete)
    finally:
        state.changes += changes
    written = sum(change.action != UNCHANGED for change in changes)
    state.expected_events[watcher] = {pod: count + written for pod, count in before.items()}


async def _require_namespace(state: PeeringState, kube: Kube, writes: Writes) -> None:
    namespace = state.fleet.namespace
    if state.options.dry_run or not writes.apply or await kube.get("v1", "Namespace", namespace):
        return
    raise FleetError(
        "it has no control plane that could read remote secrets",
        cluster=kube.cluster,
        obj=f"Namespace {namespace}",
        seen="it does not exist",
        next_step=f"run the control_plane stage with --limit {kube.cluster}",
    )


def _managers(live: t.Iterable[t.Mapping[str, t.Any]], names: t.Container[str], fleet: str) -> list[str]:
    """The field managers of istioctl's Secrets that are adopted: kubectl, under different names."""
    found = set()
    for secret in live:
        if secret["metadata"]["name"] in names and owner_of(secret, fleet) == ISTIOCTL:
            found |= {str(m["manager"]) for m in secret["metadata"].get("managedFields") or []}
    return sorted(found)
