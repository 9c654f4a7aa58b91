# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scenes of the walk-through: the policy of each, what is done, what must come of it, and whether it did."""

from __future__ import annotations

import dataclasses
import typing as t

from .calling import Call, counted, errors_in, gap
from .cast import STABLE, TRIAL, Cast
from .objects import SERVICE
from .words import any_of, calls, listed, rows, seconds, share_bar, times

__all__ = [
    "CALLS",
    "DELAY",
    "EJECTION",
    "ERRORS",
    "HEADER",
    "SCENES",
    "USERS",
    "Gone",
    "Scene",
    "Verdict",
    "judge_ejection",
    "judge_gone",
    "judge_header",
    "judge_start",
    "judge_timeout",
    "scene_of",
]

Policy = dict[str, t.Any]

CALLS = 10
"""Calls of each kind from each cluster, where a number is enough."""
TIMEOUT, DELAY = 1.0, 3.0
LATE = 1.5
"""Seconds after the timeout within which its answer must come: proxy and pod may be on a busy machine."""
EARLY = 0.05
ERRORS, EJECTION = 3, 10.0
BEHIND_A_GATEWAY = "(calls to another network share connections, and each of these leads to one pod)"
USERS = ("ann", "bob", "")
HEADER = "x-user"


@dataclasses.dataclass(frozen=True)
class Scene:
    """One scene, before it is played."""

    key: str
    title: str
    policy: Policy
    done: str
    expected: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was measured: in words, and as numbers."""

    ok: bool
    lines: tuple[str, ...]
    figures: t.Mapping[str, t.Any]
    because: str = ""
    """What is not as expected."""


def _timeout(cast: Cast) -> Scene:
    return Scene(
        "timeout",
        "A slow producer meets a timeout",
        {"service": SERVICE, "timeout": f"{TIMEOUT:g}s", "retries": {"attempts": 0}},
        f"{CALLS} calls from {_each(cast.clusters)} ask for an answer after {DELAY:g} s",
        f"the proxies answer 504 after {TIMEOUT:g} s; nobody waits for the producer",
    )


def _ejection(cast: Cast) -> Scene:
    return Scene(
        "ejection",
        "A broken producer is left out, and comes back",
        {
            "service": SERVICE,
            "retries": {"attempts": 0},
            "breaker": {"errors": ERRORS, "interval": "1s", "ejection": f"{EJECTION:g}s"},
            "failover": "nearest",
        },
        f"the producer in {cast.failing} answers every call with 500, and is ready for Kubernetes; then it is mended",
        f"after {ERRORS} errors {any_of(cast.others())} answers; after {EJECTION:g} s {cast.failing} does again",
    )


def _failover(cast: Cast) -> Scene:
    near = cast.nearest(without=cast.failing)
    return Scene(
        "failover",
        "A whole cluster's pods go",
        {
            "service": SERVICE,
            "timeout": "10s",
            "retries": {
                "attempts": 3,
                "per_try": "2s",
                "retry_on": [
                    "connect-failure",
                    "refused-stream",
                    "reset",
                    "gateway-error",
                    "unavailable",
                    "cancelled",
                ],
                "other_localities": True,
            },
            "breaker": {"errors": 5, "interval": "1s", "ejection": "30s"},
            "failover": "nearest",
        },
        f"while {cast.home} calls, all producers in {cast.failing} are removed, and made again",
        f"no call fails; {any_of(near)} answers, the nearest{_how_near(cast, near)}; then {cast.failing} again",
    )


def _how_near(cast: Cast, near: t.Sequence[str]) -> str:
    ranks = {cast.nearness.get(name, 2) for name in near}
    return {0: " (in the callers' zone)", 1: " (in the callers' region)"}.get(min(ranks, default=2), "")


def _header(cast: Cast) -> Scene:
    return Scene(
        "header",
        "One user gets the new version",
        {
            "service": SERVICE,
            "split": [{"weight": 100, "labels": {"version": STABLE}}],
            "routes": [
                {
                    "headers": {HEADER: USERS[0]},
                    "split": [{"weight": 100, "labels": {"version": TRIAL}}],
                }
            ],
        },
        f"{CALLS} calls each from {_each(callers_of_trial(cast))} as {USERS[0]}, as {USERS[1]} and without a name",
        f"{USERS[0]} is answered by {TRIAL}, which runs in {cast.trial} only; all others by {STABLE}",
    )


def callers_of_trial(cast: Cast) -> tuple[str, ...]:
    """The clusters whose callers find version 2."""
    return tuple(name for name in cast.clusters if cast.trial in cast.reach[name])


SCENES: t.Mapping[str, t.Callable[[Cast], Scene]] = {
    "timeout": _timeout,
    "ejection": _ejection,
    "failover": _failover,
    "header": _header,
}
"""By its key what makes a scene, in the order in which they are played."""


def scene_of(key: str, cast: Cast) -> Scene:
    """A scene with its parts given out."""
    return SCENES[key](cast)


def _each(names: t.Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"each of {listed(names)}"


def judge_start(found: t.Mapping[str, t.Sequence[Call]], cast: Cast) -> Verdict:
    """Whether all clusters answer before there is a policy; ``found``: by caller its calls."""
    lines, missing = [], []
    hidden = False
    for caller, made in found.items():
        by = counted(made)
        total = sum(by.values())
        lines.append(
            (f"{caller} →", "   ".join(f"{name} {share_bar(by.get(name, 0), total)}" for name in cast.reach[caller]))
        )
        silent = [any_of(group) for group in cast.apart[caller] if not set(group) & set(by)]
        hidden |= not silent and not set(by).issuperset(cast.reach[caller])
        if silent:
            errors = errors_in(made)
            seen = f"; errors: {_errors(errors)}" if errors else ""
            missing.append(f"callers in {caller} get no answer from {listed(silent)} ({calls(len(made))}{seen})")
    figures = {caller: {"calls": len(made), "answered": counted(made)} for caller, made in found.items()}
    note = (BEHIND_A_GATEWAY,) if hidden else ()
    return Verdict(not missing, (*rows(lines), *note), figures, "; ".join(missing))


def judge_timeout(found: t.Mapping[str, t.Sequence[Call]]) -> Verdict:
    """Every call must end with 504 at the timeout; ``found``: by caller its calls."""
    lines, wrong, figures = [], [], {}
    for caller, made in found.items():
        good = [one for one in made if one.status == 504 and TIMEOUT - EARLY <= one.seconds <= TIMEOUT + LATE]
        took = sorted(one.seconds for one in made)
        lines.append((caller, f"{len(good)} of {len(made)} calls: 504 after {seconds(took)}"))
        figures[caller] = {"calls": len(made), "as_expected": len(good), "seconds": took}
        if len(good) < len(made) or not made:
            others = [one for one in made if one not in good]
            wrong.append(f"{caller}: {calls(len(others))} otherwise: {_outcomes(others)}")
    return Verdict(not wrong, rows(lines), figures, "; ".join(wrong))


def _outcomes(made: t.Sequence[Call]) -> str:
    return ", ".join(dict.fromkeys(f"{one.status or 'no answer'} after {one.seconds:.2f} s" for one in made)) or "none"


def _errors(errors: t.Mapping[str, int]) -> str:
    return ", ".join(f"{text} ({times(count)})" for text, count in errors.items())


def judge_ejection(
    cast: Cast, pods: int, broken: t.Sequence[Call], mended: t.Sequence[Call], ended: bool, left_out: t.Sequence[str]
) -> Verdict:
    """Errors must stop after the breaker's number, others must answer, and the mended pods must come back.

    Args:
        pods: how many producers were broken.
        broken: calls from the first one after the producers broke until others answered.
        mended: calls after that, until the first producers answered again.
        ended: whether both ended as ordered.
        left_out: addresses that the caller's proxy said to have ejected.
    """
    failing = cast.failing
    errors = [one for one in broken if not one.ok]
    others = [one for one in broken if one.ok and one.cluster != failing]
    strangers = sorted({one.cluster for one in others} - set(cast.others()))
    late = [one for one in mended if not one.ok]
    back = next((one for one in mended if one.ok and one.cluster == failing), None)
    away = back.end - errors[-1].end if back and errors else None
    answered = ", ".join(f"{name} {count}" for name, count in counted(broken).items() if name != failing) or "nobody"
    lines = [
        ("errors", f"{len(errors)} of {calls(len(broken))}: {_errors(errors_in(broken)) or 'none'}"),
        ("its proxy", f"left out {', '.join(left_out)}" if left_out else "left out no pod"),
        ("answered", f"then {answered}, without an error" if not late else f"then {answered}"),
        ("back", f"{failing} after {away:.1f} s" if away is not None else f"{failing} did not answer again"),
    ]
    wrong = []
    if not ended:
        wrong.append("the calls did not come to where they were expected, in the time that they had")
    # A proxy's threads learn of an ejection one after the other, so that some more calls may fail.
    if not ERRORS <= len(errors) <= 2 * ERRORS * pods:
        wrong.append(f"{len(errors)} errors, not {ERRORS * pods}")
    if any(one.cluster != failing for one in errors):
        wrong.append(f"errors that are not {failing}'s")
    if strangers:
        wrong.append(f"{listed(strangers)} answered, though nearer ones were well")
    if late:
        wrong.append(f"errors after it was left out: {_errors(errors_in(late))}")
    if not left_out:
        wrong.append("the caller's proxy names no pod that it left out")
    figures = {
        "errors": len(errors),
        "ejected": list(left_out),
        "answered": counted(others),
        "seconds_until_back": round(away, 2) if away is not None else None,
    }
    return Verdict(not wrong, rows(lines), figures, "; ".join(wrong))


@dataclasses.dataclass(frozen=True)
class Gone:
    """The calls of a scene in which pods go: before, while they go, and while they come back."""

    before: t.Sequence[Call]
    going: t.Sequence[Call]
    back: t.Sequence[Call]
    ended: bool


def judge_gone(cast: Cast, played: Gone) -> Verdict:
    """No call may fail, and the nearest of the clusters that are left must answer."""
    failing, near = cast.failing, cast.nearest(without=cast.failing)
    every = [*played.before, *played.going, *played.back]
    errors = [one for one in every if not one.ok]
    taken = gap(played.going, [failing], near)
    first = next((one for one in played.back if one.ok and one.cluster == failing), None)
    last = [one for one in played.going if one.ok and one.cluster == failing]
    after = [one for one in played.going if one.ok and last and one.at > last[-1].end]
    strangers = sorted({one.cluster for one in after} - set(near))
    slowest = max((one.seconds for one in every), default=0.0)
    lines = [
        ("calls", f"{len(every)}, {len(errors)} failed{': ' + _errors(errors_in(errors)) if errors else ''}"),
        ("answered", ", ".join(f"{name} {count}" for name, count in counted(every).items()) or "nobody"),
        (
            "taken over",
            f"{any_of(near)} answered {taken:.2f} s after the last answer of {failing}"
            if taken is not None
            else f"{any_of(near)} did not take over",
        ),
        ("slowest", f"a call took {slowest:.2f} s"),
        ("back", f"{failing} answers again" if first else f"{failing} did not answer again"),
    ]
    wrong = []
    if not played.ended:
        wrong.append("the calls did not come to where they were expected, in the time that they had")
    if errors:
        wrong.append(f"{calls(len(errors))} failed")
    if strangers:
        wrong.append(f"{listed(strangers)} answered, though {any_of(near)} is nearer")
    figures = {
        "calls": len(every),
        "failed": len(errors),
        "answered": counted(every),
        "seconds_until_taken_over": round(taken, 3) if taken is not None else None,
        "slowest_seconds": round(slowest, 3),
    }
    return Verdict(not wrong, rows(lines), figures, "; ".join(wrong))


def judge_header(cast: Cast, found: t.Mapping[str, t.Sequence[Call]]) -> Verdict:
    """The calls of one user must be answered by version 2, all others by version 1."""
    lines, wrong, figures = [], [], dict[str, t.Any]()
    for caller, made in found.items():
        cells = []
        for user in USERS:
            mine = [one for one in made if one.user == user]
            by: dict[str, int] = {}
            for one in mine:
                answer = one.version if one.ok else str(one.status or "no answer")
                by[answer] = by.get(answer, 0) + 1
            who = user or "others"
            cells.append(f"{who}: " + ", ".join(f"{name} {count} of {len(mine)}" for name, count in by.items()))
            figures.setdefault(caller, {})[who] = by
            wanted = TRIAL if user == USERS[0] else STABLE
            if set(by) != {wanted}:
                wrong.append(f"{caller}: {who} not by {wanted} alone")
        lines.append((caller, "   ".join(cells)))
    return Verdict(not wrong and bool(found), rows(lines), figures, "; ".join(wrong))
