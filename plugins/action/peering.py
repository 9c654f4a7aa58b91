# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let clusters watch each other. Its documentation is in plugins/modules/peering.py."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import RUN_EVERY
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.run import run_peering
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Options


class ActionModule(FleetAction):
    """Runs once for the fleet; ``failures`` has what failed, by cluster."""

    CHANGES_CLUSTERS = True
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "token": {"type": "str", "choices": ["bound", "static"], "default": "static", "no_log": False},
        "forget": {"type": "list", "elements": "str", "default": []},
        "token_lifetime": {"type": "int", "default": 2592000, "no_log": False},
        "token_renew_before": {"type": "int", "default": 864000, "no_log": False},
        "run_every": {"type": "int", "default": RUN_EVERY},
        "timeout": {"type": "int", "default": 30},
        "wait": {"type": "bool", "default": True},
        "restart_blocked_istiod": {"type": "bool", "default": True},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        named = sorted(set(args["forget"]) & set(fleet.clusters))
        if named:
            raise FleetError(
                f"the inventory names {', '.join(named)}, and what it names cannot be forgotten",
                obj="peering_forget",
                next_step=f"run playbooks/teardown.yml with --limit {','.join(named)}, or change the inventory",
            )
        options = Options(
            absent=args["state"] == "absent",
            static=args["token"] == "static",
            lifetime=args["token_lifetime"],
            renew_before=args["token_renew_before"],
            run_every=args["run_every"],
            timeout=args["timeout"],
            dry_run=self.check_mode,
            sync=args["wait"],
            restart=args["restart_blocked_istiod"],
            forget=frozenset(args["forget"]),
        )
        play = [str(host) for host in task_vars["ansible_play_hosts"] if host in fleet.clusters]
        # Ansible takes a host that failed, in this play or in one before, out of the first of the two lists.
        failed = {str(host) for host in task_vars["ansible_play_hosts_all"]} - set(play)
        report = await run_peering(fleet, play, options, failed & set(fleet.clusters))
        return result(
            report.changes,
            summary=report.summary,
            edges=report.edges,
            errors=report.failures,
            missing=report.missing,
            warnings=report.warnings,
        )
