# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who plays which part in the walk-through: the callers, the cluster that fails, the one with version 2."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError
from ..inventory.fleet import Fleet
from ..peering.graph import may_call

__all__ = ["STABLE", "TRIAL", "Cast", "Locality", "cast_of"]

STABLE, TRIAL = "v1", "v2"
Locality = tuple[str, str]
"""Region and zone; "" where nothing is known."""


@dataclasses.dataclass(frozen=True)
class Cast:
    """The parts of clusters.

    Args:
        clusters: those that play, in the order of the inventory.
        home: the cluster whose callers see what fails.
        trial: the cluster that also has version 2.
        reach: by cluster, those whose pods its callers find.
        apart: by cluster, the groups of those that its callers find and can tell apart: each of its own network, and
            all of another network together, because there one connection to a gateway leads to one pod.
        nearness: by cluster, how far its producers are from the callers in ``home``: 0 in their zone, 1 in their
            region, 2 elsewhere; empty until their nodes are known.
    """

    clusters: tuple[str, ...]
    home: str
    trial: str
    reach: t.Mapping[str, tuple[str, ...]]
    apart: t.Mapping[str, tuple[tuple[str, ...], ...]]
    nearness: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    def versions(self, cluster: str) -> tuple[str, ...]:
        """The versions of the producer that a cluster has."""
        return (STABLE, TRIAL) if cluster == self.trial else (STABLE,)

    def nearest(self, without: str = "") -> tuple[str, ...]:
        """The clusters whose producers are nearest to the callers in ``home``, when those of one are gone."""
        left = [name for name in self.reach[self.home] if name != without]
        least = min((self.nearness.get(name, 2) for name in left), default=2)
        return tuple(name for name in left if self.nearness.get(name, 2) == least)

    @property
    def failing(self) -> str:
        """The cluster whose producers fail: it must be one that callers in ``home`` prefer."""
        near = self.nearest()
        return self.home if self.home in near else near[0]

    def others(self) -> tuple[str, ...]:
        """The clusters that may answer while the producers of ``failing`` are ejected.

        Where others are as near, Istio sends them part of the calls and the rest further.
        """
        if len(self.nearest()) > 1:
            return tuple(name for name in self.reach[self.home] if name != self.failing)
        return self.nearest(without=self.failing)

    def placed(self, callers: Locality, producers: t.Mapping[str, t.Collection[Locality]]) -> Cast:
        """The same, with the places of the callers in ``home`` and, by cluster, of its producers."""
        found = {name: min((_rank(callers, one) for one in places), default=2) for name, places in producers.items()}
        return dataclasses.replace(self, nearness=found)


def _rank(here: Locality, there: Locality) -> int:
    """As Istio compares them."""
    if here == there:
        return 0
    return 1 if here[0] == there[0] else 2


def cast_of(fleet: Fleet, play: t.Collection[str], home: str = "") -> Cast:
    """The parts of the clusters of a run.

    Args:
        play: names of the clusters that the run may use; a remote only with its primary, which holds its policies.
        home: the cluster whose callers see what fails; "" for the first that calls another one.

    Raises:
        FleetError: no two clusters call each other, or ``home`` calls none.
    """
    clusters = tuple(name for name in fleet.clusters if name in play and fleet.clusters[name].primary in play)
    reach = {name: tuple(other for other in clusters if may_call(fleet, name, other)) for name in clusters}
    callers = [name for name in clusters if len(reach[name]) > 1]
    if home and home not in callers:
        raise FleetError(
            "the walk-through cannot begin in this cluster",
            cluster=home if home in fleet.clusters else "",
            obj="demo_callers",
            seen=f"{home} calls no other cluster of this run" if home in clusters else f"{home} is not in this run",
            next_step=f"one of: {', '.join(callers)}" if callers else "run it for two clusters that watch each other",
        )
    if not callers:
        raise FleetError(
            "the walk-through needs two clusters, of which one calls the other",
            obj="mesh_clusters",
            seen=f"clusters of this run: {', '.join(clusters) or 'none'}",
            means="it shows how calls go to another cluster",
            next_step="run it without --limit, on a fleet of two or more clusters whose mesh_peers name each other",
        )
    home = home or callers[0]
    abroad = [name for name in reach[home] if name != home]
    trial = max(abroad, key=lambda name: sum(name in found for found in reach.values()))
    apart = {name: _apart(fleet, name, found) for name, found in reach.items()}
    return Cast(clusters, home, trial, reach, apart)


def _apart(fleet: Fleet, caller: str, found: t.Iterable[str]) -> tuple[tuple[str, ...], ...]:
    here = fleet.clusters[caller].network
    groups: dict[tuple[str, str], tuple[str, ...]] = {}
    for name in found:
        network = fleet.clusters[name].network
        key = (network, name if network == here else "")
        groups[key] = (*groups.get(key, ()), name)
    return tuple(groups.values())
