# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the callers' sidecar showed of the requests that measure a policy.

What is counted is what the sidecar of the probe counts, by subset and address: nothing is assumed of what a service
answers. A part of the calls is declared by the policy; how many came there is a draw of so many calls, so each part has
an exact binomial test.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..istio.proxy_traffic import Counts, Endpoint, Faults, ProxyRoute
from ..traffic.istio_words import length
from .binomial import p_value
from .share_plans import ABORT, DELAY, LOCALITY, MIRROR, SPLIT, Part, Series

__all__ = [
    "NO_ANSWER",
    "Answers",
    "Measurement",
    "Retried",
    "Seen",
    "Share",
    "are_copies_due",
    "is_settled",
    "measure",
    "route_of",
]

NO_ANSWER = "no answer"
"""In place of an HTTP status."""
_LATE = 1000
"""Milliseconds that a call may take more than its route allows: what the calling program needs itself."""


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
