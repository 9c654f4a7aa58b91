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

__all__ = ["Interval", "allocate_ranges", "assign_ranges", "free_range", "interval", "overlaps"]

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
    flat = [((host, kind), interval(cidr)) for host, pair in given.items() for kind, cidr in enumerate(pair) if cidr]
    for (host, kind), (other, other_kind) in overlaps(flat):
        if wanted[host][kind] and wanted[other][other_kind]:
            continue
        raise ValueError(
            f"{host}'s {_KINDS[kind]} range {given[host][kind]} overlaps "
            f"{other}'s {_KINDS[other_kind]} range {given[other][other_kind]}"
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


def free_range(near: str, taken: t.Iterable[Interval], within: t.Sequence[str] = ()) -> str:
    """A range of the size of ``near`` that overlaps nothing in ``taken``: for hints.

    Looks after ``near`` first, then from the start, in the parts of ``within`` (default: the private
    range that holds ``near``, then the other private ranges). Returns "" when there is none.
    """
    wanted = ipaddress.IPv4Network(near, strict=False)
    first = int(wanted.network_address)
    busy = list(taken)
    pools = sorted(within or _PRIVATE, key=lambda text: not interval(text)[0] <= first <= interval(text)[1])
    for cidr in pools:
        low, high = interval(cidr)
        for start in (first, low) if low <= first <= high else (low,):
            pool = _Pool(cidr, wanted.prefixlen)
            pool.cursor = -(-start // pool.size) * pool.size
            for one in busy:
                pool.take(one)
            got = pool.next_free()
            if got is not None:
                return _text(got[0], wanted.prefixlen)
    return ""


_Label = t.TypeVar("_Label")


def overlaps(ranges: t.Iterable[tuple[_Label, Interval]]) -> list[tuple[_Label, _Label]]:
    """For each range that overlaps another, one pair: the later one in the given order first.

    Not every pair, which could be quadratic: each range is named with the widest-reaching range that
    starts before it, so a reader sees every range involved.
    """
    listed = list(ranges)
    by_start = sorted(range(len(listed)), key=lambda i: (listed[i][1][0], -listed[i][1][1], i))
    found: list[tuple[int, int]] = []
    widest = -1
    for i in by_start:
        if widest >= 0 and listed[i][1][0] <= listed[widest][1][1]:
            found.append((max(i, widest), min(i, widest)))
        if widest < 0 or listed[i][1][1] > listed[widest][1][1]:
            widest = i
    return [(listed[later][0], listed[earlier][0]) for later, earlier in sorted(found)]


def _text(first: int, prefix: int) -> str:
    return f"{ipaddress.IPv4Address(first)}/{prefix}"
