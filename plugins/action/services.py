# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exported services. See plugins/modules/services.py for the documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import parse_exports
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.exports import ExportRun


class ActionModule(FleetAction):
    """Runs once for the fleet; what fails is reported by cluster in ``failures``."""

    CHANGES_CLUSTERS = True
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 600},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        first = next(iter(fleet.clusters.values()), None)
        given = first.variables.get("mesh_exports") if first and args["state"] == "present" else []
        exports = parse_exports(given, fleet.clusters)
        play = [str(host) for host in task_vars["ansible_play_hosts"] if host in fleet.clusters]
        run = ExportRun(
            fleet,
            play,
            exports,
            dry_run=self.check_mode,
            diff=self.diff_mode,
            timeout=float(args["timeout"]) if args["wait"] else 0,
            say=self.say,
        )
        await run.run()
        done = sum(change.action != UNCHANGED for change in run.changes)
        said = [f"{len(exports)} service{'' if len(exports) == 1 else 's'}"] if exports else []
        said += [f"{done} exports changed"] if done else []
        said += [f"{len(run.imports)} imported" if args["wait"] and not self.check_mode else ""] if run.imports else []
        said += [f"{', '.join(run.elsewhere)}: exports are not built for it yet"] if run.elsewhere and exports else []
        return result(
            run.changes,
            summary=", ".join(part for part in said if part) or "nothing exported",
            with_diff=self.diff_mode,
            exports=[{"service": e.service, "host": e.host, "from": sorted(run.sources[e.service])} for e in exports],
            imports=run.imports,
            not_served=run.not_served(),
            warnings=run.warnings,
            errors=run.failures,
        )
