# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes into the mesh. See plugins/modules/ingress.py for the documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import read_routes
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import refuse
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.run import IngressRun


class ActionModule(FleetAction):
    """Runs once for the fleet; what fails is reported by cluster in ``failures``."""

    CHANGES_CLUSTERS = True
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "routes": {"type": "list", "elements": "raw", "default": []},
        "certificates": {"type": "dict", "default": {}, "no_log": True},
        "gateways_ingress": {"type": "raw", "default": True},
        "gateways_namespace": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 180},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        given = args["routes"] if args["state"] == "present" else []
        primaries = {name: cluster.primary for name, cluster in fleet.clusters.items()}
        routes, problems = read_routes(given, primaries, list(args["certificates"]))
        refuse(problems)
        run = IngressRun(
            fleet,
            [str(host) for host in task_vars["ansible_play_hosts"] if host in fleet.clusters],
            routes,
            args["certificates"],
            namespace=args["gateways_namespace"],
            gateways=args["gateways_ingress"],
            timeout=float(args["timeout"]),
            dry_run=self.check_mode,
            diff=self.diff_mode,
        )
        await run.run()
        return result(
            run.changes,
            summary=run.summary(),
            with_diff=self.diff_mode,
            served=run.served,
            warnings=run.warnings,
            errors=run.failures,
        )
