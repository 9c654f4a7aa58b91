# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet and its clusters, as plain data made from inventory variables.

This is the only place where the meaning of a ``mesh_*`` or ``cluster_*`` variable is decided;
everything else takes a :class:`Fleet`. Nothing here reads a file or talks to a cluster.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ...paths import state_dir
from .addresses import allocate_ranges
from .connection import Connection
from .variables import text

__all__ = [
    "ROLE_PRIMARY",
    "ROLE_REMOTE",
    "Cluster",
    "Fleet",
    "network_of",
    "wanted_ranges",
]

ROLE_PRIMARY = "primary"
ROLE_REMOTE = "remote"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One host of the inventory group ``mesh_clusters``."""

    name: str
    provider: str
    region: str
    zone: str
    network: str
    role: str
    primary: str
    """The primary that serves it; its own name for a primary."""
    control_plane: str
    peers: tuple[str, ...] | None
    """Clusters it watches; None means every other one."""
    pod_cidr: str
    service_cidr: str
    connection: Connection
    peer_endpoint: str
    """API address for the other clusters' istiods; "" when it is the connection's own."""
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    variables: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """All clusters of one mesh and what they have in common."""

    name: str
    directory: str
    """Where this fleet keeps its kubeconfigs and state on the controller."""
    mesh_id: str
    trust_domain: str
    istio_version: str
    revision: str
    namespace: str
    clusters: t.Mapping[str, Cluster]
    hub: str = ""
    """Where Istio's images are; "" for where the artifacts come from."""
    tag: str = ""
    """Tag of Istio's images; "" for the Istio version."""
    engine_network: str = ""
    """Range of the container network of local clusters; "" when the engine chooses."""

    @classmethod
    def from_inventory(cls, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> Fleet:
        """Build the fleet from ``{inventory_hostname: plain variables}``.

        Data must have passed ``preflight``; a value missing here takes the default that
        ``variables.py`` documents.
        """
        first: t.Mapping[str, t.Any] = next(iter(hosts.values()), {})
        name = text(first, "fleet_name")
        directory = os.path.join(os.path.expanduser(text(first, "fleet_dir") or str(state_dir())), name)
        engine_network = text(first, "fleet_engine_network")
        ranges = allocate_ranges(
            {host: wanted_ranges(v) for host, v in hosts.items()},
            text(first, "fleet_pod_range"),
            text(first, "fleet_service_range"),
            avoid=[engine_network] if engine_network else [],
        )
        mesh_id = text(first, "mesh_id") or name
        clusters = {host: _cluster(host, v, directory, mesh_id, ranges[host]) for host, v in hosts.items()}
        return cls(
            name=name,
            directory=directory,
            mesh_id=mesh_id,
            trust_domain=text(first, "mesh_trust_domain"),
            istio_version=text(first, "mesh_istio_version"),
            revision=text(first, "mesh_revision"),
            namespace=text(first, "mesh_namespace"),
            clusters=clusters,
            hub=text(first, "mesh_hub"),
            tag=text(first, "mesh_tag"),
            engine_network=engine_network,
        )

    def primaries(self) -> list[Cluster]:
        """Clusters that run an istiod of their own."""
        return [c for c in self.clusters.values() if c.role == ROLE_PRIMARY]

    def networks(self) -> dict[str, list[Cluster]]:
        """Clusters by network, in inventory order."""
        found: dict[str, list[Cluster]] = {}
        for cluster in self.clusters.values():
            found.setdefault(cluster.network, []).append(cluster)
        return found


def wanted_ranges(v: t.Mapping[str, t.Any]) -> tuple[str | None, str | None]:
    """Pod and service range as a cluster's variables ask for them: only a cluster that we make is given one."""
    nothing = "" if text(v, "cluster_provider") in ("kind", "gke") else None
    return text(v, "cluster_pod_cidr") or nothing, text(v, "cluster_service_cidr") or nothing


def network_of(host: str, v: t.Mapping[str, t.Any], mesh_id: str) -> str:
    """The name of a cluster's network."""
    network = text(v, "mesh_network")
    return {"flat": f"{mesh_id}-flat", "per_cluster": host}.get(network, network)


def _cluster(
    host: str,
    v: t.Mapping[str, t.Any],
    directory: str,
    mesh_id: str,
    ranges: tuple[str, str],
) -> Cluster:
    provider = text(v, "cluster_provider")
    role = text(v, "mesh_role")
    peers = v.get("mesh_peers")
    if provider == "kind":
        connection = Connection(kubeconfig=os.path.join(directory, "kubeconfigs", f"{host}.yaml"), context=host)
    else:
        connection = Connection(
            kubeconfig=os.path.expanduser(text(v, "cluster_kubeconfig")),
            context=text(v, "cluster_context"),
            server=text(v, "cluster_api_url"),
            token=text(v, "cluster_api_token"),
            ca_pem=text(v, "cluster_api_ca"),
        )
    return Cluster(
        name=host,
        provider=provider,
        region=text(v, "cluster_region"),
        zone=text(v, "cluster_zone"),
        network=network_of(host, v, mesh_id),
        role=role,
        primary=text(v, "mesh_primary") if role == ROLE_REMOTE else host,
        control_plane=text(v, "mesh_control_plane"),
        peers=None if peers is None else tuple(str(p) for p in peers),
        pod_cidr=ranges[0],
        service_cidr=ranges[1],
        connection=connection,
        peer_endpoint=text(v, "cluster_peer_endpoint"),
        labels={str(k): str(label) for k, label in (v.get("cluster_labels") or {}).items()},
        variables=v,
    )
