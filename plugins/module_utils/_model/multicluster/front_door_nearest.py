# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which cluster is nearest to a front door, by the round trips that it measured.

A measurement is never the same twice. So a recorded round trip counts until a new one is clearly another, and a cluster
goes before another only if it is clearly nearer: a run after which nothing has moved changes nothing.
"""

from __future__ import annotations

import typing as t

__all__ = ["kept", "nearest_first"]

_PART = 0.2
"""Of the longer round trip: between the same two places, routes through the internet mostly vary by less."""
_MILLISECONDS = 5.0
"""What a busy machine adds by itself, and what no caller notices: some 500 km of fibre, there and back."""

RoundTrips = t.Mapping[str, float]


def kept(recorded: RoundTrips, measured: RoundTrips) -> dict[str, float]:
    """The round trips that count: recorded ones, except where a new one is clearly another.

    One that was not measured now stays: a cluster that is dead has not moved.

    Args:
        recorded: in milliseconds, by cluster, those of the run before.
        measured: those of this run.
    """
    found = dict(recorded)
    for cluster, now in measured.items():
        before = recorded.get(cluster)
        if before is None or _clearly_less(now, before) or _clearly_less(before, now):
            found[cluster] = now
    return found


def nearest_first(clusters: t.Iterable[str], round_trips: RoundTrips) -> list[str]:
    """The clusters in their order, except that a clearly nearer one goes before.

    One without a round trip keeps its place: it goes before none, and none goes before it.
    """
    left, found = list(clusters), list[str]()
    while left:
        # There always is one, as nothing is clearly nearer than the nearest of all.
        first = next(one for one in left if not any(_nearer(other, one, round_trips) for other in left))
        left.remove(first)
        found.append(first)
    return found


def _nearer(cluster: str, than: str, round_trips: RoundTrips) -> bool:
    return cluster in round_trips and than in round_trips and _clearly_less(round_trips[cluster], round_trips[than])


def _clearly_less(one: float, other: float) -> bool:
    return other - one > max(_MILLISECONDS, _PART * other)
