# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Poll Google until a state is reached, or until a refusal that passes by itself has passed.

Google's APIs have no watch, so every wait for Google's work is one of these two functions. Only sending.py pauses too:
between the tries of one request that got no answer, or one that asks for patience.
"""

from __future__ import annotations

import random
import time
import typing as t

from ...waits import waiting
from ..errors import GoogleError

__all__ = ["PollTimeout", "poll_until", "retry_refused"]

_FIRST, _LONGEST = 1.0, 10.0
"""Seconds between two looks: at first, and at most."""

_Seen = t.TypeVar("_Seen")


class PollTimeout(Exception):
    """The state was not reached in time; ``seen`` is what the last look returned."""

    def __init__(self, seen: t.Any) -> None:
        super().__init__(seen)
        self.seen = seen


def poll_until(
    look: t.Callable[[], tuple[bool, _Seen]], seconds: float, *, first: float = _FIRST, longest: float | None = None
) -> _Seen:
    """Look until the state is reached; return what was seen then.

    Args:
        look: returns whether the state is reached, and what it saw. Called at least once, and once more at the end.
        seconds: how long to poll. 0 looks once.
        first: pause between the first two looks, in seconds; each further one is half as long again.
        longest: longest pause, in seconds; by default 10.

    Raises:
        PollTimeout: with what was seen last.
    """
    most = _LONGEST if longest is None else longest
    deadline, pause = time.monotonic() + seconds, min(first, most)
    with waiting("Google") as wait:
        while True:
            done, seen = look()
            if done:
                return seen
            if isinstance(seen, (str, GoogleError)):
                wait.seen = str(seen).partition("\n")[0]
            left = deadline - time.monotonic()
            if left <= 0:
                raise PollTimeout(seen)
            # Not in step with others who wait for the same.
            time.sleep(min(pause * random.uniform(0.8, 1.0), left))
            pause = min(pause * 1.5, most)


def retry_refused(
    call: t.Callable[[], _Seen],
    passes: t.Callable[[GoogleError], bool],
    seconds: float,
    *,
    first: float = _FIRST,
    longest: float | None = None,
) -> _Seen:
    """Call until Google does it; return what the call returned.

    Args:
        call: asks Google.
        passes: whether a refusal is one that passes by itself.
        seconds, first, longest: as for :func:`poll_until`.

    Raises:
        GoogleError: a refusal that does not pass, at once; else the last one.
    """

    def look() -> tuple[bool, _Seen | GoogleError]:
        try:
            return True, call()
        except GoogleError as error:
            if not passes(error):
                raise
            return False, error

    try:
        return t.cast("_Seen", poll_until(look, seconds, first=first, longest=longest))
    except PollTimeout as timeout:
        raise timeout.seen from None
