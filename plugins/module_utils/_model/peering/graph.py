# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who watches whom: the directed graph of remote secrets."""

from __future__ import annotations

from ..control_planes.control_plane import managed_clusters, own_networks, trust_domain
from ..inventory.fleet import ROLE_PRIMARY, Cluster, Fleet
from ..providers.google.members import is_managed

__all__ = ["count_edges", "edges", "may_call", "summary"]


def edges(fleet: Fleet) -> list[tuple[str, str]]:
    """Directed pairs ``(watcher, watched)``, each of which is one key of a remote secret.

    Only primaries watch. A primary always watches the remotes it serves; what a remote "peers with"
    is what its primary watches, because the primary configures its proxies. Where Google runs the control
    plane nobody watches by secrets: those clusters see each other by a setting of their own.
    """
    return [
        (watcher.name, watched.name)
        for watcher in fleet.clusters.values()
        if watcher.role == ROLE_PRIMARY and not is_managed(watcher)
        for watched in fleet.clusters.values()
        if _watches(watcher, watched)
    ]


def _watches(watcher: Cluster, watched: Cluster) -> bool:
    """Of an istiod of ours: whether it watches that cluster."""
    if watched.name == watcher.name or is_managed(watched):
        return False
    return watched.primary == watcher.name or watcher.peers is None or watched.name in watcher.peers


def may_call(fleet: Fleet, caller: str, callee: str) -> bool:
    """Whether the mesh lets pods of ``caller`` find pods of ``callee``."""
    if caller == callee:
        return True
    if is_managed(fleet.clusters[caller]):
        return _joined(fleet.clusters[caller]) and _joined(fleet.clusters[callee])
    # Asked for each pair of a fleet, so this makes no edges().
    serving = fleet.clusters.get(fleet.clusters[caller].primary)
    if serving is None or serving.name == callee:
        return serving is not None
    ours = serving.role == ROLE_PRIMARY and not is_managed(serving)
    return ours and _watches(serving, fleet.clusters[callee])


def _joined(cluster: Cluster) -> bool:
    """Whether a managed cluster takes part in the managed mesh of all such clusters."""
    return is_managed(cluster) and cluster.peers != ()


def count_edges(fleet: Fleet) -> int:
    """How many :func:`edges` there are, without making them: a fleet of thousands has millions."""
    total = 0
    served: dict[str, list[str]] = {}
    for cluster in fleet.clusters.values():
        if cluster.role != ROLE_PRIMARY:
            served.setdefault(cluster.primary, []).append(cluster.name)
    seen = {cluster.name for cluster in fleet.clusters.values() if not is_managed(cluster)}
    for watcher in fleet.primaries():
        if is_managed(watcher):
            continue
        if watcher.peers is None:
            total += len(seen) - 1
        else:
            named = {peer for peer in watcher.peers if peer in seen} | set(served.get(watcher.name, ()))
            total += len(named - {watcher.name})
    return total


def summary(fleet: Fleet) -> str:
    """The fleet in one line: ``4 clusters, 12 directed peers, 2 networks joined by gateways``.

    Where Google runs control planes, the line names their trust domain, which ``mesh_trust_domain`` does not change.
    """
    networks = len(fleet.networks())
    joined = " joined by gateways" if len(own_networks(fleet)) > 1 else ""
    parts = ((len(fleet.clusters), "cluster"), (count_edges(fleet), "directed peer"), (networks, "network"))
    text = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts) + joined
    managed = managed_clusters(fleet)
    if not managed:
        return text
    count = f"{len(managed)} control plane{'' if len(managed) == 1 else 's'}"
    return f"{text}; Google runs {count}, trust domain {trust_domain(fleet, managed[0])}"
