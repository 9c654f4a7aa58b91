# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call global names from the probe of each cluster, also where no cluster may answer."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port, ports_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.global_calls import (
    GlobalCall,
    Served,
    global_calls,
    judge_global,
    names_of,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.asking import ask_probes
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok

__all__ = ["call_global_names"]

_RETRY_SECONDS = 1.0
_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")


async def call_global_names(
    fleet: Fleet,
    policies: t.Sequence[Policy],
    play: t.Sequence[str],
    kubes: t.Mapping[str, Kube],
    facts: t.Mapping[str, Facts],
    *,
    timeout_ms: int,
    deadline: float,
) -> tuple[list[Call], list[Check]]:
    """The calls of global names as they ended, and what was not called.

    Args:
        policies: policies without problems.
        play: clusters of the play; only these call.
        kubes: clients of the clusters that answer.
        facts: with the probes' pods.
        timeout_ms: for one call.
        deadline: on the monotonic clock, when all calls must end as they should.
    """
    names = sorted(names_of(policies))
    if not names:
        return [], []
    there = [n for n in kubes if not (kubes[n].absent or facts[n].problem)]

    async def look(cluster: str) -> list[tuple[bool, tuple[Port, ...]]]:
        return list(await asyncio.gather(*(_look(kubes[cluster], *key) for key in names)))

    read, _failed = await on_each(there, look)
    served = {
        key: Served(
            tuple(n for n in read if read[n][number][0]),
            next((read[n][number][1] for n in read if read[n][number][1]), ()),
        )
        for number, key in enumerate(names)
    }
    callers = [n for n in play if n in there and facts[n].probe and facts[n].sidecar]
    unread = [n for n in fleet.clusters if n not in read and not (n in kubes and kubes[n].absent)]
    planned, skipped = global_calls(fleet, policies, served, callers, unread)

    async def judged(left: list[GlobalCall]) -> dict[GlobalCall, Call]:
        answers = await ask_probes(left, kubes, facts, timeout_ms)
        return {call: judge_global(call, answer) for call, answer in answers.items()}

    calls = await until_ok(
        planned,
        judged,
        deadline,
        what="global names, until they answer as they should",
        pause=_RETRY_SECONDS,
    )
    return calls, skipped


async def _look(kube: Reader, name: str, namespace: str) -> tuple[bool, tuple[Port, ...]]:
    """Whether a cluster has a ready pod of a service, and the Service's ports."""
    live, slices = await asyncio.gather(
        kube.get("v1", "Service", name, namespace),
        kube.list(*_SLICE, namespace, {"kubernetes.io/service-name": name}),
    )
    endpoints = [endpoint for piece in slices for endpoint in piece.get("endpoints") or []]
    ready = any((endpoint.get("conditions") or {}).get("ready", True) for endpoint in endpoints)
    return ready, ports_of(live or {})
