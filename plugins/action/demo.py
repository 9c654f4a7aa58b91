# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The walk-through of policies. Its documentation is in plugins/modules/demo.py."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.objects import NAMESPACE
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import SCENES
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.text import left, plan, removal, summary
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.apps.sources import read_program
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.interrupted import cancelled_by_signals
from ansible_collections.mesh.fleet.plugins.plugin_utils.demo.run import DemoRun, Options


class ActionModule(FleetAction):
    """Runs once for the fleet; ``failures`` has what failed, by cluster."""

    CHANGES_CLUSTERS = True
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "image": {"type": "str", "default": "docker.io/library/python:3.14-slim"},
        "program": {"type": "path", "required": True},
        "callers": {"type": "str", "default": ""},
        "scenes": {"type": "list", "elements": "str", "choices": list(SCENES), "default": list(SCENES)},
        "timeout": {"type": "int", "default": 120},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        play = [str(host) for host in task_vars["ansible_play_hosts"] if host in fleet.clusters]
        options = Options(
            program=read_program(args["program"]),
            image=args["image"],
            scenes=tuple(key for key in SCENES if key in args["scenes"]),
            timeout=args["timeout"],
        )
        if args["state"] == "absent":
            clusters = [fleet.clusters[name] for name in play]
            run = DemoRun(fleet, clusters, None, options, say=self.say)
            absent = {c.name for c in clusters if self.absent_ok(c, args)}
            await run.remove(dry_run=self.check_mode, absent_ok=absent)
            would = dict.fromkeys(change.cluster for change in run.changes) if self.check_mode else {}
            return result(
                run.changes,
                summary=removal(play, [name for name in would if name not in run.kept], run.kept, run.unclear or ()),
                errors=run.errors,
                with_diff=self.diff_mode,
                warnings=_kept(run.kept),
            )
        cast = cast_of(fleet, play, args["callers"])
        if self.check_mode:
            for line in plan(fleet.name, cast, options.scenes):
                self.say(line)
            return result(summary=f"would play {len(options.scenes)} scenes in {', '.join(cast.clusters)}", errors={})
        run = DemoRun(fleet, [fleet.clusters[name] for name in cast.clusters], cast, options, say=self.say)
        try:
            with cancelled_by_signals(lambda: self.say("  interrupted: removing what was made")):
                await run.run()
        except asyncio.CancelledError:
            raise FleetError(
                "the walk-through was interrupted",
                obj=f"Namespace {NAMESPACE}",
                seen=left(run.kept, run.unclear),
                next_step="run it again; it begins by removing what is left of an earlier one",
            ) from None
        return result(
            summary=summary([verdict for _scene, verdict in run.verdicts.values()], run.kept, run.unclear),
            errors=run.errors,
            warnings=_kept(run.kept),
            scenes=[
                {
                    "scene": key,
                    "ok": verdict.ok,
                    "done": scene.done if scene else "",
                    "expected": scene.expected if scene else "",
                    "policy": scene.policy if scene else {},
                    "measured": list(verdict.lines),
                    "figures": dict(verdict.figures),
                }
                for key, (scene, verdict) in run.verdicts.items()
            ],
        )


def _kept(kept: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    return [
        f"{name}: Namespace {NAMESPACE} stays, because others put {', '.join(found)} there; what was ours is gone"
        for name, found in kept.items()
    ]
