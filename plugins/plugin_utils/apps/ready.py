# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until apps are ready and have sidecars, or report why not."""

from __future__ import annotations

import asyncio
import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import ready_condition
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import (
    WORKLOADS,
    App,
    Workload,
    pods_without_sidecar,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of, labels_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import settle

__all__ = ["await_ready", "release_workloads"]

RESTARTED = "mesh.fleet/restarted-for-sidecar"
_RESTART_MANAGER = "mesh.fleet-restart"


async def await_ready(
    kube: Kube, workloads: t.Sequence[Workload], *, restart: bool, stage: str = "control_plane"
) -> None:
    """Wait until all workloads are ready, and their pods have a sidecar if they should.

    Args:
        workloads: they are waited for side by side.
        restart: restart workloads whose pods lack a sidecar.
        stage: the stage that installs the sidecar injector of this cluster.

    Raises:
        FleetError: one for all workloads that are not ready in time, or lack a sidecar.
    """
    await _settle_all(_wait(kube, workload) for workload in workloads)
    await _settle_all(_check_sidecars(kube, workload, restart, stage) for workload in workloads)


async def release_workloads(kube: Reader, app: App) -> list[Workload]:
    """The workloads of an app's Helm release."""
    kinds = [("batch/v1" if kind == "Job" else "apps/v1", kind) for kind in WORKLOADS]
    found = []
    for listed in await asyncio.gather(*(kube.list(*kind, namespace=app.namespace) for kind in kinds)):
        for obj in listed:
            notes = annotations_of(obj)
            if notes.get("meta.helm.sh/release-name") == app.name:
                found.append(Workload(app.name, obj, app.inject, app.wait_timeout))
    return found


async def _settle_all(jobs: t.Iterable[t.Awaitable[None]]) -> None:
    """Run all jobs side by side; raise one error for all that failed, so that one run shows every error."""
    errors = [outcome for outcome in await settle(jobs) if outcome is not None]
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1:
        rest = "; ".join(": ".join(filter(None, (e.obj, f"{e.what}, {e.seen}"))) for e in errors[1:])
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
    except NotInTime as error:
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


async def _check_sidecars(kube: Kube, workload: Workload, restart: bool, stage: str) -> None:
    """Restart or refuse a workload whose pods were created when no sidecar could be injected: they never get one."""
    manifest = workload.manifest
    spec = manifest.get("spec") or {}
    labels = (spec.get("selector") or {}).get("matchLabels")
    if not workload.inject or manifest["kind"] == "Job" or not labels:
        return
    meta = manifest["metadata"]
    lacking = pods_without_sidecar(await kube.pods(meta["namespace"], labels))
    if not lacking:
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
        lacking = pods_without_sidecar(await kube.pods(meta["namespace"], labels))
        if not lacking:
            return
    hooks = await kube.list("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    injectors = [h for h in hooks if _injects(h)]
    raise FleetError(
        f'pods of app "{workload.app}" have no sidecar, though inject is true',
        cluster=kube.cluster,
        obj=f"{manifest['kind']} {meta['namespace']}/{meta['name']}",
        seen=f"no container istio-proxy in {', '.join(lacking[:3])}",
        means=(
            "they were created before this cluster could inject sidecars, or before the namespace was labelled for it"
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
    """Whether a webhook injects sidecars: that of Istio's chart has a label, that of Google a name."""
    return labels_of(hook).get("app") == "sidecar-injector" or str(hook["metadata"]["name"]).startswith("istiod-asm")
