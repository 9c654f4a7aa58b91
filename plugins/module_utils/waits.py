# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this process waits for, and since when: for who looks on while nothing else is said.

Whoever waits says so by :func:`waiting`. A task is a process of its own, so :func:`shown` writes what it waits for to a
file of the run, from which the output callback of another process reads it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
import time
import typing as t

from .errors import FleetError
from .files import write_file

__all__ = ["FOLDER", "LONG", "Wait", "read_waits", "shown", "waiting"]

FOLDER = os.path.join("mesh.fleet", "waits")
"""Below Ansible's folder of the run."""
LONG = 10.0
"""Seconds from which on a wait is one that people notice."""
_EVERY = 1.0
_MOST = 20
"""So many waits are shown of one process."""


@dataclasses.dataclass
class Wait:
    """One thing that is waited for."""

    what: str
    since: float
    """Seconds since the epoch."""
    seen: str = ""
    """How it was when it was last looked at."""


_under_way: dict[int, Wait] = {}
_long: list[dict[str, t.Any]] = []


@contextlib.contextmanager
def waiting(what: str) -> t.Iterator[Wait]:
    """While the block runs, this process waits for ``what``; the block says in ``seen`` how it is.

    Args:
        what: in words that may be shown, its cluster first.
    """
    wait = Wait(what, time.time())
    _under_way[id(wait)] = wait
    try:
        yield wait
    finally:
        del _under_way[id(wait)]
        seconds = time.time() - wait.since
        if seconds >= LONG:
            _long.append({"what": what, "seconds": round(seconds, 1), "seen": wait.seen})


@contextlib.contextmanager
def shown(folder: str, ended: list[dict[str, t.Any]]) -> t.Iterator[None]:
    """While the block runs, what this process waits for is in a file of ``folder``.

    Args:
        folder: made where it is missing.
        ended: gets the waits that took long, each as ``what``, ``seconds`` and ``seen``, when the block has ended.
    """
    path = os.path.join(folder, f"{os.getpid()}.json")
    over = threading.Event()
    thread = threading.Thread(target=_show, args=(path, over), name="waits", daemon=True)
    _long.clear()
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with contextlib.suppress(OSError):
            os.unlink(path)
        ended += _long


def _show(path: str, over: threading.Event) -> None:
    written = ""
    while not over.wait(_EVERY):
        now = list(_under_way.values())
        text = json.dumps([dataclasses.asdict(wait) for wait in sorted(now, key=lambda w: w.since)[:_MOST]])
        if text != written:
            with contextlib.suppress(FleetError):
                write_file(path, text, durable=False)
                written = text


def read_waits(folder: str) -> list[Wait]:
    """What all processes of a run wait for, the longest wait first."""
    found: list[Wait] = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if not entry.name.endswith(".json"):
                continue
            with contextlib.suppress(OSError, ValueError, TypeError), open(entry.path, encoding="utf-8") as stream:
                found += [Wait(**one) for one in json.load(stream)]
    return sorted(found, key=lambda wait: wait.since)
