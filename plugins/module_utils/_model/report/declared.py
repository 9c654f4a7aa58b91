# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory says of a fleet, as data for the report."""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from ..inventory.fleet import Cluster, Fleet
from ..multicluster.exports import read_exports
from ..peering.graph import edges
from ..traffic.reading import read_policies

__all__ = ["declared"]


def declared(fleet: Fleet) -> dict[str, t.Any]:
    """Clusters, edges, exported services and policies. What is wrong there is left out: preflight names it."""
    first = next(iter(fleet.clusters.values()), None)
    variables = first.variables if first else {}
    exports, _problems = read_exports(variables.get("mesh_exports"), fleet.clusters)
    policies, _problems_of_policies = read_policies(variables.get("mesh_traffic"), fleet.clusters)
    return {
        "fleet": fleet.name,
        "mesh_id": fleet.mesh_id,
        "trust_domain": fleet.trust_domain,
        "clusters": {name: _cluster(cluster) for name, cluster in fleet.clusters.items()},
        "edges": edges(fleet),
        "exports": [{"service": one.service, "to": list(one.to) if one.to is not None else None} for one in exports],
        "policies": [
            {"service": one.service, "callers": list(one.callers) if one.callers is not None else None}
            for policy in policies
            for one in policy.by_name()
        ],
    }


def _cluster(cluster: Cluster) -> dict[str, str]:
    return {
        "region": _later(cluster, "region"),
        "zone": _later(cluster, "zone"),
        "network": cluster.network,
        "provider": cluster.provider,
        "role": cluster.role,
        "primary": cluster.primary,
        "control_plane": cluster.control_plane,
    }


def _later(cluster: Cluster, field: str) -> str:
    """A field that may be a lookup; "" where it cannot be read."""
    try:
        return str(getattr(cluster, field) or "")
    except FleetError:
        return ""
