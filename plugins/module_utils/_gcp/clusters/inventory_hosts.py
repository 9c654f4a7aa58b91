# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters of Google Cloud projects, with their memberships, as inventory hosts."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import re
import typing as t

from ...errors import FleetError
from ..errors import part_missing
from ..hub.resources import in_project
from .endpoints import place_of

__all__ = ["Filter", "Found", "duplicates", "excluded_by_status", "hosts_of", "read_projects", "trimmed"]

Json = t.Mapping[str, t.Any]

_LINK = re.compile(
    r"(?:https:)?//container\.googleapis\.com/(?:v1/)?projects/([^/]+)/(?:locations|zones|regions)/([^/]+)/clusters/([^/]+)"
)
_AT_ONCE = 16
"""Projects that are read at the same time."""
_ANY = "*"


class Client(t.Protocol):
    """What this module needs of ``session.Google``."""

    def call(self, service: str, method: str, **params: t.Any) -> dict[str, t.Any]: ...

    def pages(self, service: str, method: str, key: str, **params: t.Any) -> list[t.Any]: ...


@dataclasses.dataclass(frozen=True)
class Filter:
    """Which clusters become hosts; an empty field matches all.

    Args:
        labels: by resource label the wanted values; ``*`` for any.
        locations: zones and regions; a region includes its zones.
        statuses: as Google has them, such as RUNNING.
        members: only clusters with a membership.
    """

    labels: t.Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    locations: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    members: bool = False

    @classmethod
    def of(
        cls,
        labels: t.Mapping[str, t.Any],
        locations: t.Iterable[str],
        statuses: t.Iterable[str],
        members: bool,
    ) -> Filter:
        """From options, where a label has one value or a list of them."""
        wanted = {
            str(name): frozenset(str(v) for v in (value if isinstance(value, (list, tuple)) else [value]))
            for name, value in labels.items()
        }
        return cls(wanted, frozenset(map(str, locations)), frozenset(map(str, statuses)), members)

    def matches(self, cluster: Json, member: bool) -> bool:
        return self.in_state(cluster) and self.selected(cluster, member)

    def in_state(self, cluster: Json) -> bool:
        return not self.statuses or cluster.get("status") in self.statuses

    def selected(self, cluster: Json, member: bool) -> bool:
        """Whether it is one of the wanted clusters, in any state."""
        if self.members and not member:
            return False
        place = place_of(cluster)
        if self.locations and place not in self.locations and _region(place) not in self.locations:
            return False
        has = cluster.get("resourceLabels") or {}
        return all(name in has and (_ANY in wanted or str(has[name]) in wanted) for name, wanted in self.labels.items())


class Found(t.NamedTuple):
    """A cluster as an inventory host: its name in GKE, its identity, its variables."""

    name: str
    identity: str
    """``project/location/name``, which is unique."""
    variables: dict[str, t.Any]


def read_projects(
    google: t.Callable[[str], Client],
    projects: t.Sequence[str],
    *,
    memberships: bool = True,
    follow: bool = True,
    skip: bool = False,
) -> tuple[dict[str, dict[str, t.Any]], dict[str, FleetError]]:
    """Read all projects at the same time: by project ``{"clusters": [...], "memberships": [...], "followed": bool}``.

    Args:
        google: returns a client for a project.
        projects: their IDs.
        memberships: read the projects' fleets too.
        follow: read also the clusters of other projects that are members of these fleets.
        skip: leave out a project that cannot be read.

    Returns:
        The answers, and by project why it was left out.

    Raises:
        FleetError: the client's first one, without ``skip``.
    """
    failed: dict[str, FleetError] = {}

    def one(job: tuple[str, str]) -> list[dict[str, t.Any]]:
        project, what = job
        try:
            return _clusters(google(project), project) if what == "clusters" else _members(google(project), project)
        except FleetError as error:
            if not skip:
                raise
            failed.setdefault(project, error)
            return []

    kinds = ("clusters", "memberships") if memberships else ("clusters",)
    out: dict[str, dict[str, t.Any]] = {p: {"clusters": [], "memberships": [], "followed": False} for p in projects}
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = [(project, kind) for project in dict.fromkeys(projects) for kind in kinds]
        for (project, kind), answer in zip(jobs, pool.map(one, jobs), strict=True):
            out[project][kind] = answer
        if follow:
            linked = {link[0] for entry in out.values() for m in entry["memberships"] if (link := _link(m))}
            more = [(project, "clusters") for project in sorted(linked - set(out)) if not project.isdigit()]
            for (project, _kind), answer in zip(more, pool.map(one, more), strict=True):
                out[project] = {"clusters": answer, "memberships": [], "followed": True}
    # No partial answers: clusters without their memberships would not look like members of the fleet.
    return {project: entry for project, entry in out.items() if project not in failed}, failed


def _clusters(client: Client, project: str) -> list[dict[str, t.Any]]:
    method = "projects.locations.clusters.list"
    answer = client.call("container", method, parent=f"projects/{project}/locations/-")
    if answer.get("missingZones"):
        raise part_missing(answer["missingZones"], f"container.{method}", project)
    return [trimmed(cluster) for cluster in answer.get("clusters") or []]


def _members(client: Client, project: str) -> list[dict[str, t.Any]]:
    parent = f"projects/{project}/locations/-"
    found = client.pages("gkehub", "projects.locations.memberships.list", "resources", parent=parent, pageSize=500)
    return [_by_id({k: m[k] for k in ("name", "endpoint", "labels", "state") if k in m}, project) for m in found]


def _by_id(membership: dict[str, t.Any], project: str) -> dict[str, t.Any]:
    """The membership with the project's ID in place of its number."""
    number = f"projects/{str(membership['name']).split('/')[1]}/"
    gke = (membership.get("endpoint") or {}).get("gkeCluster") or {}
    if str(gke.get("resourceLink") or "").find(number) >= 0:
        link = str(gke["resourceLink"]).replace(number, f"projects/{project}/")
        membership["endpoint"] = {"gkeCluster": {**gke, "resourceLink": link}}
    return {**membership, "name": in_project(str(membership["name"]), project)}


def trimmed(cluster: Json) -> dict[str, t.Any]:
    """The part of a Cluster that the inventory uses. All of it may be 50 KiB, which is too much to cache."""
    return {name: cluster[name] for name in _FIELDS if name in cluster}


_FIELDS = (
    "name", "location", "zone", "status", "resourceLabels", "clusterIpv4Cidr", "servicesIpv4Cidr", "network",
    "subnetwork", "currentMasterVersion", "currentNodeCount", "releaseChannel", "autopilot", "fleet",
    "privateClusterConfig", "networkConfig",
)  # fmt: skip


def hosts_of(answers: t.Mapping[str, Json], wanted: Filter) -> list[Found]:
    """Hosts in the order of their identities."""
    found = []
    fleets = {m["name"].split("/")[1] for entry in answers.values() for m in entry["memberships"]}
    for project, cluster, member in _each(answers):
        if wanted.matches(cluster, member is not None or _joined(cluster) != ""):
            identity = f"{project}/{place_of(cluster)}/{cluster['name']}"
            found.append(Found(str(cluster["name"]), identity, _variables(project, cluster, member, fleets)))
    return sorted(found, key=lambda one: one.identity)


def excluded_by_status(answers: t.Mapping[str, Json], wanted: Filter) -> list[str]:
    """Wanted clusters that are no hosts because of their status, as ``name STATUS``."""
    return sorted(
        f"{cluster['name']} {cluster.get('status') or 'without status'}"
        for _project, cluster, member in _each(answers)
        if not wanted.in_state(cluster) and wanted.selected(cluster, member is not None or _joined(cluster) != "")
    )


def _each(answers: t.Mapping[str, Json]) -> t.Iterator[tuple[str, Json, Json | None]]:
    """Every cluster with its project and membership; of a followed project only members."""
    members = {link: m for entry in answers.values() for m in entry["memberships"] if (link := _link(m))}
    for project, entry in answers.items():
        for cluster in entry["clusters"]:
            member = members.get((project, place_of(cluster), str(cluster["name"])))
            # A followed project was read only for its members.
            if member is not None or not entry["followed"]:
                yield project, cluster, member


def _joined(cluster: Json) -> str:
    """The membership's name in the cluster's own fields; "" for none."""
    return str((cluster.get("fleet") or {}).get("membership") or "").removeprefix("//gkehub.googleapis.com/")


def duplicates(found: t.Iterable[str]) -> list[str]:
    """Names that occur more than once."""
    return [name for name, count in collections.Counter(found).items() if count > 1]


def _link(membership: Json) -> tuple[str, str, str] | None:
    """``(project, place, name)`` of the GKE cluster that a membership is about."""
    gke = (membership.get("endpoint") or {}).get("gkeCluster") or {}
    match = _LINK.fullmatch(str(gke.get("resourceLink") or ""))
    return (match[1], match[2], match[3]) if match else None


def _region(place: str) -> str:
    """``us-west1`` for ``us-west1-a`` and for itself."""
    return place.rsplit("-", 1)[0] if place.count("-") == 2 else place


def _variables(project: str, cluster: Json, member: Json | None, fleets: t.Collection[str]) -> dict[str, t.Any]:
    """What the roles read, and in ``google_cluster`` more of Google's fields, for compose and groups.

    ``fleets`` are the projects of all memberships. If there is only one, it hosts the fleet of every host.
    """
    place, name = place_of(cluster), str(cluster["name"])
    labels = {str(k): str(v) for k, v in (cluster.get("resourceLabels") or {}).items()}
    membership = str((member or {}).get("name") or "") or _joined(cluster)
    out: dict[str, t.Any] = {
        "cluster_provider": "gke",
        "cluster_region": _region(place),
        "cluster_labels": labels,
        "gke_project": project,
        "gke_name": name,
        "google_cluster": {
            "name": name,
            "project": project,
            "location": place,
            "zonal": place.count("-") == 2,
            "status": str(cluster.get("status") or ""),
            "version": str(cluster.get("currentMasterVersion") or ""),
            "nodes": int(cluster.get("currentNodeCount") or 0),
            "channel": str((cluster.get("releaseChannel") or {}).get("channel") or ""),
            "autopilot": bool((cluster.get("autopilot") or {}).get("enabled")),
            "private": bool((cluster.get("privateClusterConfig") or {}).get("enablePrivateNodes")),
            "network": str(cluster.get("network") or ""),
            "subnetwork": str(cluster.get("subnetwork") or ""),
            "labels": labels,
            "membership": membership,
            "membership_state": str(((member or {}).get("state") or {}).get("code") or ""),
            "membership_labels": dict((member or {}).get("labels") or {}),
            "fleet_project": membership.split("/")[1] if membership.startswith("projects/") else "",
        },
    }
    if place.count("-") == 2:
        out["cluster_zone"] = place
    if member is not None:
        _projects, home, _locations, where, _memberships, own = membership.split("/")
        out |= {"gke_membership": own, "gke_membership_location": where, "gke_fleet_project": home}
    elif len(fleets) == 1:
        out["gke_fleet_project"] = next(iter(fleets))
    out |= _network(project, cluster)
    for variable, field in (("cluster_pod_cidr", "clusterIpv4Cidr"), ("cluster_service_cidr", "servicesIpv4Cidr")):
        if cluster.get(field):
            out[variable] = str(cluster[field])
    return out


def _network(project: str, cluster: Json) -> dict[str, str]:
    """Names of VPC and subnet, and of a Shared VPC the host project."""
    found = {}
    for variable, field in (("gke_network", "network"), ("gke_subnetwork", "subnetwork")):
        path = str((cluster.get("networkConfig") or {}).get(field) or cluster.get(field) or "")
        if path:
            found[variable] = path.rsplit("/", 1)[-1]
        if field == "network" and path.startswith("projects/") and path.split("/")[1] != project:
            found["gke_network_project"] = path.split("/")[1]
    return found
