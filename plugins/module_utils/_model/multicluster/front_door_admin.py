# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the pages of a front door's admin port say: which files Envoy has loaded, and how healthy the clusters are."""

from __future__ import annotations

import dataclasses
import typing as t

from .front_door import FrontDoor
from .front_door_envoy import CLUSTERS, LISTENERS, Files
from .front_door_upstreams import ANY

__all__ = ["Health", "as_loaded", "health_of"]


@dataclasses.dataclass(frozen=True)
class Health:
    """What Envoy thinks of the gateways of one service."""

    healthy: tuple[str, ...] = ()
    """Clusters that callers are led to."""
    unhealthy: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The others, with Envoy's words."""


def as_loaded(files: Files, stats: t.Mapping[str, t.Any]) -> list[str]:
    """The files that Envoy has not loaded as they are.

    Args:
        files: what :func:`render` gave.
        stats: the page ``/stats?format=json`` of its admin port, whose texts hold the versions.
    """
    texts: dict[str, str] = {}
    for stat in stats.get("stats") or ():
        texts[str(stat.get("name"))] = str(stat.get("value"))
    wanted = {CLUSTERS: "cluster_manager.cds.version_text", LISTENERS: "listener_manager.lds.version_text"}
    for name in files:
        if name.startswith("routes-"):
            own = name.removeprefix("routes-").removesuffix(".yaml")
            wanted[name] = f"http.{own}.rds.{own}.version_text"
    return [name for name, stat in wanted.items() if name in files and texts.get(stat) != files[name]["version_info"]]


def health_of(door: FrontDoor, page: t.Mapping[str, t.Any]) -> dict[str, Health]:
    """By service, what Envoy thinks of its gateways.

    Args:
        page: ``/clusters?format=json`` of its admin port.
    """
    seen: dict[str, dict[str, list[str]]] = {}
    for status in page.get("cluster_statuses") or ():
        service, _bar, region = str(status.get("name")).partition("|")
        if region != ANY:
            continue
        for host in status.get("host_statuses") or ():
            cluster = str((host.get("locality") or {}).get("zone"))
            seen.setdefault(service, {}).setdefault(cluster, []).append(_faults(host.get("health_status") or {}))
    found = {}
    for service in door.services():
        of = seen.get(service, {})
        healthy = tuple(cluster for cluster, faults in of.items() if "" in faults)
        found[service] = Health(healthy, {c: faults[0] for c, faults in of.items() if "" not in faults})
    return found


def _faults(status: t.Mapping[str, t.Any]) -> str:
    """What is wrong with a host in Envoy's words; "" for nothing."""
    words = {
        "failed_active_health_check": "its health check fails",
        "failed_active_hc_timeout": "its health check gets no answer in time",
        "pending_active_hc": "its first health check goes on",
    }
    said = [text for key, text in words.items() if status.get(key)]
    return (said[-1] if said else "") or (
        "" if status.get("eds_health_status", "HEALTHY") == "HEALTHY" else "unhealthy"
    )
