# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controllers see of the stand-in's world: fleets, features, members with a real cluster behind them."""

from __future__ import annotations

import dataclasses
import typing as t

from ..cloud import Cloud
from ..shared_vpc import network_of

__all__ = ["FleetView", "Member", "look"]

Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Member:
    """A cluster that is a member of a Google fleet."""

    name: str
    """Of its membership, with the project's id."""
    number: str
    """Of the fleet's project."""
    project: str
    """Of the cluster."""
    location: str
    cluster: str
    network: str
    host: str
    """The project that has the network."""
    kubeconfig: str
    """Of the real cluster behind it."""

    @property
    def numbered(self) -> str:
        """The membership's name with the project's number, as Google's controllers write it."""
        parts = self.name.split("/")
        return "/".join([parts[0], self.number, *parts[2:]])

    @property
    def link(self) -> str:
        return f"{self.location}/{self.cluster}"


@dataclasses.dataclass(frozen=True)
class FleetView:
    """One project's fleet at a moment."""

    project: str
    number: str
    members: tuple[Member, ...]
    features: t.Mapping[str, Json]
    """Those that are active, by id."""
    bindings: frozenset[tuple[str, str, str]]
    """(project, role, member) of all projects' IAM policies."""
    addresses: t.Mapping[str, Json]
    """Reserved global addresses by their path ("projects/p/global/addresses/a")."""
    certificates: frozenset[str]

    def on(self, feature: str) -> Json | None:
        return self.features.get(feature)


def look(cloud: Cloud) -> list[FleetView]:
    """Every project that has memberships or features."""
    with cloud.lock:
        cloud.settle()
        names = [k.split("/")[2] for k in cloud.resources if k.startswith("gkehub/projects/")]
        return [_fleet(cloud, project) for project in sorted(set(names))]


def _fleet(cloud: Cloud, project: str) -> FleetView:
    number = cloud.number(project)
    members = []
    for key, membership in cloud.under(f"gkehub/projects/{project}/locations/*/memberships/*"):
        link = ((membership.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink", "")
        path = link.removeprefix("//container.googleapis.com/")
        cluster = cloud.resources.get("container/" + path)
        kubeconfig = cloud.kubeconfigs.get(str((cluster or {}).get("name")))
        if not cluster or not kubeconfig or membership["state"]["code"] != "READY" or cluster["status"] != "RUNNING":
            continue
        parts = path.split("/")
        host, network = network_of(cluster, parts[1])
        members.append(
            Member(key.partition("/")[2], number, parts[1], parts[3], str(cluster["name"]), network, host, kubeconfig)
        )
    features = {
        key.rpartition("/")[2]: feature
        for key, feature in cloud.under(f"gkehub/projects/{project}/locations/global/features/*")
        if (feature.get("resourceState") or {}).get("state") == "ACTIVE"
    }
    bindings = {
        (name, str(binding["role"]), str(holder))
        for name, policy in cloud.policies.items()
        for binding in policy.get("bindings") or []
        for holder in binding.get("members") or []
    }
    found = cloud.under(f"compute/projects/{project}/global/addresses/*")
    certificates = cloud.under(f"compute/projects/{project}/global/sslCertificates/*")
    return FleetView(
        project,
        number,
        tuple(members),
        features,
        frozenset(bindings),
        {key.partition("/")[2]: address for key, address in found},
        frozenset(key.rpartition("/")[2] for key, _certificate in certificates),
    )
