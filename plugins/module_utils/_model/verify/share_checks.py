# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What measured policies prove: checks, the lines of a table, and data."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..istio.proxy_traffic import Endpoint
from ..traffic.istio_words import length
from .binomial import ALPHA, level
from .facts import SKIPPED, Check, check_of
from .share_plans import LOCALITY, SPLIT
from .shares import Measurement, Share

__all__ = ["number_of_tests", "share_checks", "share_table", "shares_document"]

_TEST = "exact binomial test, two-sided, with Bonferroni's correction"


def number_of_tests(measured: t.Iterable[Measurement]) -> int:
    """How many tests a run makes."""
    return sum(share.is_drawn for one in measured for share in one.shares)


def _refused(one: Measurement, tests: int) -> list[Share]:
    return [share for share in one.shares if max(share.p, share.p_late) < level(tests)]


def _late(one: Measurement, tests: int) -> list[Share]:
    """Shares of copies that are as declared or not by how those end that are under way."""
    return [share for share in one.shares if share.p < level(tests) <= share.p_late]


def share_checks(measured: t.Sequence[Measurement], applied_in: t.Mapping[str, str]) -> list[Check]:
    """The checks of measured policies.

    Args:
        measured: all of a run, by whose number the level of each test is.
        applied_in: by caller the cluster that holds the objects for it.
    """
    tests = number_of_tests(measured)
    checks = []
    for one in measured:
        where = (one.caller,)
        holder = applied_in.get(one.caller, one.caller)
        again = (
            f"run the traffic stage with --limit {holder}, then verify again; if it stays, look for VirtualServices "
            f"and DestinationRules of others for this host in {holder}"
        )
        known = any(one.endpoints.values())
        if not known and one.calls and one.failed == one.calls and not one.differences:
            checks.append(Check("policy", one.name, SKIPPED, "no pod serves it yet", where))
            continue
        checks.append(
            check_of(
                "policy",
                one.name,
                not one.differences,
                "; ".join(one.differences) or "as declared",
                where,
                f"the sidecar of {one.caller}'s probe has another route than the policy says",
                again,
            )
        )
        checks.append(_pods(one, where))
        if not one.calls:
            checks.append(Check("policy's answers", one.name, SKIPPED, "no call was made", where))
            continue
        checks.append(
            check_of(
                "policy's answers",
                one.name,
                not one.failed,
                _answers(one),
                where,
                "calls for which the policy has pods fail",
                "see the check policy's pods, and the access log of the probe's sidecar in the namespace mesh-verify",
            )
        )
        if not one.counted:
            checks.append(
                Check("policy's shares", one.name, SKIPPED, "the probe's sidecar does not count its calls", where)
            )
        else:
            if any(share.of for share in one.shares):
                checks.append(_shares(one, tests, where, again))
            without = [share.words for share in one.shares if not share.of]
            if without:
                seen = f"no call came so far that it is counted: {', '.join(without)}"
                checks.append(Check("policy's shares", one.name, SKIPPED, seen, where))
        if one.timeout:
            checks.append(
                check_of(
                    "policy's timeout",
                    one.name,
                    one.late <= max(1, one.calls // 100),
                    f"{one.late} of {one.calls} calls took longer than {length(one.timeout)}, up to "
                    f"{one.slowest:.0f} ms"
                    if one.late
                    else f"{length(one.timeout)}; the slowest call took {one.slowest:.0f} ms",
                    where,
                    "callers wait longer than the policy says",
                    again,
                )
            )
    return checks


def _answers(one: Measurement) -> str:
    statuses = f" ({_by_status(one)})" if one.statuses else ""
    if one.failed:
        return f"{one.failed} of {one.calls} calls got no answer of the service: {one.failure}{statuses}"
    ended = f", {one.timed_out} ended by the timeout" if one.timed_out else ""
    return f"all of {one.calls} calls{ended}{statuses}"


def _by_status(one: Measurement) -> str:
    """For example ``200: 380, 503: 20``."""
    return ", ".join(f"{status}: {number}" for status, number in one.statuses.items())


def _pods(one: Measurement, where: tuple[str, ...]) -> Check:
    dead = [f"{words or one.policy}: {_health(endpoints)}" for words, endpoints in _unserved(one)]
    return check_of(
        "policy's pods",
        one.name,
        not dead,
        "; ".join(dead)
        or "; ".join(f"{words or 'all'}: {_health(endpoints)}" for words, endpoints in one.endpoints.items()),
        where,
        "a part of the calls has no pod that may answer",
        "see that its pods are ready, and that their labels are those that the policy names; ejected ones return by "
        "themselves",
    )


def _unserved(one: Measurement) -> list[tuple[str, t.Sequence[Endpoint]]]:
    return [(words, known) for words, known in one.endpoints.items() if not any(e.is_healthy for e in known)]


def _health(endpoints: t.Sequence[Endpoint]) -> str:
    """For example ``2 healthy, 1 ejected``."""
    if not endpoints:
        return "none"
    words = collections.Counter(
        "healthy" if e.is_healthy else "ejected" if "outlier" in e.health else e.health.strip("/") for e in endpoints
    )
    return ", ".join(f"{number} {word}" for word, number in words.items())


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def _measured(share: Share) -> str:
    return _percent(share.count / share.of) if share.of else "-"


def _shares(one: Measurement, tests: int, where: tuple[str, ...], again: str) -> Check:
    refused, late = _refused(one, tests), _late(one, tests)
    if late and not refused:
        seen = "; ".join(f"{share.words} {share.count} of {share.of} calls, {share.late} under way" for share in late)
        return Check("policy's shares", one.name, SKIPPED, f"copies not answered yet: {seen}", where)
    shown = [
        f"{share.words} {share.count} of {share.of} calls ({_measured(share)}), declared {_percent(share.declared)}"
        + (f", p {share.p:.2g}" if share in refused else "")
        for share in refused or one.shares
        if share.of
    ]
    return check_of(
        "policy's shares",
        one.name,
        not refused,
        f"{'; '.join(shown)} ({_TEST}, α {ALPHA} over {tests} test{'' if tests == 1 else 's'})",
        where,
        f"calls from {one.caller} are not spread as the policy says"
        if any(share.kind in (SPLIT, LOCALITY) for share in refused)
        else "not as many calls are copied, delayed or aborted as the policy says",
        again,
    )


def share_table(measured: t.Sequence[Measurement]) -> list[str]:
    """The lines of a table of policies: what is declared, and what was measured."""
    if not measured:
        return []
    tests = number_of_tests(measured)
    rows = [("policy", "from", "calls", "declared", "measured", "")]
    for one in measured:
        route = f" route {one.route}" if one.route else ""
        first = (one.name.removesuffix(f" from {one.caller}").removesuffix(route) + route, one.caller)
        for what in _rows(one, tests):
            rows.append((*first, *what))
            first = ("", "")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if tests:
        lines.append(f"{_TEST}: α {ALPHA} over {tests} test{'' if tests == 1 else 's'}")
    return lines


def _rows(one: Measurement, tests: int) -> t.Iterator[tuple[str, str, str, str]]:
    refused, waiting = _refused(one, tests), _late(one, tests)
    for share in one.shares:
        note = f"{share.count} of {share.of} calls"
        note += ", not as declared" if share in refused else ", copies not answered yet" if share in waiting else ""
        yield share.words, _percent(share.declared), _measured(share), note
    if one.failed or not one.shares:
        answered = one.calls - one.failed
        yield (
            "answered",
            "100 %",
            _percent(answered / one.calls) if one.calls else "-",
            f"{answered} of {one.calls} calls",
        )
    good = sum(number for status, number in one.statuses.items() if status.startswith("2"))
    if good < sum(one.statuses.values()):
        yield "status 2xx", "", _percent(good / one.calls), _by_status(one)
    if one.timeout:
        late = f", {one.late} too late" if one.late else ""
        has = "no such route" if one.proxy_timeout is None else length(one.proxy_timeout)
        yield "timeout", length(one.timeout), has, f"slowest {one.slowest:.0f} ms, {one.timed_out} ended by it{late}"
    if one.retries:
        declared = "-" if one.retries.declared is None else f"{one.retries.declared}"
        has = "no such route" if one.retries.proxy is None else f"{one.retries.proxy}"
        yield "retries", declared, has, f"{one.retries.seen} seen"
    known = list({e.address: e for endpoints in one.endpoints.values() for e in endpoints}.values())
    yield "pods", "", _health(known), ""


def shares_document(measured: t.Sequence[Measurement], left: t.Mapping[str, str]) -> dict[str, t.Any]:
    """What a program reads: the test, each measurement, and what was not measured, with the reason."""
    tests = number_of_tests(measured)
    return {
        "test": _TEST,
        "alpha": ALPHA,
        "tests": tests,
        "level": level(tests),
        "measured": [dataclasses.asdict(one) for one in measured],
        "not_measured": dict(left),
    }
