# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters have an API address that their watchers cannot reach, told before anything is made."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.kubeconfig import read_kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["unreachable_addresses"]


def unreachable_addresses(fleet: Fleet) -> dict[str, FleetError]:
    """By cluster that exists already and that another one must watch, why its API address is no address for that.

    A kubeconfig that cannot be read is left to the check that connects.
    """
    documents: dict[str, t.Any] = {}
    found: dict[str, FleetError] = {}
    for name, cluster in fleet.clusters.items():
        if not provider_of(cluster).exists(cluster.variables):
            continue
        path = "" if cluster.connection.server else cluster.connection.kubeconfig
        if path and path not in documents:
            documents[path] = _read(cluster)
        document = documents.get(path)
        if path and not cluster.peer_endpoint and document is None:
            continue
        try:
            peer_server(cluster, document)
        except FleetError as error:
            if _is_watched(fleet, name):
                found[name] = error
    return found


def _is_watched(fleet: Fleet, name: str) -> bool:
    theirs = control_plane_of(fleet, fleet.clusters[name])
    planes = (control_plane_of(fleet, cluster) for other, cluster in fleet.clusters.items() if other != name)
    return any(mine.has_istiod and mine.watches(theirs) for mine in planes)


def _read(cluster: Cluster) -> t.Mapping[str, t.Any] | None:
    try:
        return read_kubeconfig(cluster.connection, cluster.name).document
    except FleetError:
        return None  # whoever connects says so
