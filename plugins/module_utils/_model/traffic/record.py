# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of addresses, of which several clusters keep a copy, and by what rules runs change it.

Runs may be at work at once, on different machines, and any may end half-way; clusters may not answer. So the copies
are the acceptors of a register (CASPaxos): a run first writes its ballot into each copy, then what it made of the
newest of them. Each write replaces a copy that is as it was read, or fails, and the API server decides that: so no run
writes what an older ballot said where a newer one began. What copies in more than half of the clusters have accepted
under one ballot holds, and every later run finds it.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ..inventory.fleet import Fleet
from ..istio.ownership import owner_labels
from .paths import Paths

__all__ = [
    "ADDRESSES",
    "NOTHING",
    "Ballot",
    "Name",
    "Record",
    "Table",
    "accepted",
    "agreed",
    "is_enough",
    "keepers",
    "latest",
    "next_ballot",
    "object_name",
    "object_of",
    "promised",
    "read_record",
]

Object = dict[str, t.Any]

ADDRESSES = "addresses"
"""What the record says in the label ``mesh.fleet/part-of``."""


@dataclasses.dataclass(frozen=True, order=True)
class Ballot:
    """A try of a run to change the record; a later one is higher."""

    number: int = 0
    run: str = ""

    def __str__(self) -> str:
        return f"{self.number} {self.run}".strip()

    @classmethod
    def read(cls, text: t.Any) -> Ballot:
        """From its text; raises ValueError."""
        number, _space, run = str(text).partition(" ")
        return cls(int(number), run)


@dataclasses.dataclass(frozen=True)
class Name:
    """The addresses of a name.

    Args:
        addresses: an IPv4 address, and where clusters have IPv6 one of that.
        parts: what uses the name, such as ``traffic``.
        unused_since: since when nothing uses it (ISO 8601); "" while something does.
    """

    addresses: tuple[str, ...]
    parts: tuple[str, ...] = ()
    unused_since: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """What the record says: addresses by name, and the clusters that may hold one of them."""

    names: t.Mapping[str, Name] = dataclasses.field(default_factory=dict)
    members: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Record:
    """A cluster's copy: the highest ballot that it was promised to, and the table of the last one that it accepted."""

    promised: Ballot = Ballot()
    accepted: Ballot = Ballot()
    table: Table = dataclasses.field(default_factory=Table)


NOTHING = Record()
"""The copy of a cluster that has none."""


def keepers(fleet: Fleet) -> list[str]:
    """The clusters that keep a copy: those whose control plane reads objects there."""
    return list(Paths(fleet).served)


def is_enough(answered: t.Collection[str], clusters: t.Collection[str], members: t.Collection[str]) -> bool:
    """Whether these clusters decide for all: any two that do have one in common.

    They are more than half of the inventory's; and of those among them that kept a copy before, as when a fleet grows.
    """
    old = [name for name in clusters if name in members]
    return all(2 * sum(name in answered for name in some) > len(some) for some in (clusters, old) if some)


def latest(records: t.Iterable[Record]) -> Table:
    """What holds, of copies that are enough."""
    return max(records, key=lambda record: record.accepted, default=NOTHING).table


def agreed(records: t.Collection[Record]) -> bool:
    """Whether all copies accepted the same ballot, so that their table holds and none lacks it."""
    return len({record.accepted for record in records}) == 1 and NOTHING not in records


def next_ballot(records: t.Iterable[Record], run: str) -> Ballot:
    """A ballot above all that these copies know."""
    return Ballot(max((max(r.promised, r.accepted).number for r in records), default=0) + 1, run)


def promised(record: Record, ballot: Ballot) -> Record:
    """The copy once a run has begun; who had begun before finds it changed, and cannot write it."""
    return dataclasses.replace(record, promised=ballot)


def accepted(_record: Record, ballot: Ballot, table: Table) -> Record:
    """The copy with what a ballot decided."""
    return Record(ballot, ballot, table)


# As an object.


def object_name(fleet: str) -> str:
    """The name of the ConfigMap that is a cluster's copy; fleets may share a cluster."""
    return f"mesh-fleet-addresses-{fleet}"


def object_of(record: Record, live: t.Mapping[str, t.Any] | None, fleet: str, namespace: str) -> Object:
    """The ConfigMap of a copy; with the version of ``live``, so that it replaces that one and no newer."""
    metadata: Object = {"name": object_name(fleet), "namespace": namespace, "labels": owner_labels(ADDRESSES, fleet)}
    if live is not None:
        metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
    rows = [f"{json.dumps(name)}: {json.dumps(_row(entry))}" for name, entry in sorted(record.table.names.items())]
    data = {
        "promised": str(record.promised),
        "accepted": str(record.accepted),
        "members": " ".join(record.table.members),
        "names": "{\n" + ",\n".join(rows) + "\n}\n",
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _row(entry: Name) -> Object:
    unused = {"unused_since": entry.unused_since} if entry.unused_since else {}
    return {"addresses": list(entry.addresses), "parts": list(entry.parts), **unused}


def read_record(live: t.Mapping[str, t.Any] | None) -> Record:
    """The copy that a ConfigMap is; what nobody can read is as none, and is written anew from the others."""
    data = (live or {}).get("data") or {}
    try:
        names = {str(name): _entry(row) for name, row in json.loads(data["names"]).items()}
        table = Table(names, tuple(str(data["members"]).split()))
        return Record(Ballot.read(data["promised"]), Ballot.read(data["accepted"]), table)
    except (AttributeError, KeyError, TypeError, ValueError):
        return NOTHING


def _entry(row: t.Mapping[str, t.Any]) -> Name:
    addresses, parts = (tuple(str(one) for one in row[key]) for key in ("addresses", "parts"))
    return Name(addresses, parts, str(row.get("unused_since") or ""))
