# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who watches whom: the directed graph of remote secrets."""

from __future__ import annotations

from ..control_planes.registry import clusters_with_istiod, control_plane_of, managed_clusters, own_networks
from ..inventory.fleet import ROLE_PRIMARY, Fleet

__all__ = ["count_edges", "edges", "may_call", "summary"]


def edges(fleet: Fleet) -> list[tuple[str, str]]:
    """Directed pairs ``(watcher, watched)``, each of which is one key of a remote secret.

    Only primaries watch. A primary always watches the remotes that it serves, and a remote has the peers of its
    primary, which configures its proxies. Clusters whose control plane Google runs have no edges: a setting of
    Google's connects them (``control_planes/managed_peering.py``).
    """
    planes = {name: control_plane_of(fleet, cluster) for name, cluster in fleet.clusters.items()}
    return [
        (watcher, watched)
        for watcher, mine in planes.items()
        if mine.has_istiod
        for watched, theirs in planes.items()
        if mine.watches(theirs)
    ]


def may_call(fleet: Fleet, caller: str, callee: str) -> bool:
    """Whether the mesh lets pods of ``caller`` find pods of ``callee``."""
    # Called for each pair of a fleet, so it does not make edges().
    mine, theirs = (control_plane_of(fleet, fleet.clusters[name]) for name in (caller, callee))
    return caller == callee or mine.may_call(theirs)


def count_edges(fleet: Fleet) -> int:
    """How many :func:`edges` there are, without making them: thousands of clusters have millions."""
    total = 0
    served: dict[str, list[str]] = {}
    for cluster in fleet.clusters.values():
        if cluster.role != ROLE_PRIMARY:
            served.setdefault(cluster.primary, []).append(cluster.name)
    seen = {cluster.name for cluster in fleet.clusters.values() if control_plane_of(fleet, cluster).ours}
    for watcher in clusters_with_istiod(fleet):
        if watcher.peers is None:
            total += len(seen) - 1
        else:
            named = {peer for peer in watcher.peers if peer in seen} | set(served.get(watcher.name, ()))
            total += len(named - {watcher.name})
    return total


def summary(fleet: Fleet) -> str:
    """The fleet in one line: ``4 clusters, 12 directed peers, 2 networks joined by gateways``.

    If Google runs control planes, the line names their trust domain, which ``mesh_trust_domain`` does not change.
    """
    networks = len(fleet.networks())
    joined = " joined by gateways" if len(own_networks(fleet)) > 1 else ""
    parts = ((len(fleet.clusters), "cluster"), (count_edges(fleet), "directed peer"), (networks, "network"))
    text = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts) + joined
    managed = managed_clusters(fleet)
    if not managed:
        return text
    count = f"{len(managed)} control plane{'' if len(managed) == 1 else 's'}"
    return f"{text}; Google runs {count}, trust domain {control_plane_of(fleet, managed[0]).trust_domain}"
