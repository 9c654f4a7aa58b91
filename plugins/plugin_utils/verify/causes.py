# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask the caller's sidecar why a call failed, once it is clear that it does not come right."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.call_causes import (
    access_line,
    cause_of,
    endpoints_seen,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.report import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import NAMESPACE, target
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.sample import PORT
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["with_causes"]

PROXY = "istio-proxy"
_LOG_LINES = 300


async def with_causes(
    kubes: t.Mapping[str, Kube], facts: t.Mapping[str, Facts], calls: t.Sequence[Call], sample_namespace: str
) -> list[Call]:
    """The calls, each failed one with what its sidecar says, as far as that tells; each sidecar is asked once."""
    wanting = {(c.caller, _is_probe(c)) for c in calls if _unanswered(c)}
    said = dict(
        zip(wanting, await asyncio.gather(*(_ask(kubes, facts, who, sample_namespace) for who in wanting)), strict=True)
    )
    return [
        _explained(call, said[call.caller, _is_probe(call)], sample_namespace) if _unanswered(call) else call
        for call in calls
    ]


def _unanswered(call: Call) -> bool:
    return call.expected and not call.ok and not 0 < call.status < 400


def _is_probe(call: Call) -> bool:
    return call.service == target(call.callee)


async def _ask(
    kubes: t.Mapping[str, Kube], facts: t.Mapping[str, Facts], who: tuple[str, bool], sample_namespace: str
) -> tuple[str, str] | None:
    """``(/clusters, access log)`` of the sidecar beside the probe or the sample's caller; None: nobody to ask."""
    caller, probe = who
    found = facts[caller]
    namespace, pod = (NAMESPACE, found.probe) if probe else (sample_namespace, found.caller)
    if not pod or (probe and not found.sidecar):
        return None
    try:
        command = ["pilot-agent", "request", "GET", "clusters"]
        clusters, log = await asyncio.gather(
            kubes[caller].exec(namespace, pod, PROXY, command, timeout=30),
            kubes[caller].logs(namespace, pod, PROXY, tail=_LOG_LINES),
        )
    except FleetError:
        return None
    return (str(clusters.stdout), str(log)) if clusters.code == 0 else None


def _explained(call: Call, said: tuple[str, str] | None, sample_namespace: str) -> Call:
    if said is None:
        return call
    namespace = NAMESPACE if _is_probe(call) else sample_namespace
    upstream = f"outbound|{PORT}||{call.service}.{namespace}.svc.cluster.local"
    line, endpoints = access_line(said[1], upstream), endpoints_seen(said[0], upstream)
    cause = cause_of(call.caller, call.callee, call.status, call.said, line, endpoints, is_cluster=_is_probe(call))
    if cause is None:
        return call
    return dataclasses.replace(call, seen=cause.seen, means=cause.means, next_step=cause.next_step)
