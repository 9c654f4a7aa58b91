# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which requests measure a policy, and what share of them is to go where."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..istio.proxy_traffic import upstream
from ..traffic.generate import Generator
from ..traffic.istio_words import length
from ..traffic.policy import EVERYWHERE, Match, Policy, Rules, Subset
from ..traffic.seen import Port

__all__ = ["ABORT", "DELAY", "LOCALITY", "MIRROR", "SPLIT", "Part", "Series", "plan"]

SPLIT, LOCALITY, MIRROR, ABORT, DELAY = "split", "locality", "mirror", "abort", "delay"
WITHOUT_SHARES = 20
"""Requests, at most, where nothing is drawn: they show answers, times and pods."""
SIDE_BY_SIDE, MOST_SIDE_BY_SIDE = 8, 64


@dataclasses.dataclass(frozen=True)
class Part:
    """Some of the calls: what they are called, the share that is declared (0 to 1), and where they are counted."""

    kind: str
    words: str
    share: float
    upstream: str = ""
    region: str = ""
    zone: str = ""


@dataclasses.dataclass(frozen=True)
class Series:
    """Requests from one cluster that measure a policy, or one of its routes."""

    policy: Policy
    route: int
    """The number of the route, from 1; 0 for the calls that no route fits."""
    caller: str
    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    count: int
    parts: tuple[Part, ...]
    upstream: str
    """Where the calls go that no part of a split gets."""

    @property
    def rules(self) -> Rules:
        return self.policy.routes[self.route - 1].rules if self.route else self.policy.rules

    @property
    def name(self) -> str:
        """The policy, the route and the caller, as a person says it."""
        route = f" route {self.route}" if self.route else ""
        return f"{self.policy.service}{route} from {self.caller}"

    @property
    def url(self) -> str:
        return f"http://{self.policy.service}:{self.port}{self.path}"

    @property
    def delay(self) -> int:
        """Milliseconds that a fault holds some of the calls back."""
        return self.rules.fault.delay if self.rules.fault else 0

    @property
    def side_by_side(self) -> int:
        """How many calls may be under way at one time: one where a breaker might take more for too many."""
        breaker = self.rules.breaker
        if breaker and (breaker.connections or breaker.pending or breaker.requests):
            return 1
        return min(MOST_SIDE_BY_SIDE, max(SIDE_BY_SIDE, self.delay // 50))

    @property
    def targets(self) -> tuple[str, ...]:
        """The upstreams whose pods should answer."""
        return tuple(part.upstream for part in self.parts if part.kind == SPLIT) or (self.upstream,)


def plan(
    policies: t.Iterable[Policy],
    generator: Generator,
    caller: str,
    ports: t.Mapping[tuple[str, str], t.Sequence[Port]],
    requests: int,
) -> tuple[list[Series], dict[str, str]]:
    """The series of requests from one cluster; and by policy or route why it is not measured.

    A policy for both names of a service has series for each of them.

    Args:
        policies: policies without problems.
        generator: made with them.
        caller: the cluster.
        ports: by name and namespace the ports of services.
        requests: how many requests a policy gets that does not say it; 0 measures those alone that say it.
    """
    found: list[Series] = []
    left: dict[str, str] = {}
    for policy in (named for one in policies for named in one.by_name()):
        if policy.callers is not None and caller not in policy.callers:
            continue
        asked = requests if policy.measured.requests is None else policy.measured.requests
        name = f"{policy.service} from {caller}"
        if not asked:
            left[name] = "the inventory asks for no requests"
            continue
        port, why = _port(policy, ports.get((policy.name, policy.namespace)))
        if why:
            left[name] = why
            continue
        for number in range(len(policy.routes) + 1):
            way = _request(policy, number)
            if isinstance(way, str):
                left[f"{policy.service} route {number} from {caller}" if number else name] = way
                continue
            found.append(_series(policy, number, generator, caller, port, way, asked))
    return found, left


def _port(policy: Policy, ports: t.Sequence[Port] | None) -> tuple[int, str]:
    """The port to call, or why there is none."""
    if ports is None:
        return 0, "no cluster has the service"
    if policy.measured.port:
        known = any(port.number == policy.measured.port for port in ports)
        return policy.measured.port, "" if known else f"the service has no port {policy.measured.port}"
    for port in ports:
        if port.is_http:
            return port.number, ""
    return 0, "the service has no port that is known to speak HTTP"


_Request = tuple[str, tuple[tuple[str, str], ...]]


def _request(policy: Policy, number: int) -> _Request | str:
    """Path and headers of a GET request that a route fits and none before it, or why there is none."""
    path, headers = policy.measured.path, dict[str, str]()
    if number:
        match = policy.routes[number - 1].match
        if match.methods and "GET" not in match.methods:
            return f"it is for {', '.join(match.methods)}, and only GET requests are made"
        for name, how, text in match.headers:
            if how == "regex" and re.search(r"[][\\.*+?{}()|^$]", text):
                return f"no value of the header {name} is known that its regular expression fits"
            headers[name] = text
        if not path.startswith(match.path):
            path = match.path
    first = next((n for n, route in enumerate(policy.routes, 1) if _fits(route.match, path, headers)), 0)
    if first != number:
        return (
            f"GET {path} is for route {first}; name another path in verify" if first else "no request is known for it"
        )
    return path, tuple(sorted(headers.items()))


def _fits(match: Match, path: str, headers: t.Mapping[str, str]) -> bool:
    if not path.startswith(match.path) or (match.methods and "GET" not in match.methods):
        return False
    return all(name in headers and _compares(how, text, headers[name]) for name, how, text in match.headers)


def _compares(how: str, text: str, value: str) -> bool:
    if how == "regex":
        return bool(re.fullmatch(text, value))
    return value.startswith(text) if how == "prefix" else value == text


def _words(subset: Subset) -> str:
    parts = [subset.cluster, *(f"{key}={value}" for key, value in subset.labels)]
    return " ".join(part for part in parts if part) or "all pods"


def _series(
    policy: Policy, number: int, generator: Generator, caller: str, port: int, way: _Request, asked: int
) -> Series:
    rules = policy.routes[number - 1].rules if number else policy.rules

    def where(subset: Subset) -> str:
        return upstream(port, generator.subset_name(policy, subset, number), policy.host)

    shares = [share for share in rules.split if share.weight]
    parts = [Part(SPLIT, f"to {_words(s.subset)}", s.weight / 100, where(s.subset)) for s in shares]
    whole = where(shares[0].subset if len(shares) == 1 else EVERYWHERE)
    if not shares:
        for place, weight in rules.localities:
            region, _slash, zone = place.partition("/")
            parts.append(Part(LOCALITY, f"to {place}", weight / 100, whole, region, zone))
    if rules.mirror:
        copied = rules.mirror.subset
        parts.append(Part(MIRROR, f"copied to {_words(copied)}", rules.mirror.share / 100, where(copied)))
    if rules.fault:
        if rules.fault.abort:
            parts.append(Part(ABORT, f"aborted with {rules.fault.abort}", rules.fault.share / 100))
        if rules.fault.delay:
            parts.append(Part(DELAY, f"delayed by {length(rules.fault.delay)}", rules.fault.share / 100))
    count = asked if any(part.share < 1 for part in parts) else min(asked, WITHOUT_SHARES)
    return Series(policy, number, caller, port, *way, count, tuple(parts), whole)
