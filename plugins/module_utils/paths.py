# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where this machine keeps what is ours, by the XDG base directories."""

from __future__ import annotations

import os
import pathlib

__all__ = ["artifacts_dir", "cache_dir", "state_dir"]


def cache_dir() -> pathlib.Path:
    """What can be made again: ``$XDG_CACHE_HOME/mesh.fleet``, or ``~/.cache/mesh.fleet``."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "mesh.fleet"


def artifacts_dir() -> pathlib.Path:
    """Programs, charts and images that role artifacts made."""
    return cache_dir() / "artifacts"


def state_dir() -> pathlib.Path:
    """What must not be lost: ``$XDG_STATE_HOME/mesh.fleet``, or ``~/.local/state/mesh.fleet``."""
    return pathlib.Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")) / "mesh.fleet"
