# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run is at work on, for who waits: said while nothing else is said."""

from __future__ import annotations

import sys
import threading
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils.waits import LONG, human_time, words
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.status_line import StatusLine

__all__ = ["Progress", "write_lines_at_once"]

_TICK = 1.0
_HOSTS = 3
"""As many hosts are named; of more, their number is."""


def write_lines_at_once(stream: t.Any = None) -> None:
    """Let each line reach a pipe or file when it is printed: Python keeps back what fits into its buffer."""
    stream = stream or sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(line_buffering=True)


class Progress:
    """Says every so often what the run waits for.

    Args:
        say: prints a line.
        seconds: between two lines; 0 says nothing.
        waits: folder in which tasks say what they wait for; "" for none.
        status: where a terminal shows it in place, in seconds; None where lines are printed.
    """

    def __init__(
        self, say: t.Callable[[str], None], seconds: float, waits: str = "", status: StatusLine | None = None
    ) -> None:
        self._say, self._seconds, self._waits, self._status = say, seconds, waits, status
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._stage = self._task = ""
        self._began = self._heard = time.monotonic()
        self._once = False
        self._hosts: list[str] = []

    def start(self) -> None:
        """Begin to watch."""
        if self._seconds > 0 and self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Say nothing more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def heard(self) -> None:
        """Something was printed."""
        self._heard = time.monotonic()

    def task(self, stage: str, name: str, *, once: bool) -> None:
        """A task begins."""
        self._stage, self._task, self._once = stage, name, once
        self._began = time.monotonic()
        self._hosts = []

    def begun(self, host: str) -> None:
        """A host begins the task."""
        self._hosts = [*self._hosts, host]

    def done(self, host: str) -> None:
        """A host has ended it."""
        self._hosts = [name for name in self._hosts if name != host]

    def line(self) -> str:
        """What the run is at work on; "" if nothing is."""
        hosts = self._hosts
        if not hosts:
            return ""
        named = ", ".join(hosts) if len(hosts) <= _HOSTS else f"{len(hosts)} clusters"
        where = "" if self._once else f" ({named})"
        work = f"  {self._stage}: {self._task}{where}: at work for {human_time(time.monotonic() - self._began)}"
        waits = self._waited_for()
        return f"{work}; {waits}" if waits else work

    def _waited_for(self) -> str:
        """The waits of tasks; "" if none is long enough to be noticed."""
        return words(self._waits) if self._waits else ""

    def _watch(self) -> None:
        if self._status is not None:
            self._watch_in_place(self._status)
            return
        wait = self._seconds
        while not self._over.wait(wait):
            silent = time.monotonic() - self._heard
            wait = self._seconds - silent
            if wait > 0:
                continue
            wait = self._seconds
            text = self.line()
            if text:
                self._say(text)

    def _watch_in_place(self, status: StatusLine) -> None:
        """Show it from ten seconds of silence on, and how it goes each second."""
        while not self._over.wait(_TICK):
            waits = self._waited_for() if time.monotonic() - self._heard >= LONG and self._hosts else ""
            if waits:
                status.status(f"  {self._stage}: {waits}")
            elif time.monotonic() - self._heard >= self._seconds and (text := self.line()):
                # What is no task of ours, which may ask a question on this very line.
                self._say(text)
        status.clear()
