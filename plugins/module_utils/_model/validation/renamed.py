# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables that have another name now: one that is still set would be ignored in silence."""

from __future__ import annotations

import typing as t

from ..inventory.problems import Problem
from ..providers.base import Hosts

__all__ = ["RENAMED", "check"]

RENAMED: t.Mapping[str, str] = {"control_plane_take_over": "mesh_take_over"}
"""By its former name, the name of a variable."""


def check(hosts: Hosts) -> list[Problem]:
    """A problem for each variable that a host sets by its former name."""
    return [
        Problem(
            host, former, "", "has another name now", f"write {name}, with the same value; it applies to every role"
        )
        for host, variables in hosts.items()
        for former, name in RENAMED.items()
        if former in variables
    ]
