# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions of a run did, written down as each ends: a report is made of it, also of a run that failed half-way.

One file for each run, ``<fleet's folder>/runs/<run>.jsonl``, with one line of JSON for each result. Tasks are processes
of their own, so each appends its line by itself. A run goes on if its record cannot be written.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import typing as t

from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import make_folder
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED

__all__ = ["FOLDER", "last_run", "record", "remove_runs", "this_run"]

FOLDER = "runs"
KEPT = 5
"""So many runs are kept."""
_OBJECTS = 100
"""So many changed objects of a result are named; of more, their number is known."""


def this_run() -> str:
    """The name of this run: Ansible's folder for it, which all its processes share."""
    return os.path.basename(str(constants.DEFAULT_LOCAL_TMP))


def record(directory: str, stage: str, host: str, seconds: float, result: t.Mapping[str, t.Any]) -> None:
    """Append what a result says of the run.

    Args:
        directory: the fleet's folder.
        stage: the action.
        host: whose result; "" when it is the fleet's.
        seconds: how long the task took.
        result: of an action, in words that may be shown: secrets are in none.
    """
    touched = [one for one in result.get("objects") or () if one.get("action") != UNCHANGED]
    problems = result.get("problems") or {}
    if result.get("failed") and not problems:
        problems = {host: [{"what": str(result.get("msg") or "failed"), "cluster": host}]}
    line = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "stage": stage,
        "host": host,
        "seconds": round(seconds, 1),
        "line": str(result.get("stage_line") or ""),
        "failed": bool(result.get("failed")),
        "failures": sorted(result.get("failures") or ()),
        "missing": dict(result.get("missing") or {}),
        "changed": len(touched),
        "objects": [{key: one.get(key, "") for key in _KEYS} for one in touched[:_OBJECTS]],
        "problems": problems,
    }
    with contextlib.suppress(OSError, FleetError):
        folder = os.path.join(directory, FOLDER)
        path = os.path.join(folder, f"{this_run()}.jsonl")
        if not os.path.exists(path):
            make_folder(folder)
            _forget(folder)
        with locked(os.path.join(folder, _LOCK)):
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")


_LOCK = "lock"
_KEYS = ("cluster", "kind", "namespace", "name", "action")


def last_run(directory: str) -> list[dict[str, t.Any]]:
    """The lines of this run if it wrote any, else of the latest one; empty when there is none."""
    folder = os.path.join(directory, FOLDER)
    own = os.path.join(folder, f"{this_run()}.jsonl")
    for path in [own, *reversed(_files(folder))]:
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as stream:
            lines = [found for text in stream if (found := _decoded(text))]
            if lines:
                return lines
    return []


def _decoded(text: str) -> dict[str, t.Any] | None:
    """A line; None for one that a run which was killed left half-written."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"stage", "problems", "time"} <= set(found) else None


def _files(folder: str) -> list[str]:
    """The files of runs, the latest last."""
    with contextlib.suppress(OSError):
        found = [entry for entry in os.scandir(folder) if entry.name.endswith(".jsonl")]
        return [entry.path for entry in sorted(found, key=lambda entry: entry.stat().st_mtime)]
    return []


def _forget(folder: str) -> None:
    for path in _files(folder)[: -(KEPT - 1)]:
        with contextlib.suppress(OSError):
            os.unlink(path)


def remove_runs(directory: str) -> None:
    """Remove the records of all runs."""
    folder = os.path.join(directory, FOLDER)
    for path in [*_files(folder), os.path.join(folder, _LOCK)]:
        with contextlib.suppress(OSError):
            os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
