# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for what comes about by itself. A wait that ends well costs nothing more, so each is a long one."""

from __future__ import annotations

import time
import typing as t

__all__ = ["SECONDS", "until", "until_equal"]

SECONDS = 180.0
"""How long anything may take. The machine may be slow, and others may be at work on it."""
_BETWEEN_LOOKS = 0.1


def until(condition: t.Callable[[], bool], what: str, timeout: float = SECONDS) -> None:
    """Look until it is so; it fails with what was awaited."""
    until_equal(lambda: bool(condition()), True, what, timeout)


def until_equal(seen: t.Callable[[], object], wanted: object, what: str, timeout: float = SECONDS) -> None:
    """Look until what is seen is what is wanted; it fails with what was seen last.

    What cannot be looked at (an AssertionError, as of kubectl) has been seen as well, and is looked at again.
    """
    deadline = time.monotonic() + timeout
    while True:
        # The last look begins after the time: a machine that stood still for a while gets one more.
        late = time.monotonic() > deadline
        try:
            last = seen()
        except AssertionError as error:
            last = f"no answer: {error}"
        if last == wanted:
            return
        if late:
            raise AssertionError(f"waited {timeout:.0f} s for {what}: wanted {wanted!r}, last seen {last!r}")
        time.sleep(_BETWEEN_LOOKS)
