# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a folder ends with a container or at the next boot, by the mounts of this machine."""

from __future__ import annotations

import os
import pathlib
import re

__all__ = ["ephemeral", "grants_that_end", "why_ephemeral"]

_IN_MEMORY = {"tmpfs", "ramfs"}
_OF_CONTAINERS = {"overlay", "aufs"}
_MARKS = ("/.dockerenv", "/run/.containerenv")
"""Files by which Docker and Podman mark what runs in them; Kubernetes sets a variable."""


def ephemeral(folder: str) -> str:
    """Why a folder will not last, in words; "" when it will, or when this machine does not say."""
    try:
        mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux
        return ""
    inside = any(os.path.exists(mark) for mark in _MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ
    return why_ephemeral(os.path.realpath(folder), mounts, in_container=inside)


def grants_that_end(directory: str, why: str) -> str:
    """A warning where the record of roles that were granted in Google Cloud ends with this disk; "" where it does not.

    Args:
        directory: the fleet's folder.
        why: why it will not last, as :func:`ephemeral` says it.
    """
    records = sorted(str(path) for path in pathlib.Path(directory, "google").glob("*grants.json"))
    if not why or not records:
        return ""
    return (
        f"the record of roles that were granted in Google Cloud is on this disk only ({', '.join(records)}), which "
        f"will not last: {why}. A run elsewhere does not know which ones to revoke: copy the record to a place that "
        "lasts, or mount a volume for XDG_STATE_HOME"
    )


def why_ephemeral(folder: str, mounts: str, *, in_container: bool) -> str:
    """The same from data.

    Args:
        folder: absolute and without symbolic links; it need not be there.
        mounts: the text of ``/proc/self/mountinfo``.
        in_container: whether this process is in a container.
    """
    place, root, kind = "", "", ""
    for line in mounts.splitlines():
        fields, _separator, rest = line.partition(" - ")
        described, names = fields.split(), rest.split()
        if len(described) < 5 or not names:
            continue
        point = _unescaped(described[4])
        # The last line of a place is the mount that is seen there.
        if (folder == point or folder.startswith(point.rstrip("/") + "/")) and len(point) >= len(place):
            place, root, kind = point, _unescaped(described[3]), names[0]
    if kind in _IN_MEMORY:
        return f"{place} is in memory ({kind})"
    if "kubernetes.io~empty-dir" in root:
        return f"{place} is an emptyDir, which ends with its pod"
    if kind in _OF_CONTAINERS or (in_container and place == "/"):
        return f"{place} is the file system of a container ({kind}), which ends with it"
    return ""


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)
