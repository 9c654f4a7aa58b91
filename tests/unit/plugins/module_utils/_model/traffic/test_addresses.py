# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of names: kept, new, moved, freed, and found again when the record is lost."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import typing as t

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import (
    KEPT,
    Decision,
    Held,
    Wish,
    decide,
    for_cluster,
    held_of,
    in_use,
    left_by,
    voted,
    without,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import Name, Table

NOW = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)
V4, V6 = "240.241.0.0/24", "fd6d:6573:68f1::/120"
ORDERS, REVIEWS = "orders.shop.global", "reviews.shop.global"
BOTH = ("west", "east")


def wish(*names: str, **changed: t.Any) -> Wish:
    plain = Wish("local", names, "traffic", (V4, ""), BOTH, frozenset(BOTH), NOW)
    return dataclasses.replace(plain, **changed)


def held(name: str, *addresses: str, cluster: str = "west", part: str = "traffic") -> Held:
    return Held(cluster, f"shop/{name}", (name,), addresses, part)


def of(decision: Decision, name: str = ORDERS) -> str:
    (address,) = decision.addresses[name]
    return address


def table(**names: Name) -> Table:
    return Table({f"{key}.shop.global": entry for key, entry in names.items()}, tuple(sorted(BOTH)))


def test_a_name_keeps_its_address() -> None:
    first = decide(Table(), wish(ORDERS), [])
    address = of(first)
    assert ipaddress.ip_address(address) in ipaddress.ip_network(V4)
    assert first.table == Table({ORDERS: Name((address,), ("traffic",))}, ("east", "west"))
    assert (first.problems, first.warnings) == ([], [])
    again = decide(first.table, wish(REVIEWS, ORDERS), [held(ORDERS, address)])
    assert of(again) == address
    assert of(again, REVIEWS) != address
    assert decide(again.table, wish(REVIEWS, ORDERS), []).table == again.table


def test_a_fleet_that_lost_everything_comes_to_the_same() -> None:
    assert of(decide(Table(), wish(ORDERS), [])) == of(decide(Table(), wish(ORDERS), []))
    assert of(decide(Table(), wish(ORDERS), [])) != of(decide(Table(), wish(ORDERS, fleet="other"), []))


def test_what_anybody_holds_is_not_given() -> None:
    address = of(decide(Table(), wish(ORDERS), []))
    for taken in (held("theirs.example", address, part=""), held("theirs.example", f"{address}/31", part="")):
        other = of(decide(Table(), wish(ORDERS), [taken]))
        assert ipaddress.ip_address(other) not in ipaddress.ip_network(taken.addresses[0], strict=False)
    whole = held("theirs.example", "240.0.0.0/4", "fd00::/8", "no address", part="")
    assert [problem.obj for problem in decide(Table(), wish(ORDERS), [whole]).problems] == ["mesh_global_range"]


def test_an_address_of_others_is_told() -> None:
    first = decide(Table(), wish(ORDERS), [])
    foreign = held("theirs.example", of(first), cluster="east", part="")
    second = decide(first.table, wish(ORDERS), [foreign])
    assert of(second) == of(first), "it may be in use already"
    (warning,) = second.warnings
    assert warning.startswith(f"east: ServiceEntry shop/theirs.example of others names {of(first)}, the address of")


def test_both_families_where_a_cluster_has_both() -> None:
    first = decide(Table(), wish(ORDERS), [])
    second = decide(first.table, wish(ORDERS, ranges=(V4, V6)), [])
    v4, v6 = second.addresses[ORDERS]
    assert v4 == of(first)
    assert ipaddress.ip_address(v6) in ipaddress.ip_network(V6)
    assert for_cluster((v4, v6), True) == [v4, v6]
    assert for_cluster((v4, v6), False) == [v4]
    # The cluster that has it does not answer.
    third = decide(second.table, wish(ORDERS), [])
    assert third.addresses[ORDERS] == (v4, v6)
    assert third.table == second.table


def test_a_used_up_range_is_told_with_all_that_lack() -> None:
    names = [f"n{number}.shop.global" for number in range(9)]
    found = decide(Table(), wish(*names, ranges=("240.241.0.0/30", "")), [])
    assert len(found.addresses) == 2, "the first and the last address are no host's"
    assert len({*found.addresses.values()}) == 2
    (problem,) = found.problems
    assert problem.what == "no address is left for " + ", ".join(names[2:7]) + " and 2 more"
    assert (problem.obj, problem.seen) == ("mesh_global_range", "240.241.0.0/30")
    assert set(found.table.names) == set(names[:2])
    one = decide(Table(), wish(ORDERS, ranges=("240.241.0.9/32", "")), [])
    assert of(one) == "240.241.0.9"
    six = decide(Table(), wish(*names[:4], ranges=(V4, "fd00::/127")), [])
    assert [problem.obj for problem in six.problems] == ["mesh_global_range_ipv6"]
    assert set(six.addresses) == set(names[:2]), "a name without the second address would not be what it is elsewhere"


def test_clusters_that_keep_addresses_from_being_free_are_named() -> None:
    narrow = wish(ORDERS, ranges=("240.241.0.9/32", ""), read=frozenset(["west"]))
    full = Table({REVIEWS: Name(("240.241.0.9",), ("traffic",))}, ("east", "gone", "west"))
    marked = decide(full, narrow, []).table
    (problem,) = decide(marked, dataclasses.replace(narrow, now=NOW + 2 * KEPT), []).problems
    assert problem.seen == "240.241.0.9/32; east, gone may hold some, and was not read"
    widen, answer, left, run = problem.next_step.replace(" and run", "; run").split("; ")
    assert widen.startswith("widen mesh_global_range")
    assert answer == "for those that nothing uses any more, let east answer"
    assert left.startswith("the inventory does not name gone any more: name it once more")
    assert run == "run playbooks/teardown.yml with --tags traffic --limit gone"
    # Once it is forgotten, and east was read, the address is free.
    later = dataclasses.replace(narrow, now=NOW + 2 * KEPT, read=frozenset(BOTH))
    assert of(decide(left_by(marked, ["gone"]), later, [])) == "240.241.0.9"


def test_a_range_that_changed_moves_its_names() -> None:
    before = table(orders=Name(("10.9.0.7",), ("traffic",)))
    after = decide(before, wish(ORDERS), [held(ORDERS, "10.9.0.7")])
    assert ipaddress.ip_address(of(after)) in ipaddress.ip_network(V4)
    moved = f"{ORDERS} moves from 10.9.0.7 to {of(after)}: mesh_global_range does not hold the former one"
    assert after.warnings == [moved]
    back = decide(after.table, wish(ORDERS, REVIEWS, ranges=("10.9.0.7/32", "")), [held(ORDERS, "10.9.0.7")])
    assert back.addresses == {}, "clusters may still hold it"


def test_an_address_is_free_a_day_after_its_name_is_gone() -> None:
    before = decide(Table(), wish(ORDERS, REVIEWS), [])
    address = of(before)
    gone = decide(before.table, wish(REVIEWS), [held(ORDERS, address)])
    marked = gone.table.names[ORDERS]
    assert marked == Name((address,), (), "2026-11-27T12:00:00+00:00")
    assert decide(gone.table, wish(REVIEWS), []).table == gone.table
    later = wish(REVIEWS, now=NOW + KEPT)
    assert decide(gone.table, dataclasses.replace(later, now=NOW + KEPT / 2), []).table == gone.table
    assert decide(gone.table, later, [held(ORDERS, address)]).table == gone.table, "a cluster holds it"
    assert decide(gone.table, dataclasses.replace(later, read=frozenset(["west"])), []).table == gone.table
    left = dataclasses.replace(gone.table, members=("east", "north", "west"))
    assert decide(left, later, []).table == left, "north left the inventory, and may hold it"
    assert set(decide(gone.table, later, []).table.names) == {REVIEWS}
    assert decide(gone.table, wish(ORDERS, REVIEWS), []).table == before.table, "it is used again"


def test_another_part_keeps_a_name() -> None:
    before = decide(Table(), wish(ORDERS), [])
    both = decide(before.table, wish(ORDERS, part="demo"), [])
    assert both.table.names[ORDERS].parts == ("demo", "traffic")
    assert of(both) == of(before)
    assert decide(both.table, wish(part="demo"), []).table == before.table
    assert without(both.table, "traffic") == Table({ORDERS: Name((of(before),), ("demo",))}, ("east", "west"))
    assert without(before.table, "traffic") == Table(members=("east", "west"))


def test_a_cluster_that_leaves_takes_no_name_along() -> None:
    before = decide(Table(), wish(ORDERS), []).table
    assert left_by(before, ["east"]) == Table(before.names, ("west",))


def test_a_lost_record_is_what_the_clusters_hold() -> None:
    some = [
        held(ORDERS, "240.241.0.7"),
        held(ORDERS, "240.241.0.8", cluster="east"),
        held(ORDERS, "240.241.0.8", cluster="north"),
        held(REVIEWS, "240.241.0.9", cluster="east"),
        held("gone.shop.global", "240.241.0.10"),
        held("theirs.example", "240.241.0.11", part=""),
        held("outside.shop.global", "10.0.0.1"),
    ]
    found = decide(Table(), wish(ORDERS, REVIEWS), some)
    assert found.addresses == {ORDERS: ("240.241.0.8",), REVIEWS: ("240.241.0.9",)}
    assert found.table.names["gone.shop.global"].addresses == ("240.241.0.10",)
    assert set(found.table.names) == {ORDERS, REVIEWS, "gone.shop.global"}


def test_each_family_is_voted_on_for_itself() -> None:
    """Two clusters have no IPv6, and the third one's address of that family stays."""
    one, other = "240.241.0.7", "240.241.0.9"
    some = [held(ORDERS, one), held(ORDERS, one, cluster="east"), held(ORDERS, other, f"{V6[:-4]}99", cluster="north")]
    assert voted(some) == {ORDERS: (one, f"{V6[:-4]}99")}
    found = decide(Table(), wish(ORDERS, ranges=(V4, V6)), some)
    assert found.addresses == {ORDERS: (one, f"{V6[:-4]}99")}
    assert found.warnings == []
    assert voted([held(ORDERS, other), held(ORDERS, one), held("theirs.example", one, part="")]) == {ORDERS: (one,)}


def test_of_two_names_with_one_address_one_gets_another() -> None:
    some = [held(ORDERS, "240.241.0.7"), held(REVIEWS, "240.241.0.7", cluster="east")]
    lost = decide(Table(), wish(ORDERS, REVIEWS), some)
    assert of(lost) == "240.241.0.7"
    assert of(lost, REVIEWS) != "240.241.0.7"
    assert lost.warnings == [f"{ORDERS} and {REVIEWS} both had 240.241.0.7: {REVIEWS} gets another address"]
    # What the record says counts before what a cluster holds.
    known = decide(table(reviews=Name(("240.241.0.7",), ("traffic",))), wish(ORDERS, REVIEWS), some)
    assert of(known, REVIEWS) == "240.241.0.7"
    assert of(known) != "240.241.0.7"


def test_entries_are_ours_by_their_labels() -> None:
    def entry(labels: dict[str, str], addresses: list[str]) -> dict[str, t.Any]:
        metadata = {"name": "orders", "namespace": "shop", "labels": labels}
        return {"metadata": metadata, "spec": {"hosts": [ORDERS], "addresses": addresses}}

    ours, theirs = entry(owner_labels("traffic", "local"), ["240.0.0.1"]), entry({}, ["240.0.0.2"])
    other = entry(owner_labels("traffic", "other"), ["240.0.0.3"])
    assert held_of("west", [ours, theirs, other, entry({}, [])], "local") == [
        Held("west", "shop/orders", (ORDERS,), ("240.0.0.1",), "traffic"),
        Held("west", "shop/orders", (ORDERS,), ("240.0.0.2",), ""),
        Held("west", "shop/orders", (ORDERS,), ("240.0.0.3",), ""),
    ]


def test_an_address_that_something_else_has() -> None:
    seen = {"10.0.0.1": "Pod a/b", "fd00::1": "Service c/d"}
    assert in_use("west", seen, (V4, V6)) is None
    error = in_use("west", {**seen, "240.241.0.3": "Pod e/f"}, (V4, ""))
    assert error
    assert (error.cluster, error.obj, error.seen) == (
        "west",
        "mesh_global_range",
        f"Pod e/f has 240.241.0.3, which is of {V4}",
    )
    six = in_use("west", seen, (V4, "fd00::/112"))
    assert six
    assert six.obj == "mesh_global_range_ipv6"


NAMES = st.lists(st.sampled_from([f"n{number}.shop.global" for number in range(12)]), max_size=12, unique=True)


@given(st.lists(st.tuples(NAMES, st.sampled_from(["traffic", "demo"]), st.integers(0, 40)), max_size=8))
@settings(max_examples=150)
def test_addresses_stay_and_are_never_shared(runs: list[tuple[list[str], str, int]]) -> None:
    state, now, used = Table(), NOW, dict[str, tuple[str, ...]]()
    wanted: dict[str, set[str]] = {}
    for names, part, hours in runs:
        now += datetime.timedelta(hours=hours)
        found = decide(state, wish(*names, part=part, now=now, ranges=("240.241.0.0/28", "")), [])
        wanted[part] = set(names)
        still = set().union(*wanted.values())
        for name, addresses in found.addresses.items():
            assert used.get(name, addresses) == addresses or name not in still
        # What a name has that was wanted all the time stays; what it had that is free may be another's.
        used = {name: entry.addresses for name, entry in found.table.names.items()}
        flat = [address for addresses in used.values() for address in addresses]
        assert len(set(flat)) == len(flat)
        assert not found.problems
        kept = {name: entry for name, entry in state.names.items() if entry.parts and name in still}
        assert {name: found.table.names[name].addresses for name in kept} == {n: e.addresses for n, e in kept.items()}
        again = decide(found.table, wish(*names, part=part, now=now, ranges=("240.241.0.0/28", "")), [])
        assert again.table == found.table
        state = found.table
