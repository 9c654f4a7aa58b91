# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Strategies of Ansible that do not know ``run_once``."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["insist_on_once"]

_FREE = ("free", "host_pinned")


def insist_on_once(task: t.Any, hosts: t.Sequence[str]) -> None:
    """Refuse a task that is to run once where Ansible runs it for each host, side by side.

    Args:
        task: Ansible's task.
        hosts: of the play.
    """
    if not task.run_once or len(hosts) < 2:
        return
    strategy = str(task.get_play().strategy)
    if strategy.rpartition(".")[2].endswith(_FREE):
        raise FleetError(
            "this task works on the whole fleet once, and would run for each of its hosts at the same time",
            seen=f"strategy: {strategy}",
            means="Ansible does not know run_once in this strategy",
            next_step="set strategy: linear in the play, as the playbooks of this collection do",
        )
