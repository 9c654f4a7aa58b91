# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the names of exported services with ``mtls`` known to sidecars, and take back those that are not wanted."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.mesh_name import (
    MESH_NAME_KINDS,
    mesh_name_objects,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["name_for_mesh"]


async def name_for_mesh(
    kube: Kube,
    fleet: Fleet,
    exports: t.Sequence[Export],
    spoken: t.Mapping[str, t.Mapping[int, str]],
    owner: t.Mapping[str, str],
    *,
    dry_run: bool,
    diff: bool,
) -> list[Change]:
    """Apply and remove the objects in one cluster, for the clusters whose sidecars its objects configure.

    Args:
        exports: all of the fleet.
        spoken: by exported service, what its ports speak. One that no cluster of the run exports is not in it: nothing
            is known of its ports, so what an earlier run made for it stays.
        owner: labels of what is ours.
    """
    api = control_plane_of(fleet, fleet.clusters[kube.cluster]).istio_api()
    configured = [name for name, cluster in fleet.clusters.items() if cluster.primary == kube.cluster]
    wanted: list[dict[str, t.Any]] = []
    stays: list[dict[str, t.Any]] = []
    for export in exports:
        if not export.mtls or not any(export.reaches(name) for name in configured):
            continue
        if export.service in spoken:
            wanted += mesh_name_objects(export, spoken[export.service], api)
        else:
            stays += mesh_name_objects(export, {80: "http"}, api)
    if kube.record is None:
        spaces = {obj["metadata"]["namespace"] for obj in wanted}
        missing = {space for space in spaces if await kube.get("v1", "Namespace", space) is None}
        # Where the namespace is missing, the wait for the import says so.
        wanted = [obj for obj in wanted if obj["metadata"]["namespace"] not in missing]
    await _refuse_foreign(kube, owner, wanted)
    changes: list[Change] = []
    if wanted:
        changes += await kube.apply(wanted, labels=owner, dry_run=dry_run, diff=diff)
    kinds = [(api, kind) for kind in reversed(MESH_NAME_KINDS)]
    changes += await kube.prune([*wanted, *stays], labels=owner, kinds=kinds, dry_run=dry_run, diff=diff)
    return changes


async def _refuse_foreign(kube: Kube, owner: t.Mapping[str, str], objects: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """Refuse to overwrite what others made under the same names: a later run would remove it as ours."""
    for obj in objects:
        name, space = obj["metadata"]["name"], obj["metadata"]["namespace"]
        live = await kube.get(obj["apiVersion"], obj["kind"], name, space)
        ours = owner.items() <= labels_of(live).items()
        if live is not None and not ours and not kube.take_over:
            raise FleetError(
                "an object of this name exists, and this fleet did not make it",
                cluster=kube.cluster,
                obj=f"{obj['kind']} {space}/{name}",
                seen=f"it is of {owner_of(live)}",
                means="mtls in mesh_exports would overwrite it, and its removal would delete it",
                next_step="remove or rename it; to give it to this fleet, run once with mesh_take_over: true",
            )
