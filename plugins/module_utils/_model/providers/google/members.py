# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fleet's clusters as Google knows them: which project, which place, which membership."""

from __future__ import annotations

import dataclasses
import typing as t

from ....errors import FleetError
from ...control_planes.registry import managed_clusters
from ...inventory.fleet import Cluster, Fleet
from .variables import text

__all__ = [
    "Member",
    "config_cluster",
    "fleet_project",
    "members",
    "membership_of",
    "needed_features",
]

SERVICEMESH = "servicemesh"
DISCOVERY = "multiclusterservicediscovery"
INGRESS = "multiclusteringress"


@dataclasses.dataclass(frozen=True)
class Member:
    """A GKE cluster and its place in a Google fleet. All names use the project's id, never its number."""

    host: str
    project: str
    """Of the cluster."""
    location: str
    """Zone of a zonal cluster, region of any other."""
    cluster: str
    """Its name in GKE."""
    fleet_project: str
    membership_location: str
    membership: str
    managed: bool = False
    network_project: str = ""
    """Of its VPC: its own, or the host project of a Shared VPC."""

    @property
    def resource_link(self) -> str:
        path = f"projects/{self.project}/locations/{self.location}/clusters/{self.cluster}"
        return f"//container.googleapis.com/{path}"

    @property
    def issuer(self) -> str:
        path = f"projects/{self.project}/locations/{self.location}/clusters/{self.cluster}"
        return f"https://container.googleapis.com/v1/{path}"

    @property
    def parent(self) -> str:
        return f"projects/{self.fleet_project}/locations/{self.membership_location}"

    @property
    def name(self) -> str:
        return f"{self.parent}/memberships/{self.membership}"

    @property
    def link(self) -> str:
        """How MultiClusterService names the cluster: ``us-west1-a/west``."""
        return f"{self.location}/{self.cluster}"


def members(fleet: Fleet) -> dict[str, Member]:
    """The fleet's GKE clusters by host, in inventory order.

    Raises FleetError for a cluster without project.
    """
    managed = {cluster.name for cluster in managed_clusters(fleet)}
    found = {}
    for cluster in fleet.clusters.values():
        if cluster.provider == "gke":
            found[cluster.name] = _member(cluster, cluster.name in managed)
    return found


def membership_of(cluster: Cluster) -> str:
    """The name of a GKE cluster's membership in its Google fleet, without project and place."""
    v = cluster.variables
    return text(v, "gke_membership") or text(v, "gke_name") or cluster.name


def _member(cluster: Cluster, managed: bool) -> Member:
    v = cluster.variables
    project = text(v, "gke_project")
    if not project:
        raise FleetError(
            "its Google Cloud project is not named",
            cluster=cluster.name,
            next_step="set gke_project in the inventory, or GCP_PROJECT",
        )
    name = text(v, "gke_name") or cluster.name
    return Member(
        host=cluster.name,
        project=project,
        location=cluster.zone or cluster.region,
        cluster=name,
        fleet_project=text(v, "gke_fleet_project"),
        membership_location=text(v, "gke_membership_location"),
        membership=membership_of(cluster),
        managed=managed,
        network_project=text(v, "gke_network_project"),
    )


def fleet_project(found: t.Mapping[str, Member]) -> str:
    """The one project that hosts the Google fleet of all members; "" without members.

    Raises FleetError when they name several.
    """
    projects = sorted({member.fleet_project for member in found.values()})
    if len(projects) > 1:
        raise FleetError(
            "the clusters name several Google fleets",
            seen=", ".join(projects),
            means="clusters of one mesh are members of one Google fleet, which one project hosts",
            next_step="set gke_fleet_project to that project, for all clusters",
        )
    return projects[0] if projects else ""


def host_projects(found: t.Iterable[Member]) -> dict[str, str]:
    """By project with clusters on a Shared VPC, the one that has it: Google lets a project be attached to one."""
    return {m.project: m.network_project for m in found if m.network_project not in ("", m.project)}


def config_cluster(fleet: Fleet, found: t.Mapping[str, Member]) -> str:
    """The host of the cluster in which Google reads multi-cluster ingress: ``gke_config_cluster``, else the first.

    Raises FleetError when that is no GKE cluster of the fleet.
    """
    named = {str(fleet.clusters[host].variables.get("gke_config_cluster") or "") for host in found} - {""}
    if len(named) > 1:
        raise FleetError(
            "gke_config_cluster has several values",
            seen=", ".join(sorted(named)),
            next_step="set it once, for the group mesh_clusters",
        )
    name = next(iter(named), next(iter(found), ""))
    if name not in found:
        raise FleetError(
            "gke_config_cluster is not a GKE cluster of this fleet",
            seen=name or "no GKE cluster at all",
            next_step=f"one of: {', '.join(found)}" if found else "multi-cluster ingress needs GKE clusters",
        )
    return name


def needed_features(fleet: Fleet, *, front_door: bool = False) -> list[str]:
    """Features of the Google fleet that the inventory asks for."""
    gke = [cluster for cluster in fleet.clusters.values() if cluster.provider == "gke"]
    wanted = []
    if managed_clusters(fleet):
        wanted.append(SERVICEMESH)
    if any(cluster.variables.get("mesh_exports") for cluster in gke):
        wanted.append(DISCOVERY)
    if front_door and gke:
        wanted.append(INGRESS)
    return wanted
