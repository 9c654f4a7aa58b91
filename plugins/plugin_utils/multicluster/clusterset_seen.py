# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster holds of multi-cluster services, read by few lists however many services are exported."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import deployment_ready
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import LARGE_PAGE, Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed_peering import google_owned
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.exports_reading import (
    exports_all,
    is_running,
    reads_exports,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import PART_OF
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import (
    CONTROLLERS,
    GROUP,
    VERSIONS,
    mcs_version,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset_kinds import KIND_NAMES
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import EXPORT_KIND, Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.mesh_name import MESH_NAME_KINDS
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import is_stub
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import STUB
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of

__all__ = [
    "CRD_KIND",
    "GOOGLE",
    "PART",
    "Held",
    "Istiods",
    "Key",
    "export_api",
    "istiods_of",
    "key_of",
    "read",
    "read_by_istiod",
    "served_versions",
]

Object = dict[str, t.Any]
Key = tuple[str, str]
"""Namespace and name."""

PART = "services"
CRD_KIND = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
GOOGLE = "GKE"
"""The controller of clusters that serve Google's kinds."""
_FEW = 4
"""So many namespaces are asked one by one; of more, everything is read at once."""


@dataclasses.dataclass(frozen=True)
class Istiods:
    """The istiods of a control plane's namespace, as far as they read ServiceExports themselves."""

    reads: bool = False
    """Whether that of the fleet's revision does, with all its pods."""
    others: tuple[str, ...] = ()
    """Deployments of other revisions that run and do not: proxies that they configure need the names without it."""
    export_all: tuple[str, ...] = ()
    """Those that export every service."""

    @property
    def all_read(self) -> bool:
        """Whether no proxy needs what makes the names known without its istiod."""
        return self.reads and not self.others


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
    kinds: t.Mapping[str, Object] = dataclasses.field(default_factory=dict)
    """The upstream CustomResourceDefinitions by name: those of a fleet, and of others where the cluster serves no
    version of both kinds."""
    istiods: Istiods = Istiods()
    """Whether its istiods read ServiceExports themselves, and make the names known; where that was asked."""
    stateful_sets: t.Sequence[Object] = ()
    """Those of the namespaces of its headless services; none where they may not be read."""


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


async def read(
    kube: Reader, fleet: str, exports: t.Sequence[Export], istio: str, istiod: tuple[str, str] | None = None
) -> Held:
    """Read a cluster.

    Args:
        kube: the cluster.
        fleet: the fleet's name.
        exports: what is to be exported.
        istio: ``apiVersion`` of Istio's objects; "" where the cluster's own are not heeded, as a remote's.
        istiod: namespace and name of its Deployment; None where nothing depends on it.
    """
    controller, versions = await asyncio.gather(_controller(kube), served_versions(kube))
    api = _api(controller, versions)
    places = sorted({export.namespace for export in exports})
    places = places if len(places) <= _FEW else [""]
    found = asyncio.gather(
        _each(kube, [(api, "ServiceExport", "")] if api else []),
        _each(kube, [(api, "ServiceImport", "")] if api else []),
        _each(kube, [("v1", "Service", place) for place in places]),
        kube.list("v1", "Namespace"),
        _kinds(kube, is_served=bool(versions)) if exports else _each(kube, []),
        *(kube.list(istio, kind, page=LARGE_PAGE) for kind in (MESH_NAME_KINDS if istio else ())),
    )
    (exported, imported, services, spaces, kinds, *named), istiods = await asyncio.gather(
        found, _istiods(kube, istiod, controller, versions)
    )
    wanted = {(export.namespace, export.name) for export in exports}
    of_ours = {key: obj for key, obj in _by_key(services).items() if key in wanted}
    headless = {space for (space, _name), obj in of_ours.items() if obj["spec"].get("clusterIP") == "None"}
    return Held(
        api,
        versions,
        controller,
        _without_stubs(of_ours, fleet),
        frozenset(obj["metadata"]["name"] for obj in spaces),
        _by_key(exported),
        _by_key(imported),
        {(obj["kind"], *key_of(obj)): obj for objects in named for obj in objects},
        {obj["metadata"]["name"]: obj for obj in kinds},
        istiods,
        await _stateful_sets(kube, sorted(headless)),
    )


async def istiods_of(kube: Reader, istiod: tuple[str, str]) -> Istiods:
    """Which istiods of a control plane's namespace read ServiceExports themselves; as in :func:`read`."""
    controller, versions = await asyncio.gather(_controller(kube), served_versions(kube))
    return await _istiods(kube, istiod, controller, versions)


async def _istiods(kube: Reader, istiod: tuple[str, str] | None, controller: str, versions: t.Sequence[str]) -> Istiods:
    if istiod is None or kube.absent:
        return Istiods()
    namespace, own = istiod
    # Of kinds that are not there yet, istiod is told the version that they will have.
    apis = [EXPORT_KIND[0]] if controller == GOOGLE else [f"{GROUP}/{version}" for version in versions or VERSIONS]
    live = await kube.list("apps/v1", "Deployment", namespace, {"app": "istiod"})
    found = {str(one["metadata"]["name"]): one for one in live if is_running(one) and not google_owned(one)}
    reading = {n for n, one in found.items() if reads_exports(one, apis) and deployment_ready(one)[0]}
    return Istiods(
        own in reading,
        tuple(sorted(found.keys() - reading - {own})),
        tuple(sorted(name for name, one in found.items() if exports_all(one))),
    )


async def _kinds(kube: Reader, *, is_served: bool) -> list[Object]:
    """The upstream kinds, by one small list where they are served; none of those that the user may not read."""
    try:
        if is_served:
            return await kube.list(*CRD_KIND, labels={PART_OF: PART})
        found = await asyncio.gather(*(kube.get(*CRD_KIND, name) for name in KIND_NAMES))
        return [obj for obj in found if obj is not None]
    except ApiError as error:
        if not error.forbidden:
            raise
        return []


async def _stateful_sets(kube: Reader, places: t.Sequence[str]) -> list[Object]:
    """Those of some namespaces; they only serve to warn, so a user who may not read them gets no error."""
    try:
        return await _each(kube, [("apps/v1", "StatefulSet", place) for place in places])
    except ApiError as error:
        if not error.forbidden:
            raise
        return []


def _by_key(objects: t.Iterable[Object]) -> dict[Key, Object]:
    return {key_of(obj): obj for obj in objects}


async def _each(kube: Reader, asked: t.Iterable[tuple[str, str, str]]) -> list[Object]:
    found = await asyncio.gather(*(kube.list(api, kind, place, page=LARGE_PAGE) for api, kind, place in asked))
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
