# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a peering run: every edge, the failures of each cluster, warnings, and one line."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ...errors import FleetError
from ...results import REMOVED, Change
from .remote_secrets import ADD, ADOPT, PROVIDED, REMOVE, RENEW, KeyPlan
from .scope import WatcherScope
from .static_tokens import TOKEN_SECRET

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


@dataclasses.dataclass(frozen=True)
class PeeringReport:
    """``edges`` are dictionaries for the task's result. It holds no credential."""

    changes: list[Change]
    edges: list[dict[str, t.Any]]
    failures: dict[str, list[FleetError]]
    """By cluster of the play."""
    warnings: list[str]
    summary: str


def make_report(
    scopes: t.Sequence[WatcherScope],
    plans: t.Mapping[str, t.Sequence[KeyPlan]],
    faults: Faults,
    *,
    play: t.Collection[str],
    changes: list[Change],
    warnings: list[str],
    dry_run: bool,
) -> PeeringReport:
    """Report a run over the clusters of ``play``; ``plans`` are by watcher."""
    planned = {(watcher, plan.cluster): plan for watcher, found in plans.items() for plan in found}
    tried = [(scope.watcher, name) for scope in scopes for name in scope.wanted]
    bad = _not_in_place(tried, planned, faults)
    edges = [
        {
            "watcher": edge[0],
            "watched": edge[1],
            "action": planned[edge].action if edge in planned else "failed",
            "why": planned[edge].reason if edge in planned else "",
            "in_place": edge not in bad and not (edge in planned and planned[edge].action == REMOVE),
        }
        for edge in sorted({*tried, *planned})
    ]
    foreign = [
        f"{watcher} → {name}: {plan.reason}; it was not changed"
        for (watcher, name), plan in sorted(planned.items())
        if plan.action == PROVIDED
    ]
    return PeeringReport(
        changes,
        edges,
        _failures(scopes, tried, len(tried) - len(bad), faults, play),
        [*warnings, *foreign],
        _summary(tried, bad, planned, faults, changes, dry_run=dry_run),
    )


def attribute_failures(failed: t.Iterable[Edge], tried: t.Iterable[Edge], play: t.Container[str]) -> dict[Edge, str]:
    """The cluster to which each failed edge is attributed.

    The watched one when nobody can reach it, else the watcher; of the two, one that is in the play.
    """
    broken, all_tried = set(failed), list(tried)
    out = {}
    for watcher, watched in broken:
        everybody = all(edge in broken for edge in all_tried if edge[1] == watched)
        first, second = (watched, watcher) if everybody else (watcher, watched)
        out[watcher, watched] = first if first in play else second
    return out


def _failures(
    scopes: t.Sequence[WatcherScope], tried: t.Sequence[Edge], placed: int, faults: Faults, play: t.Collection[str]
) -> dict[str, list[FleetError]]:
    failures: dict[str, list[FleetError]] = {}

    def fail(name: str, error: FleetError) -> None:
        # A cluster outside the play cannot fail in it: the error is then attributed to those in the play.
        for host in [name] if name in play else sorted(play):
            failures.setdefault(host, []).append(error)

    required = {*(s.watcher for s in scopes if s.required), *(name for s in scopes for name in s.wanted), *play}
    for name, error in faults.unreachable.items():
        if name in required:
            fail(name, error)
    others = f", {placed} other edge{'s are' if placed != 1 else ' is'} in place"
    for watcher, error in faults.blocked_istiods.items():
        error.what += others
        fail(watcher, error)
    against = attribute_failures(faults.failed_edges, tried, play)
    for edge, error in faults.failed_edges.items():
        error.what += others
        fail(against[edge], error)
    return failures


def _not_in_place(tried: t.Iterable[Edge], planned: t.Mapping[Edge, KeyPlan], faults: Faults) -> set[Edge]:
    bad = set()
    for edge in tried:
        # A blocked istiod keeps the connections that it has, but does not use what was written for it.
        unread = edge[0] in faults.blocked_istiods and (edge not in planned or planned[edge].action in (ADD, RENEW))
        if unread or edge in faults.failed_edges or not faults.unreachable.keys().isdisjoint(edge):
            bad.add(edge)
    return bad


def _summary(
    tried: t.Sequence[Edge],
    bad: set[Edge],
    planned: t.Mapping[Edge, KeyPlan],
    faults: Faults,
    changes: t.Iterable[Change],
    *,
    dry_run: bool,
) -> str:
    failed = len(bad | set(faults.failed_edges)) or len(faults.blocked_istiods)
    counts = collections.Counter(plan.action for edge, plan in planned.items() if edge not in bad)
    condition = f"{failed} failed" if failed else "planned" if dry_run else "all synced"
    total = len(tried)
    adopted = f", {counts[ADOPT]} adopted" if counts[ADOPT] else ""
    removed = sum(c.name == TOKEN_SECRET and c.action == REMOVED for c in changes)
    tokens = f", {removed} static token{'s' if removed != 1 else ''} removed" if removed else ""
    return (
        f"{total} edge{'s' if total != 1 else ''}: {counts[ADD]} added, {counts[RENEW]} renewed{adopted}, "
        f"{counts[REMOVE]} removed{tokens}" + (f" · {condition}" if total or failed else "")
    )
