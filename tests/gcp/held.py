# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Operations of Google's that end when a test has seen enough, and not by the clock."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from .standin.server import StandIn

__all__ = ["going", "held"]


def going(standin: StandIn) -> int:
    """How many operations are not over."""
    with standin.cloud.lock:
        return sum(not operation.done for operation in standin.cloud.operations.values())


@contextlib.contextmanager
def held(standin: StandIn, until: t.Callable[[], bool]) -> t.Iterator[None]:
    """No operation that is begun here ends before ``until()`` is so. That it never was fails the test."""
    cloud, over = standin.cloud, threading.Event()
    usual, cloud.duration = cloud.duration, float("inf")
    seen = threading.Event()

    def look() -> None:
        while not seen.is_set() and not over.wait(0.01):
            with cloud.lock:
                if until():
                    seen.set()
                    _release(standin, usual)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert seen.is_set(), "what the operations were held for never came"


def _release(standin: StandIn, duration: float) -> None:
    standin.cloud.duration = duration
    for operation in standin.cloud.operations.values():
        operation.end = 0.0
