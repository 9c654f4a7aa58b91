# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster holds of multi-cluster services, read by few lists however many services are exported."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import (
    CONTROLLERS,
    GROUP,
    VERSIONS,
    mcs_version,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import EXPORT_KIND, Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.mesh_name import MESH_NAME_KINDS
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import is_stub
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import STUB
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of

__all__ = ["GOOGLE", "Held", "Key", "export_api", "key_of", "read", "read_by_istiod", "served_versions"]

Object = dict[str, t.Any]
Key = tuple[str, str]
"""Namespace and name."""

GOOGLE = "GKE"
"""The controller of clusters that serve Google's kinds."""
_FEW = 4
"""So many namespaces are asked one by one; of more, everything is read at once."""


@dataclasses.dataclass(frozen=True)
class Held:
    """One cluster, as far as exports depend on it."""

    api: str = ""
    """``apiVersion`` of its ServiceExports and ServiceImports; "" where it serves none."""
    versions: tuple[str, ...] = ()
    """Of the upstream kinds, those that it serves; the newest first."""
    controller: str = ""
    """Who else makes ServiceImports there; "" for nobody."""
    services: t.Mapping[Key, Object] = dataclasses.field(default_factory=dict)
    """Services with pods of their own; a stub of ours is none."""
    namespaces: frozenset[str] = frozenset()
    exports: t.Mapping[Key, Object] = dataclasses.field(default_factory=dict)
    imports: t.Mapping[Key, Object] = dataclasses.field(default_factory=dict)
    names: t.Mapping[tuple[str, str, str], Object] = dataclasses.field(default_factory=dict)
    """Istio's objects by kind, namespace and name."""


def key_of(obj: t.Mapping[str, t.Any]) -> Key:
    """Namespace and name of an object; "" for no namespace."""
    return str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


async def served_versions(kube: Reader) -> tuple[str, ...]:
    """The versions of the upstream kinds that a cluster serves, the newest first."""

    async def has(version: str) -> bool:
        try:
            for kind in ("ServiceExport", "ServiceImport"):
                await kube.resource(f"{GROUP}/{version}", kind)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    if kube.absent:
        return ()
    found = await asyncio.gather(*(has(version) for version in VERSIONS))
    return tuple(version for version, is_there in zip(VERSIONS, found, strict=True) if is_there)


async def export_api(kube: Reader) -> tuple[str, str]:
    """The ``apiVersion`` of a cluster's ServiceExports, "" where it serves none; and who else makes ServiceImports."""
    controller, versions = await asyncio.gather(_controller(kube), served_versions(kube))
    return _api(controller, versions), controller


def _api(controller: str, versions: t.Sequence[str]) -> str:
    """By which ``apiVersion`` a cluster's ServiceExports are read; "" where it serves none."""
    upstream = f"{GROUP}/{versions[0]}" if versions else ""
    return EXPORT_KIND[0] if controller == GOOGLE else upstream


async def read_by_istiod(kube: Reader) -> str:
    """The ``apiVersion`` of ServiceExports by which the istiod of a cluster is to read those of all clusters.

    The older version where the cluster serves both, or none yet: every cluster with these kinds has had it.
    """
    controller, versions = await asyncio.gather(_controller(kube), served_versions(kube))
    return EXPORT_KIND[0] if controller == GOOGLE else f"{GROUP}/{mcs_version({kube.cluster: versions or VERSIONS})}"


async def read(kube: Reader, fleet: str, exports: t.Sequence[Export], istio: str) -> Held:
    """Read a cluster.

    Args:
        kube: the cluster.
        fleet: the fleet's name.
        exports: what is to be exported.
        istio: ``apiVersion`` of Istio's objects; "" where the cluster's own are not heeded, as a remote's.
    """
    controller, versions = await asyncio.gather(_controller(kube), served_versions(kube))
    api = _api(controller, versions)
    places = sorted({export.namespace for export in exports})
    places = places if len(places) <= _FEW else [""]
    exported, imported, services, spaces, *named = await asyncio.gather(
        _each(kube, [(api, "ServiceExport", "")] if api else []),
        _each(kube, [(api, "ServiceImport", "")] if api else []),
        _each(kube, [("v1", "Service", place) for place in places]),
        kube.list("v1", "Namespace"),
        *(kube.list(istio, kind) for kind in (MESH_NAME_KINDS if istio else ())),
    )
    wanted = {(export.namespace, export.name) for export in exports}
    of_ours = {key: obj for key, obj in _by_key(services).items() if key in wanted}
    return Held(
        api,
        versions,
        controller,
        _without_stubs(of_ours, fleet),
        frozenset(obj["metadata"]["name"] for obj in spaces),
        _by_key(exported),
        _by_key(imported),
        {(obj["kind"], *key_of(obj)): obj for objects in named for obj in objects},
    )


def _by_key(objects: t.Iterable[Object]) -> dict[Key, Object]:
    return {key_of(obj): obj for obj in objects}


async def _each(kube: Reader, asked: t.Iterable[tuple[str, str, str]]) -> list[Object]:
    found = await asyncio.gather(*(kube.list(api, kind, place) for api, kind, place in asked))
    return [obj for objects in found for obj in objects]


def _without_stubs(services: t.Mapping[Key, Object], fleet: str) -> dict[Key, Object]:
    """Those that are no stubs of ours, whose pods run in other clusters.

    A Service of an app without pods is no stub: they may be gone for a moment.
    """
    return {
        key: service
        for key, service in services.items()
        if STUB not in labels_of(service) and not is_stub(service, fleet)
    }


async def _controller(kube: Reader) -> str:
    """Who else makes ServiceImports there; "" for nobody."""
    if kube.absent:
        return ""

    async def runs(api: str, kind: str, namespace: str, name: str, key: str) -> bool:
        live = await kube.get(api, kind, name, namespace)
        return live is not None and (not key or (live.get("data") or {}).get(key) == "true")

    async def has_google() -> bool:
        try:
            await kube.resource(*EXPORT_KIND)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    found = await asyncio.gather(has_google(), *(runs(*where) for where in CONTROLLERS.values()))
    return next((name for name, is_there in zip((GOOGLE, *CONTROLLERS), found, strict=True) if is_there), "")
