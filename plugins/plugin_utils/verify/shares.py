# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measure policies: counted requests from the probe of each caller's cluster, and what its sidecar says of them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import time
import typing as t
import urllib.parse

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import (
    COUNTED,
    Counts,
    Endpoint,
    Faults,
    ProxyRoute,
    parse_counts,
    parse_endpoints,
    parse_faults,
    parse_routes,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import Generator
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port, see
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, SKIPPED, Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_checks import share_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_plans import LOCALITY, MIRROR, Series, plan
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.shares import (
    Answers,
    Measurement,
    Seen,
    are_copies_due,
    is_settled,
    measure,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.measuring import series_command
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import CONTAINER, NAMESPACE
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each

__all__ = ["Limits", "Shares"]

_PROXY = "istio-proxy"
_POLL_SECONDS = 0.5
_SERIES_SECONDS = 60.0
"""No request of one series begins later than that after its first one."""
_CALL_MS, _MORE_MS = 10_000, 5_000
"""How long the program waits for one call, at least, and beyond what its route allows."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much a run asks of services."""

    requests: int = 400
    """For each policy that spreads calls, from each cluster; 0 for those alone that ask for some."""
    rate: float = 100
    """Requests in a second that one service gets, from all clusters together."""
    seconds: float = 300
    """For all that is measured from one cluster; what is left then is not measured."""


@dataclasses.dataclass
class _View:
    """What a sidecar said at one time."""

    routes: t.Mapping[str, t.Sequence[ProxyRoute]]
    endpoints: t.Mapping[str, t.Sequence[Endpoint]]


class Shares:
    """The measurements of one run.

    Args:
        fleet: the whole fleet.
        play: clusters of the play.
        kubes: by cluster its client.
        facts: by cluster what was read of it.
        policies: policies without problems.
        limits: how much it asks of services.
        deadline: on the monotonic clock, when sidecars must have what policies say.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        kubes: t.Mapping[str, Kube],
        facts: t.Mapping[str, Facts],
        policies: t.Sequence[Policy],
        *,
        limits: Limits,
        deadline: float,
    ) -> None:
        self._fleet, self._play, self._kubes, self._facts = fleet, play, kubes, facts
        self._policies, self._limits, self._deadline = policies, limits, deadline
        self.measured: list[Measurement] = []
        self.left: dict[str, str] = {}
        """By policy and caller why it was not measured, or not all of it."""
        self.checks: list[Check] = []

    async def run(self) -> None:
        """Fill ``measured``, ``left`` and ``checks``."""
        if not self._policies:
            return
        callers = [n for n in self._play if n in self._kubes and self._facts[n].probe and self._facts[n].sidecar]
        generator, paths = Generator(self._fleet, self._policies), Paths(self._fleet)
        found: dict[str, list[Measurement]] = {}

        async def one(caller: str) -> None:
            series, left = plan(self._policies, generator, caller, await self._ports(caller), self._limits.requests)
            self.left.update(left)
            found[caller] = await self._measure(caller, series)

        _done, failed = await on_each(callers, one)
        self.measured = [one for caller in callers for one in found.get(caller, [])]
        self.checks += [
            Check("policy", n, FAILED, f"{e.what}: {e.seen}", (n,), "its policies were not measured", e.next_step)
            for n, e in failed.items()
        ]
        checks = share_checks(self.measured, {caller: paths.read_in(caller) for caller in callers})
        checks += [Check("policy", name, SKIPPED, f"not measured: {why}", ()) for name, why in self.left.items()]
        for check in checks:
            if check.state == SKIPPED:
                self.left.setdefault(check.name, check.seen)
        self.checks += checks

    @property
    def policies(self) -> int:
        """How many policies were measured, from one cluster at least, and with nothing left out there."""
        return len({one.entry for one in self.measured if one.name not in self.left})

    async def _ports(self, caller: str) -> dict[tuple[str, str], tuple[Port, ...]]:
        """The ports of the policies' services: those of the caller's own cluster, else of another one."""
        wanted = {(p.name, p.namespace) for p in self._policies if p.callers is None or caller in p.callers}
        found: dict[tuple[str, str], tuple[Port, ...]] = {}
        for cluster in (caller, *(n for n in self._kubes if n != caller)):
            spaces = sorted({namespace for name, namespace in wanted if (name, namespace) not in found})
            if not spaces:
                break
            if self._facts[cluster].problem or self._kubes[cluster].absent:
                continue
            lists = await asyncio.gather(*(self._kubes[cluster].list("v1", "Service", space) for space in spaces))
            services = see({cluster: [one for listed in lists for one in listed]}, self._fleet.name)[cluster].services
            for key, service in services.items():
                if key in wanted and service.ports:
                    found.setdefault(key, service.ports)
        return found

    async def _measure(self, caller: str, planned: list[Series]) -> list[Measurement]:
        if not planned:
            return []
        view = await self._settled_view(caller, planned)
        # Where the time is too short for all, no policy is left out in every run.
        order = random.sample(range(len(planned)), len(planned))
        until = time.monotonic() + self._limits.seconds
        shown: dict[int, Seen] = {}
        for number in order:
            left = until - time.monotonic()
            if left <= 0:
                self.left[planned[number].name] = f"{self._limits.seconds:g} s were over (verify_requests_seconds)"
                continue
            shown[number] = await self._series(caller, planned[number], min(left, _SERIES_SECONDS))
        after = await self._endpoints(caller, planned)
        return [
            measure(
                series,
                dataclasses.replace(
                    shown[number], routes=tuple(view.routes.get(_virtual_host(series), ())), endpoints=after
                ),
            )
            for number, series in enumerate(planned)
            if number in shown
        ]

    async def _settled_view(self, caller: str, planned: t.Sequence[Series]) -> _View:
        """What the sidecar has, as soon as that is what the policies say, or at last when the time is up."""
        with waiting(f"{caller}: its sidecar, until it has the policies"):
            while True:
                view = _View(await self._routes(caller, planned), await self._endpoints(caller, planned))
                settled = all(
                    is_settled(
                        one, Seen(routes=tuple(view.routes.get(_virtual_host(one), ())), endpoints=view.endpoints)
                    )
                    for one in planned
                )
                if settled or time.monotonic() >= self._deadline:
                    return view
                # Envoy's admin pages cannot be watched.
                await asyncio.sleep(_POLL_SECONDS)

    async def _routes(self, caller: str, planned: t.Iterable[Series]) -> dict[str, list[ProxyRoute]]:
        found: dict[str, list[ProxyRoute]] = {}
        for port in sorted({one.port for one in planned}):
            name = urllib.parse.quote(f"^([^|]*:)?{port}$")
            found |= parse_routes(
                await self._ask(caller, f"config_dump?resource=dynamic_route_configs&name_regex={name}")
            )
        return found

    async def _endpoints(self, caller: str, planned: t.Iterable[Series]) -> dict[str, list[Endpoint]]:
        hosts = {one.policy.host for one in planned}
        return parse_endpoints(await self._ask(caller, "clusters"), hosts)

    async def _stats(self, caller: str, series: Series) -> tuple[dict[str, Counts], Faults]:
        text = await self._ask(caller, f"stats?usedonly&filter={urllib.parse.quote(COUNTED)}")
        ours = f"outbound|{series.port}|"
        counts = {
            name: one
            for name, one in parse_counts(text).items()
            if name.startswith(ours) and name.endswith(f"|{series.policy.host}")
        }
        return counts, parse_faults(text)

    async def _series(self, caller: str, series: Series, seconds: float) -> Seen:
        by_place = any(part.kind == LOCALITY for part in series.parts)
        tried = await self._tries(caller, series) if by_place else {}
        before, faults = await self._stats(caller, series)
        answers = await self._call(caller, series, seconds)
        after, faults_after = await self._stats(caller, series)
        if any(part.kind == MIRROR for part in series.parts):
            after = await self._with_copies(caller, series, before, after)
        tries = await self._tries(caller, series) if by_place else {}
        return Seen(
            answers=answers,
            counts={name: counts.since(before.get(name, Counts())) for name, counts in after.items()},
            tries={place: max(0, number - tried.get(place, 0)) for place, number in tries.items()},
            faults=faults_after.since(faults),
        )

    async def _with_copies(
        self, caller: str, series: Series, before: t.Mapping[str, Counts], counts: dict[str, Counts]
    ) -> dict[str, Counts]:
        """The counts when all copies have ended, or as much time has passed as the last of them may take.

        A copy is counted when it ends, and nobody waits for its answer.
        """
        until = time.monotonic() + (series.rules.timeout or _CALL_MS) / 1000
        while True:
            since = {name: one.since(before.get(name, Counts())) for name, one in counts.items()}
            if not are_copies_due(series, since) or time.monotonic() >= until:
                return counts
            await asyncio.sleep(_POLL_SECONDS / 2)
            counts, _faults = await self._stats(caller, series)

    async def _tries(self, caller: str, series: Series) -> dict[tuple[str, str], int]:
        """By region and zone the tries that the sidecar counted."""
        found: dict[tuple[str, str], int] = {}
        for endpoint in (await self._endpoints(caller, [series])).get(series.upstream, []):
            place = endpoint.region, endpoint.zone
            found[place] = found.get(place, 0) + endpoint.calls
        return found

    def _rate(self, series: Series) -> float:
        """Requests in a second from one cluster. All that measure policies of one service, at one time, share in it."""
        service = series.policy.name, series.policy.namespace
        callers: set[str] = set()
        for policy in self._policies:
            if (policy.name, policy.namespace) == service:
                callers |= set(self._fleet.clusters if policy.callers is None else policy.callers)
        copied = sum(part.share for part in series.parts if part.kind == MIRROR)
        return self._limits.rate / len(callers) / (1 + copied)

    async def _call(self, caller: str, series: Series, seconds: float) -> tuple[Answers, ...]:
        for_one = max(_CALL_MS, series.rules.timeout + series.delay + _MORE_MS)
        command = series_command(
            series.url,
            dict(series.headers),
            count=series.count,
            rate=self._rate(series),
            side_by_side=series.side_by_side,
            timeout_ms=for_one,
            seconds=seconds,
        )
        done = await self._kubes[caller].exec(
            NAMESPACE, self._facts[caller].probe, CONTAINER, command, timeout=seconds + for_one / 1000 + 15
        )
        try:
            said = json.loads(done.stdout) if done.code == 0 else None
        except ValueError:
            said = None
        if not isinstance(said, list):
            raise FleetError(
                "the probe made no calls",
                cluster=caller,
                obj=series.url,
                seen=done.stderr.strip()[-200:] or f"exit {done.code}: {done.stdout[-200:]}",
                next_step=f"kubectl -n {NAMESPACE} describe pods",
            )
        return tuple(
            Answers(int(one["status"]), bool(one["answered"]), tuple(map(float, one["ms"])), str(one["text"]))
            for one in said
        )

    async def _ask(self, caller: str, page: str) -> str:
        command = ["pilot-agent", "request", "GET", page]
        done = await self._kubes[caller].exec(NAMESPACE, self._facts[caller].probe, _PROXY, command, timeout=30)
        if done.code:
            raise FleetError(
                "the probe's sidecar does not answer",
                cluster=caller,
                obj=page.partition("?")[0],
                seen=done.stderr.strip()[-200:] or f"exit {done.code}",
                next_step=f"kubectl -n {NAMESPACE} logs deployment/probe -c {_PROXY}",
            )
        return str(done.stdout)


def _virtual_host(series: Series) -> str:
    return f"{series.policy.host}:{series.port}"
