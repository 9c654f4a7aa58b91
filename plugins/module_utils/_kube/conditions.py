# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conditions to wait for: pure functions from an object (or None) to ``(done, what was seen)``."""

from __future__ import annotations

import functools
import typing as t

__all__ = [
    "Condition",
    "crd_established",
    "daemonset_ready",
    "deployment_ready",
    "exists",
    "gone",
    "job_complete",
    "load_balancer_address",
    "node_ready",
    "pod_ready",
    "pods_ready",
    "ready_condition",
    "secret_has_keys",
    "statefulset_ready",
    "webhook_has_ca_bundle",
]

Seen = tuple[bool, str]
Live: t.TypeAlias = "t.Mapping[str, t.Any] | None"
Condition = t.Callable[[Live], Seen]
_ABSENT = "it does not exist"


def _condition(obj: t.Mapping[str, t.Any], kind: str) -> t.Mapping[str, t.Any]:
    for condition in (obj.get("status") or {}).get("conditions") or []:
        if condition.get("type") == kind:
            return t.cast("t.Mapping[str, t.Any]", condition)
    return {}


def _stale(obj: t.Mapping[str, t.Any]) -> bool:
    seen = (obj.get("status") or {}).get("observedGeneration")
    return seen is None or int(seen) < int((obj.get("metadata") or {}).get("generation") or 0)


def _why(obj: t.Mapping[str, t.Any]) -> str:
    """What a controller reports as wrong with an object: ``ReplicaFailure``, a passed deadline."""
    failure = _condition(obj, "ReplicaFailure")
    if failure.get("status") == "True":
        return f": {failure.get('reason')}: {failure.get('message')}"
    progress = _condition(obj, "Progressing")
    if progress.get("status") == "False":
        return f": {progress.get('reason')}: {progress.get('message')}"
    return ""


def _of_existing(check: t.Callable[[t.Mapping[str, t.Any]], Seen]) -> Condition:
    """An object that does not exist does not fulfil the condition."""

    @functools.wraps(check)
    def condition(obj: Live) -> Seen:
        return (False, _ABSENT) if obj is None else check(obj)

    return condition


def _of_workload(check: t.Callable[[t.Mapping[str, t.Any]], Seen]) -> Condition:
    """Nor does a workload whose status is of an older generation."""

    @functools.wraps(check)
    def condition(obj: t.Mapping[str, t.Any]) -> Seen:
        return (False, "its controller has not processed it yet") if _stale(obj) else check(obj)

    return _of_existing(condition)


def _replicas(obj: t.Mapping[str, t.Any]) -> int:
    wanted = (obj.get("spec") or {}).get("replicas")
    return 1 if wanted is None else int(wanted)


def exists(obj: Live) -> Seen:
    return (True, "it exists") if obj is not None else (False, _ABSENT)


def gone(obj: Live) -> Seen:
    """It was deleted, and its finalizers are done; of a namespace: with all that it held."""
    if obj is None:
        return True, "gone"
    meta = obj.get("metadata") or {}
    if not meta.get("deletionTimestamp"):
        return False, "it exists and is not being deleted"
    holders = list(meta.get("finalizers") or []) + list((obj.get("spec") or {}).get("finalizers") or [])
    text = "being deleted" + (f", held by finalizers {', '.join(holders)}" if holders else "")
    for condition in (obj.get("status") or {}).get("conditions") or []:
        if str(condition.get("type", "")).startswith("Namespace") and condition.get("status") == "True":
            text += f"; {condition.get('message')}"
    return False, text


@_of_workload
def deployment_ready(obj: t.Mapping[str, t.Any]) -> Seen:
    """Every replica is of the current template and available, and none of an older one is left."""
    status = obj.get("status") or {}
    wanted = _replicas(obj)
    updated, ready = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    total = int(status.get("replicas") or 0)
    seen = f"{min(updated, ready)}/{wanted} ready"
    if updated < wanted or ready < wanted:
        return False, seen + _why(obj)
    if total > updated:
        return False, f"{seen}, {total - updated} of the old version still there"
    return True, seen


@_of_workload
def statefulset_ready(obj: t.Mapping[str, t.Any]) -> Seen:
    status = obj.get("status") or {}
    wanted = _replicas(obj)
    ready = min(int(status.get("updatedReplicas") or 0), int(status.get("readyReplicas") or 0))
    return ready >= wanted, f"{ready}/{wanted} ready"


@_of_workload
def daemonset_ready(obj: t.Mapping[str, t.Any]) -> Seen:
    """A pod of the current template is available on every node it should run on."""
    status = obj.get("status") or {}
    wanted = int(status.get("desiredNumberScheduled") or 0)
    ready = min(int(status.get("updatedNumberScheduled") or 0), int(status.get("numberAvailable") or 0))
    return ready >= wanted, f"{ready}/{wanted} ready"


@_of_existing
def pod_ready(obj: t.Mapping[str, t.Any]) -> Seen:
    ready = _condition(obj, "Ready")
    if ready.get("status") == "True":
        return True, "ready"
    phase = (obj.get("status") or {}).get("phase") or "Pending"
    scheduled = _condition(obj, "PodScheduled")
    why = str(ready.get("message") or "")
    if scheduled.get("status") == "False":
        why = str(scheduled.get("message") or "")
    return False, f"{phase}: {why}" if why else str(phase)


def pods_ready(wanted: int) -> t.Callable[[t.Sequence[t.Mapping[str, t.Any]]], Seen]:
    """Of a list of pods, ``wanted`` or more are ready and not about to end."""

    def check(pods: t.Sequence[t.Mapping[str, t.Any]]) -> Seen:
        ready = [p for p in pods if not (p.get("metadata") or {}).get("deletionTimestamp") and pod_ready(p)[0]]
        return len(ready) >= wanted, f"{len(ready)}/{wanted} pods ready"

    return check


@_of_existing
def job_complete(obj: t.Mapping[str, t.Any]) -> Seen:
    if _condition(obj, "Complete").get("status") == "True":
        return True, "complete"
    failed = _condition(obj, "Failed")
    if failed.get("status") == "True":
        return False, f"failed: {failed.get('message')}"
    return False, f"{(obj.get('status') or {}).get('active') or 0} pods active"


def addresses_of(obj: Live) -> list[str]:
    """A Service's load balancer addresses (IPs before hostnames)."""
    entries = (((obj or {}).get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    ips = [str(e["ip"]) for e in entries if e.get("ip")]
    return ips + [str(e["hostname"]) for e in entries if e.get("hostname")]


@_of_existing
def load_balancer_address(obj: t.Mapping[str, t.Any]) -> Seen:
    """The Service has an address, which is what is seen: an IP, or a hostname."""
    found = addresses_of(obj)
    if found:
        return True, found[0]
    kind = (obj.get("spec") or {}).get("type")
    if kind != "LoadBalancer":
        return False, f"it is of type {kind}, which gets no address"
    return False, "no address yet (does this cluster have a load balancer controller?)"


@_of_existing
def crd_established(obj: t.Mapping[str, t.Any]) -> Seen:
    accepted = _condition(obj, "NamesAccepted")
    if accepted.get("status") == "False":
        return False, f"its names are not accepted: {accepted.get('message')}"
    if _condition(obj, "Established").get("status") == "True":
        return True, "established"
    return False, "not established yet"


@_of_existing
def node_ready(obj: t.Mapping[str, t.Any]) -> Seen:
    ready = _condition(obj, "Ready")
    if ready.get("status") == "True":
        return True, "ready"
    return False, f"not ready: {ready.get('message') or 'its kubelet has not reported'}"


def secret_has_keys(*keys: str) -> Condition:
    """The Secret holds all of ``keys`` with a value."""

    @_of_existing
    def check(obj: t.Mapping[str, t.Any]) -> Seen:
        data = obj.get("data") or {}
        missing = [key for key in keys if not data.get(key)]
        return (False, f"no {', '.join(missing)} in it") if missing else (True, f"has {', '.join(keys)}")

    return check


@_of_existing
def webhook_has_ca_bundle(obj: t.Mapping[str, t.Any]) -> Seen:
    """Every webhook of the configuration can be called: whoever serves it wrote its CA."""
    hooks = obj.get("webhooks") or []
    missing = [str(hook.get("name")) for hook in hooks if not (hook.get("clientConfig") or {}).get("caBundle")]
    if missing:
        return False, f"no caBundle in {', '.join(missing)}"
    return bool(hooks), f"{len(hooks)} webhooks with a caBundle"


_READY: dict[str, Condition] = {
    "CustomResourceDefinition": crd_established,
    "DaemonSet": daemonset_ready,
    "Deployment": deployment_ready,
    "Job": job_complete,
    "Node": node_ready,
    "Pod": pod_ready,
    "StatefulSet": statefulset_ready,
}


def ready_condition(obj: t.Mapping[str, t.Any]) -> Condition | None:
    """What "ready" means for an object of this kind, or None where it means nothing more than to exist."""
    if obj.get("kind") == "Service" and (obj.get("spec") or {}).get("type") == "LoadBalancer":
        return load_balancer_address
    return _READY.get(str(obj.get("kind")))
