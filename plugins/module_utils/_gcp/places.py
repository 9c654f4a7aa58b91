# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clusters of Google Cloud projects and their fleets' memberships as inventory hosts."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import re
import typing as t

from .endpoints import place_of

__all__ = ["Filter", "Found", "ask", "hosts_of", "trimmed", "twice"]

Json = t.Mapping[str, t.Any]

_LINK = re.compile(
    r"(?:https:)?//container\.googleapis\.com/(?:v1/)?projects/([^/]+)/(?:locations|zones|regions)/([^/]+)/clusters/([^/]+)"
)
_AT_ONCE = 16
"""Projects that are asked at a time."""
_ANY = "*"


class Asker(t.Protocol):
    """What this module needs of ``session.Google``."""

    def call(self, service: str, method: str, **params: t.Any) -> dict[str, t.Any]: ...

    def pages(self, service: str, method: str, key: str, **params: t.Any) -> list[t.Any]: ...


@dataclasses.dataclass(frozen=True)
class Filter:
    """Which clusters become hosts; an empty field lets all pass.

    Args:
        labels: per resource label the values wanted; ``*`` for any.
        locations: zones and regions; a region stands for its zones too.
        statuses: Google's words, such as RUNNING.
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

    def takes(self, cluster: Json, member: bool) -> bool:
        if self.members and not member:
            return False
        if self.statuses and cluster.get("status") not in self.statuses:
            return False
        place = place_of(cluster)
        if self.locations and place not in self.locations and _region(place) not in self.locations:
            return False
        has = cluster.get("resourceLabels") or {}
        return all(name in has and (_ANY in wanted or str(has[name]) in wanted) for name, wanted in self.labels.items())


class Found(t.NamedTuple):
    """A cluster as an inventory host would be: its name in Google, where it is, its variables."""

    name: str
    identity: str
    """``project/place/name``: unlike any other's."""
    variables: dict[str, t.Any]


def ask(
    google: t.Callable[[str], Asker], projects: t.Sequence[str], *, memberships: bool = True, follow: bool = True
) -> dict[str, dict[str, t.Any]]:
    """Per project ``{"clusters": [...], "memberships": [...], "followed": bool}``: all projects side by side.

    Args:
        google: a client for a project.
        projects: their IDs.
        memberships: ask for the projects' fleets too.
        follow: ask also for the clusters of other projects that are members of these fleets.

    Raises:
        FleetError: as the client does; the first one ends it.
    """

    def one(job: tuple[str, str]) -> list[dict[str, t.Any]]:
        project, what = job
        client = google(project)
        if what == "clusters":
            answer = client.call(
                "container", "projects.locations.clusters.list", parent=f"projects/{project}/locations/-"
            )
            return [trimmed(cluster) for cluster in answer.get("clusters") or []]
        parent = f"projects/{project}/locations/-"
        found = client.pages("gkehub", "projects.locations.memberships.list", "resources", parent=parent, pageSize=500)
        return [{k: m[k] for k in ("name", "endpoint", "labels", "state") if k in m} for m in found]

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
    return out


def trimmed(cluster: Json) -> dict[str, t.Any]:
    """What of a Cluster the inventory uses. Everything else, which may be 50 KiB, is not worth caching."""
    return {name: cluster[name] for name in _FIELDS if name in cluster}


_FIELDS = (
    "name", "location", "zone", "status", "resourceLabels", "clusterIpv4Cidr", "servicesIpv4Cidr", "network",
    "subnetwork", "currentMasterVersion", "currentNodeCount", "releaseChannel", "autopilot", "fleet",
    "privateClusterConfig",
)  # fmt: skip


def hosts_of(answers: t.Mapping[str, Json], wanted: Filter) -> list[Found]:
    """Hosts in the order of their identities. Costs O(N log N)."""
    members = {link: m for entry in answers.values() for m in entry["memberships"] if (link := _link(m))}
    found = []
    for project, entry in answers.items():
        for cluster in entry["clusters"]:
            identity = (project, place_of(cluster), str(cluster["name"]))
            member = members.get(identity)
            joined = str((cluster.get("fleet") or {}).get("membership") or "")
            if entry["followed"] and member is None:
                continue  # asked for because of another cluster of its project
            if wanted.takes(cluster, member is not None or bool(joined)):
                found.append(Found(identity[2], "/".join(identity), _variables(project, cluster, member)))
    return sorted(found, key=lambda one: one.identity)


def twice(found: t.Iterable[str]) -> list[str]:
    """Names that are there more than once."""
    return [name for name, count in collections.Counter(found).items() if count > 1]


def _link(membership: Json) -> tuple[str, str, str] | None:
    """``(project, place, name)`` of the GKE cluster that a membership is about."""
    gke = (membership.get("endpoint") or {}).get("gkeCluster") or {}
    match = _LINK.fullmatch(str(gke.get("resourceLink") or ""))
    return (match[1], match[2], match[3]) if match else None


def _region(place: str) -> str:
    """``us-west1`` for ``us-west1-a`` and for itself."""
    return place.rsplit("-", 1)[0] if place.count("-") == 2 else place


def _variables(project: str, cluster: Json, member: Json | None) -> dict[str, t.Any]:
    """What the roles read, and below ``google_cluster`` what Google says, for compose and groups."""
    place, name = place_of(cluster), str(cluster["name"])
    labels = {str(k): str(v) for k, v in (cluster.get("resourceLabels") or {}).items()}
    joined = cluster.get("fleet") or {}
    membership = str((member or {}).get("name") or "") or str(joined.get("membership") or "").removeprefix(
        "//gkehub.googleapis.com/"
    )
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
    for variable, field in (("cluster_pod_cidr", "clusterIpv4Cidr"), ("cluster_service_cidr", "servicesIpv4Cidr")):
        if cluster.get(field):
            out[variable] = str(cluster[field])
    return out
