# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One root for the fleet, an intermediate CA for each primary."""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import (
    clusters_with_istiod,
    control_plane_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    KEY_TYPES,
    Policy,
    days_left,
    fingerprint,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import duration, summary
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.other_signers import NO_ROOT
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_inventory
from ansible_collections.mesh.fleet.plugins.plugin_utils.state.place import State, opened
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.cacerts import (
    name_cacerts,
    read_trust,
    remove_cacerts,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.ephemeral import ephemeral, grants_that_end
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import ROOT_CERT, ROOT_KEY, Files, locked
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.revocation import given_crls, located_crls
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.run import TrustRun
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox


class ActionModule(FleetAction):
    """Its documentation is in ``plugins/modules/trust.py``."""

    CHANGES_CLUSTERS = True
    PATHS: t.ClassVar[tuple[str, ...]] = ("directory", "root_cert", "root_key", "vault_password_file")
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "root": {"type": "str", "choices": ["generated", "provided", "external", NO_ROOT], "default": "generated"},
        "root_cert": {"type": "str", "default": ""},
        "root_key": {"type": "str", "default": "", "no_log": True},
        "signer_command": {"type": "list", "elements": "str", "default": []},
        "signer_timeout": {"type": "float", "default": 120.0},
        "crl": {"type": "list", "elements": "str", "default": []},
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

    def folder(self, task_vars: t.Mapping[str, t.Any]) -> str:
        """That of the whole fleet: what a task made once, the removal, which runs on each host, finds there."""
        return folder_of_inventory(task_vars, whole_fleet=True)

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        directory = os.path.expanduser(args["directory"]) or os.path.join(fleet.directory, "trust")
        if args["state"] == "absent":
            return await self._absent(fleet, str(task_vars["inventory_hostname"]), directory, args["remove_root"])
        play = {str(host) for host in task_vars["ansible_play_hosts"]}
        foreign = [control_plane_of(fleet, c).foreign_ca for c in fleet.clusters.values() if c.name in play]
        if foreign and all(foreign):
            return result(summary=f"no intermediate CA needed: {foreign[0]} signs", clusters={}, errors={})
        primaries = [c for c in clusters_with_istiod(fleet) if c.name in play]
        if args["root"] == NO_ROOT:
            return await self._signed_by_others(fleet, primaries)
        if recording() is not None:
            return await self._recorded(fleet, primaries)
        own = located_crls(args["crl"], self.folder(task_vars))
        args["crl"] = given_crls(own, task_vars.get("hostvars") or {}, fleet.clusters)
        password, create = args["vault_password_file"], args["vault_password_create"]
        box = VaultBox.of_trust(fleet, password, create, check_mode=self.check_mode)
        policy = _policy(fleet, args)
        if args["root"] == "provided":
            run = TrustRun(fleet, primaries, args, policy, directory, box, self.check_mode, self.warn)
            with locked(directory, check_mode=self.check_mode):
                await run.run()
            return self._of_run(run)
        if fleet.state_cluster:
            box.insist_on_shared()
        with locked(directory, check_mode=self.check_mode):
            async with opened(fleet, directory, check_mode=self.check_mode) as state:
                for line in state.lines:
                    self.say(f"  {line}")
                inside = _inside(args, directory, state.directory)
                keep = state.keep if state.in_cluster else None
                run = TrustRun(
                    fleet,
                    primaries,
                    inside,
                    policy,
                    state.directory,
                    box,
                    self.check_mode,
                    self.warn,
                    keep,
                    state.unread,
                )
                await run.run()
        return self._of_run(run, state)

    def _of_run(self, run: TrustRun, state: State | None = None) -> dict[str, t.Any]:
        root = None if run.root_is_planned else run.root
        line = summary(root, run.decisions, failed=len(run.failures), planned=self.check_mode)
        if run.crl_days is not None:
            line += f"  revocation lists for {max(run.crl_days, 0)} days"
        changes, warnings = run.changes, run.warnings
        if state is not None:
            changes = state.moves + [dataclasses.replace(c, name=state.shown(c.name)) for c in changes]
            warnings = [state.shown(warning) for warning in warnings]
            if state.in_cluster:
                line += f"  state in {state.fleet.state_cluster}"
                said = grants_that_end(state.fleet.directory, ephemeral(state.fleet.directory))
                warnings += [said] if said else []
        return result(
            changes,
            summary=line,
            kept_in="" if state is None else state.place,
            root="" if root is None else fingerprint(root),
            crl_days_left=run.crl_days,
            root_days_left=None if run.root is None else days_left(run.root, run.policy.now),
            clusters={
                d.cluster: {"action": d.action, "days_left": d.days, "sha256": d.fingerprint} for d in run.decisions
            },
            errors=run.failures,
            warnings=warnings,
        )

    @staticmethod
    async def _recorded(fleet: Fleet, primaries: t.Sequence[Cluster]) -> dict[str, t.Any]:
        """What is written to the clusters, without a root or a key: their objects are the same with any."""
        _done, failed = await on_each(
            (c.name for c in primaries), lambda name: name_cacerts(fleet, fleet.clusters[name])
        )
        return result(summary=f"{len(primaries)} intermediate CAs in no file", clusters={}, errors=failed)

    async def _signed_by_others(self, fleet: Fleet, primaries: t.Sequence[Cluster]) -> dict[str, t.Any]:
        """Leave all as it is; name what this fleet signed before, because an istiod goes on signing with it."""
        found, failed = await on_each(
            (c.name for c in primaries), lambda name: read_trust(fleet, fleet.clusters[name], self.check_mode)
        )
        ours = [name for name, live in found.items() if live.data is not None and not live.owner]
        warning = (
            f"{', '.join(ours)}: Secret cacerts of this fleet is still there, and an istiod that signs goes on signing "
            "with it although trust_root is none; playbooks/teardown.yml --tags trust removes it"
        )
        return result(
            summary=f"no root of this fleet (trust_root: none): {len(found)} primaries left as they are",
            clusters={},
            errors=failed,
            warnings=[warning] if ours else [],
        )

    async def _absent(self, fleet: Fleet, name: str, directory: str, remove_root: bool) -> dict[str, t.Any]:
        changes, line = await remove_cacerts(fleet, fleet.clusters[name], dry_run=self.check_mode)
        files = Files(self.check_mode)
        moves: list[Change] = []
        if remove_root:
            with locked(directory, check_mode=self.check_mode):
                async with opened(fleet, directory, check_mode=self.check_mode, everywhere=True) as state:
                    files.remove(os.path.join(state.directory, ROOT_CERT))
                    files.remove(os.path.join(state.directory, ROOT_KEY))
                    await state.keep()
                    await state.forget_copies()
                moves = [dataclasses.replace(c, name=state.shown(c.name)) for c in files.changes]
        return result(changes + moves, summary=f"{name} {line}", clusters={}, errors={})


def _policy(fleet: Fleet, args: dict[str, t.Any]) -> Policy:
    policy = Policy(
        trust_domain=fleet.trust_domain,
        namespace=fleet.namespace,
        revision=fleet.revision,
        now=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        key_type=args["key_type"],
        organization=args["organization"],
        root_lifetime=duration(args["root_lifetime"], name="trust_root_lifetime"),
        lifetime=duration(args["lifetime"], name="trust_lifetime"),
        renew_before=duration(args["renew_before"], name="trust_renew_before"),
    )
    if policy.lifetime <= policy.renew_before:
        raise FleetError(
            "trust_lifetime is not longer than trust_renew_before",
            seen=f"{args['lifetime']} and {args['renew_before']}",
            means="every run would renew every intermediate CA",
            next_step="raise trust_lifetime or lower trust_renew_before",
        )
    return policy


def _inside(args: dict[str, t.Any], folder: str, directory: str) -> dict[str, t.Any]:
    """The options, with a root's certificate that is in the trust folder where the run works on that folder."""
    path = args["root_cert"]
    below = path.startswith(os.path.join(folder, "")) and not os.path.exists(path)
    return {**args, "root_cert": directory + path[len(folder) :]} if below else args
