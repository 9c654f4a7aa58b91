# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tests that are coroutines."""

from __future__ import annotations

import asyncio
import functools
import typing as t


def in_loop(test: t.Callable[..., t.Coroutine[t.Any, t.Any, None]]) -> t.Callable[..., None]:
    """A test that runs to its end in a loop of its own."""

    @functools.wraps(test)
    def run(*args: t.Any, **kwargs: t.Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run
