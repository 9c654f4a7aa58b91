# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a machine can hold the local clusters that are not there yet: arithmetic over facts."""

from __future__ import annotations

import dataclasses
import typing as t

from ..inventory.problems import Problem

__all__ = ["Capacity", "Needs", "check_capacity"]

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Capacity:
    """What a machine has left. None, or a missing key, is unknown and not checked."""

    memory: int | None = None
    """Bytes that processes can still allocate, within the limits of this machine or container."""
    disks: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Free bytes by folder."""
    nofile: int | None = None
    """Hard limit of open files of one process; -1 for none."""
    inotify_instances: int | None = None
    """Limit of this user's inotify instances."""
    inotify_used: int | None = None
    """inotify instances that this user has open."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What one more local cluster needs; 0 is not checked."""

    memory: int = 0
    """Bytes a cluster."""
    disks: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Bytes a folder, for all clusters together."""
    nofile: int = 0
    """Open files of one process."""
    inotify: int = 0
    """inotify instances a cluster."""


def check_capacity(has: Capacity, needs: Needs, planned: int, running: int = 0) -> list[Problem]:
    """What is too small for ``planned`` more clusters, while ``running`` ones use their share already."""
    if planned <= 0:
        return []
    beside = f" beside the {running} that run" if running else ""
    them = f"{planned} more cluster{'' if planned == 1 else 's'}{beside}"
    problems = []
    if has.memory is not None and has.memory < needs.memory * planned:
        room = int(has.memory // needs.memory)
        problems.append(
            Problem(
                "",
                "memory",
                _gib(has.memory),
                f"is free; {them} need {_gib(needs.memory * planned)}",
                f"free some, or make {room} of them" if room else "free some; there is room for none",
            )
        )
    for folder, wanted in needs.disks.items():
        free = has.disks.get(folder)
        if free is not None and free < wanted:
            problems.append(
                Problem("", "disk", _gib(free), f"is free in {folder}; {_gib(wanted)} are needed", "free some there")
            )
    if has.nofile is not None and 0 <= has.nofile < needs.nofile:
        problems.append(
            Problem(
                "",
                "open files",
                str(has.nofile),
                f"is the hard limit; containers need {needs.nofile}",
                "raise it: ulimit -Hn, or nofile in /etc/security/limits.conf",
            )
        )
    if has.inotify_instances is not None and has.inotify_used is not None:
        left = has.inotify_instances - has.inotify_used
        if left < needs.inotify * planned:
            problems.append(
                Problem(
                    "",
                    "inotify",
                    str(max(left, 0)),
                    f"of {has.inotify_instances} instances are left; {them} need {needs.inotify * planned}",
                    f"sysctl fs.inotify.max_user_instances={max(512, has.inotify_used + needs.inotify * planned)}",
                )
            )
    return problems


def _gib(count: int) -> str:
    return f"{count / _GIB:.1f} GiB"
