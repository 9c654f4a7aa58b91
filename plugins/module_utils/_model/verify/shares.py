# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which requests measure a policy, and what its callers' sidecar showed of them.

What is counted is what the sidecar of the probe counts, by subset and address: nothing is assumed of what a service
answers. A part of the calls is declared by the policy; how many came there is a draw of so many calls, so each part has
an exact binomial test.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..istio.proxy_traffic import Counts, Endpoint, Faults, ProxyRoute, upstream
from ..traffic.generate import Generator
from ..traffic.istio_words import length
from ..traffic.policy import EVERYWHERE, Match, Policy, Rules, Subset
from ..traffic.seen import Port
from .binomial import p_value

__all__ = [
    "ABORT",
    "DELAY",
    "LOCALITY",
    "MIRROR",
    "NO_ANSWER",
    "SPLIT",
    "Answers",
    "Measurement",
    "Part",
    "Retried",
    "Seen",
    "Series",
    "Share",
    "are_copies_due",
    "is_settled",
    "measure",
    "plan",
    "route_of",
]

SPLIT, LOCALITY, MIRROR, ABORT, DELAY = "split", "locality", "mirror", "abort", "delay"
NO_ANSWER = "no answer"
"""In place of an HTTP status."""
WITHOUT_SHARES = 20
"""Requests, at most, where nothing is drawn: they show answers, times and pods."""
SIDE_BY_SIDE, MOST_SIDE_BY_SIDE = 8, 64
_LATE = 1000
"""Milliseconds that a call may take more than its route allows: what the calling program needs itself."""


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


@dataclasses.dataclass(frozen=True)
class Answers:
    """Calls that ended alike; ``answered``: by the service, and not by a proxy in its place."""

    status: int
    answered: bool
    latencies: tuple[float, ...]
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a series showed. ``counts`` is of the series alone, by upstream of its host and port."""

    answers: tuple[Answers, ...] = ()
    counts: t.Mapping[str, Counts] = dataclasses.field(default_factory=dict)
    routes: tuple[ProxyRoute, ...] = ()
    endpoints: t.Mapping[str, t.Sequence[Endpoint]] = dataclasses.field(default_factory=dict)
    tries: t.Mapping[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    """By region and zone the tries of the series."""
    faults: Faults = dataclasses.field(default_factory=Faults)


@dataclasses.dataclass(frozen=True)
class Share:
    """One declared share and what was counted: ``count`` of ``of`` calls; ``p`` of the exact binomial test.

    Of copies nobody waits for an answer: ``late`` are under way, or were when counting began. ``p_late`` is the p of
    the number nearest to the declared one that these allow.
    """

    kind: str
    words: str
    declared: float
    count: int
    of: int
    p: float
    late: int = 0
    p_late: float = 0.0

    @property
    def is_drawn(self) -> bool:
        """Whether chance decides how many there are, so that a test has a level."""
        return 0 < self.declared < 1


@dataclasses.dataclass(frozen=True)
class Retried:
    """Retries as declared, as the sidecar has them, and how many there were."""

    declared: int | None
    """None where the policy does not say it."""
    proxy: int | None
    """None where the sidecar has no such route."""
    seen: int


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured of a policy, or of one of its routes, from one cluster. Times in milliseconds."""

    policy: str
    entry: str
    """Where the policy is written."""
    route: int
    caller: str
    name: str
    calls: int
    shares: tuple[Share, ...] = ()
    counted: bool = True
    """Whether the sidecar counted the calls at all."""
    statuses: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    """By HTTP status, or ``no answer``, how many calls ended so, whoever answered."""
    failed: int = 0
    """Calls that no pod answered, without those that a fault or the timeout ended."""
    failure: str = ""
    timeout: int = 0
    proxy_timeout: int | None = None
    """None where the sidecar has no such route."""
    timed_out: int = 0
    late: int = 0
    slowest: float = 0.0
    retries: Retried | None = None
    differences: tuple[str, ...] = ()
    """What the sidecar's route has and the policy has not."""
    endpoints: t.Mapping[str, tuple[Endpoint, ...]] = dataclasses.field(default_factory=dict)
    """By part, or "" for all calls, the addresses that may get them."""


def route_of(series: Series, routes: t.Iterable[ProxyRoute]) -> ProxyRoute | None:
    """The sidecar's route for the calls of a series, by the name that the generator gives it."""
    name = f"route-{series.route}" if series.route else "all"
    return next((route for route in routes if route.name == name or route.name.endswith(f"-{name}")), None)


def _needs_route(series: Series) -> bool:
    return bool(series.rules.routed or series.policy.routes)


def _differences(series: Series, route: ProxyRoute | None) -> tuple[str, ...]:
    """What a sidecar's route says otherwise than the policy; none where the policy needs no route."""
    rules = series.rules
    if not _needs_route(series):
        return ()
    if route is None:
        return ("no route of this policy",)
    found = []
    if rules.timeout and route.timeout != rules.timeout:
        found.append(f"timeout {length(route.timeout)}, not {length(rules.timeout)}")
    if rules.retries:
        if route.attempts != rules.retries.attempts:
            found.append(f"{route.attempts} retries, not {rules.retries.attempts}")
        if rules.retries.per_try and route.per_try != rules.retries.per_try:
            found.append(f"{length(route.per_try)} for one try, not {length(rules.retries.per_try)}")
        missing = sorted(set(rules.retries.retry_on) - route.retry_on)
        if missing:
            found.append(f"no retries on {', '.join(missing)}")
    weights = {part.upstream: round(part.share * 100) for part in series.parts if part.kind == SPLIT}
    if weights and weights != dict(route.weights):
        named = ", ".join(f"{name.split('|')[2] or 'all pods'} {weight}" for name, weight in route.weights)
        found.append(f"the weights {named or 'of none'}")
    return tuple(found)


def is_settled(series: Series, seen: Seen) -> bool:
    """Whether a sidecar has what the policy says, and a healthy pod for each part of it."""
    healthy = all(any(one.is_healthy for one in seen.endpoints.get(name, ())) for name in series.targets)
    return healthy and not _differences(series, route_of(series, seen.routes))


def are_copies_due(series: Series, counts: t.Mapping[str, Counts]) -> bool:
    """Whether copies for a mirror may still be counted: some are under way, or not every call has one that must."""
    mirrors = [part for part in series.parts if part.kind == MIRROR]
    found = [counts.get(part.upstream, Counts()) for part in mirrors]
    if any(one.under_way for one in found):
        return True
    routed = sum(one.calls - one.copies for one in counts.values())
    return any(part.share >= 1 and one.copies < routed for part, one in zip(mirrors, found, strict=True))


def measure(series: Series, seen: Seen) -> Measurement:
    """What a series showed, beside what the policy declares."""
    rules, route = series.rules, route_of(series, seen.routes)
    latencies = [latency for answers in seen.answers for latency in answers.latencies]
    calls = len(latencies)
    aborted = [a for a in seen.answers if rules.fault and a.status == rules.fault.abort and not a.answered]
    timed_out = [a for a in seen.answers if rules.timeout and a.status == 504 and not a.answered and a not in aborted]
    failed = [
        a
        for a in seen.answers
        if a not in aborted and a not in timed_out and (not a.status or (not a.answered and a.status >= 502))
    ]
    routed = sum(counts.calls - counts.copies for counts in seen.counts.values())
    counted = bool(routed) or calls == _number([*aborted, *failed])
    shares = _shares(series, seen, routed, calls) if counted else []
    # A fault holds a call back before its route's time begins.
    limit = rules.timeout + series.delay + _LATE
    retried = sum(counts.retries for counts in seen.counts.values())
    return Measurement(
        policy=series.policy.said,
        entry=series.policy.entry,
        route=series.route,
        caller=series.caller,
        name=series.name,
        calls=calls,
        shares=tuple(shares),
        counted=counted,
        statuses=_statuses(seen.answers),
        failed=_number(failed),
        failure="; ".join(dict.fromkeys(f"{a.status or NO_ANSWER} {a.text}".strip() for a in failed)),
        timeout=rules.timeout,
        proxy_timeout=route.timeout if route else None,
        timed_out=_number(timed_out),
        late=sum(latency > limit for latency in latencies) if rules.timeout else 0,
        slowest=max(latencies, default=0.0),
        retries=Retried(rules.retries.attempts if rules.retries else None, route.attempts if route else None, retried)
        if rules.retries or retried
        else None,
        differences=_differences(series, route),
        endpoints={
            **({} if any(part.kind == SPLIT for part in series.parts) else {"": _known(seen, series.upstream)}),
            **{part.words: _known(seen, part.upstream) for part in series.parts if part.kind in (SPLIT, MIRROR)},
        },
    )


def _statuses(answers: t.Iterable[Answers]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in sorted(answers, key=lambda a: a.status):
        name = f"{one.status}" if one.status else NO_ANSWER
        found[name] = found.get(name, 0) + len(one.latencies)
    return found


def _number(answers: t.Iterable[Answers]) -> int:
    return sum(len(a.latencies) for a in answers)


def _known(seen: Seen, name: str) -> tuple[Endpoint, ...]:
    return tuple(seen.endpoints.get(name, ()))


def _copies(part: Part, counts: Counts, routed: int) -> Share:
    """The share of a mirror. More copies than calls are late ones of an earlier series."""
    count = min(counts.copies, routed)
    least, most = max(0, counts.copies - counts.earlier), min(routed, counts.copies + counts.under_way)
    nearest = min(max(round(part.share * routed), min(least, count)), max(most, count))
    late = counts.under_way + counts.earlier
    p_late = p_value(nearest, routed, part.share) if late else 0.0
    return Share(MIRROR, part.words, part.share, count, routed, p_value(count, routed, part.share), late, p_late)


def _shares(series: Series, seen: Seen, routed: int, calls: int) -> list[Share]:
    found = []
    tries = sum(seen.tries.values())

    def add(part: Part, count: int, of: int) -> None:
        found.append(Share(part.kind, part.words, part.share, count, of, p_value(count, of, part.share)))

    for part in series.parts:
        counts = seen.counts.get(part.upstream, Counts())
        if part.kind == SPLIT:
            add(part, counts.calls - counts.copies, routed)
        elif part.kind == MIRROR:
            found.append(_copies(part, counts, routed))
        elif part.kind == ABORT:
            add(part, seen.faults.aborts, calls)
        elif part.kind == DELAY:
            add(part, seen.faults.delays, calls)
        else:
            here = sum(
                n for (region, zone), n in seen.tries.items() if (region, part.zone or zone) == (part.region, zone)
            )
            add(part, here, tries)
    elsewhere = routed - sum(share.count for share in found if share.kind == SPLIT)
    if any(part.kind == SPLIT for part in series.parts) and elsewhere:
        add(Part(SPLIT, "to other pods", 0.0), elsewhere, routed)
    away = tries - sum(share.count for share in found if share.kind == LOCALITY)
    if any(part.kind == LOCALITY for part in series.parts) and away:
        add(Part(LOCALITY, "to other regions", 0.0), away, tries)
    return found
