# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of the record: what each accepts, how many decide, and how they look as objects."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import (
    NOTHING,
    Ballot,
    Name,
    Record,
    Table,
    accepted,
    agreed,
    is_enough,
    keepers,
    latest,
    next_ballot,
    object_of,
    promised,
    read_record,
)

from ..fleets import SERVED, TWO, fleet

ONE = Table({"orders.shop.global": Name(("240.241.0.7",), ("traffic",))}, ("east", "west"))


def test_clusters_with_a_control_plane_keep_it() -> None:
    assert keepers(fleet(TWO)) == ["west", "east"]
    assert keepers(fleet(SERVED)) == ["fra"]


@given(st.integers(1, 7), st.data())
def test_any_two_that_are_enough_have_one_in_common(count: int, data: st.DataObject) -> None:
    clusters = [f"c{number}" for number in range(count)]
    members = data.draw(st.lists(st.sampled_from(clusters), unique=True))
    some = [frozenset(pair) for size in range(count + 1) for pair in itertools.combinations(clusters, size)]
    enough = [one for one in some if is_enough(one, clusters, members)]
    assert frozenset(clusters) in enough
    assert all(one & other for one, other in itertools.combinations(enough, 2))
    # Nor does a fleet that grows lose what its first clusters decided.
    before = [one for one in some if is_enough(one, members, members)] if members else []
    assert all(one & old for one in enough for old in before)


def test_two_of_three_are_enough_and_one_of_two_is_not() -> None:
    assert is_enough(["a", "b"], ["a", "b", "c"], [])
    assert not is_enough(["a"], ["a", "b"], [])
    assert not is_enough(["c", "d"], ["a", "b", "c"], ["a", "b"]), "none of them knows what a and b decided"
    assert is_enough(["a", "b"], ["a", "b"], ["a", "b", "gone"])


def test_a_later_try_is_higher() -> None:
    low, high = Ballot(1, "a"), Ballot(2, "b")
    begun = promised(Record(low, low, ONE), high)
    assert begun == Record(high, low, ONE)
    done = accepted(begun, high, Table())
    assert done == Record(high, high, Table())
    assert latest([NOTHING, done, begun]) == Table()
    assert latest([begun, NOTHING]) == ONE
    assert latest([]) == Table()
    assert next_ballot([NOTHING, begun], "c") == Ballot(3, "c")
    assert next_ballot([], "c") == next_ballot([NOTHING], "c") == Ballot(1, "c")
    assert Ballot(2, "a") < Ballot(2, "b") < Ballot(10, "a")


def test_copies_agree_once_all_accepted_the_same() -> None:
    done = Record(Ballot(1, "a"), Ballot(1, "a"), ONE)
    assert agreed([done, done])
    assert agreed([done, Record(Ballot(2, "b"), Ballot(1, "a"), ONE)]), "a run that begins changes nothing yet"
    assert not agreed([done, Record(Ballot(2, "b"), Ballot(2, "b"), ONE)])
    assert not agreed([done, NOTHING]), "a copy that was lost is written again"
    assert not agreed([NOTHING, NOTHING])


def test_it_is_an_object_that_people_can_read() -> None:
    record = Record(Ballot(4, "c0ffee"), Ballot(4, "c0ffee"), ONE)
    assert object_of(record, None, "local", "istio-system") == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "mesh-fleet-addresses-local",
            "namespace": "istio-system",
            "labels": {"mesh.fleet/part-of": "addresses", "mesh.fleet/fleet": "local"},
        },
        "data": {
            "promised": "4 c0ffee",
            "accepted": "4 c0ffee",
            "members": "east west",
            "names": '{\n"orders.shop.global": {"addresses": ["240.241.0.7"], "parts": ["traffic"]}\n}\n',
        },
    }
    live = {"metadata": {"resourceVersion": "77"}}
    assert object_of(record, live, "local", "istio-system")["metadata"]["resourceVersion"] == "77"


@given(
    st.dictionaries(
        st.sampled_from(["a.b.global", "c.d.global", "e"]),
        st.builds(
            Name,
            st.lists(st.sampled_from(["240.241.0.7", "fd00::7"]), max_size=2, unique=True).map(tuple),
            st.lists(st.sampled_from(["traffic", "demo"]), max_size=2, unique=True).map(tuple),
            st.sampled_from(["", "2026-11-27T00:00:00+00:00"]),
        ),
    ),
    st.lists(st.sampled_from(["west", "east"]), unique=True).map(tuple),
)
def test_what_is_written_is_read(names: dict[str, Name], members: tuple[str, ...]) -> None:
    record = Record(Ballot(3, "b"), Ballot(2, "a"), Table(names, members))
    assert read_record(object_of(record, None, "local", "x")) == record


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"promised": "1 a", "accepted": "1 a", "members": ""},
        {"promised": "1 a", "accepted": "1 a", "members": "", "names": "["},
        {"promised": "1 a", "accepted": "1 a", "members": "", "names": "[]"},
        {"promised": "1 a", "accepted": "1 a", "members": "", "names": '{"a": "b"}'},
        {"promised": "one", "accepted": "1 a", "members": "", "names": "{}"},
    ],
)
def test_what_nobody_can_read_is_as_none(data: t.Any) -> None:
    assert read_record({"data": data}) == NOTHING
    assert read_record(None) == NOTHING
