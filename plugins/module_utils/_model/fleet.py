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

from .addresses import allocate_ranges

__all__ = ["Cluster", "Connection", "Fleet", "ROLE_PRIMARY", "ROLE_REMOTE"]

ROLE_PRIMARY = "primary"
ROLE_REMOTE = "remote"


@dataclasses.dataclass(frozen=True)
class Connection:
    """How to reach one API server: a kubeconfig and context, or an address with credentials.

    ``token`` is secret: never log or return this object; ``repr`` leaves it out.
    """

    kubeconfig: str = ""
    context: str = ""
    server: str = ""
    token: str = dataclasses.field(default="", repr=False)
    ca_pem: str = ""

    @property
    def described(self) -> str:
        """Where it leads, for messages: never a credential."""
        return self.server or f"context {self.context or '(current)'} of {self.kubeconfig}"


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

    @classmethod
    def from_inventory(cls, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> Fleet:
        """Build the fleet from ``{inventory_hostname: plain variables}``.

        Data must have passed ``preflight``; a value missing here takes the default that
        ``variables.py`` documents.
        """
        first: t.Mapping[str, t.Any] = next(iter(hosts.values()), {})
        name = str(first.get("fleet_name") or "local")
        directory = os.path.join(os.path.expanduser(str(first.get("fleet_dir") or default_fleet_dir())), name)
        ranges = allocate_ranges(
            {host: wanted_ranges(v) for host, v in hosts.items()},
            str(first.get("fleet_pod_range") or "10.16.0.0/12"),
            str(first.get("fleet_service_range") or "10.112.0.0/12"),
        )
        mesh_id = str(first.get("mesh_id") or name)
        clusters = {host: _cluster(host, v, directory, mesh_id, ranges[host]) for host, v in hosts.items()}
        return cls(
            name=name,
            directory=directory,
            mesh_id=mesh_id,
            trust_domain=str(first.get("mesh_trust_domain") or "cluster.local"),
            istio_version=str(first.get("mesh_istio_version") or "1.31.1"),
            revision=str(first.get("mesh_revision") or "default"),
            namespace=str(first.get("mesh_namespace") or "istio-system"),
            clusters=clusters,
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
    nothing = "" if (v.get("cluster_provider") or "kind") == "kind" else None
    return str(v.get("cluster_pod_cidr") or "") or nothing, str(v.get("cluster_service_cidr") or "") or nothing


def default_fleet_dir() -> str:
    """``$XDG_STATE_HOME/mesh.fleet``, or ``~/.local/state/mesh.fleet`` (XDG base directories)."""
    return os.path.join(os.environ.get("XDG_STATE_HOME") or "~/.local/state", "mesh.fleet")


def _cluster(
    host: str,
    v: t.Mapping[str, t.Any],
    directory: str,
    mesh_id: str,
    ranges: tuple[str, str],
) -> Cluster:
    provider = str(v.get("cluster_provider") or "kind")
    network = str(v.get("mesh_network") or "flat")
    if network == "flat":
        network = f"{mesh_id}-flat"
    elif network == "per_cluster":
        network = host
    role = str(v.get("mesh_role") or ROLE_PRIMARY)
    pod_cidr, service_cidr = ranges
    peers = v.get("mesh_peers")
    if provider == "kind":
        connection = Connection(kubeconfig=os.path.join(directory, "kubeconfigs", f"{host}.yaml"), context=host)
    else:
        connection = Connection(
            kubeconfig=os.path.expanduser(str(v.get("cluster_kubeconfig") or "")),
            context=str(v.get("cluster_context") or ""),
            server=str(v.get("cluster_api_url") or ""),
            token=str(v.get("cluster_api_token") or ""),
            ca_pem=str(v.get("cluster_api_ca") or ""),
        )
    return Cluster(
        name=host,
        provider=provider,
        region=str(v.get("cluster_region") or ""),
        zone=str(v.get("cluster_zone") or ""),
        network=network,
        role=role,
        primary=str(v.get("mesh_primary") or "") if role == ROLE_REMOTE else host,
        control_plane=str(v.get("mesh_control_plane") or "istiod"),
        peers=None if peers is None else tuple(str(p) for p in peers),
        pod_cidr=pod_cidr,
        service_cidr=service_cidr,
        connection=connection,
        peer_endpoint=str(v.get("cluster_peer_endpoint") or ""),
        variables=v,
    )
