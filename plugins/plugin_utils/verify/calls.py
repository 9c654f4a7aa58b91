# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real calls between the probes and of the sample, repeated until they succeed or time is up; then their causes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import may_call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.call_causes import (
    access_line,
    cause_of,
    endpoints_seen,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import (
    Answer,
    Call,
    Pair,
    call_pairs,
    expected_identity,
    judge_call,
    judge_forbidden_call,
    path_of,
    unconfined,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import SKIPPED, Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import (
    CONTAINER,
    NAMESPACE,
    call_command,
    target,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.sample import PORT
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import settle
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.unexpected import as_problem
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok

__all__ = ["Calls", "with_causes"]

_RETRY_SECONDS = 0.5
_PROXY = "istio-proxy"
_LOG_LINES = 300


class Calls:
    """The calls of one run.

    Args:
        play: clusters of the play; pairs with other clusters are called if those have a probe.
        deadline: on the monotonic clock, when all calls must succeed.
        timeout_ms: for one call.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        kubes: t.Mapping[str, Kube],
        facts: t.Mapping[str, Facts],
        *,
        sample_namespace: str,
        sample_exported: bool = False,
        timeout_ms: int,
        deadline: float,
    ) -> None:
        self.fleet, self.play, self.kubes, self.facts = fleet, play, kubes, facts
        self.sample_namespace, self.sample_exported = sample_namespace, sample_exported
        self.timeout_ms, self.deadline = timeout_ms, deadline
        self.calls: list[Call] = []
        self.checks: list[Check] = []

    async def run(self) -> None:
        """Fill ``calls`` and ``checks``."""
        probed = [n for n in self.fleet.clusters if self.facts[n].probe]
        inside = set(self.play)
        allowed, forbidden = ([p for p in pairs if inside & set(p)] for pairs in call_pairs(self.fleet, probed))
        self.checks += self._not_called(probed)
        called = await self._until_ok(allowed, self._call_probes)
        called += await self._until_ok(self._sample_pairs(), self._call_sample)
        called = await with_causes(self.kubes, self.facts, called, self.sample_namespace)
        self.calls += [self._with_advice(call) for call in called]
        self.calls += await self._until_ok(forbidden, self._call_forbidden)

    def _not_called(self, probed: t.Collection[str]) -> list[Check]:
        """What this run cannot prove: pairs with clusters outside it that have no probe."""
        return [
            Check("call", f"{n} ↔ {other}", SKIPPED, f"{other} has no probe: it is not in this run", (n,))
            for n in self.play
            for other in self.fleet.clusters
            if other not in self.play and other not in probed and may_call(self.fleet, n, other)
        ]

    def _with_advice(self, call: Call) -> Call:
        """The call with the advice for its caller's control plane."""
        plane = control_plane_of(self.fleet, self.fleet.clusters[call.caller])
        means, step = plane.advice(call.callee, call.service, call.means, call.next_step)
        return dataclasses.replace(call, means=means, next_step=step)

    async def _until_ok(
        self, pairs: list[Pair], ask: t.Callable[[list[Pair]], t.Awaitable[dict[Pair, Call]]]
    ) -> list[Call]:
        what = "calls between clusters, until they succeed"
        return await until_ok(pairs, ask, self.deadline, what=what, pause=_RETRY_SECONDS)

    async def _call_probes(self, pairs: list[Pair]) -> dict[Pair, Call]:
        answers = await self._ask(pairs)
        return {
            pair: judge_call(
                self.fleet,
                pair,
                target(pair[1]),
                answers[pair],
                identity=expected_identity(self.fleet, pair[0]),
                clusters={pair[1]},
                path=path_of(self.facts[pair[0]], self.facts[pair[1]]),
            )
            for pair in pairs
        }

    async def _call_forbidden(self, pairs: list[Pair]) -> dict[Pair, Call]:
        answers = await self._ask(pairs)
        return {
            pair: judge_forbidden_call(
                pair,
                answers[pair],
                self.facts[pair[0]].proxy_endpoints.get(pair[1]) or (),
                self._unconfined(pair[0]) if self.fleet.confined and may_call(self.fleet, *pair) else None,
            )
            for pair in pairs
        }

    def _unconfined(self, caller: str) -> tuple[str, str]:
        primary = self.fleet.clusters[caller].primary
        return unconfined(caller, primary, self.facts[primary].reads_exports)

    def _sample_pairs(self) -> list[Pair]:
        callers = [n for n in self.play if self.facts[n].probe and self.facts[n].caller]
        return [(n, "sample") for n in callers if self._producers(n)]

    def _producers(self, caller: str, *, leaving: bool = False) -> set[str]:
        """Clusters whose producer may answer a caller; with ``leaving`` also those that must keep theirs."""
        confined = self.fleet.confined and not (self.sample_exported or leaving)
        return {
            n
            for n, f in self.facts.items()
            if f.has_producer and (n == caller or (may_call(self.fleet, caller, n) and not confined))
        }

    async def _call_sample(self, pairs: list[Pair]) -> dict[Pair, Call]:
        namespace, out = self.sample_namespace, {}
        for pair in pairs:
            caller = pair[0]
            url = f"http://sample-producer:{PORT}/"
            answer = (await self._exec(caller, namespace, self.facts[caller].caller, "sample-caller", [url]))[url]
            callee = answer.cluster or "sample"
            judged = judge_call(
                self.fleet,
                (caller, callee),
                "sample-producer",
                answer,
                identity=expected_identity(self.fleet, caller, namespace, "sample-caller-sa"),
                clusters=self._producers(caller),
                path=path_of(self.facts[caller], self.facts[callee]) if callee in self.facts else "",
            )
            if answer.ok and callee not in self._producers(caller) and callee in self._producers(caller, leaving=True):
                means, step = self._unconfined(caller)
                judged = dataclasses.replace(judged, means=means, next_step=step)
            out[pair] = judged
        return out

    async def _ask(self, pairs: list[Pair]) -> dict[Pair, Answer]:
        """Run one command in each caller's pod for all its callees, in all callers at the same time."""
        by_caller: dict[str, list[str]] = {}
        for caller, callee in pairs:
            by_caller.setdefault(caller, []).append(callee)

        async def one(caller: str) -> dict[Pair, Answer]:
            urls = {callee: f"http://{target(callee)}:{PORT}/" for callee in by_caller[caller]}
            found = await self._exec(caller, NAMESPACE, self.facts[caller].probe, CONTAINER, list(urls.values()))
            return {(caller, callee): found[url] for callee, url in urls.items()}

        out: dict[Pair, Answer] = {}
        for found in await asyncio.gather(*(one(caller) for caller in by_caller)):
            out.update(found)
        return out

    async def _exec(self, cluster: str, space: str, pod: str, container: str, urls: list[str]) -> dict[str, Answer]:
        try:
            command = call_command(urls, self.timeout_ms)
            done = await self.kubes[cluster].exec(space, pod, container, command, timeout=60)
            raw = json.loads(done.stdout) if done.code == 0 else {}
            if not isinstance(raw, dict):
                raise ValueError
            what = "" if raw else f"the program ended with {done.code}: {done.stderr.strip()[-200:]}"
        except FleetError as error:
            raw, what = {}, f"{error.what} {error.seen}".strip()
        except ValueError:
            raw, what = {}, "the pod's answer is not JSON"
        except Exception as error:  # noqa: BLE001 - a defect that one cluster met is told of its calls
            raw, what = {}, str(as_problem(error, cluster))
        return {url: Answer.from_probe(raw.get(url), what) for url in urls}


async def with_causes(
    kubes: t.Mapping[str, Kube], facts: t.Mapping[str, Facts], calls: t.Sequence[Call], sample_namespace: str
) -> list[Call]:
    """The calls, with the cause of each failed one if the caller's sidecar shows it. Reads each sidecar once."""
    callers = {(c.caller, _is_probe(c)) for c in calls if _unanswered(c)}
    views = await settle(_read_sidecar(kubes, facts, who, sample_namespace) for who in callers)
    by_caller = dict(zip(callers, views, strict=True))
    return [
        _with_cause(call, by_caller[call.caller, _is_probe(call)], sample_namespace) if _unanswered(call) else call
        for call in calls
    ]


def _unanswered(call: Call) -> bool:
    return call.expected and not call.ok and not 0 < call.status < 400


def _is_probe(call: Call) -> bool:
    return call.service == target(call.callee)


async def _read_sidecar(
    kubes: t.Mapping[str, Kube], facts: t.Mapping[str, Facts], who: tuple[str, bool], sample_namespace: str
) -> tuple[str, str] | None:
    """Envoy's ``/clusters`` and access log of the sidecar of the probe or the sample's caller; None if unreadable."""
    caller, probe = who
    found = facts[caller]
    namespace, pod = (NAMESPACE, found.probe) if probe else (sample_namespace, found.caller)
    if not pod or (probe and not found.sidecar):
        return None
    try:
        command = ["pilot-agent", "request", "GET", "clusters"]
        clusters, log = await asyncio.gather(
            kubes[caller].exec(namespace, pod, _PROXY, command, timeout=30),
            kubes[caller].logs(namespace, pod, _PROXY, tail=_LOG_LINES),
        )
    except FleetError:
        return None
    return (clusters.stdout, log) if clusters.code == 0 else None


def _with_cause(call: Call, view: tuple[str, str] | FleetError | None, sample_namespace: str) -> Call:
    if view is None:
        return call
    if isinstance(view, FleetError):  # a defect, met in the caller's cluster
        return dataclasses.replace(call, seen=f"{view.what}: {view.seen}", means=view.means, next_step=view.next_step)
    namespace = NAMESPACE if _is_probe(call) else sample_namespace
    upstream = f"outbound|{PORT}||{call.service}.{namespace}.svc.cluster.local"
    line, endpoints = access_line(view[1], upstream), endpoints_seen(view[0], upstream)
    cause = cause_of(call.caller, call.callee, call.status, call.said, line, endpoints, is_cluster=_is_probe(call))
    if cause is None:
        return call
    return dataclasses.replace(call, seen=cause.seen, means=cause.means, next_step=cause.next_step)
