# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a region's quotas hold the nodes of a run: pure functions."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

from ...errors import FleetError
from .nodes import NodeGroup

__all__ = ["Quotas", "cpus_of", "demands", "over_quota"]

_FAMILIES = ("a2", "c2", "c2d", "c3", "m1", "m2", "m3", "n2", "n2a", "n2d", "t2a", "t2d")
"""Machine families with a metric of their own (compute.v1: Quota.metric). All others but these count otherwise."""
_SHARED = ("e2", "f1", "g1", "n1")
"""Families that share the metric CPUS (https://cloud.google.com/compute/resource-usage#cpu_quota)."""
_DISKS: t.Mapping[str, str] = {"pd-standard": "DISKS_TOTAL_GB", "pd-balanced": "SSD_TOTAL_GB", "pd-ssd": "SSD_TOTAL_GB"}
_CUSTOM = re.compile(r"(?:[a-z0-9]+-)?custom-(?P<cpus>[0-9]+)-[0-9]+(?:-ext)?")
_ALL, _SPOT = "CPUS_ALL_REGIONS", "PREEMPTIBLE_CPUS"


@dataclasses.dataclass(frozen=True)
class Quotas:
    """Limit and use of each metric: by region, and "" for the whole project."""

    by_region: t.Mapping[str, t.Mapping[str, tuple[float, float]]]

    @classmethod
    def of(cls, project: t.Mapping[str, t.Any], regions: t.Iterable[t.Mapping[str, t.Any]]) -> Quotas:
        """From Compute's answers about a project and its regions."""

        def pairs(resource: t.Mapping[str, t.Any]) -> dict[str, tuple[float, float]]:
            found = resource.get("quotas") or []
            return {str(q["metric"]): (float(q.get("limit") or 0), float(q.get("usage") or 0)) for q in found}

        return cls({"": pairs(project), **{str(region["name"]): pairs(region) for region in regions}})


def cpus_of(machine: str, known: t.Mapping[str, int]) -> int:
    """vCPUs of a machine type; 0 where nobody knows. ``known``: by name."""
    custom = _CUSTOM.fullmatch(machine)
    return int(custom["cpus"]) if custom else known.get(machine, 0)


def demands(
    groups: t.Iterable[NodeGroup], known: t.Mapping[str, int], quotas: Quotas, *, most: bool = False
) -> dict[tuple[str, str], int]:
    """What nodes take of each quota, by region ("" for the project) and metric; ``most``: with all that may come."""
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for group in groups:
        nodes = group.most if most else group.count
        cpus = nodes * cpus_of(group.machine, known)
        metric = _cpu_metric(group, quotas)
        if metric:
            found[group.region, metric] += cpus
        found["", _ALL] += cpus
        disk = _DISKS.get(group.disk_type)
        if disk:
            found[group.region, disk] += nodes * group.disk
        if group.public:
            found[group.region, "IN_USE_ADDRESSES"] += nodes
    return dict(found)


def _cpu_metric(group: NodeGroup, quotas: Quotas) -> str:
    """The metric for a group's CPUs; "" for a family whose quota Compute Engine's API does not show."""
    family = group.machine.partition("-")[0]
    if family == "custom":
        family = "n1"
    # Spot nodes count for the preemptible quota where the project has one, else as all others.
    if group.spot and quotas.by_region.get(group.region, {}).get(_SPOT, (0.0, 0.0))[0] > 0:
        return _SPOT
    if family in _SHARED:
        return "CPUS"
    return f"{family.upper()}_CPUS" if family in _FAMILIES else ""


def over_quota(project: str, wanted: t.Mapping[tuple[str, str], int], quotas: Quotas) -> list[FleetError]:
    """An error for each quota that is too small."""
    found = []
    for (region, metric), amount in sorted(wanted.items()):
        known = quotas.by_region.get(region, {}).get(metric)
        if known is None or amount <= known[0] - known[1]:
            continue
        limit, used = known
        where = f" in region {region}" if region else ""
        found.append(
            FleetError(
                f"quota {metric}{where} is too small",
                obj=f"project {project}",
                seen=f"the inventory asks for {amount:g}, {max(0.0, limit - used):g} of {limit:g} are left",
                next_step="ask for more (console: IAM & Admin, Quotas), or choose another cluster_region, "
                + _LESS.get(metric, "a smaller gke_machine_type, or a smaller gke_node_count"),
            )
        )
    return found


_LESS: t.Mapping[str, str] = {
    "SSD_TOTAL_GB": "a smaller gke_disk_size, or a smaller gke_node_count",
    "DISKS_TOTAL_GB": "a smaller gke_disk_size, or a smaller gke_node_count",
    "IN_USE_ADDRESSES": "or gke_private_nodes: true",
}
