# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action ``kind_cluster``; its documentation is in plugins/modules/kind_cluster.py."""

from __future__ import annotations

import os
import pathlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.host_settings import adapt_host, host_record
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.cluster import KindCluster, Spec
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.state_folder import mark_state
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.kind import node_labels
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import make_folder
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.state.place import insist_on_no_state


class ActionModule(FleetAction):
    """Make, restart or remove the kind cluster of this host."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "engine": {"type": "str", "choices": ["auto", "podman", "docker"], "default": "auto"},
        "bin": {"type": "path", "default": ""},
        "image": {"type": "str", "default": ""},
        "remove_root": {"type": "bool", "default": False},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        args["bin"] = args["bin"] or str(self.artifacts_folder(task_vars) / "bin")
        fleet = self.fleet(task_vars)
        cluster = fleet.clusters[str(task_vars["inventory_hostname"])]
        directory = pathlib.Path(fleet.directory)
        kind = os.path.join(args["bin"], "kind")
        if args["state"] == "absent" and not args["remove_root"]:
            await insist_on_no_state(fleet, cluster)
        engine = await Engine.detect(args["engine"], pathlib.Path(args["bin"]).parent)
        local = KindFleet(fleet.name, directory, engine, kind)
        node = KindCluster(local, cluster.name)
        if args["state"] == "absent":
            action = await node.absent(dry_run=self.check_mode)
            done = _in_words(action, self.check_mode) if action == "removed" else "did not exist"
            return result([_change(cluster.name, action)], summary=f"{cluster.name} {done}")
        if engine.name == "podman" and not engine.machine.root:
            raise FleetError(
                "clusters on podman need root here",
                cluster=cluster.name,
                means="routes to pods and load balancer addresses are in the network namespace of the machine",
                next_step="run as root, or use docker (kind_cluster_engine: docker)",
            )
        network_created = False
        if not self.check_mode:
            make_folder(directory)
            mark_state(directory, fleet.name)
            # Hosts and fleets run side by side: only one at a time may look for a free range.
            with locked(host_record(args["bin"]).with_name("network.lock")):
                for line in adapt_host(host_record(args["bin"])):
                    self.say(f"  this machine: {line}")
                network_created = await local.ensure_network(fleet.engine_network)
        spec = Spec(
            cluster.name,
            cluster.pod_cidr,
            cluster.service_cidr,
            node_labels(cluster),
            args["image"],
        )
        if self.check_mode:
            action = await node.present(spec, dry_run=True, say=self.say)
        else:
            # A task of a killed run may still be creating the node. Without the lock this task would see a broken node
            # and remove it.
            with locked(directory / f".{cluster.name}.lock", busy=lambda: self.say(f"  {cluster.name}: {_BUSY}")):
                action = await node.present(spec, dry_run=False, say=self.say)
        changes = [_change(cluster.name, action)]
        if network_created:
            changes.append(Change(cluster.name, "Network", local.network_name, "created"))
        return result(changes, summary=f"{cluster.name} {_in_words(action, self.check_mode)}")


_BUSY = "another run is creating or removing it; waiting"


def _change(cluster: str, action: str) -> Change:
    return Change(cluster, "Cluster", cluster, action, after=f"kind cluster {cluster}\n" if action == "created" else "")


def _in_words(action: str, check_mode: bool) -> str:
    planned = {"created": "to be created", "changed": "to be started again", "removed": "to be removed"}
    done = {"created": "created and ready", "changed": "started again", "removed": "removed", "unchanged": "ready"}
    return planned.get(action, "ready") if check_mode else done[action]
