# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Peering of managed control planes: the ConfigMap asm-options on a real API server."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.action.managed_mesh import ActionModule as ManagedMesh
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed_peering import NAMESPACE, OPTIONS
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet

from .gke_clusters import actions, fleet, on, put
from .loop import in_loop

__all__ = ["fleet"]


class Managed(ManagedMesh):
    """The action without a task around it."""

    @property
    def check_mode(self) -> bool:
        return False

    @property
    def diff_mode(self) -> bool:
        return True

    def __init__(self) -> None:
        """Nothing of Ansible's."""


async def say(fleet: Fleet, mode: str) -> tuple[list[t.Any], list[str]]:
    warnings: list[str] = []
    changes = await Managed()._peer(fleet, fleet.clusters["west"], mode, warnings)
    return changes, warnings


async def options(fleet: Fleet) -> dict[str, t.Any] | None:
    async with on(fleet, "west") as kube:
        return await kube.get("v1", "ConfigMap", OPTIONS, NAMESPACE)


def config(labels: dict[str, str], **data: str) -> dict[str, t.Any]:
    meta = {"name": OPTIONS, "namespace": NAMESPACE, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@in_loop
async def test_the_setting_is_made_kept_and_taken_back(fleet: Fleet) -> None:
    changes, _warnings = await say(fleet, "connected")
    assert "west ConfigMap asm-options created" in actions(changes)
    assert (await options(fleet) or {})["data"] == {"multicluster_mode": "connected"}
    again, _warnings = await say(fleet, "connected")
    assert actions(again) == []
    gone, _warnings = await say(fleet, "")
    assert actions(gone) == ["west ConfigMap asm-options removed"]
    assert await options(fleet) is None


@in_loop
async def test_googles_namespace_gets_no_mark_of_ours(fleet: Fleet) -> None:
    await say(fleet, "connected")
    async with on(fleet, "west") as kube:
        space = await kube.get("v1", "Namespace", NAMESPACE) or {}
    assert space["metadata"]["labels"] == {"kubernetes.io/metadata.name": NAMESPACE}


@in_loop
async def test_settings_of_others_beside_ours_stay(fleet: Fleet) -> None:
    await put(fleet, "west", config({}, ASM_OPTS="CNI=on"))
    await say(fleet, "connected")
    assert (await options(fleet) or {})["data"] == {"ASM_OPTS": "CNI=on", "multicluster_mode": "connected"}
    await say(fleet, "")
    left = await options(fleet) or {}
    assert left["data"] == {"ASM_OPTS": "CNI=on"}
    assert "mesh.fleet/fleet" not in (left["metadata"].get("labels") or {})


@in_loop
async def test_what_google_owns_is_never_touched(fleet: Fleet) -> None:
    await put(fleet, "west", config({"istio.io/owned-by": "mesh.googleapis.com"}, multicluster_mode="disconnected"))
    before = await options(fleet)
    changes, warnings = await say(fleet, "connected")
    gone, _none = await say(fleet, "")
    assert actions([*changes, *gone]) == []
    assert "is Google's own" in warnings[0]
    assert await options(fleet) == before
