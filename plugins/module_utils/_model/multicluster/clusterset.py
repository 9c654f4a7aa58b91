# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service of the clusterset, merged from the Services of the clusters that export it.

The rules are those of KEP-1645, "Constraints and Conflict Resolution": where clusters differ, the oldest ServiceExport
decides, and each that differs gets the condition C(Conflict). Kinds and reasons are those of sigs.k8s.io/mcs-api
v0.5.2.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...errors import FleetError
from ...metadata import annotations_of
from .exports import Export

__all__ = [
    "CLUSTERSET",
    "CONTROLLERS",
    "EXPORTED_AT",
    "GROUP",
    "VERSIONS",
    "Conflict",
    "Merged",
    "Source",
    "age",
    "export_conditions",
    "exported_at",
    "import_clusters",
    "later_than",
    "mcs_version",
    "merge",
    "service_export",
    "service_import",
    "shared_pod_names",
]

GROUP = "multicluster.x-k8s.io"
VERSIONS = ("v1beta1", "v1alpha1")
"""Of C(GROUP), the newest first: what C(sigs.k8s.io/mcs-api) v0.5.2 serves."""
EXPORTED_AT = "mesh.fleet/exported-at"
"""Annotation of a ServiceExport of ours: when the run that made it read the clusters.

All that one run makes are of one age: which is the oldest does not hang on which API server was the quickest.
"""
CLUSTERSET = "clusterset.local"
"""The zone of the names of exported services."""
CONTROLLERS: t.Mapping[str, tuple[str, str, str, str, str]] = {
    "Submariner": ("apps/v1", "Deployment", "submariner-operator", "submariner-lighthouse-agent", ""),
    "Cilium": ("v1", "ConfigMap", "kube-system", "cilium-config", "clustermesh-enable-mcs-api"),
}
"""Who else makes ServiceImports of C(GROUP): by name an object that is there with it (C(apiVersion), C(kind),
namespace, name), and the key of its C(data) that must be C(true); "" for none. As Submariner and Cilium document."""
_SECOND = datetime.timedelta(seconds=1)
_CLIENT_IP_SECONDS = 10800
"""What an API server fills in for C(ClientIP) without a timeout."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A cluster's own Service, and when that cluster exported it (RFC 3339 to the second, UTC), "" where unknown."""

    cluster: str
    service: t.Mapping[str, t.Any]
    exported_at: str = ""

    @property
    def spec(self) -> t.Mapping[str, t.Any]:
        return self.service.get("spec") or {}


@dataclasses.dataclass(frozen=True)
class Conflict:
    """What a cluster's Service has otherwise than the clusterset's."""

    cluster: str
    reason: str
    message: str


@dataclasses.dataclass(frozen=True)
class Merged:
    """The service as every cluster of the clusterset sees it."""

    ports: tuple[t.Mapping[str, t.Any], ...]
    headless: bool
    affinity_seconds: int
    """How long a client stays with a pod; 0: no session affinity."""
    conflicts: tuple[Conflict, ...]


def exported_at(live: t.Mapping[str, t.Any] | None, now: str) -> str:
    """When a cluster exported a service: by its ServiceExport, and C(now) where there is none yet."""
    made = ((live or {}).get("metadata") or {}).get("creationTimestamp")
    return str(annotations_of(live).get(EXPORTED_AT) or made or now)


def later_than(ages: t.Iterable[str], now: str) -> str:
    """C(now), or the second after the youngest of these exports: what is made next is younger than each of them."""
    later = [now]
    for given in ages:
        try:
            made = datetime.datetime.fromisoformat(given)
            following = made.replace(tzinfo=made.tzinfo or datetime.UTC).astimezone(datetime.UTC) + _SECOND
        except (ValueError, OverflowError):
            continue  # Whoever edits the annotation decides on that export, but not on the others.
        later.append(following.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return max(later)


def age(source: Source) -> tuple[bool, str, str]:
    """By which exports are sorted, the oldest first; those of unknown age are the youngest.

    Of one second, the one whose cluster's name comes first: names of clusters are unique, so no two are of one age.
    """
    return not source.exported_at, source.exported_at, source.cluster


def merge(sources: t.Sequence[Source]) -> Merged:
    """The service that comes of all its sources (one or more).

    Neither the order of the inventory nor the part of the fleet that a run works on changes what comes out.
    """
    first, *others = sorted(sources, key=age)
    headless, affinity = _headless(first), _affinity_seconds(first)
    conflicts: list[Conflict] = []
    for other in others:
        if _headless(other) != headless:
            message = f"is {_kind(other)}, but {_kind(first)} in {_older(first, other)}"
            conflicts.append(Conflict(other.cluster, "TypeConflict", message))
        seconds = _affinity_seconds(other)
        # A headless service has no affinity that counts.
        if seconds != affinity and not headless:
            both = bool(seconds and affinity)
            reason = "SessionAffinityConfigConflict" if both else "SessionAffinityConflict"
            message = f"has {_affinity(seconds)}, but {_affinity(affinity)} in {_older(first, other)}"
            conflicts.append(Conflict(other.cluster, reason, message))
    ports, differing = _ports([first, *others])
    return Merged(ports, headless, 0 if headless else affinity, (*conflicts, *differing))


def _ports(sources: t.Sequence[Source]) -> tuple[tuple[t.Mapping[str, t.Any], ...], list[Conflict]]:
    """The union of all ports, oldest first; no name twice, and no number of a protocol twice."""
    by_name: dict[str, tuple[Source, dict[str, t.Any]]] = {}
    by_number: dict[tuple[str, int], tuple[Source, dict[str, t.Any]]] = {}
    conflicts: list[Conflict] = []
    for source in sources:
        for given in source.spec.get("ports") or ():
            port = _port(given)
            number = (port["protocol"], port["port"])
            owner, taken = by_name.get(port.get("name", "")) or by_number.get(number) or (None, port)
            if owner is None:
                by_name[port.get("name", "")] = by_number[number] = (source, port)
            elif taken != port:
                message = f"has {_words(port)}, but {_words(taken)} in {_older(owner, source)}"
                conflicts.append(Conflict(source.cluster, "PortConflict", message))
    for source in sources:
        numbers = {(port["protocol"], port["port"]) for port in map(_port, source.spec.get("ports") or ())}
        names = {port.get("name", "") for port in source.spec.get("ports") or ()}
        for name, (owner, port) in by_name.items():
            if name not in names and (port["protocol"], port["port"]) not in numbers:
                message = f"lacks {_words(port)}, which {owner.cluster} exports"
                conflicts.append(Conflict(source.cluster, "PortConflict", message))
    return tuple(port for _owner, port in by_name.values()), conflicts


def _port(given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What of a Service's port is seen from outside: not its target, which is each cluster's own."""
    port: dict[str, t.Any] = {"port": int(given["port"]), "protocol": str(given.get("protocol") or "TCP")}
    for key in ("name", "appProtocol"):
        if given.get(key):
            port[key] = str(given[key])
    return port


def _words(port: t.Mapping[str, t.Any]) -> str:
    named = f" ({port['name']})" if port.get("name") else ""
    speaks = f" as {port['appProtocol']}" if port.get("appProtocol") else ""
    return f"port {port['port']}/{port['protocol']}{named}{speaks}"


def _older(first: Source, other: Source) -> str:
    """The cluster that decides, and why."""
    at_once = first.exported_at == other.exported_at
    why = "whose name comes first, as both exported it at once" if at_once else "which exported it first"
    return f"{first.cluster}, {why}"


def _headless(source: Source) -> bool:
    return source.spec.get("clusterIP") == "None"


def _kind(source: Source) -> str:
    return "headless" if _headless(source) else "not headless"


def _affinity_seconds(source: Source) -> int:
    if source.spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (source.spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or _CLIENT_IP_SECONDS)


def _affinity(seconds: int) -> str:
    return f"session affinity of {seconds} s" if seconds else "no session affinity"


def export_conditions(
    merged: Merged, cluster: str, live: t.Mapping[str, t.Any] | None, now: str
) -> list[dict[str, t.Any]]:
    """The conditions C(Valid) and C(Conflict) that a cluster's ServiceExport must get; empty where it has them already.

    Args:
        merged: the service.
        cluster: the cluster of the ServiceExport.
        live: the ServiceExport.
        now: the time, as Kubernetes writes it.
    """
    own = [conflict for conflict in merged.conflicts if conflict.cluster == cluster]
    wanted = [
        {"type": "Valid", "status": "True", "reason": "Valid", "message": ""},
        {
            "type": "Conflict",
            "status": "True" if own else "False",
            "reason": own[0].reason if own else "NoConflicts",
            "message": "; ".join(conflict.message for conflict in own),
        },
    ]
    had = {one.get("type"): one for one in ((live or {}).get("status") or {}).get("conditions") or []}
    if all(had.get(one["type"], {}).get(key, "") == value for one in wanted for key, value in one.items()):
        return []
    return [{**one, "lastTransitionTime": _since(had.get(one["type"], {}), one["status"]) or now} for one in wanted]


def _since(had: t.Mapping[str, t.Any], status: str) -> str:
    """Since when a condition has a status; "" where it had another: the time says when it turned, not its words."""
    return str(had.get("lastTransitionTime") or "") if had.get("status") == status else ""


def service_export(export: Export, api: str, live: t.Mapping[str, t.Any] | None, now: str) -> dict[str, t.Any]:
    """The ServiceExport: it names the Service, and has no other settings.

    Args:
        export: the service.
        api: its C(apiVersion).
        live: the ServiceExport that is there, whose age stays.
        now: when the run began.
    """
    since = annotations_of(live).get(EXPORTED_AT, "") if live else now
    dated = {"annotations": {EXPORTED_AT: since}} if since else {}
    return {
        "apiVersion": api,
        "kind": "ServiceExport",
        "metadata": {"name": export.name, "namespace": export.namespace, **dated},
    }


def import_clusters(sources: t.Iterable[str]) -> list[dict[str, str]]:
    """What a ServiceImport says of the clusters whose pods it stands for; the set of one fleet names them by host."""
    return [{"cluster": name} for name in sorted(sources)]


def service_import(export: Export, merged: Merged, addresses: t.Sequence[str], api: str) -> dict[str, t.Any]:
    """The ServiceImport, the same in each cluster that may call the service and in each that exports it.

    istiod takes the pods of every exporting cluster for it. Without the import in an exporting cluster the name has an
    address there, but no pods.
    """
    spec: dict[str, t.Any] = {
        "type": "Headless" if merged.headless else "ClusterSetIP",
        "ports": [dict(port) for port in merged.ports],
    }
    if not merged.headless:
        spec["ips"] = list(addresses)
    if merged.affinity_seconds:
        spec["sessionAffinity"] = "ClientIP"
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": merged.affinity_seconds}}
    return {
        "apiVersion": api,
        "kind": "ServiceImport",
        "metadata": {"name": export.name, "namespace": export.namespace},
        "spec": spec,
    }


def shared_pod_names(
    stateful_sets: t.Mapping[str, t.Iterable[t.Mapping[str, t.Any]]], selector: t.Mapping[str, str]
) -> dict[str, list[str]]:
    """By name of a StatefulSet with pods that C(selector) selects, the clusters that have it, where there are several.

    Its pods then have the same names in each. istiod finds the pods of a ServiceEntry by namespace and name alone
    (istio/istio#38381), so that those of one name are one pod to it, that of the cluster that it heard of last.

    Args:
        stateful_sets: by cluster those of the service's namespace.
        selector: of the service's pods.
    """
    clusters: dict[str, list[str]] = {}
    for cluster, found in sorted(stateful_sets.items()):
        for one in found:
            labels = ((one["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
            if selector and selector.items() <= labels.items():
                clusters.setdefault(str(one["metadata"]["name"]), []).append(cluster)
    return {name: where for name, where in sorted(clusters.items()) if len(where) > 1}


def mcs_version(served: t.Mapping[str, t.Collection[str]]) -> str:
    """The one version of the kinds by which istiod reads those of all clusters (C(MCS_API_VERSION)).

    The oldest that all serve, which is istiod's own default too: an upgrade of the kinds then changes nothing, and
    restarts no istiod.

    Args:
        served: by cluster, the versions that it serves.
    """
    common = [version for version in reversed(VERSIONS) if all(version in versions for versions in served.values())]
    if common:
        return common[0]
    seen = "; ".join(f"{cluster}: {', '.join(sorted(versions)) or 'none'}" for cluster, versions in served.items())
    raise FleetError(
        "the clusters serve no common version of multi-cluster services",
        seen=seen,
        means="istiod reads the ServiceExports of all clusters by one version",
        next_step=f"bring the kinds of {GROUP} to one release in these clusters; then run again",
    )
