# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every wait for Google's work: how long, how often, and what it reports when the time is over."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api import polling
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError

GCP = Path(__file__).resolve().parents[6] / "plugins" / "module_utils" / "_gcp"


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(polling, "time", made)
    monkeypatch.setattr(polling.random, "uniform", lambda _low, high: high)
    return made


def test_a_state_that_is_reached_is_returned_without_a_pause(clock: Clock) -> None:
    assert polling.poll_until(lambda: (True, "ready"), 0) == "ready"
    assert clock.pauses == []


def test_pauses_grow_to_the_longest_and_end_with_the_time(clock: Clock) -> None:
    looks: list[float] = []

    def look() -> tuple[bool, str]:
        looks.append(clock.now)
        return False, f"look {len(looks)}"

    with pytest.raises(polling.PollTimeout) as late:
        polling.poll_until(look, 10, first=2, longest=4)
    assert late.value.seen == "look 5"
    assert clock.pauses == [2, 3, 4, 1]
    assert looks[-1] == 10  # once more at the very end


def test_a_refusal_that_passes_is_tried_again(clock: Clock) -> None:
    answers = [GoogleError("busy", status=409), GoogleError("busy", status=409), "done"]

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, GoogleError):
            raise answer
        return answer

    assert polling.retry_refused(call, lambda error: error.status == 409, 60) == "done"
    assert clock.pauses == [1.0, 1.5]


def test_another_refusal_is_raised_at_once(clock: Clock) -> None:
    def call() -> str:
        raise GoogleError("not allowed", status=403)

    with pytest.raises(GoogleError, match="not allowed"):
        polling.retry_refused(call, lambda error: error.status == 409, 60)
    assert clock.pauses == []


def test_when_the_time_is_over_the_last_refusal_is_raised(clock: Clock) -> None:
    numbers = iter(range(1, 100))

    def call() -> str:
        raise GoogleError(f"refusal {next(numbers)}", status=409)

    with pytest.raises(GoogleError, match="refusal 3"):
        polling.retry_refused(call, lambda error: error.status == 409, 2)


def test_nothing_else_waits_for_google() -> None:
    """sending.py pauses between the tries of one request; all other waits are polling.py's."""
    pausing = set()
    for path in GCP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "sleep":
                pausing.add(path.name)
    assert pausing == {"polling.py", "sending.py"}
