# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Python's garbage collector, which looks for cycles, at work less often while an action runs.

By default it looks after each 700 new objects. What API servers send is hundreds of thousands of objects without a
cycle: with 1,000 services in each cluster, decoding took four times the time on Python 3.11, nearly all of it this
search. From Python 3.12 on it does not look while an answer is decoded, and still does while it is worked on.
"""

from __future__ import annotations

import contextlib
import gc
import typing as t

__all__ = ["rare_collections"]

_THRESHOLDS = (100_000, 50, 1_000)
"""New objects until the youngest are looked at; of those looks, how many until the older ones are."""


@contextlib.contextmanager
def rare_collections() -> t.Iterator[None]:
    """Look for cycles among each 100,000 new objects. What no cycle holds goes at once, as ever."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
