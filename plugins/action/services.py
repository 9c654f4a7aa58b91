# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exported services. See plugins/modules/services.py for the documentation."""

from __future__ import annotations

import asyncio
import glob
import os
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import parse_exports
from ansible_collections.mesh.fleet.plugins.module_utils.fast_yaml import LOADER
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset import ClustersetRun
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.exports import ExportRun


class ActionModule(FleetAction):
    """Runs once for the fleet; what fails is reported by cluster in ``failures``."""

    CHANGES_CLUSTERS = True
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "kinds": {"type": "path", "default": ""},
        "dns": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 600},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        first = next(iter(fleet.clusters.values()), None)
        leaves = args["state"] == "absent"
        given = first.variables.get("mesh_exports") if first and not leaves else []
        exports = parse_exports(given, fleet.clusters)
        play = [str(host) for host in task_vars["ansible_play_hosts"] if host in fleet.clusters]
        options: dict[str, t.Any] = {
            "dry_run": self.check_mode,
            "diff": self.diff_mode,
            "timeout": float(args["timeout"]) if args["wait"] else 0,
            "say": self.say,
        }
        ours = ClustersetRun(
            fleet,
            play,
            exports,
            _objects(args["kinds"]),
            confined=fleet.confined,
            dns=args["dns"],
            leaves=leaves,
            **options,
        )
        google = ExportRun(fleet, play, exports, **options)
        await asyncio.gather(ours.run(), google.run())
        sources = {e.service: sorted([*google.sources[e.service], *ours.sources[e.service]]) for e in exports}
        changes, imports = [*google.changes, *ours.changes], [*google.imports, *ours.imports]
        without = [f"{e.service}: no cluster of this run has that Service" for e in exports if not sources[e.service]]
        failures = {
            name: [*google.failures.get(name, []), *ours.failures.get(name, [])]
            for name in dict.fromkeys([*google.failures, *ours.failures])
        }
        done = sum(change.action != UNCHANGED for change in changes)
        said = [f"{len(exports)} service{'' if len(exports) == 1 else 's'}"] if exports else []
        said += [f"{done} object{'' if done == 1 else 's'} changed"] if done else []
        said += [f"{len(imports)} imported" if args["wait"] and not self.check_mode else ""] if imports else []
        return result(
            changes,
            summary=", ".join(part for part in said if part) or "nothing exported",
            with_diff=self.diff_mode,
            with_unchanged=False,
            exports=[{"service": e.service, "host": e.host, "from": sources[e.service]} for e in exports],
            imports=by_address(imports),
            warnings=[*google.warnings, *ours.warnings, *(without if not failures else [])],
            errors=failures,
        )


def by_address(imports: t.Iterable[t.Mapping[str, str]]) -> list[dict[str, t.Any]]:
    """Imports of one service that have the same address, and lack pods of the same clusters, as one entry.

    Ansible copies a result several times: of 1,000 services in 20 clusters one by one that takes a second.
    """
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for one in imports:
        found.setdefault(tuple((key, one[key]) for key in one if key != "cluster"), []).append(one["cluster"])
    return [{**dict(same), "clusters": clusters} for same, clusters in found.items()]


def _objects(folder: str) -> list[dict[str, t.Any]]:
    """The objects of a folder's YAML files, in the order of their names."""
    found: list[dict[str, t.Any]] = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.yaml"))) if folder else []:
        with open(path, encoding="utf-8") as file:
            found += [obj for obj in yaml.load_all(file, Loader=LOADER) if obj]
    return found
