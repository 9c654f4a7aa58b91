# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A trust run: read all clusters, issue the chains that are due, then write them."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Policy,
    fingerprint,
    parse_certificates,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import (
    ISSUE,
    KEEP,
    ClusterTrust,
    Decision,
    decide,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import ROOT, SigningChain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.cacerts import read_trust, write_cacerts
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import ROOT_CERT, Files
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.issuers import (
    CorporateCa,
    IntermediateIssuer,
    open_issuer,
)
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
    root: x509.Certificate | None = None
    root_is_planned: bool = False
    """Whether check mode would make the root."""
    decisions: list[Decision] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    failures: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)

    async def run(self) -> None:
        """Issue for every cluster before any is written. A cluster that is refused fails alone.

        Raises:
            FleetError: the root is missing or unfit, or new intermediate CAs wait for a corporate CA's signature.
        """
        clusters = self.fleet.clusters
        live, self.failures = await on_each(
            (c.name for c in self.primaries), lambda name: read_trust(self.fleet, clusters[name], self.check_mode)
        )
        if self.args["root"] == "generated":
            _require_root(live.values(), os.path.join(self.directory, ROOT_CERT))
        files = Files(self.check_mode)
        issuer = open_issuer(self.args, self.directory, self.policy, self.box, files)
        self.root, self.root_is_planned = issuer.root, issuer.made_now and self.check_mode
        chains = self._issue(issuer, live)
        written, failed = await on_each(
            chains,
            lambda name: write_cacerts(
                self.fleet,
                clusters[name],
                chains[name],
                renewed=live[name].istiod and live[name].data is not None,
                dry_run=self.check_mode,
                timeout=self.args["timeout"],
            ),
        )
        self.failures.update(failed)
        self.decisions = [d for d in self.decisions if d.cluster not in failed]
        self.changes = files.changes + [change for made in written.values() for change in made]

    def _issue(self, issuer: IntermediateIssuer, live: t.Mapping[str, ClusterTrust]) -> dict[str, SigningChain]:
        """Decide about every cluster, and return the chains to write."""
        chains: dict[str, SigningChain] = {}
        unsigned = False
        for name, found in live.items():
            try:
                if issuer.root is None:
                    decision = Decision(name, ISSUE)
                else:
                    decision = decide(found, issuer.root, self.policy, made_now=issuer.made_now)
                if decision.action != KEEP:
                    chain = issuer.chain(name, found.data)
                    if chain is not None:
                        chains[name] = chain
                    elif decision.action == ISSUE:
                        unsigned = True
                        continue
                    else:
                        decision = _keep_until_signed(decision, issuer)
            except FleetError as error:
                error.cluster = error.cluster or name
                self.failures[name] = error
                continue
            if decision.warning:
                self.warnings.append(decision.warning)
            self.decisions.append(decision)
        if unsigned and isinstance(issuer, CorporateCa):
            raise issuer.unsigned()
        return chains


def _require_root(live: t.Iterable[ClusterTrust], path: str) -> None:
    """Refuse to make a second root when clusters have intermediate CAs of ours: it would split the mesh."""
    if os.path.exists(path):
        return
    seen = [
        f"{found.cluster} root SHA256 {fingerprint(parse_certificates(found.data[ROOT])[0])}"
        for found in live
        if found.ours and found.data and found.data.get(ROOT)
    ]
    if not seen:
        return
    raise FleetError(
        "the fleet's root is not on this controller",
        obj=path,
        seen="; ".join(seen),
        means="these clusters have intermediate CAs from another trust folder; with a new root, they and the other "
        "clusters would reject each other's calls",
        next_step="copy that folder here or set trust_dir to it; to start with a new root, remove the mesh first "
        "(playbooks/teardown.yml)",
    )


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
