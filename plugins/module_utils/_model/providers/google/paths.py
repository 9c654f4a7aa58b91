# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which way istiods reach the API servers of GKE clusters, and from which addresses they come: pure.

Within one VPC, pods reach the control plane's private endpoint by their own addresses: GKE does not translate
what goes to private ranges, and Google serves that endpoint in its region, and with global access in all. Whatever
else leaves a VPC for a public endpoint has the address of Cloud NAT, or of the node.
"""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

from ...control_planes.registry import control_plane_of
from ...inventory.fleet import ROLE_PRIMARY, Cluster, Fleet
from .values import choice, flag
from .variables import text

__all__ = [
    "Callers",
    "Place",
    "Reachability",
    "callers",
    "is_connect_gateway",
    "is_dns_endpoint",
    "network_name",
    "network_project",
    "outside",
    "reachabilities",
]

Place = tuple[str, str, str]
"""Project of the VPC, VPC and region: what one Cloud NAT serves."""


@dataclasses.dataclass(frozen=True)
class Reachability:
    """Where a GKE cluster is met by all that watch it: in its VPC, and in its region."""

    same_vpc: bool
    same_region: bool


@dataclasses.dataclass(frozen=True)
class Callers:
    """What a cluster's authorized networks must hold for the istiods that watch it."""

    hosts: tuple[str, ...]
    """Clusters whose pods and nodes come by their own addresses."""
    declared: tuple[tuple[str, str], ...]
    """Addresses that the inventory declares, each with the cluster that comes from there."""
    by_nat: tuple[tuple[Place, str], ...]
    """Cloud NATs, each with a cluster that comes by it."""
    unknown: tuple[str, ...]
    """Watchers of which nobody knows from where they come."""

    @property
    def nats(self) -> tuple[Place, ...]:
        """Cloud NATs by which clusters come."""
        return tuple(dict.fromkeys(place for place, _watcher in self.by_nat))


def network_name(cluster: Cluster, fleet_name: str) -> str:
    """The VPC of a GKE cluster."""
    return text(cluster.variables, "gke_network") or f"mesh-{fleet_name}"


def is_dns_endpoint(url: str) -> bool:
    """Whether an address is one of Google's DNS endpoints.

    Google checks each caller there before the API server does, and shows a certificate of a public authority. A
    remote secret holds what the API server itself accepts and shows: a token and the CA of the cluster.
    """
    return _host_of(url).endswith(".gke.goog")


def is_connect_gateway(url: str) -> bool:
    """Whether an address is Google's Connect gateway, as ``gcloud container fleet memberships get-credentials`` says.

    It takes accounts of Google's alone: https://cloud.google.com/kubernetes-engine/fleet-management/docs/connect-gateway.
    A region has one of its own: ``us-west1-connectgateway.googleapis.com``.
    """
    host = _host_of(url)
    return host.endswith(".googleapis.com") and host.partition(".")[0].endswith("connectgateway")


def _host_of(url: str) -> str:
    """The host of an address, "" where it has none."""
    try:
        host = urllib.parse.urlsplit(url if "://" in url else f"https://{url}").hostname or ""
    except ValueError:
        return ""
    return host.rstrip(".")


def outside(fleet: Fleet, cluster: Cluster, watchers: t.Iterable[str]) -> list[str]:
    """Those of its watchers that are in another VPC than a cluster."""
    here = _vpc(fleet, cluster)
    return [name for name in watchers if _vpc(fleet, fleet.clusters[name]) != here]


def network_project(cluster: Cluster) -> str:
    """The project of that VPC: the cluster's own, or the host project of a Shared VPC."""
    return text(cluster.variables, "gke_network_project")


def _vpc(fleet: Fleet, cluster: Cluster) -> tuple[str, ...]:
    if cluster.provider != "gke":
        return (cluster.provider, cluster.name)
    return ("gke", network_project(cluster), network_name(cluster, fleet.name))


def _watchers(fleet: Fleet) -> tuple[list[Cluster], dict[str, list[Cluster]]]:
    """Clusters that watch every other one, and the further ones that watch a cluster by name."""
    everyone: list[Cluster] = []
    named: dict[str, list[Cluster]] = {}
    for cluster in fleet.clusters.values():
        if not control_plane_of(fleet, cluster).ours:
            continue
        if cluster.role != ROLE_PRIMARY:
            if cluster.primary in fleet.clusters:
                named.setdefault(cluster.name, []).append(fleet.clusters[cluster.primary])
        elif cluster.peers is None:
            everyone.append(cluster)
        else:
            for peer in dict.fromkeys(cluster.peers):
                named.setdefault(peer, []).append(cluster)
    return everyone, named


def reachabilities(fleet: Fleet) -> dict[str, Reachability]:
    """For each GKE cluster. Costs O(N), and O(1) for each name in ``mesh_peers``."""
    everyone, named = _watchers(fleet)
    vpcs = {_vpc(fleet, cluster) for cluster in everyone}
    regions = {cluster.region for cluster in everyone}
    found = {}
    for cluster in fleet.clusters.values():
        if cluster.provider == "gke":
            mine, more = _vpc(fleet, cluster), named.get(cluster.name, ())
            found[cluster.name] = Reachability(
                same_vpc=vpcs <= {mine} and all(_vpc(fleet, other) == mine for other in more),
                same_region=regions <= {cluster.region} and all(other.region == cluster.region for other in more),
            )
    return found


def callers(fleet: Fleet) -> dict[str, Callers]:
    """For each GKE cluster: who comes to its API server, and from where."""
    everyone, named = _watchers(fleet)
    met = reachabilities(fleet)
    found = {}
    for cluster in fleet.clusters.values():
        if cluster.provider == "gke":
            watching = {c.name: c for c in [*everyone, *named.get(cluster.name, ())] if c.name != cluster.name}
            watching = watching if control_plane_of(fleet, cluster).ours else {}
            found[cluster.name] = _callers(fleet, cluster, watching.values(), met[cluster.name].same_vpc)
    return found


def _callers(fleet: Fleet, cluster: Cluster, watching: t.Iterable[Cluster], inside: bool) -> Callers:
    v = cluster.variables
    by = text(v, "gke_peer_endpoint") or ("private" if inside else "public")
    # An address of the inventory's own may lead anywhere, and a cluster without public endpoint is reached inside.
    outside = by == "public" and not cluster.peer_endpoint
    outside = outside and choice(cluster.name, v, "gke_endpoint", ("public", "private", "dns"), "public") == "public"
    hosts: list[str] = []
    declared_ranges: list[tuple[str, str]] = []
    nats: list[tuple[Place, str]] = []
    unknown: list[str] = []
    for watcher in watching:
        declared = watcher.variables.get("cluster_egress")
        hosts.append(watcher.name)
        if declared is not None and declared != "":
            declared_ranges += [(str(entry), watcher.name) for entry in declared]
        elif outside and watcher.provider == "gke" and flag(watcher.name, watcher.variables, "gke_private_nodes", True):
            _gke, project, network = _vpc(fleet, watcher)
            nats.append(((project, network, watcher.region), watcher.name))
        elif outside:
            unknown.append(watcher.name)
    return Callers(tuple(hosts), tuple(declared_ranges), tuple(nats), tuple(unknown))
