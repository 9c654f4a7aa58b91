# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A line at the end of a terminal that changes in place, and that gives way to whatever else is printed."""

from __future__ import annotations

import os
import shutil
import threading
import typing as t

__all__ = ["StatusLine", "changes_in_place"]

_ERASE = "\r\x1b[K"
"""To the first column, and the line to its end empty: ECMA-48, CR and EL."""


_RUNNER = "AWX_ISOLATED_DATA_DIR"
"""ansible-runner sets it for each job: it reads a terminal, and makes an event of a line when the line has ended."""


def changes_in_place(stream: t.Any) -> bool:
    """Whether a stream is a terminal that can do this, with a person before it."""
    if _RUNNER in os.environ:
        return False
    return bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM", "") not in ("", "dumb")


class StatusLine:
    """A stream as ``stream``: what is written takes the status away first.

    Several streams of one terminal share a status: each is made with the one before.
    """

    def __init__(self, stream: t.Any, other: StatusLine | None = None) -> None:
        self._stream = stream
        self._shared: dict[str, t.Any] = other._shared if other else {"on": None, "lock": threading.RLock()}
        if other is None:
            # A task's process begins as a copy of this one, and must not find the lock held by a thread it has not.
            lock = self._shared["lock"]
            os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what is no status."""
        with self._shared["lock"]:
            self.clear()
            return int(self._stream.write(text) or 0)

    def status(self, text: str) -> None:
        """Show ``text``, as much of it as fits, in place of an earlier status."""
        room = shutil.get_terminal_size().columns - 1
        with self._shared["lock"]:
            self.clear()
            self._stream.write(text if len(text) <= room else text[: room - 1] + "…")
            self._stream.flush()
            self._shared["on"] = self._stream

    def clear(self) -> None:
        """Take the status away."""
        with self._shared["lock"]:
            stream, self._shared["on"] = self._shared["on"], None
            if stream is not None:
                stream.write(_ERASE)
                stream.flush()
