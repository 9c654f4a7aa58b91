# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said about clusters that left the fleet, or seem to have: their edges, and the tokens that they hold."""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Fleet
from .remote_secrets import ACCOUNT, REMOVE, UNNAMED, KeyPlan

__all__ = ["deleted", "forgotten", "gone", "unnamed"]

_NAMES = 5
"""How many clusters a text names before it counts the others."""


def unnamed(fleet: Fleet, plans: t.Mapping[str, t.Iterable[KeyPlan]]) -> FleetError | None:
    """What the watchers go on with: edges to clusters that the inventory does not name; None if there are none.

    ``plans`` are by watcher.
    """
    found = {(p.cluster, watcher) for watcher, planned in plans.items() for p in planned if p.action == UNNAMED}
    if not found:
        return None
    names, watchers = (sorted({edge[end] for edge in found}) for end in (0, 1))
    many = len(names) > 1
    them, they, their = ("them", "they", "their") if many else ("it", "it", "its")
    return FleetError(
        f"the inventory does not name {_listed(names)}, which the fleet still watches; {their} edges stay",
        seen=f"remote secrets of {_listed(names)} in {_listed(watchers)}",
        means=f"a part of the inventory is missing, or {they} left the fleet; {_holds(they, many)}",
        next_step=f"bring the missing part of the inventory back. If {they} left: put {them} back, run "
        f"playbooks/teardown.yml with --limit {','.join(names)}, and take {them} out. If {they} cannot come back: run "
        f"playbooks/peering.yml with -e peering_forget={','.join(names)}, which says how the tokens end",
    )


def forgotten(fleet: Fleet, forget: t.Iterable[str], plans: t.Mapping[str, t.Iterable[KeyPlan]]) -> list[str]:
    """A warning for each cluster that the run was told to forget."""
    warnings = []
    for name in sorted(set(forget)):
        by = sorted(w for w, planned in plans.items() if any(p.cluster == name and p.action == REMOVE for p in planned))
        if not by:
            warnings.append(f"peering_forget names {name}, but no cluster of this run has an edge to it")
            continue
        warnings.append(
            f"{name} is forgotten: edges removed in {_listed(by)}; {_holds('it', many=False)}. To end them now: "
            f"{_revoke(fleet, [name])}"
        )
    return warnings


def gone(fleet: Fleet, name: str, error: FleetError) -> FleetError:
    """A cluster that does not answer while it leaves: nothing was removed on it, and its peers have forgotten it."""
    return FleetError(
        "it does not answer: its edges were removed in the clusters that answer, and nothing was removed on it",
        cluster=name,
        seen=f"{error.what}: {error.seen}" if error.seen else error.what,
        means=f"if it is gone for good, nothing is left to do on it; if it exists, {_holds('it', many=False)}",
        next_step=f"gone for good: take {name} out of the inventory, and that is all. Only down: run "
        f"playbooks/teardown.yml with --limit {name} once it answers. To end the tokens that it holds, if it or a "
        f"backup of it may be in other hands: {_revoke(fleet, [name])}",
    )


def deleted(error: FleetError) -> str:
    """A warning about a cluster that leaves and that was deleted before: a wrong name would look the same."""
    seen = ": ".join(part for part in (error.obj, error.seen) if part)
    return (
        f"{error.cluster}: {error.what}, so nothing was removed on it ({seen}); if it is another "
        f"one, correct its variables and run playbooks/teardown.yml with --limit {error.cluster} again"
    )


def _holds(they: str, many: bool) -> str:
    hold, read = ("hold", "read") if many else ("holds", "reads")
    return (
        f"{they} still {hold} tokens of the clusters that {they} watched, and {read} their API servers, Secrets too, "
        "until these tokens end"
    )


def _revoke(fleet: Fleet, names: t.Collection[str]) -> str:
    """How the tokens end that these clusters hold: they are bound to the account, static ones too."""
    peers = [c for c in fleet.clusters if c not in names and control_plane_of(fleet, fleet.clusters[c]).ours]
    where = f"each of {_listed(peers)}" if len(peers) > 1 else "".join(peers) or "each cluster that was watched"
    return (
        f"in {where}: kubectl -n {fleet.namespace} delete serviceaccount {ACCOUNT}, which ends every token of it; then "
        "run playbooks/site.yml, which makes the account again and gives its watchers new tokens"
    )


def _listed(names: t.Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    more = len(names) - _NAMES
    return f"{shown} and {more} more" if more > 0 else shown
