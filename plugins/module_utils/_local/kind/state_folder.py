# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state folder of a local fleet: marked when it is new, and removed only with that mark, without the root's key.

A folder of that name may be another fleet's: an inventory whose group_vars were not loaded describes a local fleet too.
"""

from __future__ import annotations

import json
import pathlib
import shutil

from ...files import write_file

__all__ = ["mark_state", "remove_state"]

_MARK = ".local-fleet.json"
_KEYS = ("trust", "vault-password")
"""The root's folder, and the password that its key is encrypted with."""
_OF_OTHERS = (*_KEYS, "google")
"""A folder that holds these before a local cluster is made has served another fleet."""


def mark_state(folder: pathlib.Path, fleet: str) -> None:
    """Record that a state folder, which exists, is this local fleet's; one that has served another stays as it is.

    Raises FleetError: it cannot be written.
    """
    if not (folder / _MARK).exists() and not any((folder / name).exists() for name in _OF_OTHERS):
        write_file(folder / _MARK, json.dumps({"fleet": fleet}) + "\n")


def remove_state(folder: pathlib.Path, fleet: str, *, with_root: bool) -> tuple[bool, str]:
    """Remove what is in the folder if it is this local fleet's.

    Args:
        folder: the fleet's state folder; it may be missing.
        fleet: the fleet's name.
        with_root: whether the root's folder and the password of its key go too.

    Returns:
        Whether anything was removed, and what stays and why ("" if nothing does).
    """
    if not folder.is_dir():
        return False, ""
    if folder.is_symlink() or _marked_for(folder) != fleet:
        return (
            False,
            f"{folder} stays: it is not known to be a folder of the local fleet {fleet}; look at it, and remove it",
        )
    kept = [name for name in _KEYS if (folder / name).exists()] if not with_root else []
    gone = [path for path in sorted(folder.iterdir()) if path.name not in (*kept, _MARK)]
    for path in gone:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if kept:
        return bool(
            gone
        ), f"{folder / kept[0]} stays: the fleet's root is in it; -e trust_remove_root=true removes it too"
    shutil.rmtree(folder, ignore_errors=True)
    return True, ""


def _marked_for(folder: pathlib.Path) -> str:
    """The fleet that the mark names; "" where there is none."""
    try:
        mark = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(mark.get("fleet") or "") if isinstance(mark, dict) else ""
