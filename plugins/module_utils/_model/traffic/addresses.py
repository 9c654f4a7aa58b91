# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which address each name of the whole fleet has: a pure function of the record and of what the clusters hold.

A name keeps its addresses. A new one gets those that its own hash points at, or the next ones that are free; so a
fleet that lost everything comes to nearly the same. An address is given to another name only when nothing has used it
for a day and every cluster that may hold it was read and does not.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import datetime
import hashlib
import ipaddress
import typing as t

from ...errors import FleetError
from ...metadata import labels_of
from ..istio.ownership import PART_OF, fleet_of
from .record import Name, Table

__all__ = [
    "KEPT",
    "Decision",
    "Held",
    "Wish",
    "decide",
    "for_cluster",
    "held_of",
    "in_use",
    "left_by",
    "voted",
    "without",
]

KEPT = datetime.timedelta(days=1)
"""How long an address stays a name's that nothing uses: a run that still wants the name may be about to apply it."""

_VARIABLES = ("mesh_global_range", "mesh_global_range_ipv6")
_MANY = 5


@dataclasses.dataclass(frozen=True)
class Held:
    """A ServiceEntry as a cluster holds it; ``part`` is "" for one that is not this fleet's."""

    cluster: str
    where: str
    hosts: tuple[str, ...]
    addresses: tuple[str, ...]
    part: str = ""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a run wants, and what it knows.

    Args:
        fleet: the fleet's name.
        names: the names that need addresses.
        part: what uses them. Names that it used and does not name any more are free for others, after a time.
        ranges: an IPv4 range, and an IPv6 range or "".
        keepers: the inventory's clusters that hold the names.
        read: those of them that were read.
        now: the time.
    """

    fleet: str
    names: tuple[str, ...]
    part: str
    ranges: tuple[str, str]
    keepers: tuple[str, ...]
    read: frozenset[str]
    now: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Decision:
    """The new table, the addresses of the names, and what is to be said."""

    table: Table
    addresses: dict[str, tuple[str, ...]]
    problems: list[FleetError] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def held_of(cluster: str, entries: t.Iterable[t.Mapping[str, t.Any]], fleet: str) -> list[Held]:
    """What a cluster's ServiceEntries hold, of those that have addresses."""
    found = []
    for entry in entries:
        spec, meta = entry.get("spec") or {}, entry.get("metadata") or {}
        addresses = tuple(str(one) for one in spec.get("addresses") or [])
        if addresses:
            hosts = tuple(str(one) for one in spec.get("hosts") or [])
            part = labels_of(entry).get(PART_OF, "") if fleet_of(entry) == fleet else ""
            found.append(Held(cluster, f"{meta.get('namespace')}/{meta.get('name')}", hosts, addresses, part))
    return found


def for_cluster(addresses: t.Sequence[str], ipv6: bool) -> list[str]:
    """Those of a name's addresses that a cluster's callers can use."""
    return [one for one in addresses if ipv6 or ipaddress.ip_address(one).version == 4]


def decide(table: Table, wish: Wish, held: t.Sequence[Held]) -> Decision:
    """What the record must say so that each name has its addresses.

    Args:
        table: what the record says.
        wish: what the run wants.
        held: what the clusters hold that were read.
    """
    names, warnings = _sound({**table.names, **_lost(table, wish, held)}, table)
    names = _released(names, table, wish, held)
    pools = [_Pool(cidr) for cidr in wish.ranges if cidr]
    for pool in pools:
        for entry in names.values():
            pool.use(entry.addresses)
        pool.use({address for one in held for address in one.addresses})
    lacking: dict[str, list[str]] = {}
    for name in dict.fromkeys(wish.names):
        before = names.get(name, Name(()))
        addresses = []
        for pool, cidr in zip(pools, (cidr for cidr in wish.ranges if cidr), strict=True):
            own = pool.own(before.addresses)
            address = own or pool.free(f"{wish.fleet}/{name}")
            if address:
                addresses.append(address)
            else:
                lacking.setdefault(cidr, []).append(name)
        # IPv6 that no cluster needs today stays: the cluster that has it may not answer, and comes back.
        if not wish.ranges[1]:
            addresses += [one for one in before.addresses if ipaddress.ip_address(one).version == 6]
        gone = [one for one in before.addresses if one not in addresses]
        if gone and addresses:
            variable = _VARIABLES[ipaddress.ip_address(gone[0]).version == 6]
            moved = f"{name} moves from {', '.join(gone)} to {', '.join(addresses)}"
            warnings.append(f"{moved}: {variable} does not hold the former one")
            # Clusters still hold it: under its own name it is free as any other that nothing uses.
            since = wish.now.isoformat(timespec="seconds")
            names.update({address: Name((address,), unused_since=since) for address in gone})
        if len(addresses) >= len(pools):
            names[name] = Name(tuple(addresses), tuple(sorted({*before.parts, wish.part})))
    problems = [_used_up(cidr, some, wish, table) for cidr, some in lacking.items()]
    wanted = {name: names[name].addresses for name in wish.names if name in names and names[name].addresses}
    for some in lacking.values():
        wanted = {name: addresses for name, addresses in wanted.items() if name not in some}
    warnings += _claimed(wanted, held)
    members = tuple(sorted({*table.members, *wish.keepers})) if names else table.members
    return Decision(Table(dict(sorted(names.items())), members), wanted, problems, warnings)


def in_use(cluster: str, seen: t.Mapping[str, str], ranges: t.Iterable[str]) -> FleetError | None:
    """Why a cluster cannot take addresses of these ranges; None if nothing is known against it.

    Args:
        cluster: its name.
        seen: addresses in use there, with what they are.
        ranges: of global names.
    """
    nets = [ipaddress.ip_network(cidr) for cidr in ranges if cidr]
    for text, what in seen.items():
        for net in nets:
            if ipaddress.ip_address(text) in net:
                variable = _VARIABLES[net.version == 6]
                return FleetError(
                    "addresses of global names are in use for something else",
                    cluster=cluster,
                    obj=variable,
                    seen=f"{what} has {text}, which is of {net}",
                    means="calls to a global name could reach that, or calls to that a global name",
                    next_step=f"set {variable} to a range that no cluster of the fleet uses",
                )
    return None


def voted(held: t.Iterable[Held]) -> dict[str, tuple[str, ...]]:
    """By name of this fleet the addresses that most ServiceEntries give it, of each family one.

    Each family for itself: clusters without IPv6 do not say that a name has no address of it.
    """
    votes: dict[str, dict[bool, collections.Counter[str]]] = {}
    for one in held:
        for host in one.hosts if one.part else ():
            families = votes.setdefault(host, {False: collections.Counter(), True: collections.Counter()})
            for address in dict.fromkeys(one.addresses):
                families[":" in address][address] += 1
    return {
        host: tuple(min(few, key=lambda one: (-few[one], one)) for few in families.values() if few)
        for host, families in sorted(votes.items())
    }


def without(table: Table, part: str) -> Table:
    """The record once a part uses no name any more, and no cluster holds one of it."""
    names = {
        name: dataclasses.replace(entry, parts=tuple(one for one in entry.parts if one != part))
        for name, entry in table.names.items()
    }
    return dataclasses.replace(table, names={name: entry for name, entry in names.items() if entry.parts})


def left_by(table: Table, leaving: t.Collection[str]) -> Table:
    """The record once these clusters hold no address any more; names are those of the clusters that stay too."""
    return dataclasses.replace(table, members=tuple(one for one in table.members if one not in leaving))


def _lost(table: Table, wish: Wish, held: t.Sequence[Held]) -> dict[str, Name]:
    """Names that this fleet's ServiceEntries hold and the record does not: it was lost, or an older one came back."""
    parts: dict[str, set[str]] = {}
    for one in held:
        for host in one.hosts if one.part else ():
            parts.setdefault(host, set()).add(one.part)
    pools = [_Pool(cidr) for cidr in wish.ranges if cidr]
    found: dict[str, Name] = {}
    for host, addresses in voted(held).items():
        own = tuple(address for pool in pools if (address := pool.own(addresses)))
        if own and host not in table.names:
            found[host] = Name(own, tuple(sorted(parts[host])))
    return found


def _sound(names: t.Mapping[str, Name], table: Table) -> tuple[dict[str, Name], list[str]]:
    """The same without addresses that another name has too: one that the record names has it, else the first."""
    owners: dict[str, str] = {}
    found: dict[str, Name] = {}
    warnings = []
    for name in sorted(names, key=lambda name: (name not in table.names, name)):
        entry = names[name]
        twice = [address for address in entry.addresses if owners.setdefault(address, name) != name]
        if twice:
            both = f"{owners[twice[0]]} and {name} both had {twice[0]}"
            warnings.append(f"{both}: {name} gets another address")
            entry = dataclasses.replace(entry, addresses=tuple(one for one in entry.addresses if one not in twice))
        found[name] = entry
    return found, warnings


def _released(names: dict[str, Name], table: Table, wish: Wish, held: t.Sequence[Held]) -> dict[str, Name]:
    """The same with names that nothing uses marked, and without those that nothing holds any more."""
    wanted = set(wish.names)
    holding = {word for one in held for word in (*one.hosts, *one.addresses)}
    all_read = {*table.members, *wish.keepers} <= wish.read
    found = {}
    for name, entry in names.items():
        if name not in wanted and wish.part in entry.parts:
            parts = tuple(one for one in entry.parts if one != wish.part)
            since = "" if parts else wish.now.isoformat(timespec="seconds")
            entry = dataclasses.replace(entry, parts=parts, unused_since=since)
        is_used = bool(entry.parts) or name in wanted or not holding.isdisjoint((name, *entry.addresses))
        if not is_used and all_read and _is_over(entry, wish.now):
            continue
        found[name] = entry
    return found


def _is_over(entry: Name, now: datetime.datetime) -> bool:
    try:
        return now - datetime.datetime.fromisoformat(entry.unused_since) >= KEPT
    except (TypeError, ValueError):
        return False


def _used_up(cidr: str, names: t.Sequence[str], wish: Wish, table: Table) -> FleetError:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    variable = _VARIABLES[":" in cidr]
    unread = sorted({*table.members, *wish.keepers} - wish.read)
    silent, left = ([one for one in unread if (one in wish.keepers) is known] for known in (True, False))
    steps = [f"widen {variable}: names keep the addresses that the wider range holds"]
    if silent:
        steps.append(f"for those that nothing uses any more, let {', '.join(silent)} answer")
    if left:
        steps.append(
            f"the inventory does not name {', '.join(left)} any more: name it once more, without a kubeconfig if it is "
            f"gone for good, and run playbooks/teardown.yml with --tags traffic --limit {','.join(left)}"
        )
    return FleetError(
        f"no address is left for {', '.join(names[:_MANY])}{more}",
        obj=variable,
        seen=f"{cidr}; {', '.join(unread)} may hold some, and was not read" if unread else cidr,
        means="each global name has an address of its own; that of a name which nothing uses any more is free a day "
        "after, when every cluster that may hold it was read",
        next_step="; ".join(steps),
    )


def _claimed(wanted: t.Mapping[str, t.Sequence[str]], held: t.Sequence[Held]) -> list[str]:
    """Addresses of ours that a ServiceEntry of others names too."""
    by_address = {address: name for name, addresses in wanted.items() for address in addresses}
    return [
        f"{one.cluster}: ServiceEntry {one.where} of others names {address}, the address of {by_address[address]}: "
        "calls to one of both go astray. Give that ServiceEntry another address"
        for one in held
        if not one.part
        for address in one.addresses
        if address in by_address and by_address[address] not in one.hosts
    ]


class _Pool:
    """The addresses of a range, and which are taken."""

    def __init__(self, cidr: str) -> None:
        net = ipaddress.ip_network(cidr)
        self._version = net.version
        # The first and the last address of an IPv4 network are no host's.
        edge = 1 if net.num_addresses > 2 else 0
        self._first = int(net.network_address) + edge
        self._size = net.num_addresses - 2 * edge
        self._taken: set[int] = set()
        self._spans: list[tuple[int, int]] = []

    def use(self, addresses: t.Iterable[str]) -> None:
        """Take addresses, or ranges, as ServiceEntries write them."""
        for text in addresses:
            try:
                net = ipaddress.ip_network(text, strict=False)
            except ValueError:
                continue
            if net.version != self._version:
                continue
            if net.num_addresses == 1:
                self._taken.add(int(net.network_address))
            else:
                bisect.insort(self._spans, (int(net.network_address), int(net.broadcast_address)))

    def own(self, addresses: t.Iterable[str]) -> str:
        """That of a name's addresses which is of this range; "" for none."""
        for text in addresses:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                continue
            if address.version == self._version and 0 <= int(address) - self._first < self._size:
                return text
        return ""

    def free(self, name: str) -> str:
        """Take an address for a name; "" if none is left."""
        at = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % self._size
        passed = 0
        while passed < self._size:
            value = self._first + at
            step = max((last - value + 1 for first, last in self._spans if first <= value <= last), default=0)
            if not step and value not in self._taken:
                self._taken.add(value)
                return str(ipaddress.IPv4Address(value) if self._version == 4 else ipaddress.IPv6Address(value))
            step = min(step or 1, self._size - at)
            passed += step
            at = (at + step) % self._size
        return ""
