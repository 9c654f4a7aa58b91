# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action ``kind_network``; its documentation is in plugins/modules/kind_network.py."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.host_settings import host_record, restore_host
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import Foreign, KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import remove_without_nodes
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.orphans import find_orphans
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.pod_networks import Node, join
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.state_folder import remove_state
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.kind import node_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, REMOVED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction

_UNNAMED = "the inventory does not name it"


class ActionModule(FleetAction):
    """Join the pod networks of the fleet's kind clusters, or remove their container network."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "engine": {"type": "str", "choices": ["auto", "podman", "docker"], "default": "auto"},
        "bin": {"type": "path", "default": ""},
        "files": {"type": "path", "required": True},
        "image": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 180},
        "remove_orphans": {"type": "bool", "default": False},
        "remove_root": {"type": "bool", "default": False},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        args["bin"] = args["bin"] or str(self.artifacts_folder(task_vars) / "bin")
        fleet = self.fleet(task_vars)
        engine = await Engine.detect(args["engine"], pathlib.Path(args["bin"]).parent)
        local = KindFleet(fleet.name, pathlib.Path(fleet.directory), engine, str(pathlib.Path(args["bin"]) / "kind"))
        kinds = {c.name for c in fleet.clusters.values() if provider_of(c).local}
        whole = (
            args["state"] == "absent"
            and bool(kinds)
            and kinds <= {str(host) for host in task_vars["ansible_play_hosts_all"]}
        )
        orphans, line, warnings = await self._orphans(local, kinds, remove=whole or args["remove_orphans"])
        if args["state"] == "absent":
            only_local = len(kinds) == len(fleet.clusters)
            removed, kept = await self._absent(local, args["bin"], only_local=only_local, root=args["remove_root"])
            warnings += [kept] if kept else []
            return result([*orphans, *removed], summary=line, with_diff=False, warnings=warnings)
        nodes = [
            Node(cluster.name, number, cluster.network, cluster.pod_cidr, node_labels(cluster))
            for number, cluster in enumerate(fleet.clusters.values())
            if provider_of(cluster).local
        ]
        changed = await join(
            local,
            nodes,
            files=pathlib.Path(args["files"]),
            image=args["image"],
            timeout=args["timeout"],
            dry_run=self.check_mode,
        )
        joined = [Change(name, "PodNetwork", name, CHANGED) for name in changed]
        return result([*orphans, *joined], summary=line, with_diff=False, warnings=warnings)

    async def _orphans(self, local: KindFleet, known: set[str], *, remove: bool) -> tuple[list[Change], str, list[str]]:
        """Remove clusters that the inventory does not name, or warn of them: changes, a line, warnings."""
        found = await find_orphans(local, known)
        if not remove:
            advice = "put it back, or remove it with kind_cluster_remove_orphans=true"
            name = f"of fleet {local.name}, but {_UNNAMED}"
            return [], "", [f"{c.name}: its node {c.container} is {name}; {advice}" for c in found]
        changes = [
            Change(cluster.name, "Cluster", cluster.name, await cluster.absent(dry_run=self.check_mode))
            for cluster in found
        ]
        verb = "to be removed" if self.check_mode else "removed"
        line = " · ".join(f"{cluster.name} {verb}: {_UNNAMED}" for cluster in found)
        return changes, line, []

    async def _absent(
        self, local: KindFleet, programs: str, *, only_local: bool, root: bool
    ) -> tuple[list[Change], str]:
        """Remove network and state: the changes, and what stays of the state and why."""
        try:
            there = bool(await local.subnet())
        except Foreign:
            there = False
        if there and not self.check_mode:
            # With the last node goes what leads to it.
            await remove_without_nodes(local)
        if self.check_mode or (there and not await local.remove_network()):
            return [], ""
        removed, kept = False, ""
        if only_local:
            # No cluster is left for its kubeconfigs, certificates and reports.
            removed, kept = remove_state(local.directory, local.name, with_root=root)
        if not there and not removed:
            return [], kept
        if not await local.other_fleets():
            restore_host(host_record(programs))
        return [Change("", "Network", local.network_name, REMOVED)], kept
