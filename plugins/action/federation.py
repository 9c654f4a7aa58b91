# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Federation with other meshes. See plugins/modules/federation.py for the documentation."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import duration
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_inventory
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers, described, read_files
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.run import FederationRun
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import checked_policies


class ActionModule(FleetAction):
    """Runs once for the fleet; what fails is reported by cluster in ``failures``."""

    CHANGES_CLUSTERS = True
    PATHS: t.ClassVar[tuple[str, ...]] = ("directory",)
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "directory": {"type": "str", "default": ""},
        "lifetime": {"type": "str", "default": "90d"},
        "istiod_stays": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 60},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        first = next(iter(fleet.clusters.values()), None)
        leaves = args["state"] == "absent"
        peers = Peers() if leaves else read_files(fleet, folder_of_inventory(task_vars, whole_fleet=True))
        given = first.variables.get("mesh_traffic") if first and peers.named else []
        policies, _warnings = checked_policies(fleet, given)
        taken = {named.host for policy in policies for named in policy.by_name() if named.is_global}
        run = FederationRun(
            fleet,
            [str(host) for host in task_vars["ansible_play_hosts"]],
            peers,
            taken=taken,
            directory=os.path.expanduser(args["directory"]) or os.path.join(fleet.directory, "federation"),
            lifetime=duration(args["lifetime"], name="federation_lifetime"),
            leaves=leaves,
            istiod_stays=args["istiod_stays"],
            dry_run=self.check_mode,
            diff=self.diff_mode,
            timeout=float(args["timeout"]),
        )
        await run.run()
        return result(
            [*run.changes, *run.files.changes],
            summary=run.summary(),
            with_diff=self.diff_mode,
            peers=described(peers),
            bundles=run.written,
            warnings=run.warnings,
            errors=run.failures,
        )
