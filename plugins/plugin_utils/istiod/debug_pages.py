# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The debug pages of a running istiod. Its image may hold nothing but its own binary, so that one reads them."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.explain import explain_not_ready
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import (
    parse_clusterz,
    parse_managed,
    parse_secret_events,
    queue_blocked,
    sync_seen,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting

__all__ = ["SyncLeft", "await_sync", "debug_page", "istiod_pods", "metrics_page", "secret_events"]

CONTAINER = "discovery"
_BETWEEN_LOOKS = 0.3
"""Seconds between two reads of a page: there is no watch for it."""


async def istiod_pods(kube: Reader, namespace: str, revision: str, *, others: bool = False) -> list[str]:
    """Names of the running istiod pods of a revision, and with ``others`` of every other one too, which has proxies as
    long as no pod of theirs was started anew. Raises FleetError when there is none of this revision."""
    pods = await kube.pods(namespace, {"app": "istiod"})
    of_revision = [p for p in pods if labels_of(p).get("istio.io/rev") == revision]
    running = [pod for pod in pods if _is_ready(pod)]
    if not any(pod in of_revision for pod in running):
        if not of_revision:
            why, step = (
                "the control plane was not installed",
                f"run the control_plane stage with --limit {kube.cluster}",
            )
        else:
            causes = [await explain_not_ready(kube, {**pod, "kind": "Pod"}) for pod in of_revision]
            why = "; ".join(dict.fromkeys(filter(None, causes))) or "it was ready and stopped since"
            step = (
                f"kubectl -n {namespace} describe pods -l app=istiod; the control_plane stage waits until it is ready"
            )
        raise FleetError(
            f"no istiod of revision {revision} is ready",
            cluster=kube.cluster,
            obj=f"Namespace {namespace}",
            seen=f"{len(pods)} istiod pods, {len(of_revision)} of this revision, 0 ready",
            means=why,
            next_step=step,
        )
    return [str(pod["metadata"]["name"]) for pod in running if others or pod in of_revision]


def _is_ready(pod: t.Mapping[str, t.Any]) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(one.get("name") == CONTAINER and one.get("ready") for one in statuses)


async def debug_page(kube: Kube, namespace: str, pod: str, page: str, timeout: float = 30) -> str:
    """The text of one of istiod's debug pages, such as ``clusterz``."""
    return await _page(kube, namespace, pod, f"/debug/{page}", timeout)


async def secret_events(kube: Kube, namespace: str, pod: str) -> int:
    """How many events of remote secrets this istiod has handled so far."""
    return parse_secret_events(await metrics_page(kube, namespace, pod))


async def metrics_page(kube: Kube, namespace: str, pod: str, timeout: float = 30) -> str:
    """The text of istiod's metrics page."""
    return await _page(kube, namespace, pod, "/metrics", timeout)


async def _page(kube: Kube, namespace: str, pod: str, path: str, timeout: float) -> str:
    command = ["pilot-discovery", "request", "GET", path]
    done = await kube.exec(namespace, pod, CONTAINER, command, timeout=timeout)
    if done.code != 0:
        raise FleetError(
            f"istiod does not show {path}",
            cluster=kube.cluster,
            obj=f"Pod {namespace}/{pod}",
            seen=(done.stderr or done.stdout).strip()[-200:],
            next_step="look at istiod's log",
        )
    return str(done.stdout)


@dataclasses.dataclass(frozen=True)
class SyncLeft:
    """What one istiod pod had not done at the timeout."""

    pod: str
    wrong: dict[str, str]
    """By cluster, what its page said."""
    blocked: str
    """What shows that it handles no remote secret any more; "" when nothing does."""


async def await_sync(
    kube: Kube,
    namespace: str,
    pods: t.Mapping[str, int],
    wanted: t.Sequence[str],
    held: t.Container[str],
    timeout: float,
) -> list[SyncLeft]:
    """Wait until every istiod pod has synced ``wanted``, lists no cluster outside ``held`` and has no change under way.

    Args:
        pods: by pod, the count of :func:`secret_events` at which its view includes what was written; before that it
            may show an old connection as synced. 0 where nothing was written.

    Returns:
        What was still wrong after ``timeout`` seconds; empty when nothing was.
    """
    deadline = time.monotonic() + timeout

    async def handled(pod: str, events: int) -> None:
        while events and time.monotonic() < deadline:
            if await secret_events(kube, namespace, pod) >= events:
                return
            await asyncio.sleep(_BETWEEN_LOOKS)

    async def one(pod: str, events: int) -> SyncLeft | None:
        await handled(pod, events)
        with waiting(f"{kube.cluster}: {pod}, until it has synced") as wait:
            while True:
                metrics, page = await asyncio.gather(
                    metrics_page(kube, namespace, pod), debug_page(kube, namespace, pod, "clusterz")
                )
                view = parse_clusterz(page)
                done, wrong = sync_seen(view, wanted, held)
                blocked = queue_blocked(view, parse_managed(metrics))
                if done and not blocked:
                    return None
                wait.seen = "; ".join(f"{name}: {what}" for name, what in wrong.items())
                if time.monotonic() >= deadline:
                    return SyncLeft(pod, wrong, blocked)
                await asyncio.sleep(_BETWEEN_LOOKS)

    found = await asyncio.gather(*(one(pod, events) for pod, events in pods.items()))
    return [left for left in found if left]
