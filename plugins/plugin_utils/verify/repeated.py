# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Repeat calls that failed until they succeed: right after a rollout the first answers may be 503."""

from __future__ import annotations

import asyncio
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting

__all__ = ["until_ok"]

Planned = t.TypeVar("Planned", bound=t.Hashable)


async def until_ok(
    planned: t.Sequence[Planned],
    ask: t.Callable[[list[Planned]], t.Awaitable[t.Mapping[Planned, Call]]],
    deadline: float,
    *,
    what: str,
    pause: float,
    promised: t.Callable[[Planned], bool] = lambda _call: True,
    first_failed: t.Callable[[Call], object] = lambda _call: None,
) -> list[Call]:
    """The calls as they ended, in the order in which they were planned.

    Args:
        planned: what is called.
        ask: makes calls, and judges each of them.
        deadline: on the monotonic clock, after which no call is repeated.
        what: the calls, and until when they are repeated, for who waits.
        pause: seconds between two tries.
        promised: whether one that fails is a reason to try again.
        first_failed: told once of a call that failed, before the first pause.
    """
    done: dict[Planned, Call] = {}
    left, told = list(planned), False
    with waiting(what) as wait:
        while left:
            done.update(await ask(left))
            left = [call for call in left if not done[call].ok]
            if not any(map(promised, left)) or time.monotonic() >= deadline:
                break
            wait.seen = done[left[0]].seen
            if not told:
                told = True
                first_failed(done[left[0]])
            # No API can be watched for "the next call will succeed".
            await asyncio.sleep(pause)
    return [done[call] for call in planned]
