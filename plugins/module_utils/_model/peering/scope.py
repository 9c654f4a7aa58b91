# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which edges a run changes: those that start or end at a cluster of the play, and no others.

An inventory may lack a part: a source that failed, a file that was forgotten. That it does not name a cluster is
therefore no reason to remove the edges to it. They go by consent (``forget``), or when a cluster that it names leaves.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Fleet
from .graph import edges

__all__ = ["Unnamed", "Unwanted", "WatcherScope", "scopes"]


@dataclasses.dataclass(frozen=True)
class Unwanted:
    """The clusters whose edge is removed: all but ``keep``; with ``only``, none but those."""

    keep: frozenset[str]
    only: frozenset[str] | None

    def __contains__(self, name: object) -> bool:
        return name not in self.keep and (self.only is None or name in self.only)


@dataclasses.dataclass(frozen=True)
class Unnamed:
    """The clusters that the inventory does not name and that the run was not told to forget: all but ``known``."""

    known: frozenset[str]

    def __contains__(self, name: object) -> bool:
        return name not in self.known


@dataclasses.dataclass(frozen=True)
class WatcherScope:
    """What a run does in one watcher."""

    watcher: str
    wanted: tuple[str, ...]
    unwanted: Unwanted
    required: bool
    """False: it is read only to find edges that must be removed; it is no failure if it does not answer."""
    unnamed: t.Container[str] = frozenset()
    """The clusters whose edge stays and is reported, because the inventory does not name them."""


def scopes(
    fleet: Fleet, play: t.Iterable[str], *, absent: bool = False, forget: t.Iterable[str] = ()
) -> list[WatcherScope]:
    """The edges that each watcher must have and must not have when the clusters of ``play`` are peered, or leave.

    ``forget``: clusters that the inventory does not name because they left the fleet.
    """
    inside = frozenset(play)
    known = frozenset(fleet.clusters) | frozenset(forget)
    graph = edges(fleet)
    found = []
    # Every cluster: one that is no primary any more holds the edges of the istiod that it had.
    for cluster in fleet.clusters.values():
        name = cluster.name
        targets = frozenset(watched for watcher, watched in graph if watcher == name)
        unnamed: t.Container[str] = frozenset()
        if absent:
            wanted: tuple[str, ...] = ()
            unwanted = Unwanted(frozenset(), None if name in inside else inside)
            required = name in inside or bool(targets & inside)
        elif name in inside:
            # A cluster without an istiod of ours gets none, and loses those of an istiod that ran there before.
            required = control_plane_of(fleet, cluster).has_istiod
            wanted, unwanted = tuple(sorted(targets)), Unwanted(targets, known if required else None)
            unnamed = Unnamed(known) if required else unnamed
        else:
            wanted = tuple(sorted(targets & inside))
            unwanted, required = Unwanted(targets, inside), bool(wanted)
        found.append(WatcherScope(name, wanted, unwanted, required, unnamed))
    return found
