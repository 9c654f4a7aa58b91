# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pod and service ranges for clusters that do not bring their own."""

from __future__ import annotations

import ipaddress
import typing as t

__all__ = ["allocate_ranges"]


def allocate_ranges(
    wanted: t.Mapping[str, tuple[str, str]], pod_range: str, service_range: str, prefix: int = 16
) -> dict[str, tuple[str, str]]:
    """Give each cluster a pod and a service range that no other cluster of ``wanted`` has.

    Args:
        wanted: per cluster ``(pod CIDR, service CIDR)``; "" asks for one from the fleet's range.
        pod_range: the range that pod CIDRs are cut from.
        service_range: the range that service CIDRs are cut from.
        prefix: size of each range that is cut.

    A cluster keeps its place when others are appended after it. Raises ValueError when a range
    is used up.
    """
    raise NotImplementedError
