# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which edges a run touches: those that start or end at a cluster of the play, and no other."""

from __future__ import annotations

import dataclasses
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Fleet
from .graph import edges

__all__ = ["Unwanted", "WatcherScope", "attribute_failures", "scopes"]


@dataclasses.dataclass(frozen=True)
class Unwanted:
    """The clusters whose edge goes: all but ``keep`` where the watcher is in the play, else only those of the play."""

    keep: frozenset[str]
    only: frozenset[str] | None

    def __contains__(self, name: object) -> bool:
        return name not in self.keep and (self.only is None or name in self.only)


@dataclasses.dataclass(frozen=True)
class WatcherScope:
    """One watcher's part of the run."""

    watcher: str
    wanted: tuple[str, ...]
    unwanted: Unwanted
    required: bool
    """False: it is read only to see whether an old edge must go; if it does not answer, that is no failure."""


def scopes(fleet: Fleet, play: t.Iterable[str], *, absent: bool = False) -> list[WatcherScope]:
    """What each watcher has to get and lose when the clusters of ``play`` are peered (or leave)."""
    inside = frozenset(play)
    graph = edges(fleet)
    found = []
    for cluster in fleet.primaries():
        name = cluster.name
        targets = frozenset(watched for watcher, watched in graph if watcher == name)
        if absent:
            wanted: tuple[str, ...] = ()
            unwanted = Unwanted(frozenset(), None if name in inside else inside)
            required = name in inside or bool(targets & inside)
        elif name in inside:
            # Google's control plane gets no secrets, and loses those that we gave to an istiod before it.
            required = control_plane_of(fleet, cluster).has_istiod
            wanted, unwanted = tuple(sorted(targets)), Unwanted(targets, None)
        else:
            wanted = tuple(sorted(targets & inside))
            unwanted, required = Unwanted(targets, inside), bool(wanted)
        found.append(WatcherScope(name, wanted, unwanted, required))
    return found


def attribute_failures(
    failed: t.Iterable[tuple[str, str]], tried: t.Iterable[tuple[str, str]], play: t.Container[str]
) -> dict[tuple[str, str], str]:
    """The cluster that each failed edge ``(watcher, watched)`` is counted against.

    The watched one when nobody can reach it, else the watcher; of the two, one that is in the play.
    """
    broken, all_tried = set(failed), list(tried)
    out = {}
    for watcher, watched in broken:
        everybody = all(edge in broken for edge in all_tried if edge[1] == watched)
        first, second = (watched, watcher) if everybody else (watcher, watched)
        out[watcher, watched] = first if first in play else second
    return out
