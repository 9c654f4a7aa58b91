# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a node that was started is ready: by what its API server reports since then."""

from __future__ import annotations

import datetime
import re
import typing as t

__all__ = ["default_namespaces_exist", "settled", "started_at"]

_SYSTEM = "kube-system"
_LEADERS = ("kube-controller-manager", "kube-scheduler")


def started_at(container: t.Mapping[str, t.Any]) -> datetime.datetime:
    """When an inspected container was started, in whole seconds, as Kubernetes counts them."""
    text = str((container.get("State") or {}).get("StartedAt") or "")
    found = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)?", text)
    if found is None:
        return datetime.datetime.fromtimestamp(0, datetime.UTC)
    zone = (found[3] or "Z").replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}")


def settled(objects: t.Iterable[t.Mapping[str, t.Any]], since: datetime.datetime) -> tuple[bool, str]:
    """Whether the node is Ready, its controllers work, and what is shown as running was started after ``since``.

    After a crash the API server goes on showing the state before it: pods that are gone, or whose addresses others
    have now. Until the controller manager leads again, Deployments go on counting them as ready.

    Args:
        objects: the cluster's Nodes, Pods and Leases.
        since: when the node was started.

    Returns:
        ``(done, seen)``; ``seen`` says what is still awaited.
    """
    waiting = []
    nodes = 0
    silent = set(_LEADERS)
    for found in objects:
        name = str(found["metadata"]["name"])
        status = found.get("status") or {}
        if found["kind"] == "Node":
            nodes += 1
            ready: dict[str, t.Any] = next((c for c in status.get("conditions") or [] if c["type"] == "Ready"), {})
            if ready.get("status") != "True":
                waiting.append(f"node {name} is not Ready: {ready.get('message') or 'it has not reported yet'}")
            elif _time(ready.get("lastHeartbeatTime")) < since:
                waiting.append(f"node {name} has not reported since it was started")
        elif found["kind"] == "Lease":
            if (
                found["metadata"].get("namespace") == _SYSTEM
                and _time((found.get("spec") or {}).get("renewTime")) >= since
            ):
                silent.discard(name)
        elif found["metadata"].get("namespace") == _SYSTEM and status.get("phase") == "Running":
            waiting += [
                f"pod {_SYSTEM}/{name} has not started again{why}"
                for why in (_not_started(c, since) for c in status.get("containerStatuses") or [])
                if why is not None
            ]
        elif status.get("phase") == "Running":
            began = [(c.get("state") or {}).get("running") for c in status.get("containerStatuses") or []]
            if any(_time(b.get("startedAt")) < since for b in began if b):
                waiting.append(f"pod {found['metadata'].get('namespace')}/{name} has not started again")
    if not nodes:
        waiting.append("no node is registered")
    waiting += [f"{name} has not been at work since the node was started" for name in sorted(silent)]
    return not waiting, waiting[0] if waiting else "settled"


def _not_started(container: t.Mapping[str, t.Any], since: datetime.datetime) -> str | None:
    """Why a container of the cluster's own has not started since then, as ``: reason``; None when it has."""
    state, last = container.get("state") or {}, container.get("lastState") or {}
    starts = [part.get("startedAt") for part in (*state.values(), *last.values()) if part]
    if any(_time(start) >= since for start in starts if start):
        return None
    waits = state.get("waiting") or state.get("terminated") or {}
    reason = " ".join(str(waits[key]) for key in ("reason", "message") if waits.get(key))
    return f": {reason}" if reason else ""


def default_namespaces_exist(table: str) -> tuple[bool, str]:
    """Whether every namespace has what Kubernetes' controllers put into it, without which no pod can be made there.

    The node of a new cluster is often Ready before they have done so.

    Args:
        table: a line each for Namespaces, ServiceAccounts and ConfigMaps: kind, namespace, name and phase,
            ``<none>`` where there is none.

    Returns:
        ``(done, seen)``; ``seen`` says what is still awaited.
    """
    rows = [line.split() for line in table.splitlines() if line.strip()]
    there = {(kind, space, name) for kind, space, name, _phase in rows}
    spaces = [name for kind, _space, name, phase in rows if kind == "Namespace" and phase == "Active"]
    for space in spaces:
        for kind, name in (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")):
            if (kind, space, name) not in there:
                return False, f"namespace {space} has no {kind} {name} yet"
    return bool(spaces), "all there" if spaces else "there is no namespace yet"


def _time(text: t.Any) -> datetime.datetime:
    return datetime.datetime.fromisoformat(str(text or "1970-01-01T00:00:00Z").replace("Z", "+00:00"))
