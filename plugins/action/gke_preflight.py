# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would stop a run at Google. See plugins/modules/gke_preflight.py for the documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.connections import options, remember
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.seen import hand_on
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import headline
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import failed_result, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import GOOGLE_OPTIONS, GoogleClusterAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.preflight import Foresight


class ActionModule(GoogleClusterAction):
    """Runs once for the fleet."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "front_door": {"type": "bool", "default": False},
        "enable_apis": {"type": "bool", "default": False},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet, parts = self.parts(args, task_vars)
        if not parts:
            return result()
        _fleet, networks = self.parts(args, task_vars, networks=True)
        foresight = Foresight(fleet, parts, networks, front_door=args["front_door"], enable_apis=args["enable_apis"])
        found, live = foresight.look()
        for part in parts:
            if part.project in live:
                given = options(fleet.clusters[part.play[0].host])
                remember(given, live[part.project])
                hand_on(given, live[part.project])
        if not found.problems:
            return result(warnings=found.warnings, requests=foresight.requests)
        errors: dict[str, list[FleetError]] = {}
        for problem in found.problems:
            errors.setdefault(problem.cluster, []).append(problem)
        line = headline(found.problems)
        return failed_result(
            errors,
            msg="\n".join([line, *map(str, found.problems)]),
            stage_line=line,
            warnings=found.warnings,
            requests=foresight.requests,
        )
