# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks of one run tell each other, so that Google is asked once: private files (0600) of this machine.

Every task is a process. What one has read, a later one takes from here and not from facts, which are shown and kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import typing as t
from pathlib import Path

from ...errors import FleetError
from ...files import write_file
from ...locks import locked
from ...paths import cache_dir

__all__ = ["run_memory"]

_OLD_SECONDS = 3600.0
"""A file that did not change for so long is of an earlier run, and its token has expired."""
_ENVIRONMENT = ("GCP_", "GOOGLE_", "MESH_FLEET_GOOGLE_")


@contextlib.contextmanager
def run_memory(about: t.Mapping[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    """What this run knows of something, locked against its other tasks, and stored when the block ends.

    Where no file can be written it is empty, and each task sends its own requests.

    Args:
        about: what it is of; the environment's credentials count besides.
    """
    environment = {k: v for k, v in os.environ.items() if k.startswith(_ENVIRONMENT)}
    key = hashlib.sha256(json.dumps([_run(), dict(about), environment], sort_keys=True).encode()).hexdigest()[:32]
    folder = cache_dir() / "google"
    path = folder / f"{key}.json"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder / f"{key}.lock"))
        except FleetError:
            yield {}
            return
        known = _read(path)
        before = json.dumps(known)
        try:
            yield known
        finally:
            if json.dumps(known) != before:
                _write(path, known)


def _read(path: Path) -> dict[str, t.Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _write(path: Path, known: t.Mapping[str, t.Any]) -> None:
    with contextlib.suppress(FleetError, OSError):
        write_file(path, json.dumps(known))
        for old in path.parent.iterdir():
            if time.time() - old.stat().st_mtime > _OLD_SECONDS:
                old.unlink(missing_ok=True)


def _run() -> str:
    """What identifies the run of this task: tasks are children of one ansible-playbook."""
    parent = os.getppid()
    try:
        # Field 22, after the name in brackets: when it started. A process ID alone is used again.
        began = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        began = ""
    return f"{parent} {began}"
