# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pod and service ranges for clusters that do not bring their own, and overlaps between ranges.

Ranges are IPv4 CIDR texts; inside, an interval of integers ``(first, last)``. Everything here is
O(N log N) in the number of ranges.
"""

from __future__ import annotations

import heapq
import ipaddress
import typing as t

__all__ = ["FreeRanges", "Interval", "allocate_ranges", "assign_ranges", "free_range", "interval", "overlaps"]

Interval = tuple[int, int]
"""First and last address, both belonging to the range."""

_KINDS = ("pod", "service")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def interval(cidr: str) -> Interval:
    """The addresses of a CIDR; host bits may be set.

    Raises ValueError when it is not an IPv4 CIDR.
    """
    net = ipaddress.IPv4Network(cidr, strict=False)
    return int(net.network_address), int(net.broadcast_address)


def allocate_ranges(
    wanted: t.Mapping[str, tuple[str | None, str | None]],
    pod_range: str,
    service_range: str,
    prefix: int = 16,
    avoid: t.Iterable[str] = (),
) -> dict[str, tuple[str, str]]:
    """Give each cluster a pod and a service range that no other cluster of ``wanted`` has.

    Args:
        wanted: per cluster ``(pod CIDR, service CIDR)``; "" asks for one from the fleet's range, None
            is for a cluster that exists already and did not tell its range.
        pod_range: the range that pod CIDRs are cut from.
        service_range: the range that service CIDRs are cut from.
        prefix: size of each range that is cut.
        avoid: ranges of nobody's which must not be given either (the container network).

    A cluster keeps its range when others are appended after it, because a live cluster cannot change
    it. So a brought range that lies on one given to an earlier cluster is an error, not a reason to
    move the earlier cluster.

    Two brought ranges may overlap here: whether that is wrong is for ``checks`` to say.

    Raises ValueError when a range is used up, when a brought range lies on one that was given, or when
    a text is not a CIDR.
    """
    given, missing = assign_ranges(wanted, pod_range, service_range, prefix, avoid)
    if missing:
        host, kind, pool = missing[0]
        raise ValueError(
            f"fleet_{kind}_range {pool} has no free /{prefix} left for {host}: "
            f"widen it, or set cluster_{kind}_cidr of {host}"
        )
    flat = [((host, i), interval(cidr)) for host, pair in given.items() for i, cidr in enumerate(pair) if cidr]
    for (host, i), (other, j) in overlaps(flat):
        if wanted[host][i] and wanted[other][j]:
            continue
        raise ValueError(
            f"{host}'s {_KINDS[i]} range {given[host][i]} overlaps {other}'s {_KINDS[j]} range {given[other][j]}"
        )
    return given


def assign_ranges(
    wanted: t.Mapping[str, tuple[str | None, str | None]],
    pod_range: str,
    service_range: str,
    prefix: int = 16,
    avoid: t.Iterable[str] = (),
) -> tuple[dict[str, tuple[str, str]], list[tuple[str, str, str]]]:
    """As :func:`allocate_ranges` (arguments are those), for a caller that wants every problem and not the first.

    Returns:
        The ranges ("" where there is none), and what is missing as ``(cluster, "pod" | "service",
        the range that is used up)``. Raises ValueError for a text that
        is not a CIDR.
    """
    always = [interval(text) for text in avoid]
    pools = {"pod": _Pool(pod_range, prefix, always), "service": _Pool(service_range, prefix, always)}
    given: dict[str, tuple[str, str]] = {}
    missing: list[tuple[str, str, str]] = []
    for host, (pod, service) in wanted.items():
        found = {"pod": pod, "service": service}
        # Brought ranges first, so that a cluster's own pod range is not given to its services.
        for text in (pod, service):
            if text:
                for pool in pools.values():
                    pool.take(interval(text))
        for kind, pool in pools.items():
            if found[kind] != "":
                continue
            got = pool.next_free()
            if got is None:
                missing.append((host, kind, pool.text))
                continue
            found[kind] = _text(got[0], prefix)
            for other in pools.values():
                other.take(got)
        given[host] = (found["pod"] or "", found["service"] or "")
    return given, missing


class _Pool:
    """Equal blocks of one range, given in ascending order around what is taken.

    The cursor only moves up, so a heap of taken intervals is enough: each is looked at once.
    """

    def __init__(self, cidr: str, prefix: int, taken: t.Iterable[Interval] = ()) -> None:
        self.text = cidr
        self.first, self.last = interval(cidr)
        self.size = 1 << (32 - prefix)
        self.cursor = -(-self.first // self.size) * self.size
        self.taken = list(taken)
        heapq.heapify(self.taken)

    def take(self, taken: Interval) -> None:
        if taken[1] >= self.cursor and taken[0] <= self.last:
            heapq.heappush(self.taken, taken)

    def next_free(self) -> Interval | None:
        while True:
            start, end = self.cursor, self.cursor + self.size - 1
            if end > self.last:
                return None
            while self.taken and self.taken[0][1] < start:
                heapq.heappop(self.taken)
            if not self.taken or self.taken[0][0] > end:
                self.cursor = end + 1
                return start, end
            self.cursor = (self.taken[0][1] // self.size + 1) * self.size


class FreeRanges:
    """Ranges that overlap nothing in ``taken``, each given once: for the hints of many problems.

    N hints over N ranges cost O(N log N) in all.
    """

    def __init__(self, taken: t.Iterable[Interval]) -> None:
        self.taken = list(taken)
        self.pools: dict[tuple[int, str], list[_Pool]] = {}

    def next(self, near: str) -> str:
        """A free range of the size of ``near``, after it if possible, else "".

        Looks in the private range that holds ``near``, then in the other private ranges.
        """
        wanted = ipaddress.IPv4Network(near, strict=False)
        first, size = int(wanted.network_address), wanted.prefixlen
        order = sorted(_PRIVATE, key=lambda text: not interval(text)[0] <= first <= interval(text)[1])
        pools = self.pools.get((size, order[0]))
        if pools is None:
            after = _Pool(order[0], size, self.taken)
            after.cursor = max(after.cursor, first)
            pools = self.pools[(size, order[0])] = [after, *(_Pool(text, size, self.taken) for text in order)]
        for pool in pools:
            got = pool.next_free()
            if got is not None:
                self.taken.append(got)
                for others in self.pools.values():
                    for other in others:
                        other.take(got)
                return _text(got[0], size)
        return ""


def free_range(near: str, taken: t.Iterable[Interval]) -> str:
    """One range of the size of ``near`` that overlaps nothing in ``taken``, after ``near`` if possible, else ""."""
    return FreeRanges(taken).next(near)


_Label = t.TypeVar("_Label")


def overlaps(
    ranges: t.Iterable[tuple[_Label, Interval]],
    clash: t.Callable[[_Label], tuple[str, t.Collection[str]]] | None = None,
) -> list[tuple[_Label, _Label]]:
    """For each range that overlaps another, one pair: the later one in the given order first.

    Not every pair, which could be quadratic: each range is named with the widest-reaching range that
    starts before it.

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
