# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove the mesh: probes in every cluster, real calls between them, then everybody's own view of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import os
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import deployment_ready, namespace_gone
from ansible_collections.mesh.fleet.plugins.module_utils._model.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import may_call
from ansible_collections.mesh.fleet.plugins.module_utils._model.probe import (
    CONTAINER,
    LABELS,
    NAMESPACE,
    call_command,
    probe_objects,
    target,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.sample import PORT
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify_checks import (
    expected_identity,
    path_of,
    state_checks,
    talkers,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify_facts import (
    FAILED,
    Answer,
    Check,
    Facts,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify_report import Call
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify_reads import find_pods, read_facts

__all__ = ["Options", "VerifyRun", "write_private"]

_BETWEEN_CALLS = 0.5
"""Seconds between two rounds of calls: nothing can be watched that says "the next call will be answered"."""
_KINDS = (*tuple(("v1", kind) for kind in ("Service", "ConfigMap", "ServiceAccount")), ("apps/v1", "Deployment"))


@dataclasses.dataclass(frozen=True)
class Options:
    """Times in seconds unless named otherwise."""

    program: t.Mapping[str, str]
    image: str
    sample_namespace: str
    timeout: float = 90
    call_timeout_ms: int = 3000
    leaf_hours: int = 1
    signer_days: int = 7
    dry_run: bool = False


class VerifyRun:
    """One run over the clusters of ``play``; their pairs with clusters outside it are checked where a probe is."""

    def __init__(self, fleet: Fleet, play: t.Collection[str], options: Options) -> None:
        self.fleet, self.play, self.options = fleet, [n for n in fleet.clusters if n in play], options
        self.kubes: dict[str, Kube] = {}
        self.facts: dict[str, Facts] = {}
        self.changes: list[Change] = []
        self.calls: list[Call] = []
        self.checks: list[Check] = []
        self.pages: dict[str, str] = {}
        self.deadline = 0.0

    async def run(self) -> None:
        self.deadline = time.monotonic() + self.options.timeout
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(*(self._enter(stack, name) for name in self.fleet.clusters))
            await asyncio.gather(*(self._guard(name, self._probe(name)) for name in self.kubes))
            await self._state()
            if not self.options.dry_run:
                await self._calls()
        self.checks += [c.as_check() for c in self.calls]

    async def remove(self) -> None:
        """Take the probes off the clusters of the play."""
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(*(self._enter(stack, name) for name in self.play))
            await asyncio.gather(*(self._guard(name, self._remove(name)) for name in self.kubes))
        self.checks += [
            Check("removed", f.cluster, FAILED, f.problem, (f.cluster,), "", "run again")
            for f in self.facts.values()
            if f.problem
        ]

    async def _enter(self, stack: contextlib.AsyncExitStack, name: str) -> None:
        found = self.facts.setdefault(name, Facts(name))
        try:
            self.kubes[name] = await stack.enter_async_context(
                Kube.connect(self.fleet.clusters[name].connection, cluster=name, absent_ok=True)
            )
            if self.kubes[name].absent and not self.options.dry_run and name in self.play:
                found.problem = "it does not exist yet"
        except FleetError as error:
            found.problem = f"{error.what}: {error.seen}"

    async def _guard(self, name: str, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        if self.facts[name].problem:
            work.close()
            return
        try:
            await work
        except FleetError as error:
            self.facts[name].problem = " ".join(p for p in (error.what, error.seen, error.means) if p)

    # -- probes --------------------------------------------------------------------------------

    async def _probe(self, name: str) -> None:
        kube = self.kubes[name]
        if name in self.play:
            space = await kube.get("v1", "Namespace", NAMESPACE)
            created = space is None or "mesh.fleet/created" in (space["metadata"].get("annotations") or {})
            objects = probe_objects(
                self.fleet, self.fleet.clusters[name], self.options.program, image=self.options.image, created=created
            )
            self.changes += await kube.apply(objects, dry_run=self.options.dry_run)
            self.changes += await kube.prune(
                objects, labels=LABELS, kinds=_KINDS, namespace=NAMESPACE, dry_run=self.options.dry_run
            )
            if not self.options.dry_run:
                await kube.wait(
                    "apps/v1",
                    "Deployment",
                    "probe",
                    NAMESPACE,
                    until=deployment_ready,
                    timeout=max(1.0, self.deadline - time.monotonic()),
                )
        await find_pods(kube, self.facts[name], self.options.sample_namespace)

    async def _remove(self, name: str) -> None:
        kube, dry = self.kubes[name], self.options.dry_run
        space = await kube.get("v1", "Namespace", NAMESPACE)
        if space is None:
            return
        if "mesh.fleet/created" in (space["metadata"].get("annotations") or {}):
            self.changes.append(await kube.delete("v1", "Namespace", NAMESPACE, dry_run=dry))
            if not dry:
                await kube.wait("v1", "Namespace", NAMESPACE, until=namespace_gone, timeout=self.options.timeout)
            return
        self.changes += await kube.prune([], labels=LABELS, kinds=_KINDS, namespace=NAMESPACE, dry_run=dry)

    # -- views ---------------------------------------------------------------------------------

    async def _state(self) -> None:
        """Read everybody's view until all of it is as it should be, or time is up: it settles within seconds."""
        until = self.deadline if not self.options.dry_run else 0.0
        while True:
            names = [n for n in self.kubes if not self.kubes[n].absent and not self.facts[n].problem]
            await asyncio.gather(
                *(read_facts(self.kubes[n], self.fleet, self.fleet.clusters[n], self.facts[n]) for n in names)
            )
            relevant = {n: self.facts[n] for n in self.facts if n in self.play or n in names}
            relevant = {n: f for n, f in relevant.items() if n in self.play or not f.problem}
            if self.options.dry_run:
                relevant = {n: f for n, f in relevant.items() if not self.kubes[n].absent}
            checks = state_checks(
                self.fleet, relevant, leaf_hours=self.options.leaf_hours, signer_days=self.options.signer_days
            )
            checks = [c for c in checks if not c.clusters or set(c.clusters) & set(self.play)]
            if time.monotonic() >= until or not any(c.state == FAILED and c.group in _SETTLING for c in checks):
                break
            await asyncio.sleep(_BETWEEN_CALLS)
        self.checks += checks
        for name in self.play:
            found = self.facts[name]
            if found.caller and found.ingress_address:
                self.pages[name] = f"http://{found.ingress_address}/"

    # -- calls ---------------------------------------------------------------------------------

    async def _calls(self) -> None:
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
        self.calls += await self._until_right(good, self._one_probe_round)
        self.calls += await self._until_right(self._sample_pairs(alive, inside), self._one_sample_round)
        self.calls += await self._silent(bad)

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
        wanted = expected_identity(self.fleet)
        return {
            pair: self._judged(pair, target(pair[1]), answers[pair], wanted, {pair[1]}, self._path(pair))
            for pair in pairs
        }

    def _path(self, pair: tuple[str, str]) -> str:
        return path_of(self.fleet, self.facts[pair[0]], self.facts[pair[1]])

    def _sample_pairs(self, alive: list[str], inside: set[str]) -> list[tuple[str, str]]:
        return [(n, "sample") for n in alive if n in inside and self.facts[n].caller and self._producers(n)]

    def _producers(self, caller: str) -> set[str]:
        return {n for n, f in self.facts.items() if f.producer_clusters and may_call(self.fleet, caller, n)}

    async def _one_sample_round(self, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], Call]:
        namespace, out = self.options.sample_namespace, {}
        wanted = expected_identity(self.fleet, namespace, "sample-caller-sa")
        for pair in pairs:
            caller = pair[0]
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
            command = call_command(urls, self.options.call_timeout_ms)
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
            step = f"compare mesh_trust_domain; restart the workloads of {caller}"
        return Call(
            caller, callee, service, True, good, seen, answer.identity, path, answer.status, answer.latency_ms,
            "" if good else means, "" if good else step,
        )  # fmt: skip


_SETTLING = ("endpoints", "synced", "gateways known", "root", "leaf", "gateway address")
"""Checks that may be red for some seconds after a rollout."""


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
    )


def write_private(directory: str, files: t.Mapping[str, str]) -> None:
    """Write files of mode 0600 below a folder of mode 0700; each is replaced as a whole."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for name, text in files.items():
        path = os.path.join(directory, name)
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(f"{path}.new", path)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
