# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a workload is not ready, from its pods: for the text of an error."""

from __future__ import annotations

import typing as t

from ..errors import FleetError
from .conditions import node_ready, pod_ready
from .masking import scrub
from .reading import Reader

__all__ = ["explain_not_ready"]

_QUIET = ("ContainerCreating", "PodInitializing")


async def explain_not_ready(kube: Reader, workload: t.Mapping[str, t.Any] | None) -> str:
    """What the pods of a Deployment, DaemonSet, StatefulSet (or a Pod itself) wait for, in one line; "" for nothing.

    Reads pods and, of one that crashes, the last line of its log.
    """
    if workload is None or kube.absent:
        return ""
    namespace = str(workload["metadata"].get("namespace") or "")
    try:
        if workload.get("kind") == "Pod":
            pods = [dict(workload)]
        else:
            labels = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
            pods = await kube.pods(namespace, labels) if labels else []
            refused = _refused(workload)
            if refused and not any(pod_ready(pod)[0] for pod in pods):
                return refused
        texts: list[str] = []
        for pod in pods:
            text = await _of_pod(kube, pod)
            if text and text not in texts:
                texts.append(text)
    except FleetError as error:  # the explanation must not hide what is explained
        return f"its pods could not be read ({error.what})"
    return "; ".join(texts[:3])


def _refused(workload: t.Mapping[str, t.Any]) -> str:
    """That the API server refuses its pods (PodSecurity, a quota, a limit range, a webhook), or ""."""
    for condition in (workload.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return f"its pods are refused: {scrub(str(condition.get('message') or condition.get('reason') or ''))}"
    return ""


async def _of_pod(kube: Reader, pod: t.Mapping[str, t.Any]) -> str:
    name = pod["metadata"]["name"]
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"pod {name} finds no node: {condition.get('message')}"
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        ended = (container.get("state") or {}).get("terminated") or (container.get("lastState") or {}).get("terminated")
        reason = str(waiting.get("reason") or "")
        where = f"pod {name}, container {container.get('name')}"
        if ended and ended.get("exitCode") and not container.get("ready"):
            last = await _last_line(kube, pod, str(container["name"]), previous=bool(waiting))
            text = f"{where}: {reason or ended.get('reason')} (exit {ended['exitCode']})"
            return f"{text}, its log ends: {last}" if last else text
        if reason and reason not in _QUIET:
            return f"{where}: {reason}: {scrub(str(waiting.get('message') or ''))}".rstrip(": ")
        if waiting:
            event = await _last_warning(kube, pod)
            return f"{where}: {reason}: {event}" if event else f"{where}: {reason}"
        if not container.get("ready") and (container.get("state") or {}).get("running"):
            lost = await _of_node(kube, pod)
            if lost:
                return lost
            last = await _last_line(kube, pod, str(container["name"]), previous=False)
            text = f"{where}: runs, its readiness probe does not succeed"
            return f"{text}, its log ends: {last}" if last else text
    return await _of_node(kube, pod)


async def _of_node(kube: Reader, pod: t.Mapping[str, t.Any]) -> str:
    """That the node of a pod which is not ready does not report, or ""."""
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    if not node or pod_ready(pod)[0]:
        return ""
    try:
        ready, seen = node_ready(await kube.get("v1", "Node", node))
    except FleetError:  # nodes may be none of this account's business
        return ""
    return "" if ready else f"pod {pod['metadata']['name']} is on node {node}: {seen}"


async def _last_warning(kube: Reader, pod: t.Mapping[str, t.Any]) -> str:
    """The newest warning about a pod, such as that a volume cannot be mounted; "" if there is none."""
    meta = pod["metadata"]
    try:
        about = {"involvedObject.uid": str(meta.get("uid") or "")}
        events = await kube.list("v1", "Event", str(meta.get("namespace") or ""), fields=about)
    except FleetError:
        return ""
    warnings = [event for event in events if event.get("type") == "Warning"]
    newest = max(warnings, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""), default=None)
    return scrub(str(newest.get("message") or ""))[:300] if newest else ""


async def _last_line(kube: Reader, pod: t.Mapping[str, t.Any], container: str, *, previous: bool) -> str:
    meta = pod["metadata"]
    try:
        text = await kube.logs(meta.get("namespace") or "", meta["name"], container, tail=3, previous=previous)
    except FleetError:
        return ""
    lines = text.strip().splitlines()
    return scrub(lines[-1])[:300] if lines else ""
