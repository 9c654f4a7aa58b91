# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies of calls to services. See plugins/modules/traffic.py for the documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, as_planned, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import checked_policies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.run import TrafficRun


class ActionModule(FleetAction):
    """Runs once for the fleet; what fails is reported by cluster in ``failures``."""

    CHANGES_CLUSTERS = True
    ARGUMENT_SPEC = {
        "adopt": {"type": "bool", "default": False},
        "peered": {"type": "bool", "default": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 60},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        first = next(iter(fleet.clusters.values()), None)
        given = first.variables.get("mesh_traffic") if first and args["state"] == "present" else []
        policies, warnings = checked_policies(fleet, given)
        run = TrafficRun(
            fleet,
            [str(host) for host in task_vars["ansible_play_hosts"]],
            policies,
            leaves=args["state"] == "absent",
            peered=args["peered"],
            adopt=args["adopt"],
            dry_run=self.check_mode,
            diff=self.diff_mode,
            timeout=float(args["timeout"]) if args["wait"] else 0,
            say=self.say,
        )
        await run.run()
        made = sum(len(run.objects[name]) for name in run.play if name in run.objects)
        count = f"{len(policies)} polic{'y' if len(policies) == 1 else 'ies'}"
        said = f"{count} → {made} object{'' if made == 1 else 's'}" if policies else "no policies"
        touched = [change for change in run.changes if change.action != UNCHANGED]
        said += f": {len(touched)} changed" if touched else ""
        return result(
            run.changes,
            summary=said + as_planned(run.changes, check=self.check_mode),
            with_diff=self.diff_mode,
            addresses={name: list(found) for name, found in (run.addresses or {}).items()},
            policies=[{"service": p.service, "from": list(p.callers or fleet.clusters)} for p in policies],
            warnings=[*warnings, *run.warnings],
            errors=run.failures,
        )
