# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action ``artifacts``; its documentation is in plugins/modules/artifacts.py."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.artifacts import ArtifactOptions, ensure
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.removal import remove
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import headline, table
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, REMOVED, Change, failed_result, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import (
    folder_of_host,
    located,
    located_program,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.brought import Brought, check_tools

_OWN_HELM = (_FIRST_HELM := "control_plane_helm", "gateways_helm", "apps_helm")
_OWN_CHARTS = (_FIRST_CHARTS := "control_plane_charts", "gateways_charts")
"""Variables of a Helm and of charts of the user's own; the first counts where the others say nothing."""
_NEEDED = ("files", "versions", "charts", "hub", "node_image", "sample_image")


class ActionModule(FleetAction):
    """Download, build, look for, or remove the programs, charts and images of a fleet."""

    PATHS: t.ClassVar[tuple[str, ...]] = ("charts",)
    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        "state": {"type": "str", "choices": ["present", "absent", "checked"], "default": "present"},
        "source": {"type": "str", "choices": ["auto", "upstream", "registries"], "default": "auto"},
        "directory": {"type": "path", "default": ""},
        "engine": {"type": "str", "choices": ["auto", "podman", "docker"], "default": "auto"},
        "files": {"type": "path", "default": ""},
        "versions": {"type": "dict", "default": {}},
        "istio": {"type": "str", "default": ""},
        "checksums": {"type": "dict", "default": {}},
        "downloads": {"type": "str", "default": ""},
        "charts": {"type": "str", "default": ""},
        "hub": {"type": "str", "default": ""},
        "node_image": {"type": "str", "default": ""},
        "sample_image": {"type": "str", "default": ""},
        "group": {"type": "str", "default": "mesh_clusters"},
        "parts": {
            "type": "list",
            "elements": "str",
            "choices": ["helm", "tools", "charts", "node"],
            "default": ["tools", "charts"],
        },
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        directory = pathlib.Path(args["directory"]) if args["directory"] else artifacts_dir()
        if args["state"] == "absent":
            images, files = await remove(directory, args["engine"], dry_run=self.check_mode)
            gone = [Change("", "Image", name, REMOVED) for name in images]
            gone += [Change("", "File", str(directory / name), REMOVED) for name in files]
            done = "artifacts to be removed" if self.check_mode else "artifacts removed"
            return result(gone, summary=done if gone else "no artifacts are there")
        lacking = [name for name in _NEEDED if not args[name]]
        if lacking:
            raise FleetError(
                f"state present needs {', '.join(lacking)}", next_step="use the role artifacts, which sets all of them"
            )
        options = ArtifactOptions(
            source=args["source"],
            directory=directory,
            engine=args["engine"],
            files=pathlib.Path(args["files"]),
            versions={k: str(v) for k, v in args["versions"].items()},
            checksums={k: str(v) for k, v in args["checksums"].items()},
            downloads=args["downloads"],
            charts=args["charts"].strip(),
            hub=args["hub"],
            node_image=args["node_image"],
            sample_image=args["sample_image"],
            parts=frozenset(args["parts"]),
            istio=args["istio"],
            helm=_helm_of(task_vars),
        )
        if args["state"] == "checked":
            return await self._checked(options, args["group"], task_vars)
        found = await ensure(options, self.say, dry_run=self.check_mode)
        changes = [Change("", "Artifact", name, CREATED) for name in found.built]
        changes += [Change("", "Package", name, CREATED) for name in found.installed]
        summary = f"artifacts from {found.source}" if found.source else "nothing to bring: artifacts_parts is empty"
        if changes:
            summary += f" ({found.why}), {len(changes)} {'to build' if self.check_mode else 'built'}"
        facts = {
            "artifacts_bin": found.bin,
            "artifacts_charts_dir": found.charts,
            "artifacts_node_image": found.node_image,
            "artifacts_istio_hub": found.hub,
            "artifacts_istio_tag": found.tag,
            "artifacts_python_image": found.sample_image,
            "artifacts_engine_found": found.engine,
            "artifacts_source_found": found.source,
        }
        # What was not asked for is the user's own, or of an earlier run.
        facts = {name: value for name, value in facts.items() if value}
        return result(changes, summary=summary, with_diff=False, ansible_facts=facts)

    async def _checked(self, made: ArtifactOptions, group: str, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Whether the play's clusters find Helm and charts; all that lacks is one message."""
        fleet = self.fleet(task_vars, group)
        play = [str(host) for host in task_vars["ansible_play_hosts"]]
        clusters = [fleet.clusters[host] for host in play if host in fleet.clusters]
        needed = ["base", "istiod"] if any(not control_plane_of(fleet, c).skip_reason for c in clusters) else []
        needed += ["cni"] if any(c.cni for c in clusters) else []
        given = {host: _given(task_vars["hostvars"], host) for host in play}
        charts = {
            (name, one[name]) for one in given.values() for name in _OWN_CHARTS if one[name] or name == _FIRST_CHARTS
        }
        brought = Brought(
            helm=frozenset(
                (name, one[name]) for one in given.values() for name in _OWN_HELM if one[name] or name == _FIRST_HELM
            ),
            charts=frozenset(charts),
            needed={_FIRST_CHARTS: [*needed, "gateway"], "gateways_charts": ["gateway"]},
            version=fleet.istio_version,
        )
        problems = await check_tools(brought, made, task_vars)
        if not problems:
            return result()
        errors = {"": [problem.as_error() for problem in problems]}
        return failed_result(errors, msg=table(problems), stage_line=headline(problems))


def _helm_of(task_vars: t.Mapping[str, t.Any]) -> str:
    """The first Helm that a host of the play names and that is there."""
    hostvars = task_vars["hostvars"]
    for host in map(str, task_vars["ansible_play_hosts"]):
        if _FIRST_HELM in hostvars.raw_get(host):
            path = located_program(str(hostvars[host][_FIRST_HELM] or ""), folder_of_host(hostvars, host))
            if path and (found := shutil.which(path)):
                return found
    return ""


def _given(hostvars: t.Any, host: str) -> dict[str, str]:
    """What a host says of a Helm and charts of its own, with absolute paths; only what is set is templated."""
    raw, folder = hostvars.raw_get(host), folder_of_host(hostvars, host)
    said = {name: str(hostvars[host][name] or "") if name in raw else "" for name in (*_OWN_HELM, *_OWN_CHARTS)}
    return {
        name: located_program(value, folder) if name in _OWN_HELM else located(value, folder)
        for name, value in said.items()
    }
