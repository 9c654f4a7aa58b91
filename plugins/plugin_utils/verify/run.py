# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A verify run: install probes, read istiods, proxies and objects until they have settled, then make real calls."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.peer_roots import without
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import RUN_EVERY
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call, call_pairs
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.checks import (
    injection_checks,
    probe_checks,
    state_checks,
    token_checks,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.ingress_calls import page_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.probe_causes import probe_cause
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.shares import Measurement
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.outdated import restart_commands
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import NAMESPACE
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.sample import name_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.outdated import find_outdated
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.calls import Calls
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.facts import find_pods, read_facts
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.federated import call_peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.front_door_https import call_by_https
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.global_names import call_global_names
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.ingress import call_ingress
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.knocking import knock_at_exports
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.machines import call_machines
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.names import Names
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.probes import install_probe, remove_probe
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.shares import Limits, Shares
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.tokens import read_tokens

__all__ = ["Options", "VerifyRun"]

_POLL_SECONDS = 0.5
_IF_GONE = "run again; if it is gone for good, nothing is left to remove on it: take it out of the inventory"
_SETTLING = ("endpoints", "synced", "gateways known", "root", "leaf", "gateway address")
"""Checks that may fail for some seconds after a rollout."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Times in seconds unless named otherwise."""

    program: t.Mapping[str, str]
    image: str
    sample_namespace: str
    timeout: float = 90
    call_timeout_ms: int = 3000
    leaf_hours: int = 1
    signer_days: int = 7
    run_every: int = RUN_EVERY
    """Between two scheduled runs of peering."""
    dry_run: bool = False
    gateways: str = ""
    """Namespace of the gateways; "" for the default."""
    fleet_root: str = ""
    """PEM of the fleet's root; "" where it is not on this controller."""
    policies: t.Sequence[Policy] = ()
    limits: Limits = dataclasses.field(default_factory=Limits)
    exports: t.Sequence[Export] = ()
    door: FrontDoor | None = None
    peers: Peers = dataclasses.field(default_factory=Peers)
    """Peer meshes, and what they export."""
    own_bundles: str = ""
    """The folder of the bundles that this mesh wrote for them."""
    routes: t.Sequence[Route] = ()
    """Into the mesh, at the ingress gateways."""
    door_seconds: float = 600
    """In which the front door must answer."""
    say: t.Callable[[str], None] = lambda line: None


class VerifyRun:
    """One run over the clusters of ``play``. Pairs with clusters outside it are checked if those have a probe."""

    def __init__(self, fleet: Fleet, play: t.Collection[str], options: Options) -> None:
        self.fleet, self.play, self.options = fleet, [n for n in fleet.clusters if n in play], options
        self.kubes: dict[str, Kube] = {}
        self.facts: dict[str, Facts] = {}
        self.changes: list[Change] = []
        self.calls: list[Call] = []
        self.checks: list[Check] = []
        self.pages: dict[str, str] = {}
        self.measured: list[Measurement] = []
        self.not_measured: dict[str, str] = {}
        self.policies = 0
        """How many were measured."""
        self.deadline = 0.0

    async def run(self) -> None:
        patience = max((control_plane_of(self.fleet, c).patience for c in self.fleet.clusters.values()), default=1)
        self.deadline = time.monotonic() + patience * self.options.timeout
        async with contextlib.AsyncExitStack() as stack:
            await self._connect(stack, self.fleet.clusters)
            await self._on_each(self._install_probe)
            # A probe that does not start has used its own time, not that of the other clusters' checks and calls.
            self.deadline = time.monotonic() + patience * self.options.timeout
            await self._check_state()
            self.checks += await self._check_injection()
            self.checks += await self._check_tokens()
            self.checks += probe_checks((self.facts[n] for n in self.play), dry_run=self.options.dry_run)
            if not self.options.dry_run:
                called = Calls(
                    self.fleet,
                    self.play,
                    self.kubes,
                    self.facts,
                    sample_namespace=self.options.sample_namespace,
                    sample_exported=any(
                        (e.name, e.namespace) == ("sample-producer", self.options.sample_namespace)
                        for e in self.options.exports
                    ),
                    timeout_ms=self.options.call_timeout_ms,
                    deadline=self.deadline,
                )
                await called.run()
                self.calls += called.calls
                self.checks += called.checks
                await self._call_names()
                await self._call_global_names()
                await self._call_peers()
                await self._call_ingress()
                await self._measure()
        self.checks += [c.as_check() for c in self.calls]

    async def _call_names(self) -> None:
        """Call the front door and the exported services, which several clusters may answer."""
        names = Names(
            self.fleet,
            self.play,
            self.kubes,
            self.facts,
            self.options.exports,
            self.options.door,
            timeout_ms=self.options.call_timeout_ms,
            deadline=self.deadline,
            door_seconds=self.options.door_seconds,
            say=self.options.say,
        )
        await names.run()
        self.calls += names.calls
        self.checks += names.checks
        made, checks = await call_by_https(
            self.fleet,
            self.options.door,
            self.play,
            self.kubes,
            self.facts,
            timeout_ms=self.options.call_timeout_ms,
            deadline=time.monotonic() + self.options.door_seconds,
        )
        self.calls += made
        self.checks += checks
        made, checks = await call_machines(
            self.fleet,
            self.options.door,
            self.play,
            self.kubes,
            self.facts,
            timeout_ms=self.options.call_timeout_ms,
            deadline=time.monotonic() + min(self.options.door_seconds, self.options.timeout),
        )
        self.calls += made
        self.checks += checks

    async def _call_global_names(self) -> None:
        """Call the global names of policies, also from where no cluster may answer."""
        made, checks = await call_global_names(
            self.fleet,
            self.options.policies,
            self.play,
            self.kubes,
            self.facts,
            timeout_ms=self.options.call_timeout_ms,
            deadline=self.deadline,
        )
        self.calls += made
        self.checks += checks

    async def _call_ingress(self) -> None:
        """Call the routes into the mesh, from outside."""
        if not self.options.routes:
            return
        made, checks = await call_ingress(
            self.fleet,
            self.options.routes,
            self.kubes,
            [n for n in self.play if n in self.kubes and not (self.kubes[n].absent or self.facts[n].problem)],
            namespace=self.options.gateways,
            timeout_ms=self.options.call_timeout_ms,
            deadline=self.deadline,
        )
        self.calls += made
        self.checks += checks

    async def _call_peers(self) -> None:
        """Call what peer meshes export, and without a certificate what is exported to them."""
        made, checks = await call_peers(
            self.options.peers,
            self.play,
            self.kubes,
            self.facts,
            timeout_ms=self.options.call_timeout_ms,
            deadline=self.deadline,
        )
        self.calls += made
        self.checks += checks
        self.checks += await knock_at_exports(
            self.options.peers,
            self.fleet.trust_domain,
            self.options.own_bundles,
            self.play,
            timeout_ms=self.options.call_timeout_ms,
        )

    async def _measure(self) -> None:
        """Measure the policies from the clusters whose probe can call."""
        shares = Shares(
            self.fleet,
            self.play,
            self.kubes,
            self.facts,
            self.options.policies,
            limits=self.options.limits,
            deadline=self.deadline,
        )
        await shares.run()
        self.measured, self.not_measured, self.policies = shares.measured, shares.left, shares.policies
        self.checks += shares.checks

    async def remove(self) -> None:
        """Remove the probes from the clusters of the play."""
        async with contextlib.AsyncExitStack() as stack:
            await self._connect(stack, self.play)
            for name, kube in self.kubes.items():
                cluster = self.fleet.clusters[name]
                if kube.absent and not provider_of(cluster).exists(cluster.variables):
                    self.facts[name].problem = ""  # a cluster that was deleted has no probe left
            await self._on_each(self._remove_probe)
        self.checks += [
            Check("removed", f.cluster, FAILED, f.problem, (f.cluster,), "", f.problem_next or _IF_GONE)
            for f in self.facts.values()
            if f.problem
        ]

    async def _connect(self, stack: contextlib.AsyncExitStack, names: t.Iterable[str]) -> None:
        self.facts = {name: Facts(name) for name in names}
        self.kubes, failed = await connect_each(stack, (self.fleet.clusters[n] for n in self.facts), absent_ok=True)
        for name, error in failed.items():
            self.facts[name].problem = f"{error.what}: {error.seen}"
            self.facts[name].problem_next = error.next_step
        for name, kube in self.kubes.items():
            if kube.absent and not self.options.dry_run and name in self.play:
                self.facts[name].problem = "it does not exist yet"

    async def _on_each(self, work: t.Callable[[str], t.Awaitable[None]]) -> None:
        """``work`` on the clusters that have no problem yet."""
        _done, failed = await on_each((name for name in self.kubes if not self.facts[name].problem), work)
        self._note(failed)

    def _note(self, failed: t.Mapping[str, FleetError]) -> None:
        for name, error in failed.items():
            self.facts[name].problem = " ".join(p for p in (error.what, error.seen, error.means) if p)
            self.facts[name].problem_next = error.next_step

    # -- probes --------------------------------------------------------------------------------

    async def _install_probe(self, name: str) -> None:
        try:
            if name in self.play:
                self.changes += await install_probe(
                    self.kubes[name],
                    self.fleet,
                    self.fleet.clusters[name],
                    program=self.options.program,
                    image=self.options.image,
                    dry_run=self.options.dry_run,
                    deadline=self.deadline,
                )
        except FleetError as error:
            # All that needs no probe is checked all the same.
            self.facts[name].probe_problem = _of_probe(name, error)
        await find_pods(self.kubes[name], self.facts[name], self.options.sample_namespace)

    async def _remove_probe(self, name: str) -> None:
        self.changes += await remove_probe(
            self.kubes[name], self.fleet, dry_run=self.options.dry_run, seconds=self.options.timeout
        )

    # -- state ---------------------------------------------------------------------------------

    async def _read_facts(self, name: str) -> None:
        await read_facts(
            self.kubes[name], self.fleet, self.fleet.clusters[name], self.facts[name], self.options.gateways
        )
        # The roots of peers are no second root of the fleet. One that is none of theirs is found by the checks.
        theirs = [root for some in self.options.peers.trusted.values() for root in some]
        self.facts[name].proxy_roots = without(self.facts[name].proxy_roots, theirs)

    async def _check_state(self) -> None:
        """Read and check all clusters until they have settled, which takes seconds, or the time is up."""
        until = self.deadline if not self.options.dry_run else 0.0
        names = [n for n in self.kubes if not self.kubes[n].absent and not self.facts[n].problem]
        with waiting("the fleet, until it has settled") as wait:
            while True:
                for name in names:
                    # Those of an earlier poll: an istiod that was starting, a busy machine.
                    self.facts[name].problem = self.facts[name].problem_next = ""
                _read, unread = await on_each(names, self._read_facts)
                self._note(unread)
                relevant = {n: self.facts[n] for n in self.facts if n in self.play or n in names}
                relevant = {n: f for n, f in relevant.items() if n in self.play or not f.problem}
                if self.options.dry_run:
                    relevant = {n: f for n, f in relevant.items() if not self.kubes[n].absent}
                checks = state_checks(
                    self.fleet,
                    relevant,
                    leaf_hours=self.options.leaf_hours,
                    signer_days=self.options.signer_days,
                    fleet_root=self.options.fleet_root,
                )
                checks = [c for c in checks if not c.clusters or set(c.clusters) & set(self.play)]
                settling = any(c.state == FAILED and c.group in _SETTLING for c in checks)
                settling |= any(self.facts[name].problem for name in names if name in self.play)
                if time.monotonic() >= until or not (
                    settling or self._without_endpoints() or self._with_foreign_endpoints()
                ):
                    break
                failed = [f"{c.group} of {c.name}" for c in checks if c.state == FAILED]
                wait.seen = failed[0] if failed else "endpoints of probes"
                await asyncio.sleep(_POLL_SECONDS)
        self.checks += checks
        for name in self.play:
            found = self.facts[name]
            if found.caller and found.ingress_address:
                with contextlib.suppress(FleetError):
                    await self._find_page(name, found.ingress_address)

    async def _find_page(self, name: str, address: str) -> None:
        """Note where the sample's page is, if a gateway serves it; that of a remote goes by its primary's objects."""
        cluster = self.fleet.clusters[name]
        serving = cluster.primary or name
        api = control_plane_of(self.fleet, self.fleet.clusters[serving]).istio_api()
        kube, space = self.kubes.get(serving), self.options.sample_namespace
        published = await kube.get(api, "Gateway", name_of("caller"), space) if kube else None
        hosts = [host for server in (published or {}).get("spec", {}).get("servers", ()) for host in server["hosts"]]
        by_route = page_of(self.options.routes, f"{name_of('caller')}.{space}", serving, address)
        if by_route:
            self.pages[name] = by_route
        elif hosts:
            self.pages[name] = f"http://{address if '*' in hosts else hosts[0]}/"

    async def _check_injection(self) -> list[Check]:
        """Whether the sidecars of all workloads have the inventory's settings. Only a restart changes them."""

        async def look(name: str) -> None:
            found = await find_outdated(self.kubes[name], self.fleet, self.fleet.clusters[name])
            self.facts[name].outdated = {str(workload): ", ".join(differ) for workload, differ in found.items()}
            self.facts[name].restart = restart_commands(list(found))

        ours = [n for n in self.play if n in self.kubes and control_plane_of(self.fleet, self.fleet.clusters[n]).ours]
        _done, failed = await on_each((n for n in ours if not self.facts[n].problem), look)
        unread = [
            Check("injected", n, FAILED, f"{e.what}: {e.seen}", (n,), "its pods were not read", e.next_step)
            for n, e in failed.items()
        ]
        return [*unread, *injection_checks(self.facts[n] for n in ours if n not in failed)]

    async def _check_tokens(self) -> list[Check]:
        """Whether the watched clusters accept the tokens of the remote secrets, and for how long."""
        answered = {n: kube for n, kube in self.kubes.items() if not self.facts[n].problem}
        watchers = [
            n for n in self.play if n in answered and control_plane_of(self.fleet, self.fleet.clusters[n]).has_istiod
        ]
        failed = await read_tokens([self.facts[n] for n in watchers], answered, self.fleet)
        unread = [
            Check("tokens", n, FAILED, f"{e.what}: {e.seen}", (n,), "its remote secrets were not read", e.next_step)
            for n, e in failed.items()
        ]
        read = (self.facts[n] for n in watchers if n not in failed)
        return [*unread, *token_checks(read, run_every=self.options.run_every, now=time.time())]

    def _without_endpoints(self) -> list[tuple[str, str]]:
        """Pairs whose caller's proxy has no endpoints of the callee yet, so that the path of the call is unknown.

        A control plane that shows nothing may name endpoints in a way that is not known.
        """
        probed = [n for n in self.fleet.clusters if self.facts[n].probe]
        return [
            (caller, callee)
            for caller, callee in call_pairs(self.fleet, probed)[0]
            if caller in self.play
            and self.facts[caller].sidecar
            and not control_plane_of(self.fleet, self.fleet.clusters[caller]).not_shown
            and not self.facts[caller].proxy_endpoints.get(callee)
        ]

    def _with_foreign_endpoints(self) -> list[tuple[str, str]]:
        """Pairs whose caller's proxy still has endpoints of a callee that it may not call."""
        probed = [n for n in self.fleet.clusters if self.facts[n].probe]
        return [
            (caller, callee)
            for caller, callee in call_pairs(self.fleet, probed)[1]
            if caller in self.play and self.facts[caller].proxy_endpoints.get(callee)
        ]


def _of_probe(name: str, error: FleetError) -> tuple[str, str, str]:
    """What was seen of a probe that does not run, what it means, and the next step."""
    seen = " ".join(part for part in (error.what, error.seen, error.means) if part)
    means, step = probe_cause(name, f"{error.obj} {seen}")
    return (
        seen,
        means or "its pod does not run, so no call is made from there",
        step or error.next_step or f"kubectl -n {NAMESPACE} describe pods, in {name}",
    )
