# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks that each global name has the same addresses in every cluster, those of the record, and no other has them."""

from __future__ import annotations

import typing as t

from ..inventory.fleet import Fleet
from ..multicluster.clusterset import CLUSTERSET
from ..traffic.addresses import Held, voted
from ..traffic.record import NOTHING, Table, keepers, latest
from .facts import Check, Facts, check_of

__all__ = ["address_checks"]

_MANY = 5


def address_checks(fleet: Fleet, facts: t.Mapping[str, Facts]) -> list[Check]:
    """One check for each cluster that holds global names; none where no cluster knows one."""
    read = {name: facts[name] for name in keepers(fleet) if name in facts}
    records = {name: found.record or NOTHING for name, found in read.items()}
    table = latest(records.values())
    known = _known(table, read.values())
    if not known:
        return []
    # A name whose service no cluster has keeps its address, and has no ServiceEntry.
    made = {host for found in read.values() for one in found.held_addresses if one.part for host in one.hosts}
    newest = max(record.accepted for record in records.values())
    checks = []
    for name, found in read.items():
        seen = _wrong(known, found, made)
        if records[name] == NOTHING:
            seen.append("its copy of the record is lost")
        elif records[name].accepted != newest:
            seen.append("its copy of the record is old")
        more = f"; and {len(seen) - _MANY} more" if len(seen) > _MANY else ""
        checks.append(
            check_of(
                "addresses",
                name,
                not seen,
                "; ".join(seen[:_MANY]) + more if seen else f"of {len(known)} global names as in every cluster",
                (name,),
                "callers there reach another service by the name, or none; or a later run could give an address twice",
                f"run the traffic stage with --limit {name}; it says what it cannot mend",
            )
        )
    return checks


def _known(table: Table, read: t.Iterable[Facts]) -> dict[str, tuple[str, ...]]:
    """The addresses that names should have: the record's, or where it is lost those of which it will be made anew."""
    if table.names:
        return {name: entry.addresses for name, entry in table.names.items() if entry.parts}
    return voted(one for found in read for one in found.held_addresses)


def _wrong(known: t.Mapping[str, t.Sequence[str]], found: Facts, made: t.Collection[str]) -> list[str]:
    """What one cluster has otherwise than it should."""
    seen = []
    owners = {address: name for name, addresses in known.items() for address in addresses}
    held: dict[str, Held] = {host: one for one in found.held_addresses if one.part for host in one.hosts}
    for name, addresses in known.items():
        one = held.get(name)
        if one is None:
            # An exported service is for some clusters; calls show whether its name is where it should be.
            everywhere = not name.endswith(f".svc.{CLUSTERSET}")
            seen += [f"{name} is not there"] if name in made and everywhere else []
        elif _fours(one.addresses) != _fours(addresses) or not set(one.addresses) <= set(addresses):
            seen.append(f"{name} has {', '.join(one.addresses)}, and {', '.join(addresses)} elsewhere")
    for host in held:
        if host not in known:
            seen.append(f"{host} has {', '.join(held[host].addresses)}, which is not recorded")
    for one in found.held_addresses:
        for address in one.addresses:
            if address in owners and owners[address] not in one.hosts:
                seen.append(f"ServiceEntry {one.where} names {address} too, the address of {owners[address]}")
    return seen


def _fours(addresses: t.Sequence[str]) -> set[str]:
    """Those of IPv4: a cluster without IPv6 holds no others."""
    return {one for one in addresses if ":" not in one}
