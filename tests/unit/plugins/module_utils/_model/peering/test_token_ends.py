# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens end: which a run renews, and what it says of the schedule that they need."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.kubeconfig import Token
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import (
    Life,
    day,
    first_end,
    in_words,
    life_of,
    renew_below,
    schedule_warnings,
)

NOW = 1_800_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR


def given(hours: float) -> Life:
    """A token that lives so long and was just issued."""
    return Life(NOW + hours * HOUR, hours * HOUR)


@pytest.mark.parametrize("hours", [1, 24, 48, 90 * 24])
def test_on_the_schedule_that_a_warning_names_no_token_ends(hours: float) -> None:
    """Each run decides as it does; between two runs, as late as a tenth of the time, a token lives for another run."""
    (warning,) = schedule_warnings({"east": [given(hours)]}, 365 * DAY, 365 * DAY)
    every = float(warning.partition("set peering_run_every to ")[2].partition(",")[0])
    assert schedule_warnings({"east": [given(hours)]}, 365 * DAY, every) == []
    life = given(hours)
    for run in range(50):
        now = NOW + run * every + (run % 2) * every / 20
        assert life.ends > now
        if life.ends - now < renew_below(life, 10 * DAY, every):
            life = Life(now + hours * HOUR, hours * HOUR)
        assert life.ends - now >= 2 * every, "what verify asks for holds until the next run"


def test_a_short_life_is_not_renewed_by_each_of_many_runs() -> None:
    assert renew_below(given(1), 10 * DAY, 7 * DAY) < HOUR
    assert renew_below(given(720), 10 * DAY, 0) == 10 * DAY
    assert renew_below(given(720), 10 * DAY, 7 * DAY) == pytest.approx(14.7 * DAY)
    assert renew_below(Life(NOW), 10 * DAY, 7 * DAY) == pytest.approx(14.7 * DAY), "a life of unknown length"


def test_a_shortened_life_is_told_with_its_schedule() -> None:
    lives = {"gke": [given(48), given(48)], "eks": [given(24)], "eks2": [given(24)], "own": [given(720)]}
    two, one = sorted(schedule_warnings(lives, 30 * DAY, 7 * DAY), reverse=True)
    assert two.startswith(
        "gke: a token lives 2 days (30 days were asked for, the API server gives less), the first ends"
    )
    assert day(NOW + 48 * HOUR) in two and "every 7 days (peering_run_every)" in two
    assert "at least every 19 h and set peering_run_every to 68400" in two
    assert one.startswith("eks, eks2: a token lives 24 h")
    assert "at least every 9 h and set peering_run_every to 32400, or set peering_token to static" in one


def test_a_life_that_somebody_asked_for_is_not_called_shortened() -> None:
    (warning,) = schedule_warnings({"east": [given(24)]}, DAY, 7 * DAY)
    assert "asked for" not in warning


def test_the_shortest_known_life_of_a_cluster_counts() -> None:
    for lives in ([given(48), given(24)], [given(24), given(48)], [Life(NOW), given(24)]):
        (warning,) = schedule_warnings({"east": lives}, 30 * DAY, 7 * DAY)
        assert warning.startswith("east: a token lives 24 h")
    assert schedule_warnings({"east": [Life(NOW)]}, 30 * DAY, 7 * DAY) == []
    (warning,) = schedule_warnings({"east": [given(1)]}, 30 * DAY, 7 * DAY)
    assert "at least every 24 min and set peering_run_every to 1440" in warning, "whole hours would be none"


def test_which_ends_first() -> None:
    assert first_end([None, given(48), given(24)]) == given(24)
    assert first_end([None]) is None
    assert life_of(Token(None, NOW, "a/b", "u", "x")) is None and life_of(None) is None
    assert life_of(Token(NOW, NOW - 5, "a/b", "u", "")) == Life(NOW, 5)
    assert life_of(Token(NOW, None, "a/b", "u", "")) == Life(NOW)


def test_lengths_of_time() -> None:
    assert [in_words(s) for s in (172800, 172799, 7200, 7199, 90)] == ["2 days", "47 h", "2 h", "119 min", "90 s"]
    assert day(NOW) == "2027-01-15 08:00 UTC"
