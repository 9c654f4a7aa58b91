# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call Google's front door by HTTPS from the probe of each of its clusters."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import API, INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import SKIPPED, Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.https_calls import (
    https_calls,
    judge_https,
    without_host,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import NOT_CALLED, NameCall
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.asking import Asked, ask_probes
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok

__all__ = ["call_by_https", "is_ready"]

_RETRY_SECONDS = 1.0
_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")


async def call_by_https(
    fleet: Fleet,
    door: FrontDoor | None,
    play: t.Sequence[str],
    kubes: t.Mapping[str, Kube],
    facts: t.Mapping[str, Facts],
    *,
    timeout_ms: int,
    deadline: float,
) -> tuple[list[Call], list[Check]]:
    """The calls as they ended, and what they do not prove. None without certificates, or while it has no address.

    Args:
        play: clusters of the play; only these call.
        kubes: clients of the clusters that answer.
        facts: with the probes' pods.
        timeout_ms: for one call.
        deadline: on the monotonic clock, when all calls must succeed.
    """
    if door is None or not door.certificates:
        return [], []
    served = [
        n for n in kubes if provider_of(fleet.clusters[n]).multicluster and not (kubes[n].absent or facts[n].problem)
    ]
    services = sorted({(route.name, route.namespace) for route in door.routes})

    async def look(cluster: str) -> tuple[str, list[bool]]:
        kube = kubes[cluster]
        live = await kube.get(API, INGRESS, door.name, door.namespace)
        ready = await asyncio.gather(*(is_ready(kube, *service) for service in services))
        ours = live if live is not None and has_our_labels(live, fleet.name) else {}
        return str((ours.get("status") or {}).get("VIP") or ""), list(ready)

    read, _failed = await on_each(served, look)
    address = next((vip for vip, _some in read.values() if vip), "")
    if not address:
        return [], []  # the calls by HTTP say why
    ready = {f"{name}.{space}": [n for n in read if read[n][1][i]] for i, (name, space) in enumerate(services)}
    callers = [n for n in read if n in play and facts[n].probe]
    unproven: dict[NameCall, str] = {}

    async def judged(left: list[NameCall]) -> dict[NameCall, Call]:
        asked = {call: Asked(call.caller, call.key) for call in left}
        answers = await ask_probes(list(asked.values()), kubes, facts, timeout_ms)
        ended = {}
        for call in left:
            ended[call], why = judge_https(call, answers[asked[call]])
            if why:
                unproven[call] = why
        return ended

    planned = https_calls(fleet, door, address, ready, callers)
    made = await until_ok(
        planned,
        judged,
        deadline,
        what="the front door, until it answers by HTTPS",
        pause=_RETRY_SECONDS,
    )
    checks = [Check(NOT_CALLED, f"{c.caller} → {c.name}", SKIPPED, why, (c.caller,)) for c, why in unproven.items()]
    calls = [ended for call, ended in zip(planned, made, strict=True) if call not in unproven]
    return calls, [*without_host(door), *checks]


async def is_ready(kube: Reader, name: str, namespace: str) -> bool:
    """Whether a cluster has a ready pod of a service."""
    slices = await kube.list(*_SLICE, namespace, {"kubernetes.io/service-name": name})
    endpoints = [endpoint for piece in slices for endpoint in piece.get("endpoints") or []]
    return any((endpoint.get("conditions") or {}).get("ready", True) for endpoint in endpoints)
