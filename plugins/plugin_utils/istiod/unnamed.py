# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find out whether clusters are missing in the inventory: an istiod still watches some that it does not name."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import LABEL, OURS, read_entries

__all__ = ["read_unnamed"]


async def read_unnamed(kube: Reader, fleet: Fleet, cluster: Cluster) -> list[str]:
    """The clusters that this one's istiod watches, by Secrets of this fleet, and that the inventory does not name.

    What they need of this cluster stays until ``peering_forget`` names them. A remote is asked through its primary.
    """
    if not control_plane_of(fleet, cluster).ours:
        return []
    if control_plane_of(fleet, cluster).has_istiod:
        return await _watched(kube, fleet)
    serving = fleet.clusters[cluster.primary]
    async with Reader.connect(serving.connection, cluster=serving.name, absent_ok=True) as primary:
        return await _watched(primary, fleet)


async def _watched(kube: Reader, fleet: Fleet) -> list[str]:
    secrets = await kube.list("v1", "Secret", fleet.namespace, {LABEL: "true"})
    entries = read_entries(secrets, fleet.name)
    return sorted({entry.cluster for entry in entries if entry.owner == OURS} - set(fleet.clusters))
