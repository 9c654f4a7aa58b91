# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges of a local fleet: the subnet of its engine network, and the part of it that each cluster has.

The lower half of the network is for containers; the upper half is cut into blocks of eight addresses, one block a
cluster, for its Services of type LoadBalancer.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ...errors import FleetError

__all__ = ["choose_subnet", "container_range", "load_balancer_block"]

_NETWORK_PREFIX = 22
_BLOCK_PREFIX = 29


def choose_subnet(within: str, used: t.Iterable[str]) -> str:
    """The first /22 of ``within`` that overlaps nothing in ``used``; ``within`` itself if it is a /22 or smaller.

    Raises:
        FleetError: all of it is in use.
    """
    space = ipaddress.IPv4Network(within)
    others = [ipaddress.IPv4Network(n, strict=False) for n in used]
    candidates = [space] if space.prefixlen >= _NETWORK_PREFIX else space.subnets(new_prefix=_NETWORK_PREFIX)
    for candidate in candidates:
        if not any(candidate.overlaps(other) for other in others):
            return str(candidate)
    clash = next((str(o) for o in others if o.overlaps(space)), "")
    raise FleetError(
        f"no free network in {within} for the fleet's containers",
        seen=f"{clash} belongs to another network or route of this machine",
        next_step="set fleet_engine_network to a range that is free here",
    )


def container_range(subnet: str) -> str:
    """The half of the network that the engine may give to containers."""
    return str(next(ipaddress.IPv4Network(subnet).subnets(prefixlen_diff=1)))


def load_balancer_block(subnet: str, number: int) -> str:
    """The block of cluster ``number`` (from 0), for LoadBalancer addresses.

    Raises:
        FleetError: the network has no block for so many clusters.
    """
    upper = list(ipaddress.IPv4Network(subnet).subnets(prefixlen_diff=1))[1]
    total = 2 ** max(0, _BLOCK_PREFIX - upper.prefixlen)
    # The network's last address is its broadcast address, so the last block is not given away.
    if number >= total - 1:
        raise FleetError(
            f"the engine network {subnet} has LoadBalancer addresses for {total - 1} clusters only",
            next_step="set fleet_engine_network to a larger range",
        )
    first = int(upper.network_address) + number * 2 ** (32 - _BLOCK_PREFIX)
    return str(ipaddress.IPv4Network((first, _BLOCK_PREFIX)))
