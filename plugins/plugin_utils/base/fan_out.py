# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work on many clusters side by side: one that fails drops out with its error, the others finish."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.unexpected import as_problem

__all__ = ["connect_each", "on_each", "settle"]

_T = t.TypeVar("_T")


async def settle(jobs: t.Iterable[t.Awaitable[_T]]) -> list[_T | FleetError]:
    """Run all jobs side by side until each has ended: what each returned, or its exception as a FleetError.

    A cancellation ends all of them.
    """
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    settled: list[_T | FleetError] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            settled.append(as_problem(outcome))
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            settled.append(outcome)
    return settled


async def on_each(
    clusters: t.Iterable[str], work: t.Callable[[str], t.Awaitable[_T]]
) -> tuple[dict[str, _T], dict[str, FleetError]]:
    """Run ``work(cluster)`` for all clusters side by side.

    Args:
        clusters: their names.
        work: called with a name.

    Returns:
        By cluster what ``work`` returned, and by cluster the error of those for which it failed, whatever it raised;
        the error names its cluster.
    """
    names = list(clusters)
    done: dict[str, _T] = {}
    failed: dict[str, FleetError] = {}
    for name, outcome in zip(names, await settle(map(work, names)), strict=True):
        if isinstance(outcome, FleetError):
            outcome.cluster = outcome.cluster or name
            failed[name] = outcome
        else:
            done[name] = outcome
    return done, failed


async def connect_each(
    stack: contextlib.AsyncExitStack, clusters: t.Iterable[Cluster], *, absent_ok: bool
) -> tuple[dict[str, Kube], dict[str, FleetError]]:
    """By cluster its client, closed with ``stack``, and by cluster why it has none; see ``Kube.connect``."""
    known = {cluster.name: cluster for cluster in clusters}

    async def connect(name: str) -> Kube:
        known_as, consent = known[name].connection, known[name].take_over
        kube = Kube.connect(known_as, cluster=name, absent_ok=absent_ok, take_over=consent)
        return await stack.enter_async_context(kube)

    return await on_each(known, connect)
