# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exported services (``mesh_exports``) and the objects that stand for them in clusters of a provider."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import FleetError
from .check_values import LABEL
from .nearest import Nearest

__all__ = ["EXPORT_KIND", "IMPORT_KIND", "Export", "import_ready", "parse_exports", "service_export", "split_service"]

EXPORT_KIND = ("net.gke.io/v1", "ServiceExport")
IMPORT_KIND = ("net.gke.io/v1", "ServiceImport")
_KEYS = ("service", "to")


@dataclasses.dataclass(frozen=True)
class Export:
    """A service that other clusters may call. ``to`` None: all of them."""

    name: str
    namespace: str
    to: tuple[str, ...] | None = None

    @property
    def service(self) -> str:
        return f"{self.name}.{self.namespace}"

    @property
    def host(self) -> str:
        """The name by which every cluster of the set calls it."""
        return f"{self.name}.{self.namespace}.svc.clusterset.local"

    def reaches(self, cluster: str) -> bool:
        return self.to is None or cluster in self.to


def split_service(text: t.Any, variable: str) -> tuple[str, str]:
    """``name.namespace`` as its two parts. Raises FleetError, which names ``variable``."""
    name, dot, namespace = str(text or "").partition(".")
    if not dot or not LABEL.fullmatch(name) or not LABEL.fullmatch(namespace):
        raise FleetError(f"{variable} is not name.namespace", seen=repr(text), next_step="for example orders.shop")
    return name, namespace


def parse_exports(given: t.Any, clusters: t.Collection[str]) -> list[Export]:
    """``mesh_exports`` as data.

    Args:
        given: a list of ``{service: name.namespace, to: all | [cluster, ...]}``.
        clusters: names of the fleet's clusters.

    Raises FleetError for the first entry that is wrong.
    """
    found: dict[str, Export] = {}
    for number, entry in enumerate(given or []):
        where = f"mesh_exports[{number}]"
        if not isinstance(entry, t.Mapping):
            raise FleetError(
                f"{where} is not a dictionary", seen=repr(entry)[:80], next_step="{service: orders.shop, to: all}"
            )
        for key in entry:
            if key not in _KEYS:
                raise FleetError(f"{where}.{key} is unknown", next_step=f"one of: {', '.join(_KEYS)}")
        name, namespace = split_service(entry.get("service"), f"{where}.service")
        export = Export(name, namespace, _to(entry.get("to", "all"), where, clusters))
        if export.service in found:
            raise FleetError(f"{where}.service is exported twice", seen=export.service, next_step="list it once")
        found[export.service] = export
    return list(found.values())


def _to(given: t.Any, where: str, clusters: t.Collection[str]) -> tuple[str, ...] | None:
    if given == "all":
        return None
    if not isinstance(given, (list, tuple)):
        raise FleetError(f"{where}.to is neither all nor a list of clusters", seen=repr(given)[:80])
    for name in given:
        if name not in clusters:
            guess = Nearest(clusters).find(str(name))
            hint = f'did you mean "{guess}"?' if guess else f"one of: {', '.join(list(clusters)[:5])}"
            raise FleetError(f"{where}.to names no cluster of this fleet", seen=str(name), next_step=hint)
    return tuple(str(name) for name in given)


def service_export(export: Export) -> dict[str, t.Any]:
    """GKE's ServiceExport: the name alone says it all."""
    return {
        "apiVersion": EXPORT_KIND[0],
        "kind": EXPORT_KIND[1],
        "metadata": {"name": export.name, "namespace": export.namespace},
    }


def import_ready(obj: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
    """The import has an address (a headless one needs none)."""
    if obj is None:
        return False, "there is no ServiceImport yet"
    spec = obj.get("spec") or {}
    ips = [str(ip) for ip in spec.get("ips") or []]
    if spec.get("type") == "Headless":
        return True, "headless"
    return (True, ips[0]) if ips else (False, "its ServiceImport has no address yet")
