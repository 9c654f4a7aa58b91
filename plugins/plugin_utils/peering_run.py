# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Peer a fleet: each watched cluster read once, each watcher written once, then istiod asked for its view."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model import remote_secrets as rs
from ansible_collections.mesh.fleet.plugins.module_utils._model.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istiod_view import diagnose
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering_scope import WatcherScope, blame, scopes
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod import CONTAINER, await_sync, istiod_pods, secret_events
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering_reads import (
    ACCOUNT,
    PLANNED,
    TOKEN_SECRET,
    check_certificate,
    read_peer,
    seen_from_here,
)

__all__ = ["Options", "Outcome", "PeeringRun"]

Edge = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Options:
    """Times in seconds."""

    absent: bool = False
    static: bool = False
    lifetime: int = 30 * 86400
    renew_before: int = 10 * 86400
    timeout: float = 30
    dry_run: bool = False
    sync: bool = True


@dataclasses.dataclass
class Outcome:
    """What became of the run. ``edges`` are dictionaries for the result: no credential in them."""

    changes: list[Change] = dataclasses.field(default_factory=list)
    edges: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    failures: dict[str, list[FleetError]] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    summary: str = ""


class PeeringRun:
    """One run over the clusters of ``play``."""

    def __init__(self, fleet: Fleet, play: t.Collection[str], options: Options) -> None:
        self.fleet, self.play, self.options = fleet, frozenset(play), options
        self.outcome = Outcome()
        self.kubes: dict[str, Kube] = {}
        self.peers: dict[str, rs.Peer] = {}
        self.dead: dict[str, FleetError] = {}
        """Clusters that could not be read or written, with the reason."""
        self.bad_edges: dict[Edge, FleetError] = {}
        self.plans: dict[str, list[rs.KeyPlan]] = {}
        self.live: dict[str, list[dict[str, t.Any]]] = {}
        self.tokens: dict[str, str] = {}
        self.heard: dict[str, dict[str, int]] = {}
        """By watcher and istiod pod: events of remote secrets it has taken in once it knows what was written."""

    async def run(self) -> Outcome:
        parts = scopes(self.fleet, self.play, absent=self.options.absent)
        watched = sorted({name for part in parts for name in part.wanted})
        async with contextlib.AsyncExitStack() as stack:
            involved = {*(p.watcher for p in parts), *watched, *(self.play if self.options.absent else ())}
            await asyncio.gather(*(self._open(stack, name) for name in sorted(involved)))
            await asyncio.gather(
                *(self._guard(name, self._read_peer(name)) for name in watched),
                *(self._guard(p.watcher, self._read_watcher(p.watcher)) for p in parts),
            )
            parts = [p for p in parts if p.watcher in self.live]
            for part in parts:
                self._decide(part)
            await self._prepare()
            await asyncio.gather(*(self._guard(p.watcher, self._write(p.watcher)) for p in parts))
            if self.options.absent:
                await asyncio.gather(*(self._guard(n, self._drop_token(n)) for n in self.play if n in self.kubes))
            if self.options.sync and not self.options.dry_run:
                await asyncio.gather(*(self._sync(p) for p in parts if p.watcher not in self.dead))
        self._conclude(scopes(self.fleet, self.play, absent=self.options.absent))
        return self.outcome

    # -- reading -------------------------------------------------------------------------------

    async def _open(self, stack: contextlib.AsyncExitStack, name: str) -> None:
        connection = self.fleet.clusters[name].connection
        # A cluster that a run takes apart may be gone already.
        absent_ok = self.options.dry_run or self.options.absent
        try:
            self.kubes[name] = await stack.enter_async_context(
                Kube.connect(connection, cluster=name, absent_ok=absent_ok)
            )
        except FleetError as error:
            self.dead[name] = error

    async def _guard(self, name: str, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        if name in self.dead:
            work.close()
            return
        try:
            await work
        except FleetError as error:
            self.dead[name] = error

    async def _read_peer(self, name: str) -> None:
        options = self.options
        self.peers[name], changes = await read_peer(
            self.kubes[name],
            self.fleet.clusters[name],
            self.fleet.namespace,
            static=options.static,
            dry_run=options.dry_run,
        )
        self.outcome.changes += changes

    async def _read_watcher(self, name: str) -> None:
        self.live[name] = await self.kubes[name].list("v1", "Secret", self.fleet.namespace, {rs.LABEL: "true"})

    # -- deciding ------------------------------------------------------------------------------

    def _decide(self, part: WatcherScope) -> None:
        self.plans[part.watcher] = rs.decide(
            rs.read_entries(self.live[part.watcher]),
            {name: self.peers.get(name) for name in part.wanted},
            part.unwanted,
            static=self.options.static,
            renew_before=self.options.renew_before,
            now=time.time(),
        )

    async def _prepare(self) -> None:
        """New tokens, one for each watched cluster that needs one; and a look at the addresses that get written."""
        needed = {p.cluster for plans in self.plans.values() for p in plans if p.needs_token}
        written = {p.cluster for plans in self.plans.values() for p in plans if p.action in (rs.ADD, rs.RENEW)}
        if self.options.dry_run:
            self.tokens = dict.fromkeys(needed, PLANNED)
        else:
            await asyncio.gather(*(self._guard(name, self._mint(name)) for name in sorted(needed)))
        await asyncio.gather(
            *(self._guard(name, check_certificate(self.peers[name])) for name in sorted(written) if self.peers[name].ca)
        )
        for watcher, plans in self.plans.items():
            self.plans[watcher] = [p for p in plans if p.cluster not in self.dead or p.cluster not in written]

    async def _mint(self, name: str) -> None:
        # The server may shorten the lifetime; what the token itself says counts from now on.
        self.tokens[name], _expires = await self.kubes[name].token(
            self.fleet.namespace, ACCOUNT, seconds=self.options.lifetime
        )

    # -- writing -------------------------------------------------------------------------------

    async def _write(self, watcher: str) -> None:
        kube, live, dry = self.kubes[watcher], self.live[watcher], self.options.dry_run
        writes = rs.compose(
            live,
            self.plans[watcher],
            self.peers,
            self.tokens,
            namespace=self.fleet.namespace,
            now=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        await self._namespace(kube, writes)
        before = await self._events(watcher) if writes != rs.Writes([], [], [], []) else {}
        managers = _managers(live, {str(o["metadata"]["name"]) for o in writes.apply})
        changes: list[Change] = []
        try:
            if writes.first:
                changes += await kube.apply(writes.first, dry_run=dry)
            for name in writes.delete_first:
                changes.append(await kube.delete("v1", "Secret", name, self.fleet.namespace, dry_run=dry))
            if writes.apply:
                changes += await kube.apply(writes.apply, dry_run=dry, take_over=managers)
            for name in writes.delete:
                changes.append(await kube.delete("v1", "Secret", name, self.fleet.namespace, dry_run=dry))
        finally:
            self.outcome.changes += changes
        written = sum(change.action != UNCHANGED for change in changes)
        self.heard[watcher] = {pod: count + written for pod, count in before.items()}

    async def _events(self, watcher: str) -> dict[str, int]:
        """Counts before the write; none where no istiod can be asked, which the proof will say."""
        fleet, kube = self.fleet, self.kubes[watcher]
        if self.options.dry_run or not self.options.sync or fleet.clusters[watcher].control_plane != "istiod":
            return {}
        try:
            pods = await istiod_pods(kube, fleet.namespace, fleet.revision)
            return {pod: await secret_events(kube, fleet.namespace, pod) for pod in pods}
        except FleetError:
            return {}

    async def _namespace(self, kube: Kube, writes: rs.Writes) -> None:
        if self.options.dry_run or not writes.apply or await kube.get("v1", "Namespace", self.fleet.namespace):
            return
        raise FleetError(
            "it has no control plane to give remote secrets to",
            cluster=kube.cluster,
            obj=f"Namespace {self.fleet.namespace}",
            seen="it does not exist",
            next_step=f"run the control_plane stage with --limit {kube.cluster}",
        )

    async def _drop_token(self, name: str) -> None:
        kube, namespace = self.kubes[name], self.fleet.namespace
        secret = await kube.get("v1", "Secret", TOKEN_SECRET, namespace)
        if secret and (secret["metadata"].get("labels") or {}).get(rs.MANAGED_BY) == rs.MANAGER:
            self.outcome.changes.append(
                await kube.delete("v1", "Secret", TOKEN_SECRET, namespace, dry_run=self.options.dry_run)
            )

    # -- proving -------------------------------------------------------------------------------

    async def _sync(self, part: WatcherScope) -> None:
        kube, fleet, watcher = self.kubes[part.watcher], self.fleet, part.watcher
        if kube.absent or fleet.clusters[watcher].control_plane != "istiod":
            return
        wanted = [n for n in part.wanted if (watcher, n) not in self.bad_edges and n not in self.dead]
        gone = [p.cluster for p in self.plans[watcher] if p.action == rs.REMOVE]
        if not wanted and not gone:
            return
        if self.options.absent and watcher in self.play:
            return  # its istiod goes next: what it still shows is of no use to anybody
        try:
            pods = await istiod_pods(kube, fleet.namespace, fleet.revision)
            heard = {pod: self.heard.get(watcher, {}).get(pod, 0) for pod in pods}
            held = {*(e.cluster for e in rs.read_entries(self.live[watcher])), *part.wanted} - set(gone)
            left = await await_sync(kube, fleet.namespace, heard, wanted, held, self.options.timeout)
            for name, (pod, status) in left.items():
                log = await kube.logs(fleet.namespace, pod, CONTAINER, tail=1500)
                server = self.peers[name].server if name in self.peers else ""
                outside = await seen_from_here(self.peers[name]) if name in self.peers else ""
                seen, means, advice = diagnose(log, watcher, name, server, status, outside)
                self.bad_edges[watcher, name] = FleetError(
                    f"{watcher} → {name} failed after {self.options.timeout:g} s",
                    seen=seen,
                    means=means,
                    next_step=f"{advice}; then run again with --limit "
                    + ",".join(n for n in (watcher, name) if n in fleet.clusters),
                )
        except FleetError as error:
            self.dead[watcher] = error

    # -- telling -------------------------------------------------------------------------------

    def _conclude(self, parts: list[WatcherScope]) -> None:
        out = self.outcome
        plans = {(w, p.cluster): p for w, found in self.plans.items() for p in found}
        tried = [(p.watcher, name) for p in parts for name in p.wanted]
        required = {p.watcher for p in parts if p.required} | {n for p in parts for n in p.wanted} | self.play
        for name, error in self.dead.items():
            if name in required:
                self._fail(name, error)
        against = blame(self.bad_edges, tried, self.play)
        bad = {e for e in tried if e in self.bad_edges or e[0] in self.dead or e[1] in self.dead}
        placed = len(tried) - len(bad)
        for edge, error in self.bad_edges.items():
            error.what += f", {placed} other edge{'s are' if placed != 1 else ' is'} in place"
            self._fail(against[edge], error)
        for edge in sorted({*tried, *plans}):
            plan = plans.get(edge)
            out.edges.append(
                {
                    "watcher": edge[0],
                    "watched": edge[1],
                    "action": plan.action if plan else "failed",
                    "why": plan.reason if plan else "",
                    "in_place": edge not in bad and not (plan and plan.action == rs.REMOVE),
                }
            )
            if plan and plan.action == rs.PROVIDED:
                out.warnings.append(f"{edge[0]} → {edge[1]}: {plan.reason}; it was left alone")
        failed = len(bad | set(self.bad_edges))
        counts = collections.Counter(plan.action for edge, plan in plans.items() if edge not in bad)
        state = f"{failed} failed" if failed else "planned" if self.options.dry_run else "all synced"
        total = len(tried)
        adopted = f", {counts[rs.ADOPT]} taken over" if counts[rs.ADOPT] else ""
        out.summary = (
            f"{total} edge{'s' if total != 1 else ''}: {counts[rs.ADD]} added, {counts[rs.RENEW]} renewed{adopted}, "
            f"{counts[rs.REMOVE]} removed" + (f" · {state}" if total or failed else "")
        )

    def _fail(self, name: str, error: FleetError) -> None:
        # Somebody outside the play cannot fail in it: the edge is then counted against those who are in it.
        hosts = [name] if name in self.play else sorted(self.play)
        for host in hosts:
            self.outcome.failures.setdefault(host, []).append(error)


def _managers(live: t.Iterable[t.Mapping[str, t.Any]], names: t.Container[str]) -> list[str]:
    """Who owns fields of istioctl's Secrets that are taken over: kubectl, whatever its command was."""
    found = set()
    for secret in live:
        if secret["metadata"]["name"] in names and rs.owner_of(secret) == rs.ISTIOCTL:
            found |= {str(m["manager"]) for m in secret["metadata"].get("managedFields") or []}
    return sorted(found)
