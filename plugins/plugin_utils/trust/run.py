# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A trust run: read all clusters, issue the chains that are due, then write them."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import clusters_with_istiod
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Policy,
    fingerprint,
    parse_certificates,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import (
    ISSUE,
    KEEP,
    RENEW,
    ClusterTrust,
    Decision,
    decide,
    same_time,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.fleet_roots import (
    LiveRoot,
    refuse_another_root,
    self_signed,
    the_live_root,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.own_lists import (
    GENERATED,
    SIGNED_HERE,
    OwnLists,
    authority_of,
    own_lists,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.revocation import Authorities, authorities
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.revocation_plans import (
    URGENT_DAYS,
    CrlPlan,
    apart_from,
    left_alone,
    limited_chains,
    plan_crls,
    unreached_chains,
    waiting_chains,
    with_lists,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import CRL, SigningChain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.unexpected import as_problem
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.cacerts import read_trust, write_cacerts
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.ephemeral import ephemeral
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import ROOT_CERT, Files
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.issuers import (
    CorporateCa,
    FoundRoot,
    IntermediateIssuer,
    OwnRoot,
    open_issuer,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.revocation import read_crls
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox

__all__ = ["TrustRun"]


@dataclasses.dataclass
class TrustRun:
    """One run over ``primaries``, with the arguments of the action; its results are in the last fields."""

    fleet: Fleet
    primaries: t.Sequence[Cluster]
    args: t.Mapping[str, t.Any]
    policy: Policy
    directory: str
    box: VaultBox
    check_mode: bool
    warn: t.Callable[[str], object]
    """Shows a warning at once."""
    keep: t.Callable[[], t.Awaitable[None]] | None = None
    """Writes what is new in ``directory`` to where it is kept; None when that is the folder itself."""
    unsearched: t.Mapping[str, FleetError] = dataclasses.field(default_factory=dict)
    """Clusters that may keep the root, and did not answer."""
    root: x509.Certificate | None = None
    root_is_planned: bool = False
    """Whether check mode would make the root."""
    decisions: list[Decision] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    failures: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    live: dict[str, ClusterTrust] = dataclasses.field(default_factory=dict)
    """What the clusters of the play hold, by name."""
    crl_days: int | None = None
    """Until the first revocation list ends, of those given, else of those in the clusters; None without any."""
    _others: tuple[dict[str, ClusterTrust], dict[str, FleetError]] | None = None

    async def run(self) -> None:
        """Issue for every cluster before any is written. A cluster that is refused fails alone.

        Raises:
            FleetError: the root is missing or unfit, a new one could be a second one, or new intermediate CAs wait for
                a corporate CA's signature.
        """
        self.live, self.failures = await self._read(self.primaries, self.check_mode, to_sign=True)
        if self.primaries and not self.live:
            return  # nothing is signed, and what each of them says counts, not that a root could not be made
        found = None
        made = self.args["root"] == "generated"
        if made and self.primaries and not os.path.exists(os.path.join(self.directory, ROOT_CERT)):
            found = await self._live_root()
        files = Files(self.check_mode)
        issuer = open_issuer(self.args, self.directory, self.policy, self.box, files, found)
        if isinstance(issuer, FoundRoot):
            self.warnings.append(issuer.warning)
        if issuer.made_now or isinstance(issuer, CorporateCa):
            self._warn_of_a_folder_that_ends()
        chains = await self._issue(issuer)
        plan = await self._with_crls(chains, issuer)
        if chains:
            issuer.save()
        if self.keep:
            # Before a chain is written: what a cluster trusts is known to every later run.
            await self.keep()
        self.root, self.root_is_planned = issuer.root, issuer.made_now and (self.check_mode or not chains)
        self.changes = list(files.changes)
        # Lists before the chains that need them: without, proxies of the other clusters refuse calls.
        await self._write(self._lists_first(plan, chains), plan)
        for name in chains.keys() & self.failures.keys():
            del chains[name]
        await self._wait_for_lists(chains)
        await self._write({n: chain for n, chain in plan.writes.items() if n in chains}, plan, renewed=True)

    def _lists_first(self, plan: CrlPlan, chains: t.Mapping[str, SigningChain]) -> dict[str, SigningChain]:
        """What is written before any new chain: lists, also to clusters whose own new chain is written after it."""
        first = {}
        for name, chain in plan.writes.items():
            if name not in chains:
                first[name] = chain
            elif self.check_mode or name not in plan.listed or not self._can_wait(name):
                continue
            elif present := with_lists(self.live[name], chain.crl):
                first[name] = present
        return first

    async def _write(self, chains: t.Mapping[str, SigningChain], plan: CrlPlan, *, renewed: bool = False) -> None:
        """Write ``cacerts``. A cluster that fails was not decided about."""
        written, failed = await on_each(
            chains,
            lambda name: write_cacerts(
                self.fleet,
                self.fleet.clusters[name],
                chains[name],
                renewed=renewed and self.live[name].istiod and self.live[name].data is not None,
                listed=name in plan.listed and self.live[name].istiod,
                dry_run=self.check_mode,
                timeout=self.args["timeout"],
            ),
        )
        self.failures.update(failed)
        self.decisions = [d for d in self.decisions if d.cluster not in failed]
        self.changes += [change for made in written.values() for change in made]

    def _can_wait(self, name: str) -> bool:
        """Whether a cluster's new chain is a renewal that another run may do as well."""
        return any(d.cluster == name and d.action == RENEW and (d.days or 0) >= URGENT_DAYS for d in self.decisions)

    async def _wait_for_lists(self, chains: dict[str, SigningChain], *, signs: bool = False) -> None:
        """Take renewals out of ``chains`` that clusters without the new CA's list would refuse, while there is time.

        Args:
            signs: whether this is asked before lists are signed: what cannot wait is warned of afterwards.
        """
        if not chains or not self.args.get("crl"):
            return
        others, unread = await self._read_others()
        unreached = {name: error.what for name, error in {**unread, **self.failures}.items()}
        for name, found in self.live.items():
            if reason := left_alone(found):
                unreached.setdefault(name, reason)
            elif signs and GENERATED in self.args["crl"]:
                try:
                    same_time(found)
                except FleetError as error:
                    unreached.setdefault(name, error.what)
        why = unreached_chains(unreached, {**others, **self.live}, chains)
        self._hold_back({name: error for name, error in why.items() if self._can_wait(name)}, chains)
        for name in () if signs else [one for one in why if one in chains]:
            told = why[name]
            self.warnings.append(
                f"{name}: its new intermediate CA cannot wait, and is written although {told.what}: {told.seen}; "
                f"{told.means}; {told.next_step}"
            )

    def _warn_of_a_folder_that_ends(self) -> None:
        """Before a key is written to it, and at once: whoever reads this may end the run."""
        why = "" if self.keep else ephemeral(self.directory)
        if why:
            warning = (
                f"the trust folder {self.directory} will not last: {why}. With it goes the only copy of the keys that "
                "this run makes, and nothing can be renewed. Set trust_dir to a folder that lasts, or copy it and the "
                "vault password to a safe place as soon as the run has ended"
            )
            self.warnings.append(warning)
            self.warn(warning)

    async def _read(
        self, clusters: t.Iterable[Cluster], absent_ok: bool, *, to_sign: bool = False
    ) -> tuple[dict[str, ClusterTrust], dict[str, FleetError]]:
        """Read clusters; with ``absent_ok`` one that does not exist yet is empty."""
        return await on_each(
            (c.name for c in clusters),
            lambda name: read_trust(self.fleet, self.fleet.clusters[name], absent_ok, to_sign=to_sign),
        )

    async def _read_others(self) -> tuple[dict[str, ClusterTrust], dict[str, FleetError]]:
        """Read the primaries outside the play once: of those that are made by a run, some may not exist yet."""
        if self._others is None:
            play = {c.name for c in self.primaries}
            others = [c for c in clusters_with_istiod(self.fleet) if c.name not in play]
            made = [c for c in others if not provider_of(c).exists(c.variables)]
            there, failed = await self._read([c for c in others if c not in made], self.check_mode)
            found, unread = await self._read(made, True)
            self._others = {**there, **found}, {**failed, **unread}
        return self._others

    async def _live_root(self) -> LiveRoot | None:
        """The root that the primaries of the whole inventory have, whatever ``--limit`` says; None when none has one.

        Raises:
            FleetError: a new root could be a second one, because a primary does not answer or has a root of its own.
        """
        others, unread = await self._read_others()
        live = [*self.live.values(), *others.values()]
        found = the_live_root(live)
        if found:
            return found
        if silent := {**self.unsearched, **self.failures, **unread}:
            raise FleetError(
                "no root is made as long as a primary does not answer",
                seen="; ".join(f"{name}: {error.what}" for name, error in silent.items()),
                means="it may have an intermediate CA of the fleet's root, which is not on this controller; with a "
                "second one, it and the other clusters would reject each other's calls",
                next_step="make every primary of the inventory reachable, or copy the fleet's trust folder here "
                f"({self.directory}), and run again; a cluster that is gone for good leaves the inventory",
            )
        if alone := self_signed(live):
            root = parse_certificates(alone[0].published_root, what="istio-ca-root-cert")[0]
            raise FleetError(
                "a live istiod uses another root",
                cluster=", ".join(c.cluster for c in alone),
                obj="ConfigMap istio-ca-root-cert",
                seen=f"root SHA256 {fingerprint(root)}, and no cacerts",
                means="istiod started without cacerts and made its own root; one for the others would be a second",
                next_step="uninstall that istiod and restart its workloads afterwards, or leave the cluster out of the "
                "inventory; then run again",
            )
        return None

    async def _issue(self, issuer: IntermediateIssuer) -> dict[str, SigningChain]:
        """Decide about every cluster, and return the chains to write."""
        chains: dict[str, SigningChain] = {}
        unsigned = False
        for name, found in self.live.items():
            try:
                decision = Decision(name, ISSUE) if issuer.root is None else decide(found, issuer.root, self.policy)
                if decision.action == ISSUE and issuer.root is not None and not issuer.made_now:
                    others, _silent = await self._read_others()
                    refuse_another_root([*self.live.values(), *others.values()], issuer.root)
                if decision.action != KEEP:
                    decision, chain = await self._signed(issuer, decision, found)
                    if chain is not None:
                        chains[name] = chain
                    elif decision.action == ISSUE and isinstance(issuer, CorporateCa) and not issuer.signer:
                        unsigned = True
                        continue
            except Exception as error:  # noqa: BLE001 - whatever one cluster holds, the others get their intermediates
                self.failures[name] = as_problem(error, name)
                continue
            if decision.warning:
                self.warnings.append(decision.warning)
            self.decisions.append(decision)
        if unsigned and isinstance(issuer, CorporateCa):
            raise issuer.unsigned()
        return chains

    async def _with_crls(self, chains: dict[str, SigningChain], issuer: IntermediateIssuer) -> CrlPlan:
        """What is written. What may not be because a CA has no revocation list is taken out of ``chains``.

        Raises:
            FleetError: the lists that are given are not fit.
        """
        given = read_crls(self.args.get("crl") or ())
        others: dict[str, ClusterTrust] = {}
        unread: dict[str, FleetError] = {}
        own = GENERATED in (self.args.get("crl") or ())
        if given or chains or own:
            others, unread = await self._read_others()
        # Who holds nothing yet has no CA that is not known.
        empty = {name for name, found in self.live.items() if found.data is None}
        silent = {name: error for name, error in {**self.failures, **unread}.items() if name not in empty}
        if given or own:
            # First: no list is signed of a CA that no cluster gets.
            self._hold_back(limited_chains(others, [c.name for c in self.primaries], chains), chains)
            await self._wait_for_lists(chains, signs=True)
            # Nor of a cluster that gets no first one.
            new = [name for name in chains if silent and name in empty]
            self._refuse({name: apart_from(silent, name, first=True) for name in new}, chains)
        if own:
            lists = self._own_lists(issuer, given, {**others, **self.live}, chains, silent=bool(silent))
            self.warnings += lists.warnings
            if lists.text:
                given[SIGNED_HERE] = lists.text
            if lists.signed:
                self._refuse_other_clocks()
        self._hold_back(waiting_chains(given, {**others, **self.live}, chains), chains)
        first = next(iter(self.fleet.clusters.values()), None)
        peers = bool(((first.variables.get("mesh_federation") if first else None) or {}).get("peers"))
        # Who is refused here gets nothing, but its CAs are known and need lists in the other clusters.
        refused = {name: found for name, found in self.live.items() if name in self.failures and name not in silent}
        written = {name: found for name, found in self.live.items() if name not in refused}

        def planned() -> CrlPlan:
            return plan_crls(given, written, {**others, **refused}, silent, chains, self.policy.now, peers=peers)

        plan = planned()
        while self._refuse(plan.refused, chains):
            plan = planned()  # the lists have to cover the CA that such a cluster keeps
        plan.writes = {name: chain for name, chain in plan.writes.items() if name not in self.failures}
        self.warnings += plan.warnings
        self.crl_days = plan.days if written else None
        return plan

    def _hold_back(self, why: t.Mapping[str, FleetError], chains: dict[str, SigningChain]) -> None:
        """Take these out of ``chains``: a warning while the present intermediate CA is valid, else a failure."""
        for name, error in why.items():
            del chains[name]
            decision = next(d for d in self.decisions if d.cluster == name)
            self.decisions.remove(decision)
            try:
                kept = _keep_unrenewed(decision, error)
            except FleetError as urgent:
                self.failures[name] = urgent
            else:
                self.decisions.append(kept)
                self.warnings.append(kept.warning)

    def _refuse(self, why: t.Mapping[str, FleetError], chains: dict[str, SigningChain]) -> bool:
        """Let these clusters fail; return whether one of them was to get a new chain."""
        self.failures.update(why)
        self.decisions = [d for d in self.decisions if d.cluster not in why]
        dropped = chains.keys() & why.keys()
        for name in dropped:
            del chains[name]
        return bool(dropped)

    def _refuse_other_clocks(self) -> None:
        """Refuse the clusters where a list that is signed now could be one that has not begun."""
        for name, found in self.live.items():
            try:
                same_time(found)
            except FleetError as error:
                self.failures.setdefault(name, error)
        self.decisions = [d for d in self.decisions if d.cluster not in self.failures]

    def _own_lists(
        self,
        issuer: IntermediateIssuer,
        given: t.Mapping[str, str],
        present: t.Mapping[str, ClusterTrust],
        chains: t.Mapping[str, SigningChain],
        *,
        silent: bool,
    ) -> OwnLists:
        """Lists of the CAs whose keys this run holds: the root's, and those of what is this fleet's in clusters."""
        ours = [one.data for one in present.values() if not one.owner and not one.tls_form]
        found = [authority_of(data) for data in (*ours, *(chain.data for chain in chains.values()))]
        signers = [one for one in found if one is not None]
        if isinstance(issuer, OwnRoot):
            signers.append(issuer.authority)
        known: Authorities = {}
        new = {name: chain.data for name, chain in chains.items()}
        for data in {**{name: one.data for name, one in present.items()}, **new}.values():
            try:
                known |= authorities([SigningChain.from_data(data)] if data is not None else [])
            except FleetError:  # what is wrong there is told of that cluster, and its CAs are not known
                silent = True
        held = [(one.data or {}).get(CRL, "") for one in present.values()]
        return own_lists(given, held, signers, known, self.policy.now, silent=silent)

    async def _signed(
        self, issuer: IntermediateIssuer, decision: Decision, found: ClusterTrust
    ) -> tuple[Decision, SigningChain | None]:
        """A chain for a cluster that needs one. Without one yet, the decision is what happens instead."""
        chain = issuer.chain(decision.cluster, found.data)
        if chain is not None or not isinstance(issuer, CorporateCa):
            return decision, chain
        if issuer.signer and not self.check_mode:
            try:
                return decision, await issuer.signed_by_command(decision.cluster, found.data)
            except FleetError as error:
                return _keep_unrenewed(decision, error), None
        if issuer.signer or decision.action == ISSUE:
            return decision, None
        return _keep_until_signed(decision, issuer), None


def _keep_unrenewed(decision: Decision, error: FleetError) -> Decision:
    """A renewal that fails is a warning while the present intermediate CA is valid, else the cluster's error."""
    if decision.action == ISSUE or (decision.days or 0) < 0:
        raise error
    warning = (
        f"{decision.cluster}: its intermediate CA ends in {decision.days} days and could not be renewed: "
        f"{error.what}; {error.seen}; {error.next_step}"
    )
    return dataclasses.replace(decision, action=KEEP, warning=warning)


def _keep_until_signed(decision: Decision, issuer: IntermediateIssuer) -> Decision:
    """A renewal that waits for its signature is a warning while the present intermediate CA is valid."""
    request = issuer.requests[decision.cluster] if isinstance(issuer, CorporateCa) else ""
    if (decision.days or 0) < 0:
        raise FleetError(
            "its intermediate CA has expired, and the new one is not signed yet",
            cluster=decision.cluster,
            obj=request,
            next_step="have the request signed, save the answer beside it as chain.pem, and run again",
        )
    return dataclasses.replace(
        decision,
        action=KEEP,
        warning=f"{decision.cluster}: its intermediate CA ends in {decision.days} days; have {request} signed and run "
        "again",
    )
