# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real calls between the probes (and from the sample), again and again until they are right or time is up."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import may_call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.checks import expected_identity, path_of, talkers
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, Answer, Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.report import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import (
    CONTAINER,
    NAMESPACE,
    call_command,
    target,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.sample import PORT
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.causes import with_causes

__all__ = ["Calls"]

_BETWEEN_CALLS = 0.5
"""Seconds between two rounds of calls: nothing can be watched that says "the next call will be answered"."""


class Calls:
    """The calls of one run.

    Args:
        play: clusters of the play; pairs with others are called where a probe is.
        deadline: when all must be right, on the monotonic clock.
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
        timeout_ms: int,
        deadline: float,
    ) -> None:
        self.fleet, self.play, self.kubes, self.facts = fleet, play, kubes, facts
        self.sample_namespace, self.timeout_ms, self.deadline = sample_namespace, timeout_ms, deadline
        self.calls: list[Call] = []
        self.checks: list[Check] = []

    async def run(self) -> None:
        """Fill ``calls`` and ``checks``."""
        alive = [n for n in self.fleet.clusters if self.facts[n].probe]
        inside = set(self.play)
        good, bad = talkers(self.fleet, alive)
        good = [p for p in good if inside & set(p)]
        bad = [p for p in bad if inside & set(p)]
        mute = [n for n in self.play if not self.facts[n].probe and not self.facts[n].problem]
        self.checks += [
            Check(
                "probe",
                n,
                FAILED,
                "no ready pod",
                (n,),
                "it cannot be asked to call",
                f"kubectl -n {NAMESPACE} get pods",
            )
            for n in mute
        ]
        called = await self._until_right(good, self._one_probe_round)
        called += await self._until_right(self._sample_pairs(alive, inside), self._one_sample_round)
        called = await with_causes(self.kubes, self.facts, called, self.sample_namespace)
        self.calls += [self._advised(call) for call in called]
        self.calls += await self._silent(bad)

    def _advised(self, call: Call) -> Call:
        """The call with the advice that holds for its caller's control plane."""
        plane = control_plane_of(self.fleet, self.fleet.clusters[call.caller])
        means, step = plane.advice(call.callee, call.service, call.means, call.next_step)
        return dataclasses.replace(call, means=means, next_step=step)

    async def _until_right(
        self,
        pairs: list[tuple[str, str]],
        ask: t.Callable[[list[tuple[str, str]]], t.Awaitable[dict[tuple[str, str], Call]]],
    ) -> list[Call]:
        """Call again those that did not end well: right after a rollout the first answers may be 503."""
        done: dict[tuple[str, str], Call] = {}
        left = list(pairs)
        while left:
            done.update(await ask(left))
            left = [pair for pair in left if not done[pair].ok]
            if not left or time.monotonic() >= self.deadline:
                break
            await asyncio.sleep(_BETWEEN_CALLS)
        return [done[pair] for pair in pairs]

    async def _one_probe_round(self, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], Call]:
        answers = await self._ask(pairs)
        return {
            pair: self._judged(
                pair,
                target(pair[1]),
                answers[pair],
                expected_identity(self.fleet, pair[0]),
                {pair[1]},
                self._path(pair),
            )
            for pair in pairs
        }

    def _path(self, pair: tuple[str, str]) -> str:
        return path_of(self.fleet, self.facts[pair[0]], self.facts[pair[1]])

    def _sample_pairs(self, alive: list[str], inside: set[str]) -> list[tuple[str, str]]:
        return [(n, "sample") for n in alive if n in inside and self.facts[n].caller and self._producers(n)]

    def _producers(self, caller: str) -> set[str]:
        return {n for n, f in self.facts.items() if f.producer_clusters and may_call(self.fleet, caller, n)}

    async def _one_sample_round(self, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], Call]:
        namespace, out = self.sample_namespace, {}
        for pair in pairs:
            caller = pair[0]
            wanted = expected_identity(self.fleet, caller, namespace, "sample-caller-sa")
            url = f"http://sample-producer:{PORT}/"
            answer = (await self._exec(caller, namespace, self.facts[caller].caller, "sample-caller", [url]))[url]
            where = answer.cluster or "sample"
            path = "" if where not in self.facts else "local" if where == caller else self._path((caller, where))
            out[pair] = self._judged((caller, where), "sample-producer", answer, wanted, self._producers(caller), path)
        return out

    async def _silent(self, pairs: list[tuple[str, str]]) -> list[Call]:
        answers = await self._ask(pairs)
        calls = []
        for pair, answer in answers.items():
            calls.append(
                Call(
                    pair[0],
                    pair[1],
                    target(pair[1]),
                    expected=False,
                    ok=not answer.ok,
                    status=answer.status,
                    seen=f"answered {answer.status} from {answer.cluster}"
                    if answer.ok
                    else f"{answer.status}, as declared",
                    identity=answer.identity,
                    latency_ms=answer.latency_ms,
                    means=""
                    if not answer.ok
                    else "a remote secret leads there that the inventory does not know, or proxies "
                    "have not heard yet that it went",
                    next_step=""
                    if not answer.ok
                    else f"look for further remote secrets in {pair[0]}; then run peering again",
                )
            )
        return calls

    async def _ask(self, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], Answer]:
        """One command in each caller's pod for all its targets, all callers at once."""
        by_caller: dict[str, list[str]] = {}
        for caller, callee in pairs:
            by_caller.setdefault(caller, []).append(callee)

        async def one(caller: str) -> dict[tuple[str, str], Answer]:
            urls = {callee: f"http://{target(callee)}:{PORT}/" for callee in by_caller[caller]}
            found = await self._exec(caller, NAMESPACE, self.facts[caller].probe, CONTAINER, list(urls.values()))
            return {(caller, callee): found[url] for callee, url in urls.items()}

        out: dict[tuple[str, str], Answer] = {}
        for found in await asyncio.gather(*(one(caller) for caller in by_caller)):
            out.update(found)
        return out

    async def _exec(self, cluster: str, space: str, pod: str, container: str, urls: list[str]) -> dict[str, Answer]:
        try:
            command = call_command(urls, self.timeout_ms)
            done = await self.kubes[cluster].exec(space, pod, container, command, timeout=60)
            raw = json.loads(done.stdout) if done.code == 0 else {}
            what = "" if raw else f"the program ended with {done.code}: {done.stderr.strip()[-200:]}"
        except FleetError as error:
            raw, what = {}, f"{error.what} {error.seen}".strip()
        except ValueError:
            raw, what = {}, "the pod's answer is no JSON"
        return {url: _answer(raw.get(url), what) for url in urls}

    def _judged(
        self, pair: tuple[str, str], service: str, answer: Answer, identity: str, where: set[str], path: str
    ) -> Call:
        caller, callee = pair
        means, step = answer.means, answer.next_step
        good = answer.ok and answer.identity == identity and answer.cluster in where
        seen = (
            f"{answer.status} from {answer.cluster} in {answer.latency_ms:.0f} ms, identity {answer.identity or 'none'}"
        )
        if not answer.ok:
            seen = answer.what or f"status {answer.status}"
            means = means or "no endpoint, no way, or roots that differ: see the checks of these two clusters"
            step = step or f"run site.yml with --limit {caller},{callee}"
        elif answer.cluster not in where:
            means, step = (
                f"another cluster's pods answer for {service}",
                "two clusters share a name; names must be unique",
            )
        elif answer.identity != identity:
            seen += f", expected {identity}"
            means = "the call was not mutual TLS, or the trust domains differ"
            variable = control_plane_of(self.fleet, self.fleet.clusters[caller]).trust_domain_variable
            step = f"compare {variable}; restart the workloads of {caller}"
        return Call(
            caller, callee, service, True, good, seen, answer.identity, path, answer.status, answer.latency_ms,
            "" if good else means, "" if good else step, answer.said,
        )  # fmt: skip


def _answer(raw: t.Mapping[str, t.Any] | None, what: str) -> Answer:
    if not raw:
        return Answer(False, 0, 0.0, "", "", what or "no answer")
    problem = raw.get("problem") or {}
    text = str(raw.get("text") or "")
    return Answer(
        bool(raw["ok"]),
        int(raw["status"]),
        float(raw["latency_ms"]),
        str(raw["cluster"]),
        str(raw["identity"]),
        str(problem.get("what") or (f"status {raw['status']}: {text}" if text and not raw["ok"] else "")),
        str(problem.get("means") or ""),
        str(problem.get("next") or ""),
        "" if raw["ok"] else text,
    )
