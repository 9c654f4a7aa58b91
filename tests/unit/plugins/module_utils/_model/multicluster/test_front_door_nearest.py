# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which cluster is nearest, and that a run after which nothing has moved changes nothing."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_nearest import (
    kept,
    nearest_first,
)

CLUSTERS = ("west", "east", "far")


def test_a_clearly_nearer_cluster_goes_before_others_stay() -> None:
    assert nearest_first(CLUSTERS, {"west": 90.0, "east": 20.0, "far": 210.0}) == ["east", "west", "far"]
    assert nearest_first(CLUSTERS, {"west": 210.0, "east": 90.0, "far": 20.0}) == ["far", "east", "west"]
    assert nearest_first(CLUSTERS, {}) == [*CLUSTERS]


@pytest.mark.parametrize(
    "nearer", [{"west": 0.9, "east": 0.1}, {"west": 100.0, "east": 85.0}, {"west": 9.0, "east": 4}]
)
def test_a_little_nearer_is_not_nearer(nearer: dict[str, float]) -> None:
    assert nearest_first(CLUSTERS, nearer) == [*CLUSTERS]


def test_what_was_not_measured_keeps_its_place() -> None:
    assert nearest_first(CLUSTERS, {"east": 90.0, "far": 20.0}) == ["west", "far", "east"]
    assert nearest_first(CLUSTERS, {"west": 90.0, "far": 20.0}) == ["east", "far", "west"]


def test_no_cluster_is_behind_a_clearly_farther_one() -> None:
    # Between any two of these "clearly" may be so or not, and it must not go round in a circle.
    for times in itertools.product((0.2, 5.3, 6.0, 23.0, 26.0, 30.0), repeat=4):
        measured = dict(zip("abcd", times, strict=True))
        order = nearest_first("abcd", measured)
        for before, after in itertools.combinations(order, 2):
            slower, faster = measured[before], measured[after]
            assert slower - faster <= max(5.0, 0.2 * slower)
        assert nearest_first(order, measured) == order


def test_a_recorded_time_stays_until_another_is_clearly_another() -> None:
    before = {"west": 40.0, "east": 0.3, "far": 200.0}
    assert kept(before, {"west": 46.0, "east": 4.9, "far": 165.0}) == before
    assert kept(before, {"west": 52.0, "east": 9.0, "far": 120.0}) == {"west": 52.0, "east": 9.0, "far": 120.0}


def test_a_dead_cluster_has_not_moved_and_a_new_one_counts() -> None:
    assert kept({"west": 40.0}, {"east": 3.0}) == {"west": 40.0, "east": 3.0}


def test_the_order_does_not_go_to_and_fro() -> None:
    # East is nearer now and then, as far as measurements vary: the order is that of the first run.
    recorded = kept({}, {"west": 30.0, "east": 26.0})
    for west, east in ((33.0, 24.0), (28.0, 30.0), (34.0, 22.0), (30.0, 26.0)):
        recorded = kept(recorded, {"west": west, "east": east})
        assert nearest_first(CLUSTERS, recorded)[0] == "west"
