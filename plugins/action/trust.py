# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One root for the fleet, a signer for each primary."""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import (
    clusters_with_istiod,
    control_plane_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import decisions as trust
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    KEY_TYPES,
    Policy,
    days_left,
    fingerprint,
    parse_certificates,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import leave_namespace
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.cacerts import (
    SECRET,
    read_trust,
    write_cacerts,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.issuers import (
    ROOT_CERT,
    ROOT_KEY,
    CorporateCa,
    Files,
    IntermediateIssuer,
    locked,
    open_issuer,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox


class ActionModule(FleetAction):
    """See ``plugins/modules/trust.py`` for the documentation."""

    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "root": {"type": "str", "choices": ["generated", "provided", "external"], "default": "generated"},
        "root_cert": {"type": "str", "default": ""},
        "root_key": {"type": "str", "default": "", "no_log": True},
        "directory": {"type": "str", "default": ""},
        "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": KEY_TYPES[0]},
        "organization": {"type": "str", "default": "Istio"},
        "root_lifetime": {"type": "str", "default": "3650d"},
        "lifetime": {"type": "str", "default": "730d"},
        "renew_before": {"type": "str", "default": "30d"},
        "vault_password_file": {"type": "str", "default": ""},
        "vault_password_create": {"type": "bool", "default": False, "no_log": False},
        "remove_root": {"type": "bool", "default": False},
        "timeout": {"type": "float", "default": 90.0},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        play = {str(host) for host in task_vars["ansible_play_hosts"]}
        directory = os.path.expanduser(args["directory"]) or os.path.join(fleet.directory, "trust")
        if args["state"] == "absent":
            cluster = fleet.clusters[str(task_vars["inventory_hostname"])]
            return await self._absent(fleet, cluster, args, directory)
        foreign = [control_plane_of(fleet, c).foreign_ca for c in fleet.clusters.values() if c.name in play]
        if foreign and all(foreign):
            return result(summary=f"no signer needed: {foreign[0]} signs", clusters={}, errors={})
        primaries = [c for c in clusters_with_istiod(fleet) if c.name in play]
        policy = _policy(fleet, args)
        password, create = args["vault_password_file"], args["vault_password_create"]
        box = VaultBox.of_trust(fleet, password, create, check_mode=self.check_mode)
        with locked(directory, check_mode=self.check_mode):
            return await self._present(fleet, primaries, args, policy, directory, box)

    async def _present(
        self,
        fleet: Fleet,
        primaries: list[Cluster],
        args: dict[str, t.Any],
        policy: Policy,
        directory: str,
        box: VaultBox,
    ) -> dict[str, t.Any]:
        lives, failures = await on_each(
            (c.name for c in primaries), lambda name: read_trust(fleet, fleet.clusters[name], self.check_mode)
        )
        files = Files(self.check_mode)
        if args["root"] == "generated" and not os.path.exists(os.path.join(directory, ROOT_CERT)):
            _root_is_lost(lives.values(), directory)
        signer = open_issuer(args, directory, policy, box, files)
        decisions, chains, warnings = self._plan(signer, lives, policy, failures)

        async def write(name: str) -> list[Change]:
            live = lives[name]
            return await write_cacerts(
                fleet,
                fleet.clusters[name],
                chains[name],
                renewed=live.istiod and live.data is not None,
                dry_run=self.check_mode,
                timeout=args["timeout"],
            )

        written, broken = await on_each(chains, write)
        failures.update(broken)
        changes = files.changes + [change for made in written.values() for change in made]
        done = [d for d in decisions if d.cluster not in failures]
        root = signer.root
        hidden = root is None or (signer.made_now and self.check_mode)
        line = trust.summary(None if hidden else root, done, failed=len(failures), planned=self.check_mode)
        return result(
            changes,
            summary=line,
            root="" if hidden or root is None else fingerprint(root),
            root_days_left=None if root is None else days_left(root, policy.now),
            clusters={d.cluster: {"action": d.action, "days_left": d.days, "sha256": d.fingerprint} for d in done},
            errors=failures,
            warnings=warnings,
        )

    def _plan(
        self,
        signer: IntermediateIssuer,
        lives: dict[str, trust.ClusterTrust],
        policy: Policy,
        failures: dict[str, FleetError],
    ) -> tuple[list[trust.Decision], dict[str, SigningChain], list[str]]:
        """Decide and sign for every cluster before any is written; one that is refused drops out alone."""
        decisions: list[trust.Decision] = []
        chains: dict[str, SigningChain] = {}
        warnings: list[str] = []
        must_wait = False
        for name, live in lives.items():
            try:
                if signer.root is None:
                    decision = trust.Decision(name, trust.ISSUE)
                else:
                    decision = trust.decide(live, signer.root, policy, made_now=signer.made_now)
                if decision.action != trust.KEEP:
                    chain = signer.chain(name, live.data)
                    if chain is None and decision.action == trust.ISSUE:
                        must_wait = True
                        continue
                    if chain is None:
                        decision = _waits(decision, signer)
                    else:
                        chains[name] = chain
            except FleetError as error:
                error.cluster = error.cluster or name
                failures[name] = error
                continue
            if decision.warning:
                warnings.append(decision.warning)
            decisions.append(decision)
        if must_wait and isinstance(signer, CorporateCa):
            raise signer.waiting()
        return decisions, chains, warnings

    async def _absent(self, fleet: Fleet, cluster: Cluster, args: dict[str, t.Any], directory: str) -> dict[str, t.Any]:
        """The signer of one cluster, if it is ours; a cluster that is gone already has none."""
        changes: list[Change] = []
        async with Kube.connect(cluster.connection, cluster=cluster.name, absent_ok=True) as kube:
            live = await kube.get("v1", "Secret", SECRET, fleet.namespace)
            if has_our_labels(live, "trust"):
                changes.append(await kube.delete("v1", "Secret", SECRET, fleet.namespace, dry_run=self.check_mode))
                if control_plane_of(fleet, cluster).ours:
                    changes += (await leave_namespace(kube, fleet, dry_run=self.check_mode))[0]
        files = Files(self.check_mode)
        if args["remove_root"]:
            with locked(directory, check_mode=self.check_mode):
                files.remove(os.path.join(directory, ROOT_CERT))
                files.remove(os.path.join(directory, ROOT_KEY))
        line = "signer removed" if changes else "no signer of ours" if live else "no signer"
        return result(changes + files.changes, summary=f"{cluster.name} {line}", clusters={}, errors={})


def _policy(fleet: Fleet, args: dict[str, t.Any]) -> Policy:
    policy = Policy(
        trust_domain=fleet.trust_domain,
        namespace=fleet.namespace,
        revision=fleet.revision,
        now=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        key_type=args["key_type"],
        organization=args["organization"],
        root_lifetime=trust.duration(args["root_lifetime"], name="trust_root_lifetime"),
        lifetime=trust.duration(args["lifetime"], name="trust_lifetime"),
        renew_before=trust.duration(args["renew_before"], name="trust_renew_before"),
    )
    if policy.lifetime <= policy.renew_before:
        raise FleetError(
            "trust_lifetime is not longer than trust_renew_before",
            seen=f"{args['lifetime']} and {args['renew_before']}",
            means="every run would renew every signer",
            next_step="renew later, or sign for longer",
        )
    return policy


def _root_is_lost(lives: t.Iterable[trust.ClusterTrust], directory: str) -> None:
    """Signers of ours without our root: a second root would split the mesh."""
    orphans = [live for live in lives if live.ours and live.data and live.data.get("root-cert.pem")]
    if not orphans:
        return
    seen = [
        f"{live.cluster} root SHA256 {fingerprint(parse_certificates((live.data or {})['root-cert.pem'])[0])}"
        for live in orphans
    ]
    raise FleetError(
        "the fleet's root is not on this controller",
        obj=os.path.join(directory, ROOT_CERT),
        seen="; ".join(seen),
        means="these clusters were signed with another trust folder; a new root would cut them from the others",
        next_step="bring that folder here or point trust_dir at it; to begin anew, take the mesh off first "
        "(playbooks/teardown.yml)",
    )


def _waits(decision: trust.Decision, signer: IntermediateIssuer) -> trust.Decision:
    """A renewal that waits for a signature does no harm while the present signer is valid."""
    request = signer.requests[decision.cluster] if isinstance(signer, CorporateCa) else ""
    if (decision.days or 0) < 0:
        raise FleetError(
            "its signer has expired, and the new one is not signed yet",
            cluster=decision.cluster,
            obj=request,
            next_step="have the request signed, put the answer beside it as chain.pem, and run again",
        )
    return trust.Decision(
        decision.cluster,
        trust.KEEP,
        decision.days,
        decision.fingerprint,
        warning=f"{decision.cluster}: its signer has {decision.days} days left; have {request} signed and run again",
    )
