# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a process waits for is seen by another one."""

from __future__ import annotations

import os
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils import waits
from ansible_collections.mesh.fleet.plugins.module_utils.waits import read_by_a_callback, read_waits, shown, waiting


def seen_within(folder: Path, of: t.Callable[[list[waits.Wait]], bool]) -> list[waits.Wait]:
    """What is in the folder once it is as it should be."""
    until = time.monotonic() + 60
    pause = threading.Event()
    while not of(found := read_waits(str(folder))):
        assert time.monotonic() < until, found
        pause.wait(0.01)
    return found


def test_waits_are_shown_while_they_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_EVERY", 0.01)
    with shown(str(tmp_path), []):
        with waiting("west: Deployment istiod") as first, waiting("east: Deployment istiod"):
            first.seen = "0 of 1 ready"
            found = seen_within(tmp_path, lambda found: any(one.seen for one in found))
            assert [(one.what, one.seen) for one in found] == [
                ("west: Deployment istiod", "0 of 1 ready"),
                ("east: Deployment istiod", ""),
            ], "the longest wait is first"
        seen_within(tmp_path, lambda found: not found)
    assert list(tmp_path.iterdir()) == []


def test_long_waits_are_told_when_the_task_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, t.Any]] = []
    with shown(str(tmp_path), told):
        with waiting("short"):
            pass
        monkeypatch.setattr(waits, "LONG", 0.0)
        with waiting("long") as wait:
            wait.seen = "pending"
    assert [(one["what"], one["seen"]) for one in told] == [("long", "pending")]
    with shown(str(tmp_path), told := []):
        pass
    assert told == [], "what an earlier task waited for is no matter of this one"


def test_files_that_are_cut_off_or_gone_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text('[{"what": "x"')
    (tmp_path / "2.json").write_text('[{"wrong": 1}]')
    assert read_waits(str(tmp_path)) == []
    assert read_waits(str(tmp_path / "none")) == []


def test_where_no_callback_does_a_task_says_it_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_EVERY", 0.01)
    said: list[str] = []
    heard = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        heard.set()

    with shown(str(tmp_path), [], say), waiting("west: Deployment istiod") as wait:
        wait.seen = "0 of 1\nready"
        seen_within(tmp_path, lambda found: any(one.seen for one in found))
        assert said == [], "nobody notices it yet"
        wait.since -= 30
        assert heard.wait(60)
        # Whoever looks next, in this process or another one, finds that it was said.
        assert not waits._is_our_turn(str(tmp_path))
        heard.clear()
        before = (tmp_path / "said").stat().st_mtime - waits.SILENCE
        os.utime(tmp_path / "said", (before, before))
        assert heard.wait(60)
    assert said == ["  waiting for west: Deployment istiod (0 of 1 ready) for 30 s"] * 2


def test_where_a_callback_does_tasks_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_EVERY", 0.01)
    monkeypatch.setattr(waits, "LONG", 0.0)
    said: list[str] = []
    read_by_a_callback(str(tmp_path))
    with shown(str(tmp_path), [], said.append), waiting("west: Deployment istiod"):
        seen_within(tmp_path, bool)
        assert not waits._is_our_turn(str(tmp_path))
    assert said == []


def test_what_cannot_be_noted_as_said_is_not_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not waits._is_our_turn(str(tmp_path / "file"))
