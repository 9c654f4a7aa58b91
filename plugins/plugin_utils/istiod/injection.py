# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wait until a control plane injects sidecars: a dry run asks the API server what a new pod would be."""

from __future__ import annotations

import asyncio
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.pods import trial_pod
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting

__all__ = ["await_injection"]

PROXY = "istio-proxy"
_BETWEEN_LOOKS = 1.0
"""Seconds between two tries: no watch shows when a webhook answers."""


def _injected(pod: t.Mapping[str, t.Any]) -> bool:
    spec = pod.get("spec") or {}
    return any(c.get("name") == PROXY for c in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])])


async def await_injection(kube: Reader, cluster: Cluster, namespace: str, seconds: float) -> None:
    """Wait until a new pod of ``namespace``, which asks for sidecars by its label, would get one.

    The namespace must exist. If a policy refuses such a pod, the answer says nothing about sidecars; then it does
    not wait.

    Raises FleetError after ``seconds``, with what was last seen.
    """
    deadline = time.monotonic() + seconds
    with waiting(f"{kube.cluster}: its control plane, until it injects sidecars") as wait:
        while True:
            try:
                answer = await kube.transport.request(
                    "POST",
                    f"/api/v1/namespaces/{namespace}/pods",
                    params={"dryRun": "All"},
                    body=trial_pod(cluster, namespace),
                    obj=f"a pod of {namespace}",
                    action="create",
                )
                if _injected(answer):
                    return
                seen = "a new pod would get no sidecar"
            except ApiError as error:
                # A namespace's service account comes a moment after it.
                if error.status in (403, 422) and "serviceaccount" not in error.seen.lower():
                    return
                seen = f"{error.what}: {error.seen}" if error.seen else error.what
            if time.monotonic() >= deadline:
                raise FleetError(
                    f"its control plane injects no sidecars after {seconds:.0f} s",
                    cluster=kube.cluster,
                    obj=f"Namespace {namespace}",
                    seen=seen,
                    means="Google's control plane has not set up its webhook here, or the API server does not reach it",
                    next_step=f"run the gke_fleet stage with --limit {kube.cluster}: it reports the control plane's "
                    "state",
                )
            wait.seen = seen
            await asyncio.sleep(_BETWEEN_LOOKS)
