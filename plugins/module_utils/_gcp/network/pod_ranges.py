# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Further ranges of pods that overlap those of other clusters: pure functions.

The inventory has only the names of such ranges, so its own check cannot see them; the subnets have the addresses.
"""

from __future__ import annotations

import typing as t

from ..._model.inventory.addresses import interval
from ..._model.inventory.fleet import Fleet
from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from .vpc import ExistingNetwork, further_pods

__all__ = ["PodRanges"]


class PodRanges:
    """The ranges of pods of a fleet, as far as they are known: projects are read one after the other."""

    def __init__(self, fleet: Fleet) -> None:
        self._networks = {host: cluster.network for host, cluster in fleet.clusters.items()}
        self._known = [(host, c.pod_cidr, "cluster_pod_cidr") for host, c in fleet.clusters.items() if c.pod_cidr]

    def add(self, everybody: t.Sequence[ClusterSpec], live: ExistingNetwork) -> dict[str, FleetError]:
        """Take in the further ranges of clusters whose VPC is of one project.

        Returns:
            By host, an error for a range that overlaps one of another cluster of the same mesh network. Pods there
            call each other by address, also where the clusters have VPCs of their own.
        """
        failed: dict[str, FleetError] = {}
        for w in everybody:
            # Google keeps the ranges of one subnet apart, and lets clusters share one.
            beside = {o.host for o in everybody if o.subnetwork_path == w.subnetwork_path}
            for name, cidr in further_pods(w, live.subnets.get((w.region, w.subnetwork))).items():
                for host, theirs, whose in self._known:
                    if host in beside or self._networks[host] != self._networks[w.host] or w.host in failed:
                        continue
                    if _overlap(cidr, theirs):
                        failed[w.host] = _overlaps(w, name, cidr, f"{theirs}, {whose} of {host}")
                self._known.append((w.host, cidr, f"secondary range {name}"))
        return failed


def _overlap(one: str, other: str) -> bool:
    (a, b), (c, d) = interval(one), interval(other)
    return a <= d and c <= b


def _overlaps(w: ClusterSpec, name: str, cidr: str, other: str) -> FleetError:
    return FleetError(
        f"secondary range {name} {cidr} overlaps pods of another cluster",
        cluster=w.host,
        obj=f"Subnetwork {w.region}/{w.subnetwork}",
        seen=other,
        means="both clusters are in one mesh network, where pods call each other by address",
        next_step="name another range in gke_additional_pod_ranges, or in pod_range of the pool; or set "
        "mesh_network, so that they call each other through gateways",
    )
