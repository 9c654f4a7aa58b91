# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Helm releases of one cluster, brought to their wanted state; unchanged ones cost milliseconds."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import Release
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import chart_at
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.action import HelmAction

_RELEASE = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "chart": {"type": "str", "default": ""},
    "version": {"type": "str", "default": ""},
    "repo": {"type": "str", "default": ""},
    "values": {"type": "dict", "default": {}},
}


class ActionModule(HelmAction):
    """See ``plugins/modules/helm_release.py`` for the documentation."""

    CHANGES_CLUSTERS = True
    PROGRAMS: t.ClassVar[tuple[str, ...]] = ("helm",)
    ARGUMENT_SPEC = {
        "releases": {"type": "list", "elements": "dict", "required": True, "options": _RELEASE},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "cluster": {"type": "str", "default": ""},
        "helm": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 180},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        name = args["cluster"] or str(task_vars["inventory_hostname"])
        cluster = fleet.clusters.get(name)
        if cluster is None:
            raise FleetError(
                "no such cluster in this fleet", seen=name, next_step=f"choose from {', '.join(fleet.clusters)}"
            )
        wanted = [Release(**release) for release in args["releases"]]
        wanted = [dataclasses.replace(r, chart=chart_at(r.chart, r.repo, self.folder(task_vars))) for r in wanted]
        present = args["state"] == "present"
        for release in wanted:
            if present and not release.chart:
                raise FleetError("no chart is given", cluster=name, obj=f"release {release.name}", next_step="name one")
        async with Kube.connect(
            cluster.connection, cluster=name, absent_ok=self.check_mode, take_over=cluster.take_over
        ) as kube:
            changes = await self.releases(
                kube, cluster, wanted, task_vars, present=present, helm=args["helm"], seconds=args["timeout"]
            )
        touched = sum(change.action != UNCHANGED for change in changes)
        return result(changes, summary=f"{name} {touched} of {len(changes)} releases changed")
