# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernel settings of this machine that kind nodes need: changed only where too low, and put back at the end."""

from __future__ import annotations

import contextlib
import json
import pathlib

from ...files import write_file

__all__ = ["adapt_host", "host_record", "restore_host"]

# kind's own list of known issues: every node's systemd, kubelet and kube-proxy take inotify instances of one user.
_SYSCTLS = {"fs/inotify/max_user_instances": 1024, "fs/inotify/max_user_watches": 524288}


def host_record(programs: str) -> pathlib.Path:
    """Where the machine's former settings are kept: beside the artifacts, which all fleets share."""
    return pathlib.Path(programs).parent / "host.json"


def adapt_host(record: pathlib.Path, root: pathlib.Path = pathlib.Path("/")) -> list[str]:
    """Raise limits that are too low and make /lib/modules, which kind mounts, where it is missing.

    Args:
        record: file that remembers what was there before.
        root: the machine's root folder.

    Returns:
        What was changed, in words. Without the right to change something it is left as it is.
    """
    before: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    changed = []
    for name, wanted in _SYSCTLS.items():
        path = root / "proc/sys" / name
        with contextlib.suppress(OSError, ValueError):
            value = path.read_text().strip()
            if int(value) < wanted:
                path.write_text(str(wanted))
                before.setdefault(str(path), value)
                changed.append(f"{name.replace('/', '.')} {value} → {wanted}")
    modules = root / "lib/modules"
    if not modules.is_dir():
        with contextlib.suppress(OSError):
            modules.mkdir(parents=True)
            before.setdefault(str(modules), "")
            changed.append("/lib/modules made")
    if changed:
        record.parent.mkdir(parents=True, exist_ok=True)
        write_file(record, json.dumps(before), mode=0o644)
    return changed


def restore_host(record: pathlib.Path) -> list[str]:
    """Put back what :func:`adapt_host` changed; the paths it restored."""
    if not record.exists():
        return []
    before: dict[str, str] = json.loads(record.read_text())
    for name, value in before.items():
        path = pathlib.Path(name)
        with contextlib.suppress(OSError):
            if value:
                path.write_text(value)
            else:
                # Only if it is still empty: whatever somebody put there meanwhile stays.
                path.rmdir()
    record.unlink()
    return list(before)
