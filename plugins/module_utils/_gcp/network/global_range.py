# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Subnets of a VPC that use addresses of the range for global names: pure functions."""

from __future__ import annotations

import ipaddress
import typing as t

from ..._model.inventory.fleet import Fleet
from ..._model.providers.google.clusters import ClusterSpec
from ..._model.traffic.reading import read_policies
from ...errors import FleetError
from ..api.answers import last_part
from .vpc import ExistingNetwork

__all__ = ["subnets_in_range"]

_VARIABLES = ("mesh_global_range", "mesh_global_range_ipv6")


def subnets_in_range(fleet: Fleet, everybody: t.Iterable[ClusterSpec], live: ExistingNetwork) -> dict[str, FleetError]:
    """By host, an error where its VPC has a subnet in the range, if the fleet has global names.

    Preflight compares what the inventory says. A VPC may hold more, and Google lets subnets be of 240.0.0.0/4 too.

    Args:
        fleet: the fleet.
        everybody: clusters whose VPC is of the project that was read.
        live: what the project has.
    """
    if not _has_global_names(fleet):
        return {}
    ranges = [
        (name, ipaddress.ip_network(cidr)) for name, cidr in zip(_VARIABLES, fleet.global_ranges, strict=True) if cidr
    ]
    failed: dict[str, FleetError] = {}
    for w in everybody:
        for (region, name), subnet in live.subnets.items():
            if w.host in failed or last_part(subnet.get("network")) != w.network:
                continue
            for cidr in _ranges_of(subnet):
                other = ipaddress.ip_network(cidr, strict=False)
                for variable, own in ranges:
                    if own.version == other.version and own.overlaps(t.cast("t.Any", other)):
                        failed[w.host] = _overlaps(w, variable, str(own), f"{cidr} of subnet {region}/{name}")
    return failed


def _has_global_names(fleet: Fleet) -> bool:
    # A variable of the fleet; one that a host lacks is a problem of its own, and hides no address here.
    given = next(
        (c.variables["mesh_traffic"] for c in fleet.clusters.values() if c.variables.get("mesh_traffic")), None
    )
    policies, _problems = read_policies(given or [], fleet.clusters)
    return any(policy.is_global or policy.also_global for policy in policies)


def _ranges_of(subnet: t.Mapping[str, t.Any]) -> list[str]:
    second = [one.get("ipCidrRange") for one in subnet.get("secondaryIpRanges") or []]
    prefixes = [subnet.get(key) for key in ("ipCidrRange", "internalIpv6Prefix", "externalIpv6Prefix", "ipv6CidrRange")]
    return [str(cidr) for cidr in (*prefixes, *second) if cidr]


def _overlaps(w: ClusterSpec, variable: str, own: str, seen: str) -> FleetError:
    return FleetError(
        f"{variable} {own} overlaps a subnet of the VPC",
        cluster=w.host,
        obj=f"Network {w.network}",
        seen=seen,
        means="an address of a global name would be one of a machine or pod there",
        next_step=f"choose another {variable}",
    )
