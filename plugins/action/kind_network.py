# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action ``kind_network``; its documentation is in plugins/modules/kind_network.py."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import default_directory
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.host import host_record, restore_host
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind_cluster import Foreign, KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind_network import Node, join
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, REMOVED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.fleet_action import FleetAction


class ActionModule(FleetAction):
    """Join the pod networks of the fleet's kind clusters, or remove what they shared."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "engine": {"type": "str", "choices": ["auto", "podman", "docker"], "default": "auto"},
        "bin": {"type": "path", "default": ""},
        "files": {"type": "path", "required": True},
        "image": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 180},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        args["bin"] = args["bin"] or str(default_directory() / "bin")
        fleet = self.fleet(task_vars)
        engine = await Engine.detect(args["engine"], pathlib.Path(args["bin"]).parent)
        local = KindFleet(fleet.name, pathlib.Path(fleet.directory), engine, str(pathlib.Path(args["bin"]) / "kind"))
        if args["state"] == "absent":
            return await self._absent(local, args["bin"], all(c.provider == "kind" for c in fleet.clusters.values()))
        nodes = [
            Node(cluster.name, number, cluster.network, cluster.pod_cidr)
            for number, cluster in enumerate(fleet.clusters.values())
            if cluster.provider == "kind"
        ]
        changed = await join(
            local,
            nodes,
            files=pathlib.Path(args["files"]),
            image=args["image"],
            timeout=args["timeout"],
            dry_run=self.check_mode,
        )
        return result([Change(name, "PodNetwork", name, CHANGED) for name in changed], with_diff=False)

    async def _absent(self, local: KindFleet, programs: str, only_local: bool) -> dict[str, t.Any]:
        try:
            there = bool(await local.subnet())
        except Foreign:
            there = False
        if self.check_mode or (there and not await local.remove_network()):
            return result([])
        left = local.directory.is_dir()
        if only_local:
            # No cluster is left that its kubeconfigs, certificates and reports could be of use to.
            shutil.rmtree(local.directory, ignore_errors=True)
        if not there and not (left and only_local):
            return result([])
        if not await local.other_fleets():
            restore_host(host_record(programs))
        return result([Change("", "Network", local.network_name, REMOVED)], with_diff=False)
