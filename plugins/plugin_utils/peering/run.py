# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Peer a fleet: each watched cluster read once, each watcher written once, then istiod asked for its view."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import remote_secrets as rs
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope, scopes
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.secret_writes import Writes, compose
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.proof import events_before, prove
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.reads import (
    ACCOUNT,
    PLANNED,
    check_certificate,
    read_peer,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.report import report_outcome
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Options, Outcome, State
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.tokens import drop_token, read_token_secret

__all__ = ["Options", "Outcome", "PeeringRun"]


class PeeringRun:
    """One run over the clusters of ``play``."""

    def __init__(self, fleet: Fleet, play: t.Collection[str], options: Options) -> None:
        self.state = State(fleet, frozenset(play), options)

    async def run(self) -> Outcome:
        state, options = self.state, self.state.options
        every = scopes(state.fleet, state.play, absent=options.absent)
        watched = sorted({name for part in every for name in part.wanted})
        offering = sorted({*watched, *(state.play if options.absent else ())})
        async with contextlib.AsyncExitStack() as stack:
            state.kubes, state.unreachable = await connect_each(
                stack,
                (state.fleet.clusters[name] for name in sorted({*(p.watcher for p in every), *offering})),
                # A cluster that a run takes apart may be gone already.
                absent_ok=options.dry_run or options.absent,
            )
            await asyncio.gather(
                self._on_each(watched, self._read_peer),
                self._on_each([p.watcher for p in every], self._read_watcher),
                self._on_each(offering, functools.partial(read_token_secret, state)),
            )
            parts = [p for p in every if p.watcher in state.live]
            for part in parts:
                self._decide(part)
            await self._prepare()
            await self._on_each([p.watcher for p in parts], self._write)
            if options.sync and not options.dry_run:
                await asyncio.gather(*(prove(state, p) for p in parts if p.watcher not in state.unreachable))
            # Last: until its new token is proven, an istiod still lives on the old one.
            watchers = [p.watcher for p in every]
            await self._on_each(offering, lambda name: drop_token(state, name, watchers))
        report_outcome(state, every)
        return state.outcome

    async def _on_each(self, names: t.Iterable[str], work: t.Callable[[str], t.Awaitable[None]]) -> None:
        """``work`` on those that have not failed yet."""
        unreachable = self.state.unreachable
        _done, failed = await on_each((name for name in names if name not in unreachable), work)
        unreachable.update(failed)

    # -- reading -------------------------------------------------------------------------------

    async def _read_peer(self, name: str) -> None:
        state = self.state
        state.peers[name], changes = await read_peer(
            state.kubes[name],
            state.fleet.clusters[name],
            state.fleet.namespace,
            static=state.options.static,
            dry_run=state.options.dry_run,
        )
        state.outcome.changes += changes

    async def _read_watcher(self, name: str) -> None:
        state = self.state
        state.live[name] = await state.kubes[name].list("v1", "Secret", state.fleet.namespace, {rs.LABEL: "true"})

    # -- deciding ------------------------------------------------------------------------------

    def _decide(self, part: WatcherScope) -> None:
        state = self.state
        state.plans[part.watcher] = rs.decide(
            rs.read_entries(state.live[part.watcher]),
            {name: state.peers.get(name) for name in part.wanted},
            part.unwanted,
            static=state.options.static,
            renew_before=state.options.renew_before,
            now=time.time(),
        )

    async def _prepare(self) -> None:
        """New tokens, one for each watched cluster that needs one; and a look at the addresses that get written."""
        state = self.state
        needed = {p.cluster for plans in state.plans.values() for p in plans if p.needs_token}
        written = {p.cluster for plans in state.plans.values() for p in plans if p.action in (rs.ADD, rs.RENEW)}
        if state.options.dry_run:
            state.tokens = dict.fromkeys(needed, PLANNED)
        else:
            await self._on_each(sorted(needed), self._mint)
        peers = {name: state.peers[name] for name in sorted(written)}
        await self._on_each([n for n, peer in peers.items() if peer.ca], lambda name: check_certificate(peers[name]))
        for watcher, plans in state.plans.items():
            state.plans[watcher] = [p for p in plans if p.cluster not in state.unreachable or p.cluster not in written]

    async def _mint(self, name: str) -> None:
        # The server may shorten the lifetime; what the token itself says counts from now on.
        self.state.tokens[name], _expires = await self.state.kubes[name].token(
            self.state.fleet.namespace, ACCOUNT, seconds=self.state.options.lifetime
        )

    # -- writing -------------------------------------------------------------------------------

    async def _write(self, watcher: str) -> None:
        state, namespace = self.state, self.state.fleet.namespace
        kube, live, dry = state.kubes[watcher], state.live[watcher], state.options.dry_run
        writes = compose(
            live,
            state.plans[watcher],
            state.peers,
            state.tokens,
            namespace=namespace,
            now=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        await self._namespace(kube, writes)
        before = await events_before(state, watcher) if writes != Writes([], [], [], []) else {}
        managers = _managers(live, {str(o["metadata"]["name"]) for o in writes.apply})
        changes: list[Change] = []
        try:
            if writes.first:
                changes += await kube.apply(writes.first, dry_run=dry)
            for name in writes.delete_first:
                changes.append(await kube.delete("v1", "Secret", name, namespace, dry_run=dry))
            if writes.apply:
                changes += await kube.apply(writes.apply, dry_run=dry, take_over=managers)
            for name in writes.delete:
                changes.append(await kube.delete("v1", "Secret", name, namespace, dry_run=dry))
        finally:
            state.outcome.changes += changes
        written = sum(change.action != UNCHANGED for change in changes)
        state.expected_events[watcher] = {pod: count + written for pod, count in before.items()}

    async def _namespace(self, kube: Reader, writes: Writes) -> None:
        namespace = self.state.fleet.namespace
        if self.state.options.dry_run or not writes.apply or await kube.get("v1", "Namespace", namespace):
            return
        raise FleetError(
            "it has no control plane to give remote secrets to",
            cluster=kube.cluster,
            obj=f"Namespace {namespace}",
            seen="it does not exist",
            next_step=f"run the control_plane stage with --limit {kube.cluster}",
        )


def _managers(live: t.Iterable[t.Mapping[str, t.Any]], names: t.Container[str]) -> list[str]:
    """Who owns fields of istioctl's Secrets that are taken over: kubectl, whatever its command was."""
    found = set()
    for secret in live:
        if secret["metadata"]["name"] in names and rs.owner_of(secret) == rs.ISTIOCTL:
            found |= {str(m["manager"]) for m in secret["metadata"].get("managedFields") or []}
    return sorted(found)
