# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exact binomial test: whether so many of n calls are what a declared share gives by chance."""

from __future__ import annotations

import math

__all__ = ["ALPHA", "level", "p_value", "power"]

ALPHA = 0.001
"""How often a run says that a share is not as declared although it is, at most, however many shares it tests."""


def level(tests: int) -> float:
    """The level of each of a run's tests, by Bonferroni: together they are wrong in at most ALPHA of the runs."""
    return ALPHA / max(tests, 1)


def _log_chance(count: int, total: int, share: float) -> float:
    """The logarithm of the chance of exactly ``count``; ``share`` is neither 0 nor 1."""
    ways = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    return ways + count * math.log(share) + (total - count) * math.log1p(-share)


def _chances(total: int, share: float) -> list[float]:
    """The chance of each count, 0 to ``total``."""
    if share <= 0 or share >= 1:
        certain = 0 if share <= 0 else total
        return [1.0 if count == certain else 0.0 for count in range(total + 1)]
    return [math.exp(_log_chance(count, total, share)) for count in range(total + 1)]


def p_value(count: int, total: int, share: float) -> float:
    """The chance of a count at least as far out as this one, on both sides: twice the smaller tail, at most 1.

    Args:
        count: calls that did.
        total: calls; with none, nothing speaks against any share.
        share: the declared share, 0 to 1. With 0 and 1 a single call that did otherwise gives 0.
    """
    chances = _chances(total, share)
    below, above = math.fsum(chances[: count + 1]), math.fsum(chances[count:])
    return min(1.0, 2 * min(below, above))


def power(total: int, declared: float, real: float, tests: int) -> float:
    """The chance that a test notices a share that is not the declared one.

    Args:
        total: calls.
        declared: the declared share, 0 to 1.
        real: what it is really.
        tests: how many tests the run makes.
    """
    refused = level(tests)
    below = above = 0.0
    chances, found = _chances(total, declared), _chances(total, real)
    noticed = 0.0
    for count in range(total + 1):
        below += chances[count]
        if 2 * below >= refused:
            break
        noticed += found[count]
    for count in range(total, -1, -1):
        above += chances[count]
        if 2 * above >= refused:
            break
        noticed += found[count]
    return noticed
