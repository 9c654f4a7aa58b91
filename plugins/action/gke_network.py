# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the VPC lacks. See plugins/modules/gke_network.py for the documentation."""

from __future__ import annotations

import functools
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import read_with_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.dual_stack import give_ipv6
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.global_range import subnets_in_range
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.pod_ranges import PodRanges
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import missing_permissions
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc_requirements import (
    is_forbidden,
    may_not,
    missing_parts,
    permissions_for,
    unreadable,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import (
    ExistingNetwork,
    NetworkPlan,
    plan_network,
    plan_removal,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import marker
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import read_network
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import (
    GOOGLE_OPTIONS,
    GoogleClusterAction,
    Part,
)


class ActionModule(GoogleClusterAction):
    """Runs once for the fleet; what cannot be made is reported by cluster in ``failures``."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "dual_stack", "absent"], "default": "present"},
        "front_door": {"type": "bool", "default": False},
        "forget": {"type": "list", "elements": "str", "default": []},
        "enable_apis": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 300},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        absent = args["state"] == "absent"
        fleet, parts = self.parts(args, task_vars, networks=True)
        whole, failed = NetworkPlan(), dict[str, FleetError]()
        planned: list[Change] = []
        pods = PodRanges(fleet)
        changes: list[Change] = []
        for part in parts:
            play = {w.host for w in part.play}
            try:
                live, apis = read_with_apis(
                    part.google,
                    functools.partial(read_network, part.google, () if absent else part.everybody, marker(fleet)),
                    ExistingNetwork({}, {}, {}),
                    allowed=args["enable_apis"],
                    timeout=args["timeout"],
                    dry_run=self.check_mode,
                )
            except GoogleError as error:
                if not is_forbidden(error) or not all(w.shared for w in part.play):
                    raise
                failed.update({w.host: unreadable(error, part.project) for w in part.play})
                continue
            changes += apis
            if args["state"] == "dual_stack" and not self.check_mode:
                plan, _bad = plan_network(part.everybody, play, live, marker(fleet))
                failed.update(give_ipv6(part.google, plan.dual_stack, live, marker(fleet), args["timeout"]))
                live = read_network(part.google, part.everybody, marker(fleet))
            if absent:
                plan, bad = plan_removal(part.everybody, play, live, marker(fleet), forget=args["forget"])
                staying = {w.member.project for w in part.everybody if w.host not in play}
                leaving = [w for w in part.play if w.shared and w.member.project not in staying]
                changes += self.shared_vpc(fleet, part.google, args).revoke_roles(leaving)
            else:
                plan, bad = plan_network(
                    part.everybody,
                    play,
                    live,
                    marker(fleet),
                    load_balancers=args["front_door"],
                    forget=args["forget"],
                )
                overlapping = {**subnets_in_range(fleet, part.everybody, live), **pods.add(part.everybody, live)}
                bad = {**{host: error for host, error in overlapping.items() if host in play}, **bad}
                if plan.count:
                    bad.update(_not_permitted(part, plan, live, bad))
                    new = [w for w in part.play if not w.adopt and w.host not in bad]
                    refused, prepared = self.shared_vpc(fleet, part.google, args).prepare(new)
                    bad.update(refused)
                    changes += prepared
                _without(plan, part, bad)
            failed.update(bad)
            whole.networks += plan.networks
            whole.subnets.update(plan.subnets)
            whole.dual_stack.update(plan.dual_stack)
            whole.firewalls += plan.firewalls
            whole.stale += plan.stale
            whole.kept.update(plan.kept)
            planned += _changes(plan, absent=absent)  # by project: rules have the same names in each
        # Without a remaining cluster, the run ends before anything is made.
        goes_on = absent or any(w.host not in failed for part in parts for w in part.play)
        changes += planned if self.check_mode and goes_on else []
        verb = "to be removed" if absent else "to be made or changed"
        said = (
            f"network: {whole.count} part{'' if whole.count == 1 else 's'} {verb}"
            if whole.count
            else "network: as wanted"
        )
        return self.to_result(
            changes,
            failed,
            parts,
            said,
            missing=whole.kept,
            networks=whole.networks,
            subnets=whole.subnets,
            dual_stack=whole.dual_stack,
            firewalls=whole.firewalls,
            stale=whole.stale,
        )


def _not_permitted(
    part: Part, plan: NetworkPlan, live: ExistingNetwork, bad: t.Collection[str]
) -> dict[str, FleetError]:
    """By host, an error for what a host project lacks and these credentials may not make."""
    shared = [w for w in part.play if w.shared and w.host not in bad]
    kinds = plan.kinds
    missing = missing_permissions(part.google, permissions_for(kinds)) if shared and kinds else []
    blocked = {kind for kind in kinds if set(permissions_for([kind])) & set(missing)}
    if not blocked:
        return {}
    failed = {}
    for w in shared:
        lacks = missing_parts(
            w,
            plan.networks if "networks" in blocked else [],
            plan.subnets if "subnets" in blocked else {},
            [rule for rule in plan.firewalls if plan.kind_of(rule) in blocked],
            live.firewalls,
        )
        if lacks:
            failed[w.host] = may_not(w, lacks, missing)
    theirs = {w.network for w in shared}
    plan.firewalls[:] = [
        rule for rule in plan.firewalls if rule["network"] not in theirs or plan.kind_of(rule) not in blocked
    ]
    if {"firewalls", "changed firewalls", "stale"} & blocked:
        # A stale rule does no harm: it stays until the credentials may remove it.
        plan.stale[:] = [rule for rule in plan.stale if rule["network"] not in theirs]
    return failed


def _without(plan: NetworkPlan, part: Part, bad: t.Collection[str]) -> None:
    """Remove from the plan what failed hosts need, and VPCs without any other host."""
    for host in bad:
        plan.subnets.pop(host, None)
        plan.dual_stack.pop(host, None)
    lost = {w.network for w in part.play if w.host in bad} - {w.network for w in part.play if w.host not in bad}
    plan.networks[:] = [n for n in plan.networks if n["name"] not in lost]
    plan.firewalls[:] = [f for f in plan.firewalls if f["network"] not in lost]
    plan.stale[:] = [f for f in plan.stale if f["network"] not in lost]


def _changes(plan: NetworkPlan, *, absent: bool) -> list[Change]:
    """What google.cloud's modules would do: in check mode they do not run."""
    listed = [("", "Network", n) for n in plan.networks]
    listed += [(host, "Subnetwork", s) for host, s in plan.subnets.items()]
    listed += [("", "Firewall", f) for f in plan.firewalls]
    changes = []
    for host, kind, item in listed:
        name, now = item["name"], plan.before.get(item["name"]) if kind == "Firewall" else None
        if absent:
            changes.append(Change(host, kind, name, REMOVED, before=yaml.safe_dump(item)))
        else:
            before, action = (yaml.safe_dump(now), CHANGED) if now else ("", CREATED)
            changes.append(Change(host, kind, name, action, before=before, after=yaml.safe_dump(item)))
    changes += [
        Change(host, "Subnetwork", one["name"], CHANGED, after=yaml.safe_dump(one))
        for host, one in plan.dual_stack.items()
        if host not in plan.subnets
    ]
    gone = [Change("", "Firewall", item["name"], REMOVED, before=yaml.safe_dump(item)) for item in plan.stale]
    return changes + gone
