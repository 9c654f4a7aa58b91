# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what the stages of this run recorded to files. See plugins/modules/render.py for the documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import LeftOut
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rendering import RunRecords
from ansible_collections.mesh.fleet.plugins.plugin_utils.rendering.files import (
    STAGES,
    envoy_files,
    files_of,
    with_remedies,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.rendering.folder import clusters_in, update


class ActionModule(FleetAction):
    """Runs once for the fleet."""

    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "directory": {"type": "path", "default": "rendered"},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        folder, present = args["directory"], args["state"] == "present"
        if present:
            _refuse_tags(task_vars)
        play = [str(host) for host in task_vars["ansible_play_hosts"] if host in fleet.clusters]
        if present:
            _refuse_parts(fleet, play)
        records = RunRecords()
        rendered = {name: records.of(name) if present else {} for name in play}
        outside = {name: envoy_files(fleet.name, files) for name, files in (records.files() if present else {}).items()}
        gone = [name for name in clusters_in(folder, fleet.name) if name not in fleet.clusters and name not in outside]
        changes: list[Change] = []
        errors: dict[str, FleetError] = {}
        for name in [*play, *outside, *gone]:
            wanted = outside.get(name) or files_of(fleet.name, name, rendered.get(name) or {})
            try:
                changes += update(folder, fleet.name, name, wanted, dry_run=self.check_mode, diff=self.diff_mode)
            except FleetError as error:
                # Of a folder that is no cluster's, every cluster's run hears.
                errors.update(dict.fromkeys([name] if name in fleet.clusters else play, error))
        left = [
            (stage, one)
            for name in play
            for stage in STAGES
            if stage in rendered[name]
            for one in with_remedies(stage, rendered[name][stage].left_out)
        ]
        return result(
            changes,
            summary=_summary(folder, changes),
            with_diff=self.diff_mode,
            directory=folder,
            left_out=[
                {"cluster": one.cluster, "stage": stage, "object": one.object, "why": one.why, "instead": one.instead}
                for stage, one in left
            ],
            warnings=_warnings(left),
            errors=errors,
        )


def _refuse_tags(task_vars: t.Mapping[str, t.Any]) -> None:
    """Raise FleetError if tags leave out stages: an object of several stages is in the file of the first of them."""
    chosen = list(task_vars.get("ansible_run_tags") or ["all"])
    skipped = [tag for tag in task_vars.get("ansible_skip_tags") or () if tag in (*STAGES, "tagged")]
    if "all" not in chosen or skipped:
        raise FleetError(
            "tags leave out stages, and files are written of all stages together",
            seen=" ".join([f"--tags {','.join(chosen)}", *(f"--skip-tags {tag}" for tag in skipped)]),
            means="each object is in one file, that of the first stage which applies it",
            next_step="run it without tags, and apply the files that you want",
        )


def _refuse_parts(fleet: Fleet, play: t.Collection[str]) -> None:
    """Raise FleetError if a cluster was not rendered: what one holds may depend on the apps of another."""
    missing = [name for name in fleet.clusters if name not in play]
    if missing:
        raise FleetError(
            "files are written of all clusters together, and not every cluster was rendered",
            seen=f"without {', '.join(missing)}",
            means="--limit left it out, or it failed above; no file was changed",
            next_step="mend what failed, and run it without --limit",
        )


def _summary(folder: str, changes: t.Sequence[Change]) -> str:
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    said = ", ".join(f"{count} {action}" for action, count in counts.items() if action != UNCHANGED)
    return f"{len(changes)} files in {folder}: {said or 'nothing changed'}" if changes else "nothing to render"


def _warnings(left: t.Sequence[tuple[str, LeftOut]]) -> list[str]:
    """One for each object, whatever number of clusters has it."""
    clusters: dict[tuple[str, str, str, str], list[str]] = {}
    for stage, one in left:
        clusters.setdefault((stage, one.object, one.why, one.instead), []).append(one.cluster)
    return [
        f"{stage}: {obj} ({', '.join(names)}) is in no file: {why}; {instead}"
        for (stage, obj, why, instead), names in clusters.items()
    ]
