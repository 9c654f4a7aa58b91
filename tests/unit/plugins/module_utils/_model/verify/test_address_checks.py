# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Global names have the same addresses in every cluster."""

from __future__ import annotations

import dataclasses

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import Held
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import (
    NOTHING,
    Ballot,
    Name,
    Record,
    Table,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.address_checks import address_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, OK, Check, Facts

from ..fleets import SERVED, TWO, fleet

NAME = "orders.shop.global"
TABLE = Table({NAME: Name(("240.241.0.7", "fd00::7"), ("traffic",))}, ("east", "west"))
RECORD = Record(Ballot(2, "a"), Ballot(2, "a"), TABLE)


def entry(cluster: str, *addresses: str, name: str = NAME, part: str = "traffic") -> Held:
    return Held(cluster, f"shop/{name}", (name,), addresses or ("240.241.0.7",), part)


def facts(name: str, *held: Held, record: Record = RECORD) -> Facts:
    return Facts(name, held_addresses=list(held), record=record)


def found(*read: Facts) -> dict[str, Check]:
    return {check.name: check for check in address_checks(fleet(TWO), {one.cluster: one for one in read})}


def test_as_recorded_in_every_cluster() -> None:
    checks = found(facts("west", entry("west")), facts("east", entry("east", "240.241.0.7", "fd00::7")))
    assert {check.state for check in checks.values()} == {OK}, "west has no IPv6"
    assert checks["west"].seen == "of 1 global names as in every cluster"
    assert found(Facts("west"), Facts("east")) == {}, "there are none"
    (only,) = address_checks(fleet(SERVED), {"fra": facts("fra", entry("fra")), "edge": Facts("edge")})
    assert only.name == "fra"


def test_another_address_and_none() -> None:
    checks = found(facts("west", entry("west")), facts("east", entry("east", "240.241.0.8")))
    assert checks["west"].state == OK
    assert checks["east"].state == FAILED
    assert checks["east"].seen == f"{NAME} has 240.241.0.8, and 240.241.0.7, fd00::7 elsewhere"
    assert "run the traffic stage with --limit east" in checks["east"].next_step
    six = found(facts("west", entry("west")), facts("east", entry("east", "240.241.0.7", "fd00::8")))
    assert six["east"].state == FAILED
    alone = found(facts("west", entry("west")), facts("east", entry("east", "fd00::7")))
    assert alone["east"].state == FAILED
    gone = found(facts("west", entry("west")), facts("east"))
    assert gone["east"].seen == f"{NAME} is not there"
    nowhere = found(facts("west"), facts("east"))
    assert {check.state for check in nowhere.values()} == {OK}, "no cluster has its service"
    foreign = found(facts("west", entry("west", part="")), facts("east"))
    assert {check.state for check in foreign.values()} == {OK}, "nor is the name made there"
    unused = Table({**TABLE.names, "old.shop.global": Name(("240.241.0.9",), (), "2026-11-27T00:00:00+00:00")})
    record = dataclasses.replace(RECORD, table=unused)
    checks = found(facts("west", entry("west"), record=record), facts("east", entry("east"), record=record))
    assert checks["west"].seen == "of 1 global names as in every cluster", "nothing uses the other one"


def test_others_with_the_same_address() -> None:
    foreign = entry("west", "240.241.0.7", name="theirs.example", part="")
    checks = found(facts("west", entry("west"), foreign), facts("east", entry("east")))
    assert checks["west"].seen == f"ServiceEntry shop/theirs.example names 240.241.0.7 too, the address of {NAME}"
    assert checks["east"].state == OK


def test_copies_of_the_record() -> None:
    old = dataclasses.replace(RECORD, accepted=Ballot(1, "z"), table=Table())
    checks = found(facts("west", entry("west")), facts("east", entry("east"), record=old))
    assert checks["east"].seen == "its copy of the record is old"
    checks = found(facts("west", entry("west")), facts("east", entry("east"), record=NOTHING))
    assert checks["east"].seen == "its copy of the record is lost"
    assert checks["west"].state == OK
    # All copies are lost: what most clusters hold is what it should be.
    lost = found(
        facts("west", entry("west"), record=NOTHING), facts("east", entry("east", "240.241.0.8"), record=NOTHING)
    )
    assert lost["west"].seen == "its copy of the record is lost"
    assert f"{NAME} has 240.241.0.8, and 240.241.0.7 elsewhere" in lost["east"].seen
    # West has no IPv6: the address of that family is what east holds, as the next run will record it.
    mixed = found(
        facts("west", entry("west"), record=NOTHING),
        facts("east", entry("east", "240.241.0.7", "fd00::7"), record=NOTHING),
    )
    assert {check.seen for check in mixed.values()} == {"its copy of the record is lost"}
    # Of as many that hold one or the other, both take the same.
    even = found(
        facts("west", entry("west", "240.241.0.9"), record=NOTHING), facts("east", entry("east"), record=NOTHING)
    )
    assert f"{NAME} has 240.241.0.9, and 240.241.0.7 elsewhere" in even["west"].seen
    foreign = [entry(name, name="theirs.example", part="") for name in ("west", "east")]
    assert found(Facts("west", held_addresses=foreign[:1]), Facts("east", held_addresses=foreign[1:])) == {}
    stray = entry("west", "240.241.0.9", name="stray.shop.global")
    checks = found(facts("west", entry("west"), stray), facts("east", entry("east")))
    assert checks["west"].seen == "stray.shop.global has 240.241.0.9, which is not recorded"


def test_many_are_counted() -> None:
    names = {f"n{number}.shop.global": Name((f"240.241.0.{number}",), ("traffic",)) for number in range(8)}
    record = dataclasses.replace(RECORD, table=Table(names, ("east", "west")))
    every = [entry("west", *value.addresses, name=name) for name, value in names.items()]
    checks = found(facts("west", *every, record=record), facts("east", record=record))
    assert checks["east"].seen.endswith("n4.shop.global is not there; and 3 more")


def test_an_exported_name_need_not_be_everywhere() -> None:
    name = "orders.shop.svc.clusterset.local"
    table = Table({name: Name(("240.241.0.7",), ("services",))}, ("east", "west"))
    record = Record(Ballot(2, "a"), Ballot(2, "a"), table)
    held = entry("west", name=name, part="services")
    assert {one.state for one in found(facts("west", held, record=record), facts("east", record=record)).values()} == {
        OK
    }
    other = entry("east", "240.241.0.8", name=name, part="services")
    assert found(facts("west", held, record=record), facts("east", other, record=record))["east"].state == FAILED
