# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until apps are ready and have their sidecars, and say why when they do not."""

from __future__ import annotations

import asyncio
import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import ready_condition
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import (
    WORKLOADS,
    App,
    Workload,
    unsidecared,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of, labels_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import settle

__all__ = ["all_ready", "of_release"]

RESTARTED = "mesh.fleet/restarted-for-sidecar"
_RESTART_MANAGER = "mesh.fleet-restart"


async def all_ready(
    kube: Kube, workloads: t.Sequence[Workload], *, restart: bool, stage: str = "control_plane"
) -> None:
    """Wait for all workloads at once.

    Args:
        restart: make pods anew that lack a sidecar.
        stage: which brings what injects sidecars here.

    Raises FleetError.
    """
    await _all(_wait(kube, workload) for workload in workloads)
    await _all(_sidecars(kube, workload, restart, stage) for workload in workloads)


async def of_release(kube: Reader, app: App) -> list[Workload]:
    """The workloads that a chart brought."""
    kinds = [("batch/v1" if kind == "Job" else "apps/v1", kind) for kind in WORKLOADS]
    found = []
    for listed in await asyncio.gather(*(kube.list(*kind, namespace=app.namespace) for kind in kinds)):
        for obj in listed:
            notes = annotations_of(obj)
            if notes.get("meta.helm.sh/release-name") == app.name:
                found.append(Workload(app.name, obj, app.inject, app.wait_timeout))
    return found


async def _all(jobs: t.Iterable[t.Awaitable[None]]) -> None:
    """Run all; one error for all that failed, so that a second run is not needed to see the second one."""
    errors = [outcome for outcome in await settle(jobs) if outcome is not None]
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1:
        rest = "; ".join(f"{error.obj}: {error.what}, {error.seen}" for error in errors[1:])
        first.seen = f"{first.seen} (and {rest})"
    raise first


async def _wait(kube: Waiter, workload: Workload) -> None:
    manifest = workload.manifest
    meta = manifest["metadata"]
    until = ready_condition(manifest)
    if until is None:
        return
    try:
        await kube.wait(
            manifest["apiVersion"],
            manifest["kind"],
            meta["name"],
            meta["namespace"],
            until=until,
            timeout=workload.timeout,
        )
    except FleetError as error:
        error.what = f'app "{workload.app}" did not become ready within {workload.timeout} s'
        error.next_step = _advice(error, workload)
        raise


def _advice(error: FleetError, workload: Workload) -> str:
    text = f"{error.seen} {error.means}"
    if "ImagePull" in text or "ErrImage" in text or "InvalidImageName" in text:
        return (
            "correct the image's name, make it reachable for the nodes, or put it into the node image; then run again"
        )
    if "CrashLoop" in text or "exit " in text:
        meta = workload.manifest["metadata"]
        return (
            f"kubectl -n {meta['namespace']} logs {workload.manifest['kind'].lower()}/{meta['name']} --all-containers"
        )
    if "finds no node" in text:
        return "give the cluster room (nodes, memory), or lower the app's requests; then run again"
    if "istio-proxy" in text or "webhook" in text.lower():
        return "look at istiod of this cluster (or its primary): the sidecar cannot start, or cannot be injected"
    return "look at the pods' events, or raise wait_timeout; then run again"


async def _sidecars(kube: Kube, workload: Workload, restart: bool, stage: str) -> None:
    """Pods that were made while no sidecar could be injected stay without one until they are made anew."""
    manifest = workload.manifest
    spec = manifest.get("spec") or {}
    labels = (spec.get("selector") or {}).get("matchLabels")
    if not workload.inject or manifest["kind"] == "Job" or not labels:
        return
    meta = manifest["metadata"]
    bare = unsidecared(await kube.pods(meta["namespace"], labels))
    if not bare:
        return
    if restart:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        again = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
            "spec": {"template": {"metadata": {"annotations": {RESTARTED: now}}}},
        }
        await kube.apply([again], manager=_RESTART_MANAGER)
        await _wait(kube, workload)
        bare = unsidecared(await kube.pods(meta["namespace"], labels))
        if not bare:
            return
    hooks = await kube.list("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    injectors = [h for h in hooks if _injects(h)]
    raise FleetError(
        f'pods of app "{workload.app}" have no sidecar, though inject is true',
        cluster=kube.cluster,
        obj=f"{manifest['kind']} {meta['namespace']}/{meta['name']}",
        seen=f"no container istio-proxy in {', '.join(bare[:3])}",
        means=(
            "they were made before this cluster could inject sidecars, or before the namespace asked for them"
            if injectors
            else "no sidecar injector is installed in this cluster"
        ),
        next_step=(
            f"kubectl -n {meta['namespace']} rollout restart {manifest['kind'].lower()}/{meta['name']}, "
            "or run again with -e apps_restart_unsidecared=true"
            if injectors
            else f"run the {stage} stage with --limit {kube.cluster}, then this one again"
        ),
    )


def _injects(hook: t.Mapping[str, t.Any]) -> bool:
    """Whether a webhook makes sidecars: one of Istio's chart by its label, one of Google's by its name."""
    return labels_of(hook).get("app") == "sidecar-injector" or str(hook["metadata"]["name"]).startswith("istiod-asm")
