# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exported services (``mesh_exports``), and GKE's ServiceExport and ServiceImport of them."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError
from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, quoted, shown
from ..inventory.unknown_keys import unknown_keys
from ..inventory.values import LABEL

__all__ = [
    "EXPORT_KIND",
    "IMPORT_KIND",
    "Export",
    "export_problems",
    "external",
    "import_ready",
    "missing_sources",
    "offer",
    "parse_exports",
    "read_exports",
    "read_port",
    "refuse",
    "service_export",
    "split_service",
    "unknown_clusters",
]

EXPORT_KIND = ("net.gke.io/v1", "ServiceExport")
IMPORT_KIND = ("net.gke.io/v1", "ServiceImport")
_KEYS = ("service", "to", "mtls")
_MANY = 5
_PORTS = range(1, 65536)


@dataclasses.dataclass(frozen=True)
class Export:
    """A service that other clusters may call. ``to`` None: all of them."""

    name: str
    namespace: str
    to: tuple[str, ...] | None = None
    mtls: bool = False
    """Whether sidecars call it by that name with the mesh's certificates."""

    @property
    def service(self) -> str:
        return f"{self.name}.{self.namespace}"

    @property
    def host(self) -> str:
        """The name by which every cluster of the set calls it."""
        return f"{self.name}.{self.namespace}.svc.clusterset.local"

    def reaches(self, cluster: str) -> bool:
        return self.to is None or cluster in self.to


def refuse(problems: t.Sequence[Problem]) -> None:
    """Raise one FleetError for all problems; do nothing when there are none."""
    if not problems:
        return
    if len(problems) == 1:
        (one,) = problems
        raise FleetError(f"{one.variable} {one.message}", seen=one.value, next_step=one.hint)
    lines = [f"{p.statement}{f': {p.hint}' if p.hint else ''}" for p in problems]
    raise FleetError(
        f"{len(problems)} problems", seen="\n         ".join(lines), next_step="correct them; then run again"
    )


def split_service(text: t.Any, variable: str, problems: list[Problem]) -> tuple[str, str]:
    """``name.namespace`` as its two parts; else two empty ones, and a problem of ``variable``."""
    name, dot, namespace = str(text or "").partition(".")
    if dot and LABEL.fullmatch(name) and LABEL.fullmatch(namespace):
        return name, namespace
    value = "" if text in (None, "") else shown(text)
    problems.append(Problem("", variable, value, "is not name.namespace", "for example orders.shop"))
    return "", ""


def unknown_clusters(given: t.Iterable[t.Any], variable: str, clusters: t.Collection[str]) -> list[Problem]:
    """A problem for each name that is not a cluster's, or is named twice."""
    problems, seen = [], set()
    for name in given:
        if name not in clusters:
            guess = Nearest(clusters).find(str(name))
            near = f"one of: {', '.join(list(clusters)[:_MANY])}" if clusters else ""
            hint = f"did you mean {quoted(guess)}?" if guess else near
            problems.append(Problem("", variable, shown(name), "names no cluster of this fleet", hint))
        elif name in seen:
            problems.append(Problem("", variable, shown(name), "is named twice", "name it once"))
        seen.add(str(name))
    return problems


def read_port(given: t.Any, variable: str, problems: list[Problem], hint: str = "a number from 1 to 65535") -> int:
    """A port of a route; 0 where none is given, or where it is none, which is a problem of ``variable``."""
    if given is None or given == "":
        return 0
    try:
        port = 0 if isinstance(given, bool) else int(given)
    except (TypeError, ValueError):
        port = 0
    if port not in _PORTS:
        problems.append(Problem("", variable, shown(given), "is no port", hint))
        return 0
    return port


def read_exports(given: t.Any, clusters: t.Collection[str]) -> tuple[list[Export], list[Problem]]:
    """``mesh_exports`` as data, and all problems of it.

    Args:
        given: a list of ``{service: name.namespace, to: all | [cluster, ...], mtls: true | false}``.
        clusters: names of the fleet's clusters.
    """
    problems: list[Problem] = []
    if not isinstance(given, (list, tuple)):
        if given:
            hint = "[{service: orders.shop, to: all}]"
            problems.append(Problem("", "mesh_exports", shown(given), "is no list of services", hint))
        given = []
    found: dict[str, Export] = {}
    for number, entry in enumerate(given):
        where = f"mesh_exports[{number}]"
        if not isinstance(entry, t.Mapping):
            hint = "{service: orders.shop, to: all}"
            problems.append(Problem("", where, shown(entry), "is not a dictionary", hint))
            continue
        problems += unknown_keys(entry, _KEYS, where)
        name, namespace = split_service(entry.get("service"), f"{where}.service", problems)
        to = _to(entry.get("to", "all"), f"{where}.to", clusters, problems)
        mtls = entry.get("mtls", False)
        if not isinstance(mtls, bool):
            problems.append(Problem("", f"{where}.mtls", shown(mtls), "is neither true nor false", "mtls: true"))
        export = Export(name, namespace, to, mtls is True)
        if not name:
            continue
        if export.service in found:
            problems.append(Problem("", f"{where}.service", export.service, "is exported twice", "list it once"))
        found[export.service] = export
    return list(found.values()), problems


def parse_exports(given: t.Any, clusters: t.Collection[str]) -> list[Export]:
    """``mesh_exports`` as data; see :func:`read_exports`. Raises FleetError with all problems."""
    found, problems = read_exports(given, clusters)
    refuse(problems)
    return found


def _to(given: t.Any, where: str, clusters: t.Collection[str], problems: list[Problem]) -> tuple[str, ...] | None:
    if given == "all":
        return None
    if not isinstance(given, (list, tuple)):
        message = "is neither all nor a list of clusters"
        hint = f"[{given}]" if isinstance(given, str) and given in clusters else "all, or [west, north]"
        problems.append(Problem("", where, shown(given), message, hint))
        return None
    if not given:
        problems.append(Problem("", where, "", "names no cluster", "all, or remove the service from the list"))
    problems += unknown_clusters(given, where, clusters)
    return tuple(str(name) for name in given)


def external(cluster: str, export: Export, service: t.Mapping[str, t.Any]) -> FleetError:
    """Why a Service of type ExternalName cannot be exported."""
    return FleetError(
        f"{export.service} cannot be exported",
        cluster=cluster,
        obj=f"Service {export.namespace}/{export.name}",
        seen=f"type ExternalName ({service['spec'].get('externalName')})",
        means="what is exported are a Service's pods, and this one has none",
        next_step="export the service that it points to, or remove it from mesh_exports",
    )


def service_export(export: Export) -> dict[str, t.Any]:
    """GKE's ServiceExport: it names the Service, and has no other settings."""
    return {
        "apiVersion": EXPORT_KIND[0],
        "kind": EXPORT_KIND[1],
        "metadata": {"name": export.name, "namespace": export.namespace},
    }


def import_ready(obj: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
    """Whether the import has an address (a headless one needs none), and the address or what was seen."""
    if obj is None:
        return False, "there is no ServiceImport yet"
    spec = obj.get("spec") or {}
    ips = [str(ip) for ip in spec.get("ips") or []]
    if spec.get("type") == "Headless":
        return True, "headless"
    return (True, ips[0]) if ips else (False, "its ServiceImport has no address yet")


def missing_sources(obj: t.Mapping[str, t.Any] | None, sources: t.Mapping[str, str]) -> list[str]:
    """Clusters that export a service, but whose pods its import does not include yet.

    GKE names them in ``status.clusters`` (``projects/NUMBER/locations/L/memberships/M``), as KEP-1645 describes; while
    it names none, nothing is known.

    Args:
        obj: the live ServiceImport.
        sources: the membership of each exporting cluster, by its name in the fleet.
    """
    entries = ((obj or {}).get("status") or {}).get("clusters") or []
    named = {str(entry.get("cluster")).rpartition("/")[2] for entry in entries}
    return [cluster for cluster, membership in sources.items() if membership not in named] if named else []


def export_problems(obj: t.Mapping[str, t.Any] | None) -> list[str]:
    """Conditions of a ServiceExport that report a problem, by KEP-1645: ``Conflict`` when true, others when false."""
    if obj is None:
        return ["there is no ServiceExport any more"]
    found = []
    for condition in (obj.get("status") or {}).get("conditions") or []:
        if str(condition.get("status")) == ("True" if condition.get("type") == "Conflict" else "False"):
            why = ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
            found.append(f"{condition.get('type')} is {condition.get('status')}{f' ({why})' if why else ''}")
    return found


def offer(service: t.Mapping[str, t.Any]) -> str:
    """Kind and ports of a Service in words: two that offer the same give the same words."""
    spec = service.get("spec") or {}
    ports = sorted(
        f"{p['port']}{'' if p.get('protocol', 'TCP') == 'TCP' else '/' + str(p['protocol'])}"
        + (f" ({p['name']})" if p.get("name") else "")
        for p in spec.get("ports") or []
    )
    kind = "headless, " if spec.get("clusterIP") == "None" else ""
    return f"{kind}port {', '.join(ports)}" if ports else f"{kind}no port"
