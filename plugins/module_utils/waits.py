# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this process waits for, and since when: for who looks on while nothing else is said.

Whoever waits says so by :func:`waiting`. A task is a process of its own, so :func:`shown` writes what it waits for to a
file of the run, from which the output callback of another process reads it. Where no callback does, the tasks say it.
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
from .printable import printable

__all__ = ["FOLDER", "LONG", "Wait", "human_time", "read_by_a_callback", "read_waits", "shown", "waiting", "words"]

FOLDER = os.path.join("mesh.fleet", "waits")
"""Below Ansible's folder of the run."""
LONG = 10.0
"""Seconds from which on a wait is one that people notice."""
SILENCE = 60.0
"""Seconds between two lines of what tasks say themselves."""
_EVERY = 1.0
_MOST = 20
"""So many waits are shown of one process."""
_READ, _SAID = "read", "said"
"""Files of the folder: a callback reads the waits; when a task said them last."""


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
def shown(folder: str, ended: list[dict[str, t.Any]], say: t.Callable[[str], None] | None = None) -> t.Iterator[None]:
    """While the block runs, what this process waits for is in a file of ``folder``.

    Args:
        folder: made where it is missing.
        ended: gets the waits that took long, each as ``what``, ``seconds`` and ``seen``, when the block has ended.
        say: prints a line of what all processes of the run wait for, if no callback does.
    """
    path = os.path.join(folder, f"{os.getpid()}.json")
    over = threading.Event()
    thread = threading.Thread(target=_show, args=(path, over, say), name="waits", daemon=True)
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


def _show(path: str, over: threading.Event, say: t.Callable[[str], None] | None) -> None:
    written, folder = "", os.path.dirname(path)
    while not over.wait(_EVERY):
        now = list(_under_way.values())
        text = json.dumps([dataclasses.asdict(wait) for wait in sorted(now, key=lambda w: w.since)[:_MOST]])
        if text != written:
            with contextlib.suppress(FleetError):
                write_file(path, text, durable=False)
                written = text
        if say and any(time.time() - wait.since >= LONG for wait in now) and _is_our_turn(folder):
            say(f"  {words(folder)}")


def _is_our_turn(folder: str) -> bool:
    """Whether nobody has said for a while what the run waits for, and no callback does. Who asks is to say it."""
    if os.path.exists(os.path.join(folder, _READ)):
        return False
    said = os.path.join(folder, _SAID)
    with contextlib.suppress(OSError):
        if time.time() - os.path.getmtime(said) < SILENCE:
            return False
    with contextlib.suppress(FleetError):
        write_file(said, "", durable=False)
        return True
    return False


def read_by_a_callback(folder: str) -> None:
    """From now on a callback says what the run waits for, and tasks do not.

    Args:
        folder: as for :func:`shown`.
    """
    with contextlib.suppress(FleetError):
        write_file(os.path.join(folder, _READ), "", durable=False)


def words(folder: str) -> str:
    """The longest wait of a run, and how many more there are; "" if none is long enough to be noticed."""
    now = time.time()
    waits = [wait for wait in read_waits(folder) if now - wait.since >= LONG]
    if not waits:
        return ""
    first = waits[0]
    seen = f" ({first.seen})" if first.seen else ""
    more = f", and {len(waits) - 1} more" if len(waits) > 1 else ""
    text = f"waiting for {first.what}{seen} for {human_time(now - first.since)}{more}"
    return printable(" ".join(text.split("\n")))


def human_time(seconds: float) -> str:
    """A time that a person reads at a glance: ``0.4 s``, ``34 s``, ``6 min``, ``1 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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
