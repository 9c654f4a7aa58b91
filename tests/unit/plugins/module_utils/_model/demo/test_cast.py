# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who plays which part: on flat fleets, separate networks, remotes, and where regions say nothing."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from ..fleets import SERVED, TWO, fleet

THREE: dict[str, dict[str, t.Any]] = {
    "west": {"mesh_network": "one"},
    "east": {"mesh_network": "two"},
    "far": {"mesh_network": "two"},
}


def test_the_first_cluster_calls_and_another_has_version_2() -> None:
    cast = cast_of(fleet(TWO), ["east", "west"])
    assert (cast.clusters, cast.home, cast.trial) == (("west", "east"), "west", "east")
    assert (cast.versions("west"), cast.versions("east")) == (("v1",), ("v1", "v2"))


def test_callers_are_where_the_user_says() -> None:
    cast = cast_of(fleet(TWO), list(TWO), "east")
    assert (cast.home, cast.trial, cast.failing) == ("east", "west", "east")


def test_version_2_is_where_most_callers_find_it() -> None:
    cast = cast_of(
        fleet({"west": {}, "lone": {"mesh_peers": []}, "far": {"mesh_peers": ["west"]}}), ["west", "lone", "far"]
    )
    assert cast.home == "west"
    assert cast.reach == {"west": ("west", "lone", "far"), "lone": ("lone",), "far": ("west", "far")}


def test_clusters_of_another_network_are_one_group() -> None:
    cast = cast_of(fleet(THREE), list(THREE))
    assert cast.apart["west"] == (("west",), ("east", "far"))
    assert cast.apart["east"] == (("west",), ("east",), ("far",))


def test_a_remote_plays_only_with_its_primary() -> None:
    assert cast_of(fleet({**SERVED, **TWO}), ["edge", "west", "east"]).clusters == ("west", "east")
    assert cast_of(fleet(SERVED), list(SERVED)).clusters == ("fra", "edge")


@pytest.mark.parametrize(
    ("hosts", "play", "home", "says"),
    [
        (TWO, ["west"], "", "two clusters"),
        (SERVED, ["edge"], "", "two clusters"),
        ({"west": {"mesh_peers": []}, "east": {"mesh_peers": []}}, ["west", "east"], "", "two clusters"),
        (TWO, list(TWO), "wets", "one of: west, east"),
        ({"west": {}, "lone": {"mesh_peers": []}}, ["west", "lone"], "lone", "calls no other cluster"),
    ],
)
def test_what_cannot_be_played_is_refused(hosts: t.Any, play: list[str], home: str, says: str) -> None:
    with pytest.raises(FleetError) as refused:
        cast_of(fleet(hosts), play, home)
    assert says in str(refused.value)
    assert refused.value.next_step


def test_the_nearest_are_by_zone_then_region() -> None:
    cast = cast_of(fleet(THREE), list(THREE))
    placed = cast.placed(("us", "a"), {"west": [("us", "a")], "east": [("eu", "a")], "far": [("us", "b")]})
    assert placed.nearness == {"west": 0, "east": 2, "far": 1}
    assert (placed.nearest(), placed.failing) == (("west",), "west")
    assert placed.nearest(without="west") == placed.others() == ("far",)


def test_without_regions_all_are_as_near() -> None:
    cast = cast_of(fleet(THREE), list(THREE)).placed(("", ""), {name: [("", "")] for name in THREE})
    assert (cast.nearest(), cast.failing) == (("west", "east", "far"), "west")
    assert cast.nearest(without="west") == cast.others() == ("east", "far")


def test_of_a_cluster_with_several_zones_its_nearest_pod_counts() -> None:
    cast = cast_of(fleet(TWO), list(TWO))
    placed = cast.placed(("us", "a"), {"west": [("us", "b"), ("us", "c")], "east": [("us", "a"), ("us", "b")]})
    assert (placed.nearest(), placed.failing, placed.others()) == (("east",), "east", ("west",))


def test_where_two_are_as_near_anybody_may_answer() -> None:
    """Istio sends what the pods that are left of the nearest cannot take to those further away."""
    cast = cast_of(fleet(THREE), list(THREE))
    placed = cast.placed(("us", "a"), {"west": [("us", "a")], "east": [("us", "a")], "far": [("eu", "a")]})
    assert (placed.failing, placed.others()) == ("west", ("east", "far"))
    assert placed.nearest(without="west") == ("east",)
