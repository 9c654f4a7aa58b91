# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of rendered files: written where they differ, removed where nothing is rendered any more."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.masking import scrub
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import remove_file, write_file
from ansible_collections.mesh.fleet.plugins.module_utils.results import (
    CHANGED,
    CREATED,
    REMOVED,
    UNCHANGED,
    Change,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.rendering.files import is_file_name, is_marked, mark_of

__all__ = ["clusters_in", "update"]

_MODE = 0o644
"""They hold no secret, and other programs read them."""


def clusters_in(folder: str, fleet: str) -> list[str]:
    """The clusters of which there are files that were rendered for a fleet."""
    return [name for name in _names(folder) if _ours(os.path.join(folder, name), fleet)]


def update(
    folder: str, fleet: str, cluster: str, wanted: t.Mapping[str, str], *, dry_run: bool, diff: bool
) -> list[Change]:
    """Bring the files of a fleet's cluster to ``wanted``, a text by name.

    Raises FleetError for a file of somebody else, such as another fleet, that is in the way, and where nothing can be
    written.
    """
    there = os.path.join(folder, cluster)
    held = _ours(there, fleet)
    foreign = sorted(name for name in wanted if name not in held and os.path.lexists(os.path.join(there, name)))
    if foreign:
        raise FleetError(
            "a file is in the way that render did not write for this fleet",
            cluster=cluster,
            obj=os.path.join(there, foreign[0]),
            seen=f"its first line does not say: {mark_of(fleet)}",
            means="it is somebody's own, or of another fleet that has a cluster of this name",
            next_step="move it, or set render_dir to another folder: one for each fleet",
        )
    changes = []
    for name in sorted({*wanted, *held}):
        before, after = held.get(name), wanted.get(name)
        action = UNCHANGED if before == after else CREATED if before is None else REMOVED if after is None else CHANGED
        shown = {"before": scrub(before or ""), "after": scrub(after or "")} if diff and action != UNCHANGED else {}
        changes.append(Change(cluster, "File", f"{cluster}/{name}", action, **shown))
        path = os.path.join(there, name)
        if dry_run or action == UNCHANGED:
            continue
        if after is None:
            remove_file(path)
        else:
            write_file(path, after, mode=_MODE)
    if not wanted and not dry_run:
        with contextlib.suppress(OSError):  # it is not there, or holds files of others
            os.rmdir(there)
    return changes


def _ours(folder: str, fleet: str) -> dict[str, str]:
    """By name, the text of each file in a folder that was rendered for a fleet."""
    found = {}
    for name in _names(folder):
        path = os.path.join(folder, name)
        if is_file_name(name) and os.path.isfile(path) and not os.path.islink(path):
            with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8", newline="") as stream:
                text = stream.read()
                if is_marked(text, fleet):
                    found[name] = text
    return found


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
