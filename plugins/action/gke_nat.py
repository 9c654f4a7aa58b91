# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud NAT for private nodes. See plugins/modules/gke_nat.py for the documentation."""

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network_plan import plan_routers
from ansible_collections.mesh.fleet.plugins.module_utils._model.gke_wanted import marker
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.google_clusters import (
    GOOGLE_OPTIONS,
    GoogleClusterAction,
    Part,
)

Routers = dict[tuple[str, str], dict[str, t.Any]]


class ActionModule(GoogleClusterAction):
    """Runs once for the fleet: one router with NAT a network and region."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "timeout": {"type": "int", "default": 300},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet, parts = self.parts(args, task_vars)
        changes: list[Change] = []
        failed: dict[str, FleetError] = {}
        for part in parts:
            if not any(w.private_nodes for w in part.everybody):
                continue
            places = part.google.pages("compute", "routers.aggregatedList", "items", project=part.project)
            live = {(p.rsplit("/", 1)[-1], r["name"]): r for p, inner in places for r in inner.get("routers") or []}
            if args["state"] == "absent":
                changes += self._absent(part, live, marker(fleet), args["timeout"])
            else:
                changes += self._present(part, live, marker(fleet), args["timeout"])
        summary = (
            f"NAT: {len(changes)} router{'' if len(changes) == 1 else 's'} changed" if changes else "NAT: as wanted"
        )
        return self.told(changes, failed, parts, summary)

    def _present(self, part: Part, live: Routers, mark: str, timeout: float) -> list[Change]:
        changes, going = [], []
        for host, region, body in plan_routers(part.everybody, {w.host for w in part.play}, live, mark):
            changes.append(Change(host, "Router", body["name"], CREATED, region, after=yaml.safe_dump(body["nats"])))
            if not self.check_mode:
                where = {"project": part.project, "region": region, "cluster": host, "obj": f"Router {body['name']}"}
                going.append((host, part.google.call("compute", "routers.insert", body=body, **where)))
        for host, operation in going:
            part.google.wait("compute", operation, timeout, cluster=host, obj="Router")
        return changes

    def _absent(self, part: Part, live: Routers, mark: str, timeout: float) -> list[Change]:
        """Ours, in regions where no cluster of the fleet stays."""
        play = {w.host for w in part.play}
        staying = {(w.region, w.network) for w in part.everybody if w.host not in play}
        leaving = {(w.region, w.network) for w in part.play} - staying
        changes, going = [], []
        for (region, name), router in live.items():
            network = str(router.get("network", "")).rsplit("/", 1)[-1]
            if router.get("description") != mark or (region, network) not in leaving:
                continue
            changes.append(Change("", "Router", name, REMOVED, region))
            if not self.check_mode:
                where = {"project": part.project, "region": region, "obj": f"Router {name}"}
                going.append(part.google.call("compute", "routers.delete", router=name, **where))
        for operation in going:
            part.google.wait("compute", operation, timeout, obj="Router")
        return changes
