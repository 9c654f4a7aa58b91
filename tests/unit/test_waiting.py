# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The waits of the end-to-end tests: they end when it is so, and say what was seen when it is not."""

from __future__ import annotations

import pytest

from tests.e2e.waiting import until, until_equal


def test_what_comes_about_is_awaited_through_what_cannot_be_seen() -> None:
    looks = iter(["no", AssertionError("connection refused"), "yes"])

    def seen() -> str:
        found = next(looks)
        if isinstance(found, AssertionError):
            raise found
        return found

    until_equal(seen, "yes", "the answer")


def test_a_wait_that_ends_badly_says_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match="waited 0 s for the answer: wanted 'yes', last seen 'no'"):
        until_equal(lambda: "no", "yes", "the answer", 0)

    def refused() -> str:
        raise AssertionError("connection refused")

    with pytest.raises(AssertionError, match="last seen 'no answer: connection refused'"):
        until_equal(refused, "yes", "the answer", 0)
    with pytest.raises(AssertionError, match="waited 0 s for an end"):
        until(lambda: False, "an end", 0)


def test_a_defect_of_the_test_is_not_awaited() -> None:
    with pytest.raises(ZeroDivisionError):
        until_equal(lambda: 1 / 0, 1, "nothing")
