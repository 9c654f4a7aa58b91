# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Allocation of pod and service ranges to clusters that name none, and overlaps between ranges.

Ranges are IPv4 CIDR texts; inside, an interval of integers ``(first, last)``. Everything here is
O(N log N) in the number of ranges.
"""

from __future__ import annotations

import functools
import heapq
import ipaddress
import typing as t

__all__ = ["FreeRanges", "Interval", "allocate_ranges", "assign_ranges", "interval", "overlaps"]

Interval = tuple[int, int]
"""First and last address, both belonging to the range."""

_KINDS = ("pod", "service")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


@functools.lru_cache(maxsize=1 << 16)  # checks, allocation and hints parse each range of a large fleet several times
def interval(cidr: str) -> Interval:
    """The addresses of a CIDR; host bits may be set.

    Raises ValueError when it is not an IPv4 CIDR.
    """
    net = ipaddress.IPv4Network(cidr, strict=False)
    return int(net.network_address), int(net.broadcast_address)


def allocate_ranges(
    requested: t.Mapping[str, tuple[str | None, str | None]],
    pod_range: str,
    service_range: str,
    prefix: int = 16,
    avoid: t.Iterable[str] = (),
) -> dict[str, tuple[str, str]]:
    """Allocate to each cluster a pod and a service range that no other cluster of ``requested`` has.

    Args:
        requested: by cluster its pod and its service CIDR. "" requests one from the fleet's range, None is the unknown
            range of a cluster that exists already.
        pod_range: the range from which pod CIDRs are allocated.
        service_range: the range from which service CIDRs are allocated.
        prefix: prefix length of each allocated range.
        avoid: other ranges that must not be allocated (the container network).

    A cluster keeps its range when others are appended after it, because a running cluster cannot change its range.
    So an inventory's range that overlaps one allocated to an earlier cluster is an error, and the earlier cluster
    does not move.

    Two ranges of the inventory may overlap here: ``validation/ranges.py`` decides whether that is a problem.

    Returns:
        By cluster its pod and its service range, "" for unknown ones.

    Raises:
        ValueError: a fleet's range is used up, a range of the inventory overlaps an allocated one, or a text is not a
            CIDR.
    """
    allocated, missing = assign_ranges(requested, pod_range, service_range, prefix, avoid)
    if missing:
        host, kind, pool = missing[0]
        raise ValueError(
            f"fleet_{kind}_range {pool} has no free /{prefix} left for {host}: "
            f"widen it, or set cluster_{kind}_cidr of {host}"
        )
    flat = [((host, i), interval(cidr)) for host, pair in allocated.items() for i, cidr in enumerate(pair) if cidr]
    for (host, i), (other, j) in overlaps(flat):
        if requested[host][i] and requested[other][j]:
            continue
        mine, theirs = allocated[host][i], allocated[other][j]
        raise ValueError(f"{host}'s {_KINDS[i]} range {mine} overlaps {other}'s {_KINDS[j]} range {theirs}")
    return allocated


def assign_ranges(
    requested: t.Mapping[str, tuple[str | None, str | None]],
    pod_range: str,
    service_range: str,
    prefix: int = 16,
    avoid: t.Iterable[str] = (),
) -> tuple[dict[str, tuple[str, str]], list[tuple[str, str, str]]]:
    """Allocate as :func:`allocate_ranges`, whose arguments these are, but report every used up range.

    Returns:
        The ranges, and for each that could not be allocated ``(cluster, "pod" | "service", the range that is used
        up)``.

    Raises:
        ValueError: a text is not a CIDR.
    """
    always = [interval(text) for text in avoid]
    pools = {"pod": _Pool(pod_range, prefix, always), "service": _Pool(service_range, prefix, always)}
    allocated: dict[str, tuple[str, str]] = {}
    missing: list[tuple[str, str, str]] = []
    for host, (pod, service) in requested.items():
        found = {"pod": pod, "service": service}
        # Named ranges first: a cluster's own pod range must not be allocated to its services.
        for text in (pod, service):
            if text:
                for pool in pools.values():
                    pool.use(interval(text))
        for kind, pool in pools.items():
            if found[kind] != "":
                continue
            got = pool.next_free()
            if got is None:
                missing.append((host, kind, pool.text))
                continue
            found[kind] = _text(got[0], prefix)
            for other in pools.values():
                other.use(got)
        allocated[host] = (found["pod"] or "", found["service"] or "")
    return allocated, missing


class _Pool:
    """Equal blocks of one range, allocated in ascending order around the intervals in use.

    The cursor only moves up, so a heap of used intervals is enough: each is compared once.
    """

    def __init__(self, cidr: str, prefix: int, used: t.Iterable[Interval] = ()) -> None:
        self.text = cidr
        self.first, self.last = interval(cidr)
        self.size = 1 << (32 - prefix)
        self.cursor = -(-self.first // self.size) * self.size
        self.used = list(used)
        heapq.heapify(self.used)

    def use(self, used: Interval) -> None:
        if used[1] >= self.cursor and used[0] <= self.last:
            heapq.heappush(self.used, used)

    def next_free(self) -> Interval | None:
        while True:
            start, end = self.cursor, self.cursor + self.size - 1
            if end > self.last:
                return None
            while self.used and self.used[0][1] < start:
                heapq.heappop(self.used)
            if not self.used or self.used[0][0] > end:
                self.cursor = end + 1
                return start, end
            self.cursor = (self.used[0][1] // self.size + 1) * self.size


class FreeRanges:
    """Ranges that overlap nothing in ``used``, each returned once: for the hints of many problems.

    N hints over N ranges cost O(N log N) in all.
    """

    def __init__(self, used: t.Iterable[Interval]) -> None:
        self.used = list(used)
        self.pools: dict[tuple[int, str], list[_Pool]] = {}

    def next(self, near: str) -> str:
        """A free range of the size of ``near``, after it if possible, else "".

        Looks in the private range that holds ``near``, then in the other private ranges.
        """
        net = ipaddress.IPv4Network(near, strict=False)
        first, size = int(net.network_address), net.prefixlen
        order = sorted(_PRIVATE, key=lambda text: not interval(text)[0] <= first <= interval(text)[1])
        pools = self.pools.get((size, order[0]))
        if pools is None:
            after = _Pool(order[0], size, self.used)
            after.cursor = max(after.cursor, first)
            pools = self.pools[(size, order[0])] = [after, *(_Pool(text, size, self.used) for text in order)]
        for pool in pools:
            got = pool.next_free()
            if got is not None:
                self.used.append(got)
                for others in self.pools.values():
                    for other in others:
                        other.use(got)
                return _text(got[0], size)
        return ""


_Label = t.TypeVar("_Label")


def overlaps(
    ranges: t.Iterable[tuple[_Label, Interval]],
    clash: t.Callable[[_Label], tuple[str, t.Collection[str]]] | None = None,
) -> list[tuple[_Label, _Label]]:
    """For each range that overlaps another, one pair: first the one that is later in ``ranges``.

    Not every pair, which could be quadratic: each range is paired with the one that reaches furthest of those that
    start before it.

    Args:
        ranges: labels and their ranges.
        clash: a label's class, and the classes that it must not overlap. Default: everything clashes.
    """
    listed = list(ranges)
    by_start = sorted(range(len(listed)), key=lambda i: (listed[i][1][0], -listed[i][1][1], i))
    found: set[tuple[int, int]] = set()
    widest: dict[str, int] = {}
    for i in by_start:
        label, (first, last) = listed[i]
        mine, enemies = clash(label) if clash else ("", ("",))
        for enemy in enemies:
            other = widest.get(enemy, -1)
            if other >= 0 and first <= listed[other][1][1]:
                found.add((max(i, other), min(i, other)))
        if mine not in widest or last > listed[widest[mine]][1][1]:
            widest[mine] = i
    return [(listed[later][0], listed[earlier][0]) for later, earlier in sorted(found)]


def _text(first: int, prefix: int) -> str:
    return f"{ipaddress.IPv4Address(first)}/{prefix}"
