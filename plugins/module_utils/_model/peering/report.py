# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a peering run: every edge, the failures of each cluster, warnings, and one line."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ...errors import FleetError
from ...results import REMOVED, Change
from ..inventory.fleet import Fleet
from ..istio.former import SIGNER
from . import leaving
from .remote_secrets import ADD, ADOPT, PROVIDED, REMOVE, RENEW, UNNAMED, KeyPlan
from .scope import WatcherScope
from .static_tokens import TOKEN_SECRET
from .token_ends import RUN_EVERY, Life, day, first_end, schedule_warnings

__all__ = ["Faults", "PeeringReport", "attribute_failures", "make_report"]

Edge = tuple[str, str]
"""``(watcher, watched)``"""


@dataclasses.dataclass
class Faults:
    """What failed in a run."""

    unreachable: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """By cluster that could not be read or written."""
    blocked_istiods: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """By watcher whose istiod no longer reads remote secrets."""
    failed_edges: dict[Edge, FleetError] = dataclasses.field(default_factory=dict)
    withheld: dict[Edge, FleetError] = dataclasses.field(default_factory=dict)
    """Edges that must not be made; see ``withheld.py``."""


@dataclasses.dataclass(frozen=True)
class PeeringReport:
    """``edges`` are dictionaries for the task's result. It holds no credential."""

    changes: list[Change]
    edges: list[dict[str, t.Any]]
    failures: dict[str, list[FleetError]]
    """By cluster of the play, what is wrong with that cluster itself."""
    missing: dict[str, list[FleetError]]
    """By cluster of the play, the edges without which it goes on."""
    warnings: list[str]
    summary: str


def make_report(
    fleet: Fleet,
    scopes: t.Sequence[WatcherScope],
    plans: t.Mapping[str, t.Sequence[KeyPlan]],
    faults: Faults,
    *,
    play: t.Collection[str],
    changes: list[Change],
    warnings: list[str],
    dry_run: bool,
    waited: bool = True,
    absent: bool = False,
    forget: t.Collection[str] = (),
    asked: float = 0.0,
    run_every: float = RUN_EVERY,
) -> PeeringReport:
    """Report a run over the clusters of ``play``, which leave if ``absent``.

    Args:
        plans: by watcher.
        waited: until istiods have synced.
        forget: clusters that left the fleet.
        asked: seconds of validity that were asked for where a token was needed.
        run_every: seconds between two scheduled runs.
    """
    planned = {(watcher, plan.cluster): plan for watcher, found in plans.items() for plan in found}
    tried = [(scope.watcher, name) for scope in scopes for name in scope.wanted]
    bad = _not_in_place(tried, planned, faults)
    edges = [
        {
            "watcher": edge[0],
            "watched": edge[1],
            "action": planned[edge].action if edge in planned else "withheld" if edge in faults.withheld else "failed",
            "why": planned[edge].reason if edge in planned else "",
            "in_place": edge not in bad and not (edge in planned and planned[edge].action == REMOVE),
            "token_ends": _ends(planned.get(edge)),
        }
        for edge in sorted({*tried, *planned})
    ]
    foreign = [
        f"{watcher} → {name}: {plan.reason}; it was not changed"
        for (watcher, name), plan in sorted(planned.items())
        if plan.action == PROVIDED
    ]
    lives: dict[str, list[Life]] = {}
    for edge in tried:
        plan = planned.get(edge)
        if plan is not None and plan.life is not None and plan.action != PROVIDED:
            lives.setdefault(plan.cluster, []).append(plan.life)
    failures, missing = _attributed(scopes, tried, len(tried) - len(bad), faults, play)
    if absent:
        failures = {
            name: [leaving.gone(fleet, name, e) if e is faults.unreachable.get(name) else e for e in found]
            for name, found in failures.items()
        }
    strays = leaving.unnamed(fleet, plans)
    for watcher, found in plans.items():
        if strays and watcher in play and any(plan.action == UNNAMED for plan in found):
            missing.setdefault(watcher, []).append(strays)
    return PeeringReport(
        changes,
        edges,
        failures,
        missing,
        [
            *warnings,
            *foreign,
            *leaving.forgotten(fleet, forget, plans),
            *schedule_warnings(lives, asked, run_every),
        ],
        _summary(tried, bad, planned, faults, changes, dry_run=dry_run, waited=waited),
    )


def attribute_failures(
    failed: t.Iterable[Edge], tried: t.Iterable[Edge], play: t.Container[str]
) -> dict[Edge, tuple[str, bool]]:
    """The cluster to which each failed edge is attributed, and whether that cluster is at fault.

    The watched one is at fault when nobody can reach it. Else the watcher goes on without the edge, or the watched one
    if the watcher is not in the play.
    """
    broken, all_tried = set(failed), list(tried)
    out = {}
    for watcher, watched in broken:
        ends = [edge for edge in all_tried if edge[1] == watched]
        if ends and watched in play and all(edge in broken for edge in ends):
            out[watcher, watched] = watched, True
        else:
            out[watcher, watched] = (watcher if watcher in play else watched), False
    return out


Found = dict[str, list[FleetError]]


def _attributed(
    scopes: t.Sequence[WatcherScope], tried: t.Sequence[Edge], placed: int, faults: Faults, play: t.Collection[str]
) -> tuple[Found, Found]:
    """What fails clusters of the play, and what they go on without: nobody is failed for another cluster's fault."""
    failures: Found = {}
    missing: Found = {}

    def add(found: Found, names: t.Iterable[str], error: FleetError) -> None:
        for name in names:
            if name in play:
                found.setdefault(name, []).append(error)

    required = {*(s.watcher for s in scopes if s.required), *(name for s in scopes for name in s.wanted), *play}
    for name, error in faults.unreachable.items():
        if name not in required:
            continue
        add(failures, [name], error)
        ends = [edge for edge in tried if name in edge]
        # A run that removes edges tries none: then every cluster that leaves may still be watched by this one.
        others = {end for edge in ends for end in edge} if tried else set(play)
        add(missing, sorted(others - {name}), _without(name, error, leaving=not tried))
    others_placed = f", {placed} other edge{'s are' if placed != 1 else ' is'} in place"
    for watcher, error in faults.blocked_istiods.items():
        error.what += others_placed
        add(failures if watcher in play else missing, [watcher] if watcher in play else sorted(play), error)
    against = attribute_failures(faults.failed_edges, tried, play)
    for edge, error in faults.failed_edges.items():
        error.what += others_placed
        name, at_fault = against[edge]
        add(failures if at_fault else missing, [name], error)
        if at_fault:
            add(missing, [edge[0]], error)
    for (watcher, watched), error in faults.withheld.items():
        name = watcher if watcher in play else watched
        if str(error) not in map(str, missing.get(name, ())):
            add(missing, [name], error)
    return failures, missing


def _without(name: str, error: FleetError, *, leaving: bool) -> FleetError:
    """What the peers of a cluster that failed go on without; the same text for all of them."""
    again = f"then run playbooks/peering.yml with --limit {name}"
    if leaving:
        again = f"if {name} still exists, run playbooks/peering.yml with --limit {name} once it answers"
    return FleetError(
        f"{name} may still watch the clusters that leave"
        if leaving
        else f"the edges with {name} were neither made nor checked",
        seen=f"{name}: {error.what}" + (f": {error.seen}" if error.seen else ""),
        means=error.means,
        next_step=again if leaving or not error.next_step else f"{error.next_step}; {again}",
    )


def _not_in_place(tried: t.Iterable[Edge], planned: t.Mapping[Edge, KeyPlan], faults: Faults) -> set[Edge]:
    bad = set()
    for edge in tried:
        # A blocked istiod keeps the connections that it has, but does not use what was written for it.
        unread = edge[0] in faults.blocked_istiods and (edge not in planned or planned[edge].action in (ADD, RENEW))
        if (
            unread
            or edge in faults.failed_edges
            or edge in faults.withheld
            or not faults.unreachable.keys().isdisjoint(edge)
        ):
            bad.add(edge)
    return bad


def _ends(plan: KeyPlan | None) -> str:
    return day(plan.life.ends) if plan is not None and plan.life is not None and plan.action != REMOVE else ""


def _summary(
    tried: t.Sequence[Edge],
    bad: set[Edge],
    planned: t.Mapping[Edge, KeyPlan],
    faults: Faults,
    changes: t.Iterable[Change],
    *,
    dry_run: bool,
    waited: bool,
) -> str:
    failed = len(bad | set(faults.failed_edges)) or len(faults.blocked_istiods)
    counts = collections.Counter(plan.action for edge, plan in planned.items() if edge not in bad)
    condition = f"{failed} failed" if failed else "planned" if dry_run else "all synced" if waited else "not waited for"
    total = len(tried)
    first = first_end(planned[edge].life for edge in tried if edge in planned)
    adopted = f", {counts[ADOPT]} adopted" if counts[ADOPT] else ""
    gone = collections.Counter(c.name for c in changes if c.action == REMOVED)
    tokens = "".join(
        f", {gone[name]} {what}{'s' if gone[name] != 1 else ''} removed"
        for name, what in ((TOKEN_SECRET, "static token"), (SIGNER, "intermediate CA"))
        if gone[name]
    )
    return (
        f"{total} edge{'s' if total != 1 else ''}: {counts[ADD]} added, {counts[RENEW]} renewed{adopted}, "
        f"{counts[REMOVE]} removed{tokens}"
        + (f" · {condition}" if total or failed else "")
        + (f" · {counts[UNNAMED]} to clusters that the inventory does not name" if counts[UNNAMED] else "")
        + (f" · first token ends {day(first.ends)}" if first else "")
    )
