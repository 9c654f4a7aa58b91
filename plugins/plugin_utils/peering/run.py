# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A peering run: read each watched cluster once, write each watcher once, then wait until every istiod has synced."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import time
import typing as t
from http import HTTPStatus

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import (
    STUCK,
    diagnose,
    diagnose_blocked,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import kubeconfig, static_tokens
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import edges
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ACCOUNT,
    ADD,
    ISTIOCTL,
    LABEL,
    OURS,
    REMOVE,
    RENEW,
    UNNAMED,
    KeyPlan,
    Peer,
    decide,
    owner_of,
    read_entries,
    unproven,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.report import Faults, PeeringReport, make_report
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope, scopes
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.secret_writes import Writes, compose
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import RUN_EVERY, Life
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.withheld import withheld_edge
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import (
    CONTAINER,
    SyncLeft,
    await_sync,
    istiod_pods,
    secret_events,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.former import remove_signer
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.restart import restart_istiod
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.peers import (
    PLANNED,
    check_certificate,
    connection_error,
    read_peer,
    read_roots,
)

__all__ = ["Options", "PeeringRun"]

_LOG_LINES = 1500
_NOTHING = Writes([], [], [], [])
_SECRET = {"apiVersion": "v1", "kind": "Secret"}
"""What a list leaves out of each of its objects."""
_TRIES = 5
"""How often a watcher's Secrets are decided anew when another run writes them too."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Times in seconds."""

    absent: bool = False
    static: bool = False
    lifetime: int = 30 * 86400
    renew_before: int = 10 * 86400
    run_every: int = RUN_EVERY
    timeout: float = 30
    dry_run: bool = False
    sync: bool = True
    restart: bool = True
    """Whether to restart an istiod that no longer reads remote secrets."""
    restart_timeout: float = 180
    forget: frozenset[str] = frozenset()
    """Clusters that left the fleet: edges to them are removed, though the inventory does not name them."""


class PeeringRun:
    """One run over the clusters of ``play``."""

    def __init__(self, fleet: Fleet, play: t.Collection[str], options: Options, failed: t.Iterable[str] = ()) -> None:
        """``failed``: the clusters that failed earlier in this run of Ansible, which are not in ``play`` any more."""
        self.fleet, self.play, self.options = fleet, frozenset(play), options
        self.failed_earlier = frozenset(failed)
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.faults = Faults()
        self.kubes: dict[str, Kube] = {}
        self.peers: dict[str, Peer] = {}
        self.live: dict[str, list[dict[str, t.Any]]] = {}
        """By watcher, its remote secrets before the run."""
        self.roots: dict[str, frozenset[str]] = {}
        """By watcher, the fingerprints of the roots that its proxies accept."""
        self.plans: dict[str, list[KeyPlan]] = {}
        """By watcher."""
        self.tokens: dict[str, str] = {}
        """New tokens, by watched cluster."""
        self.watched = frozenset(watched for _watcher, watched in edges(fleet))
        """The clusters that anybody watches, whatever the play."""
        self.lives: dict[str, Life] = {}
        """Of the new tokens, by watched cluster."""
        self.accepted: dict[tuple[str, str], bool] = {}
        """By watched cluster and live token, whether that cluster accepts it."""
        self.token_secrets: dict[str, dict[str, t.Any]] = {}
        """By watched cluster, its Secret with a static token if it is ours."""
        self.expected_events: dict[str, dict[str, int]] = {}
        """By watcher and istiod pod, the count of remote secret events at which the pod has read what was written."""

    async def run(self) -> PeeringReport:
        options = self.options
        every = scopes(self.fleet, self.play, absent=options.absent, forget=options.forget)
        watchers = [scope.watcher for scope in every]
        watched = {name for scope in every for name in scope.wanted}
        with_tokens = sorted({*watched, *self.play})
        async with contextlib.AsyncExitStack() as stack:
            await self._connect(stack, sorted({*watchers, *with_tokens}))
            await asyncio.gather(
                self._on_each(watchers, self._read_watcher), self._on_each(with_tokens, self._read_token_secret)
            )
            read = {scope.watcher: scope for scope in every if scope.watcher in self.live}
            for scope in read.values():
                self._withhold(scope)
            # A cluster to which no edge is made gets no Secret for a static token either.
            await self._on_each({n for scope in every for n in self._targets(scope)}, self._read_peer)
            await self._prove(read.values())
            for scope in read.values():
                self._decide(scope)
            await self._prepare(read)
            await self._on_each(read, lambda name: self._write(read[name]))
            if options.sync and not options.dry_run:
                await self.sync(read)
            # Last, because an istiod uses the old token until it has synced with the new one.
            await self._on_each(with_tokens, lambda name: self._remove_token_secret(name, watchers))
            await self._on_each(sorted(self.play), self._remove_signer)
        return self.report(every)

    def report(self, every: t.Sequence[WatcherScope]) -> PeeringReport:
        return make_report(
            self.fleet,
            every,
            self.plans,
            self.faults,
            play=self.play,
            changes=self.changes,
            warnings=self.warnings,
            dry_run=self.options.dry_run,
            waited=self.options.sync,
            absent=self.options.absent,
            forget=self.options.forget,
            asked=self.options.lifetime,
            run_every=self.options.run_every,
        )

    async def _connect(self, stack: contextlib.AsyncExitStack, names: t.Iterable[str]) -> None:
        """Open a client for each; one that we make, and that is not there when clusters are removed, is empty."""
        clusters = [self.fleet.clusters[name] for name in names]
        theirs = [cluster for cluster in clusters if provider_of(cluster).exists(cluster.variables)]
        ours = [cluster for cluster in clusters if cluster not in theirs]
        for some, gone in ((theirs, False), (ours, self.options.absent)):
            kubes, failed = await connect_each(stack, some, absent_ok=self.options.dry_run or gone)
            self.kubes |= kubes
            self.faults.unreachable |= failed

    async def _on_each(self, names: t.Iterable[str], work: t.Callable[[str], t.Awaitable[None]]) -> None:
        """``work`` on those that have not failed yet."""
        unreachable = self.faults.unreachable
        _done, failed = await on_each((name for name in names if name not in unreachable), work)
        unreachable.update(failed)

    # -- read ----------------------------------------------------------------------------------

    async def _read_peer(self, name: str) -> None:
        self.peers[name], changes = await read_peer(
            self.kubes[name],
            self.fleet.clusters[name],
            self.fleet.namespace,
            fleet=self.fleet.name,
            static=self.options.static,
            dry_run=self.options.dry_run,
        )
        self.changes += changes

    async def _read_watcher(self, name: str) -> None:
        kube = self.kubes[name]
        if control_plane_of(self.fleet, self.fleet.clusters[name]).has_istiod:
            self.roots[name] = await read_roots(kube, self.fleet.namespace)
        live = await kube.list("v1", "Secret", self.fleet.namespace, {LABEL: "true"})
        read_entries(live, self.fleet.name)  # what cannot be read fails here, and this watcher alone
        self.live[name] = live

    async def _read_token_secret(self, name: str) -> None:
        if self.options.static and not self.options.absent and name in self.watched:
            return
        secret = await self.kubes[name].get("v1", "Secret", static_tokens.TOKEN_SECRET, self.fleet.namespace)
        if secret and owner_of(secret, self.fleet.name) == OURS:
            self.token_secrets[name] = secret

    # -- decide --------------------------------------------------------------------------------

    def _withhold(self, scope: WatcherScope) -> None:
        held = {entry.cluster for entry in read_entries(self.live[scope.watcher], self.fleet.name)}
        for name in scope.wanted:
            error = withheld_edge(
                self.fleet,
                scope.watcher,
                name,
                failed=self.failed_earlier,
                roots=self.roots,
                held=name in held,
            )
            if error is not None:
                self.faults.withheld[scope.watcher, name] = error

    def _targets(self, scope: WatcherScope) -> list[str]:
        """The clusters that the watcher must watch, without those to which no edge may be made."""
        return [name for name in scope.wanted if (scope.watcher, name) not in self.faults.withheld]

    def _peers_of(self, scope: WatcherScope) -> dict[str, Peer | None]:
        unreachable = self.faults.unreachable
        return {name: None if name in unreachable else self.peers.get(name) for name in self._targets(scope)}

    async def _prove(self, watchers: t.Iterable[WatcherScope]) -> None:
        """Ask each watched cluster about the live tokens that look good, once about each, however many hold it."""
        asked: dict[str, set[str]] = {}
        for scope in watchers:
            for name, tokens in unproven(
                read_entries(self.live[scope.watcher], self.fleet.name), self._peers_of(scope)
            ).items():
                asked.setdefault(name, set()).update(one for one in tokens if (name, one) not in self.accepted)

        async def review(name: str) -> None:
            for token in sorted(asked[name]):
                self.accepted[name, token] = await self.kubes[name].accepts(token)

        await self._on_each(sorted(asked), review)

    def _decide(self, scope: WatcherScope) -> None:
        self.plans[scope.watcher] = decide(
            read_entries(self.live[scope.watcher], self.fleet.name),
            self._peers_of(scope),
            scope.unwanted,
            scope.unnamed,
            static=self.options.static,
            renew_before=self.options.renew_before,
            now=time.time(),
            run_every=self.options.run_every,
            refused={token for (_name, token), accepted in self.accepted.items() if not accepted},
        )

    async def _prepare(self, watchers: t.Iterable[str]) -> None:
        """Get one new token of each watched cluster that needs one, and check the addresses that will be written."""
        planned = {watcher: self.plans[watcher] for watcher in watchers}
        needed = {p.cluster for plans in planned.values() for p in plans if p.needs_token} - self.tokens.keys()
        written = {p.cluster for plans in planned.values() for p in plans if p.action in (ADD, RENEW)}
        if self.options.dry_run:
            self.tokens.update(dict.fromkeys(needed, PLANNED))
        else:
            await self._on_each(sorted(needed), self._request_token)
        peers = {name: self.peers[name] for name in sorted(written)}
        await self._on_each(list(peers), lambda name: check_certificate(peers[name]))
        for watcher, plans in planned.items():
            self.plans[watcher] = [
                dataclasses.replace(p, life=self.lives.get(p.cluster)) if p.needs_token else p
                for p in plans
                if p.cluster not in self.faults.unreachable or p.cluster not in written
            ]

    async def _request_token(self, name: str) -> None:
        kube = self.kubes[name]
        token, ends = await kube.token(self.fleet.namespace, ACCOUNT, seconds=self.options.lifetime)
        claims = kubeconfig.read_token(token)
        began = claims.issued if claims and claims.issued else time.time() + kube.ahead.total_seconds()
        # The API server may have shortened the lifetime.
        self.tokens[name], self.lives[name] = token, Life(ends.timestamp(), ends.timestamp() - began)

    # -- write ---------------------------------------------------------------------------------

    async def _write(self, scope: WatcherScope) -> None:
        """Write a watcher's Secrets as they were decided; where somebody wrote one since, read and decide anew."""
        for left in reversed(range(_TRIES)):
            try:
                await self._write_once(scope.watcher)
                return
            except ApiError as error:
                if error.status != HTTPStatus.CONFLICT or not left:
                    raise
            await self._read_watcher(scope.watcher)
            await self._prove([scope])
            self._decide(scope)
            await self._prepare([scope.watcher])

    async def _write_once(self, watcher: str) -> None:
        """Raises ApiError 409 when a Secret is not as it was read."""
        namespace, kube, live, dry = self.fleet.namespace, self.kubes[watcher], self.live[watcher], self.options.dry_run
        writes = compose(
            live,
            self.plans[watcher],
            self.peers,
            self.tokens,
            namespace=namespace,
            fleet=self.fleet.name,
            now=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        await self._require_namespace(kube, writes)
        before = await self._secret_events(watcher) if writes != _NOTHING else {}
        managers = _managers(live, {str(o["metadata"]["name"]) for o in writes.apply}, self.fleet.name)
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
            self.changes += changes
        written = sum(change.action != UNCHANGED for change in changes)
        self.expected_events[watcher] = {pod: count + written for pod, count in before.items()}

    async def _require_namespace(self, kube: Kube, writes: Writes) -> None:
        namespace = self.fleet.namespace
        if self.options.dry_run or not writes.apply or await kube.get("v1", "Namespace", namespace):
            return
        raise FleetError(
            "it has no control plane that could read remote secrets",
            cluster=kube.cluster,
            obj=f"Namespace {namespace}",
            seen="it does not exist",
            next_step=f"run the control_plane stage with --limit {kube.cluster}",
        )

    async def _secret_events(self, watcher: str) -> dict[str, int]:
        """Remote secret events by istiod pod; empty if no istiod answers, which :meth:`sync` reports."""
        plane = control_plane_of(self.fleet, self.fleet.clusters[watcher])
        if self.options.dry_run or not self.options.sync or not plane.has_istiod:
            return {}
        kube, namespace = self.kubes[watcher], self.fleet.namespace
        try:
            pods = await istiod_pods(kube, namespace, self.fleet.revision)
            return {pod: await secret_events(kube, namespace, pod) for pod in pods}
        except FleetError:
            return {}

    # -- wait until istiods have synced --------------------------------------------------------

    async def sync(self, read: t.Mapping[str, WatcherScope]) -> None:
        """Wait until the istiods of all watchers have synced, and restart blocked ones; what fails is in ``faults``."""
        await self._on_each(read, lambda name: self._await_synced(read[name]))

    async def _await_synced(self, scope: WatcherScope) -> None:
        watcher = scope.watcher
        kube, plane = self.kubes[watcher], control_plane_of(self.fleet, self.fleet.clusters[watcher])
        if kube.absent or not plane.has_istiod:
            return
        wanted = [name for name in self._targets(scope) if name not in self.faults.unreachable]
        gone = [plan.cluster for plan in self.plans[watcher] if plan.action == REMOVE]
        if not wanted and not gone:
            return
        if self.options.absent and watcher in self.play:
            return  # its istiod is removed next
        held = {*(entry.cluster for entry in read_entries(self.live[watcher], self.fleet.name)), *scope.wanted} - set(
            gone
        )
        left = await self._sync_left(watcher, wanted, held, self.expected_events.get(watcher, {}))
        for _again in range(_TRIES):
            # What another run wrote meanwhile is no sign of a blocked istiod: it is at work.
            keys = await self._keys(watcher) if any(map(_is_blocked, left)) else held
            if keys <= held:
                break
            held |= keys
            left = await self._sync_left(watcher, wanted, held, {})
        if self.options.restart and any(_is_blocked(one) for one in left):
            await self._restart(watcher, next(one for one in left if _is_blocked(one)))
            left = await self._sync_left(watcher, wanted, held, {})
        for one in left:
            await self._explain(watcher, one)

    async def _keys(self, watcher: str) -> set[str]:
        secrets = await self.kubes[watcher].list("v1", "Secret", self.fleet.namespace, {LABEL: "true"})
        return {entry.cluster for entry in read_entries(secrets, self.fleet.name)}

    async def _sync_left(
        self, watcher: str, wanted: list[str], held: set[str], expected: t.Mapping[str, int]
    ) -> list[SyncLeft]:
        """What is not synced when the time is up; ``expected``: events by pod, empty after a restart."""
        kube, namespace = self.kubes[watcher], self.fleet.namespace
        pods = await istiod_pods(kube, namespace, self.fleet.revision)
        events = {pod: expected.get(pod, 0) for pod in pods}
        return await await_sync(kube, namespace, events, wanted, held, self.options.timeout)

    async def _log(self, watcher: str, pod: str) -> str:
        return await self.kubes[watcher].logs(self.fleet.namespace, pod, CONTAINER, tail=_LOG_LINES)

    async def _restart(self, watcher: str, blocked: SyncLeft) -> None:
        seen, means = diagnose_blocked(await self._log(watcher, blocked.pod), blocked.blocked, blocked.wrong)
        self.warnings.append(f"{watcher}: its istiod no longer read remote secrets and was restarted: {seen}; {means}")
        self.changes += await restart_istiod(
            self.kubes[watcher], self.fleet, "remote-secrets", dry_run=False, seconds=self.options.restart_timeout
        )

    async def _explain(self, watcher: str, left: SyncLeft) -> None:
        """Note why one istiod has not synced: a blocked queue, else the cause of each edge."""
        namespace, timeout = self.fleet.namespace, f"{self.options.timeout:g} s"
        log = await self._log(watcher, left.pod)
        again = f"then run again with --limit {watcher}"
        if _is_blocked(left):
            seen, means = diagnose_blocked(log, left.blocked, left.wrong)
            restart = f"kubectl -n {namespace} rollout restart deployment {istiod_name(self.fleet)}"
            self.faults.blocked_istiods[watcher] = FleetError(
                f"{watcher}'s istiod has read no remote secret for {timeout}",
                obj=f"Pod {namespace}/{left.pod}",
                seen=seen,
                means=means,
                next_step=f"in {watcher}: {restart}; {again}",
            )
            return
        for name, status in left.wrong.items():
            peer = self.peers.get(name)
            outside = await connection_error(peer) if peer else ""
            seen, means, advice = diagnose(log, watcher, name, peer.server if peer else "", status, outside)
            self.faults.failed_edges[watcher, name] = FleetError(
                f"{watcher} → {name} failed after {timeout}",
                seen=seen,
                means=means,
                next_step=f"{advice}; {again}" + (f",{name}" if name in self.fleet.clusters else ""),
            )

    # -- remove static tokens ------------------------------------------------------------------

    async def _remove_token_secret(self, name: str, watchers: t.Iterable[str]) -> None:
        """Remove a cluster's token Secret unless a watcher still uses it, or may: then warn.

        A static token never expires, and whoever has it can read every Secret of the cluster.

        Args:
            watchers: all that may watch this cluster. One that did not answer, or has not synced with its new token,
                may still use the old one. That does not count when the cluster leaves the graph.
        """
        secret = self.token_secrets.get(name)
        if secret is None:
            return
        users = static_tokens.users(secret, name, self.live, self.plans, self.fleet.name)
        why = f"{', '.join(users)} would still use it" if users else ""
        if not why and not self.options.absent:
            silent = sorted(w for w in watchers if w != name and not self._synced(w, name))
            why = f"{', '.join(silent)} may use it, and did not answer" if silent else ""
            unnamed = sorted({p.cluster for found in self.plans.values() for p in found if p.action == UNNAMED})
            if unnamed and not why:
                why = f"{', '.join(unnamed)} may use it, which the inventory does not name"
        where = f"{self.fleet.namespace}/{static_tokens.TOKEN_SECRET}"
        if why:
            self.warnings.append(f"{name}: Secret {where} with a static token stays: {why}")
            return
        self.changes.append(
            await self.kubes[name].delete(
                "v1", "Secret", static_tokens.TOKEN_SECRET, self.fleet.namespace, dry_run=self.options.dry_run
            )
        )

    async def _remove_signer(self, name: str) -> None:
        """Remove the intermediate CA that a former istiod of a cluster signed with; teardown leaves it to trust."""
        if self.options.absent:
            return
        changes, warning = await remove_signer(
            self.kubes[name], self.fleet, self.fleet.clusters[name], dry_run=self.options.dry_run
        )
        self.changes += changes
        if warning:
            self.warnings.append(warning)

    def _synced(self, watcher: str, name: str) -> bool:
        faults = self.faults
        answered = watcher in self.live and watcher not in faults.unreachable and watcher not in faults.blocked_istiods
        return answered and (watcher, name) not in faults.failed_edges


def _is_blocked(left: SyncLeft) -> bool:
    return bool(left.blocked) or any(status.startswith(STUCK) for status in left.wrong.values())


def _managers(live: t.Iterable[t.Mapping[str, t.Any]], names: t.Container[str], fleet: str) -> list[str]:
    """The field managers of istioctl's Secrets that are adopted: kubectl, under different names."""
    found = set()
    for secret in live:
        if secret["metadata"]["name"] in names and owner_of(secret, fleet) == ISTIOCTL:
            found |= {str(m["manager"]) for m in secret["metadata"].get("managedFields") or []}
    return sorted(found)
