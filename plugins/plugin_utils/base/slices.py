# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Slices of AWX, whose inventory has a part of the clusters."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.awx.slices import refusal, sliced_job
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["insist_on_whole_fleet"]


def insist_on_whole_fleet(task: t.Any, task_vars: t.Mapping[str, t.Any]) -> None:
    """Refuse a task that works on the whole fleet in a job that is a slice.

    Args:
        task: Ansible's task.
        task_vars: the task's variables.
    """
    template = sliced_job(task_vars)
    if not template:
        return
    action = str(task.action)
    reason = refusal(action)
    if reason:
        raise FleetError(
            f"{action.rpartition('.')[2]} must not run in a slice: {reason}",
            seen=f"a slice of the job template {template}: its inventory has a part of the clusters",
            next_step="set job_slice_count of this job template to 1; playbooks/control_plane.yml may have "
            "slices, and a limit may be used with all",
        )
