# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking again until something is so. Google's APIs have no watch: this is the one place that waits between looks."""

from __future__ import annotations

import time
import typing as t

__all__ = ["LONGEST", "PollTimeout", "poll_until"]

FIRST, LONGEST = 1.0, 10.0
"""Seconds between two looks: at first, and at most."""

_Seen = t.TypeVar("_Seen")


class PollTimeout(Exception):
    """It was not so in time. The caller knows what that means to its user."""


def poll_until(
    look: t.Callable[[], tuple[bool, _Seen]], seconds: float, *, first: float = FIRST, longest: float | None = None
) -> _Seen:
    """Look until it is so; what was seen then.

    Args:
        look: returns whether it is so, and what it saw. Called at least once, and once more at the very end.
        seconds: for how long.
        first: pause between the first two looks, in seconds; it grows.
        longest: longest pause, in seconds. Below a second, for tests, it is the first one too.

    Raises:
        PollTimeout: with what was last seen as its argument.
    """
    most = LONGEST if longest is None else longest
    deadline, pause = time.monotonic() + seconds, min(first, most)
    while True:
        done, seen = look()
        if done:
            return seen
        left = deadline - time.monotonic()
        if left <= 0:
            raise PollTimeout(seen)
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, most)
