# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the ``stages`` callback leaves to Ansible's default one: everything that is printed only with ``-v``."""

from __future__ import annotations

import typing as t

from ansible.plugins.callback.default import CallbackModule as DefaultCallback

__all__ = ["VerboseCallback", "is_reported_by_rescue", "is_rescued"]

_FAIL = ("fail", "ansible.builtin.fail", "ansible.legacy.fail")


class VerboseCallback(DefaultCallback):
    """Ansible's default callback, silent below ``-v``."""

    @property
    def _loud(self) -> bool:
        return bool(self._display.verbosity > 0)

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        if self._loud:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        if self._loud:
            super().v2_playbook_on_handler_task_start(task)

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        if self._loud:
            super().v2_playbook_on_include(included_file)

    def v2_runner_on_async_poll(self, result: t.Any) -> None:
        if self._loud:
            super().v2_runner_on_async_poll(result)

    def v2_runner_on_async_ok(self, result: t.Any) -> None:
        if self._loud:
            super().v2_runner_on_async_ok(result)

    def v2_runner_on_async_failed(self, result: t.Any) -> None:
        if self._loud:
            super().v2_runner_on_async_failed(result)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if self._loud:
            super().v2_playbook_on_no_hosts_remaining()


def is_rescued(task: t.Any) -> bool:
    """Whether a ``rescue`` handles the task's failure."""
    return bool(_rescue(task))


def is_reported_by_rescue(task: t.Any) -> bool:
    """Whether the ``rescue`` of the task always fails itself: then its message replaces that of the task."""
    rescue = _rescue(task)
    return bool(rescue) and getattr(rescue[0], "action", "") in _FAIL and not rescue[0].when


def _rescue(task: t.Any) -> list[t.Any]:
    """Tasks of the nearest ``rescue`` whose ``block`` holds the task; none if there is none."""
    child, parent = task, getattr(task, "_parent", None)
    while parent is not None:
        in_body = any(getattr(entry, "_uuid", None) == child._uuid for entry in getattr(parent, "block", None) or [])
        if getattr(parent, "rescue", None) and in_body:
            return list(parent.rescue)
        child, parent = parent, getattr(parent, "_parent", None)
    return []
