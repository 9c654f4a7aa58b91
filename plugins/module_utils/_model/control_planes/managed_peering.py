# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Peering of clusters whose control plane Google runs: by ConfigMap, all to all or not at all."""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from ...metadata import annotations_of, labels_of
from ..inventory.fleet import Cluster, Fleet
from ..providers.google.members import is_managed

__all__ = ["CONNECTED", "DISCONNECTED", "NAMESPACE", "OPTIONS", "google_owned", "mode_of", "options_map"]

NAMESPACE = "istio-system"
"""The managed mesh knows no other."""
OPTIONS = "asm-options"
KEY = "multicluster_mode"
CONNECTED = "connected"
DISCONNECTED = "disconnected"
_OWNED_BY, _GOOGLE = "istio.io/owned-by", "mesh.googleapis.com"


def google_owned(obj: t.Mapping[str, t.Any] | None) -> bool:
    """Whether Google's controllers made an object: such a one is never touched."""
    return {**annotations_of(obj), **labels_of(obj)}.get(_OWNED_BY) == _GOOGLE


def mode_of(fleet: Fleet, cluster: Cluster) -> str:
    """Connected to all other managed clusters, or (``mesh_peers: []``) to none.

    Raises FleetError for a choice of peers: the managed mesh has none.
    """
    others = {c.name for c in fleet.clusters.values() if is_managed(c) and c.name != cluster.name}
    if cluster.peers is None:
        return CONNECTED
    wanted = set(cluster.peers)
    if not wanted:
        return DISCONNECTED
    if wanted == others:
        return CONNECTED
    foreign = sorted(wanted - others)
    raise FleetError(
        "mesh_peers chooses among the clusters",
        cluster=cluster.name,
        seen=", ".join(cluster.peers),
        means=f"{', '.join(foreign)} has no managed control plane, so the managed mesh does not see it"
        if foreign
        else "managed clusters watch all other managed clusters, or none",
        next_step="leave mesh_peers out for all, or set it to [] for none",
    )


def options_map(mode: str) -> dict[str, t.Any]:
    """The ConfigMap that Google's control plane reads. Other keys in it belong to others."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": OPTIONS, "namespace": NAMESPACE},
        "data": {KEY: mode},
    }
