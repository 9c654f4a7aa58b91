# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run is at work on, for who waits: said while nothing else is said."""

from __future__ import annotations

import sys
import threading
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.stage_text import human_time

__all__ = ["Progress", "write_lines_at_once"]

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
    """

    def __init__(self, say: t.Callable[[str], None], seconds: float) -> None:
        self._say, self._seconds = say, seconds
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
        return f"  {self._stage}: {self._task}{where}: at work for {human_time(time.monotonic() - self._began)}"

    def _watch(self) -> None:
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
