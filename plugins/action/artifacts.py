# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action ``artifacts``; its documentation is in plugins/modules/artifacts.py."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import Wanted, default_directory, ensure
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.fleet_action import FleetAction


class ActionModule(FleetAction):
    """Bring the programs, charts and images that a fleet is made of."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        "source": {"type": "str", "choices": ["auto", "upstream", "registries"], "default": "auto"},
        "directory": {"type": "path", "default": ""},
        "engine": {"type": "str", "choices": ["auto", "podman", "docker"], "default": "auto"},
        "files": {"type": "path", "required": True},
        "versions": {"type": "dict", "required": True},
        "checksums": {"type": "dict", "default": {}},
        "downloads": {"type": "str", "default": ""},
        "charts": {"type": "str", "required": True},
        "hub": {"type": "str", "required": True},
        "node_image": {"type": "str", "required": True},
        "sample_image": {"type": "str", "required": True},
        "parts": {
            "type": "list",
            "elements": "str",
            "choices": ["tools", "charts", "node"],
            "default": ["tools", "charts"],
        },
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        wanted = Wanted(
            source=args["source"],
            directory=pathlib.Path(args["directory"]) if args["directory"] else default_directory(),
            engine=args["engine"],
            files=pathlib.Path(args["files"]),
            versions={k: str(v) for k, v in args["versions"].items()},
            checksums={k: str(v) for k, v in args["checksums"].items()},
            downloads=args["downloads"],
            charts=args["charts"],
            hub=args["hub"],
            node_image=args["node_image"],
            sample_image=args["sample_image"],
            parts=frozenset(args["parts"]),
        )
        found = await ensure(wanted, self.say, dry_run=self.check_mode)
        changes = [Change("", "Artifact", name, CREATED) for name in found.built]
        changes += [Change("", "Package", name, CREATED) for name in found.installed]
        summary = f"artifacts from {found.source}"
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
        return result(changes, summary=summary, with_diff=False, ansible_facts=facts)
