# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this machine has free: memory, disks, open files, inotify instances. Reads only."""

from __future__ import annotations

import os
import pathlib
import resource
import shutil
import typing as t

from ..._model.validation.capacity import Capacity

__all__ = ["capacity"]

_ROOT = pathlib.Path("/")


def capacity(folders: t.Iterable[str], root: pathlib.Path = _ROOT) -> Capacity:
    """The facts, as far as they can be read.

    Args:
        folders: folders whose file systems matter; one that does not exist yet is looked for in its parents.
        root: where /proc and /sys are.
    """
    instances = root / "proc/sys/fs/inotify/max_user_instances"
    return Capacity(
        memory=_memory(root),
        disks={folder: shutil.disk_usage(_existing(folder)).free for folder in folders},
        nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        # Who may raise the limit (kind_cluster does it) is not held up by it.
        inotify_instances=None if os.access(instances, os.W_OK) else _number(instances),
        inotify_used=_inotify_used(root / "proc"),
    )


def _existing(folder: str) -> pathlib.Path:
    path = pathlib.Path(folder).expanduser()
    return next((p for p in (path, *path.parents) if p.is_dir()), _ROOT)


def _number(path: pathlib.Path) -> int | None:
    try:
        return int(path.read_text().strip())
    except (OSError, ValueError):
        return None


def _memory(root: pathlib.Path) -> int | None:
    """The least of what the machine and the control group of this container leave."""
    found: list[int] = []
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _colon, rest = line.partition(":")
            if name == "MemAvailable":
                found.append(int(rest.split()[0]) * 1024)
    except (OSError, ValueError, IndexError):
        pass
    groups = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
    for limit_file, used_file in groups:
        folder = root / "sys/fs/cgroup"
        limit, used = _number(folder / limit_file), _number(folder / used_file)
        if limit is not None and used is not None and limit < 2**62:
            # Usage counts the page cache, most of which gives way: what is inactive is as good as free.
            found.append(max(0, limit - used + _inactive((folder / limit_file).parent / "memory.stat")))
    return min(found, default=None)


def _inactive(stat: pathlib.Path) -> int:
    try:
        pairs = dict(line.split()[:2] for line in stat.read_text().splitlines() if len(line.split()) > 1)
        return int(pairs.get("total_inactive_file", pairs.get("inactive_file", "0")))
    except (OSError, ValueError):
        return 0


def _inotify_used(proc: pathlib.Path) -> int | None:
    """Instances of this user. A process that ends meanwhile, or does not let itself be read, counts none."""
    mine = os.geteuid()
    count = 0
    try:
        processes = [entry for entry in os.scandir(proc) if entry.name.isdigit()]
    except OSError:
        return None
    for process in processes:
        try:
            if process.stat().st_uid != mine:
                continue
            links = [os.readlink(entry.path) for entry in os.scandir(os.path.join(process.path, "fd"))]
        except OSError:
            continue
        count += links.count("anon_inode:inotify")
    return count
