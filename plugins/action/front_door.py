# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One address in front of all clusters. See plugins/modules/front_door.py for the documentation."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.address import (
    address_url,
    release_address,
    reserve_address,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.front_door import Door, parse_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.gke_members import config_cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.google_door import is_ip
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.door_run import DoorRun
from ansible_collections.mesh.fleet.plugins.plugin_utils.google_fleet import GOOGLE_OPTIONS, GoogleFleetAction, Scope


class ActionModule(GoogleFleetAction):
    """Runs once for the fleet."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "default": "front-door"},
        "routes": {"type": "list", "elements": "dict", "default": []},
        "certificates": {"type": "list", "elements": "str", "default": []},
        "address": {"type": "str", "default": ""},
        "release_address": {"type": "bool", "default": False},
        "https_redirect": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 900},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        scope = self.scope(args, task_vars)
        door = parse_door(
            args["name"],
            args["routes"] if args["state"] == "present" else [],
            scope.fleet.clusters,
            certificates=args["certificates"],
            address=args["address"],
            https_redirect=args["https_redirect"],
        )
        elsewhere = sorted(set(scope.fleet.clusters) - set(scope.everybody)) if door.routes else []
        means = "clusters of this provider are served by another means, which is not built yet"
        not_served = {name: f"provider {scope.fleet.clusters[name].provider}: {means}" for name in elsewhere}
        if not scope.everybody:
            said = f"{', '.join(elsewhere)}: no front door there yet" if elsewhere else "no routes"
            return result(summary=said, address="", not_served=not_served, routes=[])
        for route in door.routes:
            strangers = sorted(set(route.clusters or ()) & set(elsewhere))
            if strangers:
                raise FleetError(
                    "a route names a cluster that no front door reaches yet",
                    cluster=strangers[0],
                    seen=f"{route.service}, provider {scope.fleet.clusters[strangers[0]].provider}",
                    means="on GKE a front door is multi-cluster ingress, which reaches GKE clusters",
                    next_step="leave the cluster out of that route",
                )
        home = scope.fleet.clusters[config_cluster(scope.fleet, scope.everybody)]
        changes: list[Change] = []
        ip, reference = await self._address(args, scope, door, changes)
        async with Kube.connect(home.connection, cluster=home.name, absent_ok=self.check_mode) as kube:
            run = DoorRun(scope.fleet, scope.everybody, kube, door, dry_run=self.check_mode, diff=self.diff_mode)
            changes += await run.place(reference)
            vip = ""
            if door.routes and args["wait"] and not self.check_mode:
                vip = await run.await_address(ip, float(args["timeout"]))
        if args["state"] == "absent" and args["address"] and args["release_address"] and not is_ip(args["address"]):
            changes += await asyncio.to_thread(
                release_address,
                self.google(args, scope),
                args["address"],
                scope.fleet.name,
                dry_run=self.check_mode,
                timeout=float(args["timeout"]),
            )
        routes = [
            {"host": r.host, "path": r.path, "service": r.service, "clusters": run.served[r.name]} for r in door.routes
        ]
        count = f"{len(routes)} route{'' if len(routes) == 1 else 's'}"
        said = f"{vip or ip or 'address to come'}: {count}" if routes else "no routes"
        return result(
            changes,
            summary=said,
            with_diff=self.diff_mode,
            address=vip or ip,
            routes=routes,
            not_served=not_served,
        )

    async def _address(
        self, args: dict[str, t.Any], scope: Scope, door: Door, changes: list[Change]
    ) -> tuple[str, str]:
        """The IP that is reserved, and how the objects name it."""
        if not door.routes or not door.address:
            return "", ""
        if is_ip(door.address):
            return door.address, door.address
        ip, change = await asyncio.to_thread(
            reserve_address,
            self.google(args, scope),
            door.address,
            scope.fleet.name,
            dry_run=self.check_mode,
            timeout=float(args["timeout"]),
        )
        changes.append(change)
        return ip, address_url(scope.project, door.address)
