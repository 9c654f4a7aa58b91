# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find workloads whose sidecars were injected under earlier settings, and restart them."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.outdated import (
    INJECTED,
    RESTARTABLE,
    Workload,
    injected_workloads,
    outdated_workloads,
    restart_commands,
    restarted,
)
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["find_outdated", "restart_outdated", "say_what_is_injected"]

_MANAGER = "mesh.fleet-restart"
"""A field manager of its own: the rest of a workload is somebody else's, and stays so."""
_NAMED = 5
"""As many workloads are named in a warning."""


async def find_outdated(kube: Reader, fleet: Fleet, cluster: Cluster) -> dict[Workload, list[str]]:
    """By workload of the cluster, how its sidecars differ from the inventory. Raises FleetError."""
    if kube.absent or not control_plane_of(fleet, cluster).ours:
        return {}
    return outdated_workloads(fleet, cluster, await kube.list("v1", "Pod", labels=INJECTED))


async def say_what_is_injected(kube: Reader, fleet: Fleet, cluster: Cluster) -> list[str]:
    """A warning if pods of the cluster still have sidecars of a mesh that is gone. Raises FleetError."""
    if kube.absent:
        return []
    if await kube.get("apps/v1", "Deployment", istiod_name(fleet), fleet.namespace):
        return []  # it was kept, or is another fleet's: it goes on signing for these pods
    found = injected_workloads(fleet, cluster, await kube.list("v1", "Pod", labels=INJECTED))
    if not found:
        return []
    named = ", ".join(map(str, found[:_NAMED])) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")
    return [
        f"{cluster.name}: pods still have sidecars of the mesh that was removed: {named}. Their certificates end "
        "within a day, and with them their calls. Take the injection's label off their namespaces, then: "
        f"{restart_commands(found)}"
    ]


async def restart_outdated(
    kube: Kube, workloads: t.Iterable[Workload], *, dry_run: bool, seconds: float
) -> list[Change]:
    """Restart those that can be restarted, and wait for the Deployments; ``seconds`` for each. Raises FleetError."""
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    able = [workload for workload in workloads if workload.kind in RESTARTABLE]
    changes = await kube.apply([restarted(w, at) for w in able], manager=_MANAGER, dry_run=dry_run)
    for workload in able:
        if workload.kind == "Deployment" and not dry_run:
            await kube.wait_deployment(workload.name, workload.namespace, timeout=seconds)
    return changes
