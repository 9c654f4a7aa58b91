# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodes that a run would make, read from the bodies of its own requests: pure functions.

So what a check goes by cannot differ from what is asked for.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ..clusters.differences import Difference

__all__ = ["NodeGroup", "groups_of_cluster", "groups_of_steps"]

Json = t.Mapping[str, t.Any]
DISK_TYPE, DISK_SIZE = "pd-balanced", 100
"""What GKE takes where nothing is said (https://cloud.google.com/kubernetes-engine/docs/concepts/configure-boot-disks)."""
_ZONES = 3
"""A regional cluster has nodes in three zones, where none are named."""
_ZONE = re.compile(r"[a-z]+-[a-z]+[0-9]+-[a-z]")


@dataclasses.dataclass(frozen=True)
class NodeGroup:
    """Equal nodes of one pool."""

    host: str
    pool: str
    region: str
    zones: tuple[str, ...]
    """Where they will be; empty for three zones of Google's choice."""
    count: int
    """In all zones, at first."""
    most: int
    """In all zones, when the autoscaler has made all that it may."""
    machine: str
    disk: int
    disk_type: str
    disk_key: str
    spot: bool
    public: bool
    account: str
    """"" for the default one of Compute Engine."""
    secure_boot: bool


def groups_of_cluster(wanted: ClusterSpec, body: Json) -> list[NodeGroup]:
    """Nodes of a cluster that ``clusters.create`` would make with ``body``; none of Autopilot: those come later."""
    cluster = body["cluster"]
    private = bool((cluster.get("networkConfig") or {}).get("defaultEnablePrivateNodes"))
    return [_group(wanted, pool, cluster, private) for pool in cluster.get("nodePools") or []]


def groups_of_steps(wanted: ClusterSpec, live: Json, differences: t.Iterable[Difference]) -> list[NodeGroup]:
    """Nodes of pools that would be added to an existing cluster."""
    steps = [d.step for d in differences if d.step is not None and d.step.method == "nodePools.create"]
    return [_group(wanted, step.body["nodePool"], live, wanted.private_nodes) for step in steps]


def _group(wanted: ClusterSpec, pool: Json, cluster: Json, private: bool) -> NodeGroup:
    place = wanted.member.location
    named = tuple(pool.get("locations") or cluster.get("locations") or ((place,) if _ZONE.fullmatch(place) else ()))
    zones = len(named) or _ZONES
    config, scaling = pool.get("config") or {}, pool.get("autoscaling") or {}
    most = int(scaling.get("totalMaxNodeCount") or int(scaling.get("maxNodeCount") or 0) * zones)
    count = int(pool.get("initialNodeCount") or 0) * zones
    shown = (pool.get("networkConfig") or {}).get("enablePrivateNodes", private)
    return NodeGroup(
        host=wanted.host,
        pool=str(pool.get("name") or ""),
        region=wanted.region,
        zones=named,
        count=count,
        most=max(count, most),
        machine=str(config.get("machineType") or "e2-medium"),
        disk=int(config.get("diskSizeGb") or (config.get("bootDisk") or {}).get("sizeGb") or DISK_SIZE),
        disk_type=str(config.get("diskType") or (config.get("bootDisk") or {}).get("diskType") or DISK_TYPE),
        disk_key=str(config.get("bootDiskKmsKey") or ""),
        spot=bool(config.get("spot") or config.get("preemptible")),
        public=not shown,
        account=str(config.get("serviceAccount") or "default").removeprefix("default"),
        secure_boot=bool((config.get("shieldedInstanceConfig") or {}).get("enableSecureBoot")),
    )
