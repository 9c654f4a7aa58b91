# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.addresses import (
    FreeRanges,
    allocate_ranges,
    assign_ranges,
    interval,
    overlaps,
)

PODS, SERVICES = "10.16.0.0/12", "10.112.0.0/12"


def nets(pairs: dict[str, tuple[str, str]]) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(cidr) for pair in pairs.values() for cidr in pair if cidr]


def cidrs(low: int = 8, high: int = 24) -> st.SearchStrategy[str]:
    def make(address: int, prefix: int) -> str:
        return str(ipaddress.IPv4Network((address, prefix), strict=False))

    return st.builds(make, st.integers(0x0A000000, 0x0AFFFFFF), st.integers(low, high))


def test_two_clusters_get_a_pair_each() -> None:
    assert allocate_ranges({"west": ("", ""), "east": ("", "")}, PODS, SERVICES) == {
        "west": ("10.16.0.0/16", "10.112.0.0/16"),
        "east": ("10.17.0.0/16", "10.113.0.0/16"),
    }


def test_named_ranges_are_kept_and_avoided() -> None:
    requested = {"own": ("10.16.0.0/15", "10.113.5.0/24"), "west": ("", ""), "east": ("", "")}
    assert allocate_ranges(requested, PODS, SERVICES) == {
        "own": ("10.16.0.0/15", "10.113.5.0/24"),
        "west": ("10.18.0.0/16", "10.112.0.0/16"),
        "east": ("10.19.0.0/16", "10.114.0.0/16"),
    }


def test_the_container_network_is_avoided() -> None:
    got = allocate_ranges({"west": ("", "")}, PODS, SERVICES, avoid=["10.16.7.0/24"])
    assert got["west"][0] == "10.17.0.0/16"


def test_a_named_range_on_an_allocated_one_is_an_error() -> None:
    with pytest.raises(ValueError) as caught:
        allocate_ranges({"west": ("", ""), "own": ("10.16.3.0/24", "")}, PODS, SERVICES)
    assert str(caught.value) == "own's pod range 10.16.3.0/24 overlaps west's pod range 10.16.0.0/16"


def test_named_ranges_may_overlap_each_other() -> None:
    requested = {"a": ("10.1.0.0/16", "10.2.0.0/16"), "b": ("10.1.0.0/16", "10.2.0.0/16")}
    assert allocate_ranges(requested, PODS, SERVICES) == requested


def test_an_existing_cluster_gets_no_range() -> None:
    assert allocate_ranges({"own": (None, "10.9.0.0/16")}, PODS, SERVICES) == {"own": ("", "10.9.0.0/16")}


def test_used_up_names_range_cluster_and_remedy() -> None:
    with pytest.raises(ValueError) as caught:
        allocate_ranges({f"c{i}": ("", "") for i in range(17)}, PODS, SERVICES)
    assert "fleet_pod_range 10.16.0.0/12 has no free /16 left for c16" in str(caught.value)
    assert "set cluster_pod_cidr of c16" in str(caught.value)


def test_one_range_for_both_serves_both() -> None:
    got = allocate_ranges({"west": ("", ""), "east": ("", "")}, PODS, PODS)
    assert len(set(nets(got))) == 4


REQUESTED = st.lists(
    st.tuples(st.one_of(st.just(""), cidrs()), st.one_of(st.just(""), cidrs()), st.booleans()), max_size=12
)


def requested_of(rows: list[tuple[str, str, bool]]) -> dict[str, tuple[str | None, str | None]]:
    return {f"c{i}": ((p or None, s or None) if own else (p, s)) for i, (p, s, own) in enumerate(rows)}


@given(REQUESTED)
def test_an_allocated_range_overlaps_no_earlier_one(rows: list[tuple[str, str, bool]]) -> None:
    requested = requested_of(rows)
    allocated, _missing = assign_ranges(requested, PODS, SERVICES)
    before: list[ipaddress.IPv4Network] = []
    for host, pair in allocated.items():
        mine = [
            (ipaddress.IPv4Network(cidr), not asked) for cidr, asked in zip(pair, requested[host], strict=True) if cidr
        ]
        for net, is_allocated in mine:
            if is_allocated:
                others = [*before, *(other for other, _allocated in mine if other is not net)]
                assert not any(net.overlaps(other) for other in others)
        before += [net for net, _allocated in mine]


@given(REQUESTED, REQUESTED)
def test_a_cluster_keeps_its_range_when_others_come_after_it(
    rows: list[tuple[str, str, bool]], more: list[tuple[str, str, bool]]
) -> None:
    few, _spare = assign_ranges(requested_of(rows), PODS, SERVICES)
    many, _spare = assign_ranges(requested_of(rows + more), PODS, SERVICES)
    assert {host: many[host] for host in few} == few


@given(REQUESTED)
def test_allocation_overlaps_nothing_or_says_so(rows: list[tuple[str, str, bool]]) -> None:
    requested = requested_of(rows)
    got: dict[str, tuple[str, str]] = {}
    why = "overlaps"
    try:
        got = allocate_ranges(requested, PODS, SERVICES)
    except ValueError as error:
        why = str(error)
    assert "overlaps" in why or "no free" in why
    for (host, i), (other, j) in itertools.combinations([(h, i) for h in got for i in (0, 1) if got[h][i]], 2):
        if not (requested[host][i] and requested[other][j]):
            assert not ipaddress.IPv4Network(got[host][i]).overlaps(ipaddress.IPv4Network(got[other][j]))


def test_a_hint_lies_after_what_it_replaces() -> None:
    used = [interval("10.42.0.0/16"), interval("10.40.0.0/14")]
    assert FreeRanges(used).next("10.40.0.0/14") == "10.44.0.0/14"


def test_a_hint_goes_on_where_another_private_range_is_free() -> None:
    assert FreeRanges([interval("192.168.0.0/16")]).next("192.168.0.0/16") == "10.0.0.0/16"
    assert FreeRanges([]).next("10.0.0.0/7") == ""


@given(st.lists(cidrs(), max_size=20), st.lists(cidrs(), max_size=10))
def test_hints_are_free_of_everything_and_of_each_other(used: list[str], near: list[str]) -> None:
    free = FreeRanges(interval(text) for text in used)
    seen = [ipaddress.IPv4Network(text) for text in used]
    for text in near:
        got = free.next(text)
        if got:
            net = ipaddress.IPv4Network(got)
            assert net.prefixlen == int(text.split("/")[1])
            assert not any(net.overlaps(other) for other in seen)
            seen.append(net)


@given(st.lists(cidrs(), max_size=15))
def test_every_range_that_overlaps_an_earlier_start_is_named(texts: list[str]) -> None:
    found = overlaps([(i, interval(text)) for i, text in enumerate(texts)])
    for later, earlier in found:
        assert later > earlier
        assert ipaddress.IPv4Network(texts[later]).overlaps(ipaddress.IPv4Network(texts[earlier]))
    anything = any(
        ipaddress.IPv4Network(a).overlaps(ipaddress.IPv4Network(b)) for a, b in itertools.combinations(texts, 2)
    )
    assert anything == bool(found)
