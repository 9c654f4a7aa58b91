# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that renders: its tasks record what they would apply, and the last one writes files of it.

Each task is a process. What it records is kept in Ansible's own folder of this run, a file for each cluster, where the
tasks after it find it. No secret is among it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import typing as t

from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import Object
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import (
    LeftOut,
    Recording,
    recording_as,
)
from ansible_collections.mesh.fleet.plugins.module_utils.files import write_file
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked

__all__ = ["STAGE", "Rendered", "RunRecords", "rendered_stage", "rendering"]

STAGE = "__render_stage"
"""The variable of a play that renders a stage: its name."""
_FILES = "_files"
"""No cluster has such a name."""


@dataclasses.dataclass
class Rendered:
    """What one stage would apply to one cluster."""

    objects: list[Object] = dataclasses.field(default_factory=list)
    left_out: list[LeftOut] = dataclasses.field(default_factory=list)


class RunRecords:
    """What the tasks of this run have recorded.

    Args:
        folder: where; by default a folder of this run of Ansible.
    """

    def __init__(self, folder: str = "") -> None:
        self._folder = folder or os.path.join(constants.DEFAULT_LOCAL_TMP, "mesh.fleet", "render")

    def of(self, cluster: str) -> dict[str, Rendered]:
        """By stage what was recorded for a cluster, in the order of the run."""
        try:
            with open(self._path(cluster), encoding="utf-8") as stream:
                stored = json.load(stream)
        except FileNotFoundError:
            return {}
        return {
            stage: Rendered(kept["objects"], [LeftOut(**left) for left in kept["left_out"]])
            for stage, kept in stored.items()
        }

    def objects(self, cluster: str) -> list[Object]:
        """All objects that were recorded for a cluster; of one that several stages apply, the last comes last."""
        return [obj for rendered in self.of(cluster).values() for obj in rendered.objects]

    def files(self) -> dict[str, dict[str, Object]]:
        """By folder and name, what was recorded for programs outside of the clusters."""
        try:
            with open(self._path(_FILES), encoding="utf-8") as stream:
                found: dict[str, dict[str, Object]] = json.load(stream)
        except FileNotFoundError:
            return {}
        return found

    def add(self, stage: str, record: Recording) -> None:
        """Keep what a task recorded for a stage, beside what other tasks of that stage did."""
        if record.files:
            path = self._path(_FILES)
            with locked(f"{path}.lock"):
                write_file(path, json.dumps({**self.files(), **record.files}), durable=False)
        names = {*record.objects, *(cluster for cluster, _obj in record.left_out)}
        for cluster in sorted(names):
            path = self._path(cluster)
            with locked(f"{path}.lock"):
                known = self.of(cluster)
                mine = known.setdefault(stage, Rendered())
                mine.objects += record.objects.get(cluster, {}).values()
                mine.left_out += [left for (name, _obj), left in record.left_out.items() if name == cluster]
                stored = {name: dataclasses.asdict(rendered) for name, rendered in known.items()}
                write_file(path, json.dumps(stored), durable=False)

    def _path(self, cluster: str) -> str:
        return os.path.join(self._folder, f"{cluster}.json")


def rendered_stage(task_vars: t.Mapping[str, t.Any]) -> str:
    """The stage that a task renders; "" for a task that does what it is for."""
    return str(task_vars.get(STAGE) or "")


@contextlib.contextmanager
def rendering(task_vars: t.Mapping[str, t.Any]) -> t.Iterator[None]:
    """Record what is applied in the block, if the task renders a stage; keep it when the block ends well."""
    stage = rendered_stage(task_vars)
    if not stage:
        yield
        return
    records = RunRecords()
    with recording_as(Recording(records.objects)) as record:
        yield
    records.add(stage, record)
