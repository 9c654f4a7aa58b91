# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which control plane a cluster has, and questions about all of a fleet's."""

from __future__ import annotations

from ..inventory.fleet import ROLE_PRIMARY, Cluster, Fleet
from .base import ControlPlane
from .istiod import Istiod
from .managed import Managed, is_managed
from .remote import Remote

__all__ = ["clusters_with_istiod", "control_plane_of", "managed_clusters", "own_networks"]


def control_plane_of(fleet: Fleet, cluster: Cluster) -> ControlPlane:
    """The control plane of a cluster. A fleet may hold all kinds, so it is asked of a cluster and not of the fleet."""
    if is_managed(cluster):
        return Managed(fleet, cluster)
    return Istiod(fleet, cluster) if cluster.role == ROLE_PRIMARY else Remote(fleet, cluster)


def clusters_with_istiod(fleet: Fleet) -> list[Cluster]:
    """Those in which an istiod of ours runs, in inventory order."""
    return [cluster for cluster in fleet.clusters.values() if control_plane_of(fleet, cluster).has_istiod]


def managed_clusters(fleet: Fleet) -> list[Cluster]:
    """Those whose control plane Google runs, in inventory order."""
    return [cluster for cluster in fleet.clusters.values() if is_managed(cluster)]


def own_networks(fleet: Fleet) -> set[str]:
    """Networks between which there are east-west gateways."""
    return {c.network for c in fleet.clusters.values() if not control_plane_of(fleet, c).no_eastwest}
