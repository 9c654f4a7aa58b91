# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run says of itself: every edge, whose failure it is, and one line."""

from __future__ import annotations

import collections

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import remote_secrets as rs
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope, attribute_failures
from ansible_collections.mesh.fleet.plugins.module_utils.results import REMOVED
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.reads import TOKEN_SECRET
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Edge, State

__all__ = ["report_outcome"]


def report_outcome(state: State, parts: list[WatcherScope]) -> None:
    """Fill the outcome: failures, edges, warnings, summary."""
    out = state.outcome
    plans = {(w, p.cluster): p for w, found in state.plans.items() for p in found}
    tried = [(p.watcher, name) for p in parts for name in p.wanted]
    required = {p.watcher for p in parts if p.required} | {n for p in parts for n in p.wanted} | state.play
    for name, error in state.unreachable.items():
        if name in required:
            state.fail(name, error)
    against = attribute_failures(state.bad_edges, tried, state.play)
    bad = _not_in_place(state, tried, plans)
    placed = len(tried) - len(bad)
    others = f", {placed} other edge{'s are' if placed != 1 else ' is'} in place"
    for watcher, error in state.blocked.items():
        error.what += others
        state.fail(watcher, error)
    for edge, error in state.bad_edges.items():
        error.what += others
        state.fail(against[edge], error)
    for edge in sorted({*tried, *plans}):
        plan = plans.get(edge)
        out.edges.append(
            {
                "watcher": edge[0],
                "watched": edge[1],
                "action": plan.action if plan else "failed",
                "why": plan.reason if plan else "",
                "in_place": edge not in bad and not (plan and plan.action == rs.REMOVE),
            }
        )
        if plan and plan.action == rs.PROVIDED:
            out.warnings.append(f"{edge[0]} → {edge[1]}: {plan.reason}; it was left alone")
    out.summary = _summary(state, tried, bad, plans)


def _not_in_place(state: State, tried: list[Edge], plans: dict[Edge, rs.KeyPlan]) -> set[Edge]:
    bad = {e for e in tried if e in state.bad_edges or e[0] in state.unreachable or e[1] in state.unreachable}
    # A blocked istiod goes on with the connections it has; what was written for it is not in use.
    written = (rs.ADD, rs.RENEW)
    return bad | {e for e in tried if e[0] in state.blocked and (e not in plans or plans[e].action in written)}


def _summary(state: State, tried: list[Edge], bad: set[Edge], plans: dict[Edge, rs.KeyPlan]) -> str:
    failed = len(bad | set(state.bad_edges)) or len(state.blocked)
    counts = collections.Counter(plan.action for edge, plan in plans.items() if edge not in bad)
    condition = f"{failed} failed" if failed else "planned" if state.options.dry_run else "all synced"
    total = len(tried)
    adopted = f", {counts[rs.ADOPT]} adopted" if counts[rs.ADOPT] else ""
    ended = sum(c.name == TOKEN_SECRET and c.action == REMOVED for c in state.outcome.changes)
    tokens = f", {ended} endless token{'s' if ended != 1 else ''} removed" if ended else ""
    return (
        f"{total} edge{'s' if total != 1 else ''}: {counts[rs.ADD]} added, {counts[rs.RENEW]} renewed{adopted}, "
        f"{counts[rs.REMOVE]} removed{tokens}" + (f" · {condition}" if total or failed else "")
    )
