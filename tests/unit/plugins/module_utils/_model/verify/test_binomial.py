# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test of measured shares: exact, seldom wrong, and able to notice what it must notice."""

from __future__ import annotations

import fractions
import itertools
import math
import random

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.binomial import ALPHA, level, p_value, power

DECLARED = (0.75, 0.15, 0.10)
OTHER = (0.60, 0.30, 0.10)
CALLS = 400


def exactly(count: int, total: int, share: str) -> float:
    """The same by fractions, without any rounding."""
    given = fractions.Fraction(share)
    chances = [math.comb(total, k) * given**k * (1 - given) ** (total - k) for k in range(total + 1)]
    return float(min(fractions.Fraction(1), 2 * min(sum(chances[: count + 1]), sum(chances[count:]))))


@pytest.mark.parametrize(
    ("count", "total", "share"),
    [(0, 20, "0.15"), (3, 20, "0.15"), (12, 20, "0.15"), (20, 20, "0.75"), (225, 300, "0.75"), (170, 300, "0.75")],
)
def test_it_is_exact(count: int, total: int, share: str) -> None:
    assert p_value(count, total, float(share)) == pytest.approx(exactly(count, total, share), rel=1e-9)


def test_known_values() -> None:
    # The example of R's binom.test: 682 of 925 for a share of 3/4 has p 0.3825 by likelihood; ours doubles the tail.
    assert 0.38 < p_value(682, 925, 0.75) < 0.42
    assert p_value(5, 10, 0.5) == 1.0
    assert p_value(0, 10, 0.5) == pytest.approx(2 / 1024)


def test_certain_shares_and_no_calls() -> None:
    assert p_value(0, 50, 0.0) == p_value(50, 50, 1.0) == p_value(0, 0, 0.4) == 1.0
    assert p_value(1, 50, 0.0) == p_value(49, 50, 1.0) == 0.0
    assert level(0) == ALPHA


@pytest.mark.parametrize("tests", [3, 30, 300])
def test_a_right_split_fails_in_less_than_one_of_1000_runs(tests: int) -> None:
    # Of each part the exact chance that it is refused; by the union bound, no run's can be more than their sum.
    refused = {
        share: math.fsum(
            math.comb(CALLS, k) * share**k * (1 - share) ** (CALLS - k)
            for k in range(CALLS + 1)
            if p_value(k, CALLS, share) < level(tests)
        )
        for share in DECLARED
    }
    assert sum(refused.values()) * tests / len(DECLARED) <= ALPHA


def test_without_bonferroni_many_would_be_wrong() -> None:
    one = math.fsum(
        math.comb(CALLS, k) * 0.15**k * 0.85 ** (CALLS - k)
        for k in range(CALLS + 1)
        if p_value(k, CALLS, 0.15) < level(1)
    )
    assert one * 300 > 50 * ALPHA


@pytest.mark.parametrize(("tests", "least"), [(3, 0.999), (30, 0.998), (300, 0.99)])
def test_another_split_is_noticed(tests: int, least: float) -> None:
    # One part that is noticed is enough; the second one alone is.
    assert power(CALLS, 0.15, 0.30, tests) >= least
    assert power(CALLS, 0.10, 0.10, tests) <= ALPHA


def test_the_power_is_what_simulated_runs_show() -> None:
    drawn = random.Random(11)
    runs = 400
    noticed = wrong = 0
    for split, real in itertools.product((DECLARED, OTHER), range(runs)):
        del real
        calls = drawn.choices(range(3), weights=split, k=CALLS)
        bad = any(p_value(calls.count(part), CALLS, DECLARED[part]) < level(3) for part in range(3))
        noticed += bad and split is OTHER
        wrong += bad and split is DECLARED
    assert noticed / runs >= 0.99
    assert wrong / runs <= 0.005
