# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which edges a run must not make: those of a cluster that failed earlier in the run, and those between two roots."""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Fleet

__all__ = ["withheld_edge"]


def withheld_edge(
    fleet: Fleet,
    watcher: str,
    watched: str,
    *,
    failed: t.Container[str],
    roots: t.Mapping[str, frozenset[str]],
    held: bool,
) -> FleetError | None:
    """Why the edge must not be made; None if it may.

    Args:
        fleet: the whole fleet.
        watcher: the cluster whose istiod would have the remote secret.
        watched: the cluster that it would read.
        failed: the clusters that failed earlier in this run, in whichever stage.
        roots: by cluster with an istiod, the fingerprints of the roots that its proxies accept; none where unknown.
        held: whether the watcher has the edge already. An edge that is there is not new, and stays after a failure.
    """
    for name in (watched, watcher):
        if name in failed and not held:
            return FleetError(
                f"no new edge to or from {name} was made",
                seen=f"{name} failed earlier in this run",
                means="a cluster that was refused, or is half done, gets no token of others, and others get none of it",
                next_step=f"do what the failure of {name} says, then run again with --limit {name}",
            )
    mine, theirs = (roots.get(_signer(fleet, name), frozenset()) for name in (watcher, watched))
    if not mine or not theirs or mine & theirs:
        return None
    one, other = sorted((watcher, watched))
    return FleetError(
        f"{one} and {other} have different roots, so no edge between them is made",
        seen="; ".join(f"{n} has root SHA256 {_short(roots[_signer(fleet, n)])}" for n in (one, other))
        + ("; an edge that was there stays" if held else ""),
        means="they are not one mesh: their proxies refuse each other's certificates, and calls that the mesh spreads "
        "over both clusters fail",
        next_step="run playbooks/trust.yml, which says which of them has a root that is not the fleet's",
    )


def _signer(fleet: Fleet, name: str) -> str:
    """The cluster whose istiod signs for the workloads of ``name``."""
    cluster = fleet.clusters[name]
    return name if control_plane_of(fleet, cluster).has_istiod else cluster.primary


def _short(fingerprints: frozenset[str]) -> str:
    return ", ".join(f"{text[:17]}…" for text in sorted(fingerprints))
