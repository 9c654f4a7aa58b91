# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges that a subnet has, beside those that the inventory wants: they stay as they are. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError

__all__ = ["in_use", "refused", "wrong_ranges"]

Json = dict[str, t.Any]


def _second(subnet: Json) -> dict[str, str]:
    return {r["rangeName"]: r["ipCidrRange"] for r in subnet.get("secondaryIpRanges") or []}


def wrong_ranges(w: ClusterSpec, subnet: Json, ranges: t.Mapping[str, str]) -> dict[str, str]:
    """What an existing subnet has instead of a wanted range, by variable."""
    second = _second(subnet)
    has = {"gke_node_cidr": subnet.get("ipCidrRange", "")}
    if not w.adopt:
        has["cluster_pod_cidr"] = second.get(w.pod_range, f"no secondary range {w.pod_range}")
        has["cluster_service_cidr"] = second.get(w.service_range, f"no secondary range {w.service_range}")
    elif w.pod_cidr not in second.values():
        # Others named the ranges of a cluster that is taken over; its services may have a range of Google's own.
        has["cluster_pod_cidr"] = ", ".join(second.values()) or "no secondary range"
    return {name: found for name, found in has.items() if found != ranges[name]}


def refused(w: ClusterSpec, wrong: t.Mapping[str, str], ranges: t.Mapping[str, str]) -> FleetError:
    """For those of ``wrong_ranges``: often only the order of the hosts has changed."""
    known = [f"{name}: {has}" for name, has in wrong.items() if has[:1].isdigit() and "," not in has]
    given = f"set {', '.join(known)} for {w.host}" if known else f"set {next(iter(wrong))} to what is there"
    moved = "put new hosts behind the others in the inventory, or " if len(known) > 1 else ""
    return FleetError(
        f"{', '.join(wrong)} cannot be changed in place",
        cluster=w.host,
        obj=f"Subnetwork {w.region}/{w.subnetwork}",
        seen="; ".join(f"{name} is {has}, wanted {ranges[name]}" for name, has in wrong.items()),
        means="the ranges of a subnet in use stay as they are"
        + ("; those that the inventory leaves out are given in the order of its hosts" if moved else ""),
        next_step=f"{moved}{given}, or name another gke_subnetwork",
    )


def in_use(w: ClusterSpec, subnet: Json | None) -> ClusterSpec:
    """The cluster with the ranges that its pods and nodes have now: what the inventory says of them may be refused."""
    if subnet is None or w.adopt:
        return w
    nodes, pods = subnet.get("ipCidrRange") or w.node_cidr, _second(subnet).get(w.pod_range, w.pod_cidr)
    return dataclasses.replace(w, node_cidr=nodes, pod_cidr=pods)
