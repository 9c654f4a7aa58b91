# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls that failed are repeated, and no others."""

from __future__ import annotations

import asyncio
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok


def ended(name: str, ok: bool) -> Call:
    return Call("west", name, name, expected=True, ok=ok, seen="200" if ok else "503")


def repeated(fails: dict[str, int], seconds: float, **more: t.Any) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """What became of the calls of which each fails so often, and which were asked at each try."""
    asked: list[list[str]] = []

    async def ask(left: list[str]) -> dict[str, Call]:
        asked.append(list(left))
        return {name: ended(name, len(asked) > fails[name]) for name in left}

    calls = asyncio.run(until_ok(list(fails), ask, time.monotonic() + seconds, what="calls", pause=0.0, **more))
    return [(call.callee, call.ok) for call in calls], asked


def test_only_what_failed_is_asked_again_and_the_order_stays() -> None:
    said: list[Call] = []
    calls, asked = repeated({"a": 2, "b": 0, "c": 1}, 60, first_failed=said.append)
    assert calls == [("a", True), ("b", True), ("c", True)]
    assert asked == [["a", "b", "c"], ["a", "c"], ["a"]]
    assert [call.callee for call in said] == ["a"], "told once"


def test_after_the_deadline_nothing_is_repeated() -> None:
    assert repeated({"a": 9, "b": 0}, 0) == ([("a", False), ("b", True)], [["a", "b"]])


def test_what_nobody_promised_is_no_reason_to_wait() -> None:
    calls, asked = repeated({"a": 9}, 60, promised=lambda name: name != "a")
    assert (calls, asked) == ([("a", False)], [["a"]])


def test_without_calls_nothing_is_asked() -> None:
    assert repeated({}, 60) == ([], [])
