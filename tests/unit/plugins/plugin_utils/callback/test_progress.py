# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import io
import json
import re
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.callback import progress as module
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.progress import Progress, write_lines_at_once
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.status_line import StatusLine


@pytest.fixture
def progress() -> Progress:
    """One that says nothing by itself."""
    made = Progress(lambda text: None, 0)
    made.start()
    return made


def said(progress: Progress) -> str:
    return re.sub(r"\d+\.\d s$", "0.1 s", progress.line())


def test_a_task_and_the_clusters_it_waits_for_are_named(progress: Progress) -> None:
    progress.task("clusters", "Make the cluster", once=False)
    for host in ("west", "east"):
        progress.begun(host)
    assert said(progress) == "  clusters: Make the cluster (west, east): at work for 0.1 s"
    progress.done("west")
    assert said(progress) == "  clusters: Make the cluster (east): at work for 0.1 s"
    progress.done("east")
    assert said(progress) == ""


def test_of_many_clusters_the_number_is_said(progress: Progress) -> None:
    progress.task("apps", "Apply", once=False)
    for number in range(4):
        progress.begun(f"c{number}")
    assert said(progress) == "  apps: Apply (4 clusters): at work for 0.1 s"


def test_a_task_for_all_names_no_cluster(progress: Progress) -> None:
    progress.task("verify", "Prove", once=True)
    progress.begun("west")
    assert said(progress) == "  verify: Prove: at work for 0.1 s"


def test_before_the_first_task_nothing_is_said(progress: Progress) -> None:
    assert progress.line() == ""


def test_it_speaks_while_others_are_silent_and_then_stops() -> None:
    heard = threading.Event()
    progress = Progress(lambda text: heard.set(), 0.01)
    progress.task("verify", "Prove", once=True)
    progress.begun("west")
    progress.start()
    assert heard.wait(60)
    progress.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_a_stream_that_cannot_be_set_stays_as_it_is() -> None:
    write_lines_at_once(io.StringIO())


def waits_of(folder: Path, **seconds: float) -> str:
    waits = [{"what": what, "since": time.time() - length, "seen": "0 of 1"} for what, length in seconds.items()]
    (folder / "1.json").write_text(json.dumps(waits), encoding="utf-8")
    return str(folder)


def test_the_longest_wait_is_named_and_the_others_counted(tmp_path: Path) -> None:
    progress = Progress(lambda text: None, 0, waits_of(tmp_path, istiod=40, gateway=20, short=3))
    progress.task("gateways", "Bring them up", once=True)
    progress.begun("west")
    assert progress.line().endswith("; waiting for istiod (0 of 1) for 40 s, and 1 more")
    waits_of(tmp_path, short=3)
    assert said(progress) == "  gateways: Bring them up: at work for 0.1 s"


def test_what_is_waited_for_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    progress = Progress(lambda text: None, 0, waits_of(tmp_path, **{"a\x1b[2Jb\nc": 40}))
    progress.task("x", "y", once=True)
    progress.begun("west")
    assert "a\\x1b[2Jb c" in progress.line()


def test_a_terminal_shows_a_wait_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = threading.Event()
    spoken: list[str] = []

    class Status(StatusLine):
        def status(self, text: str) -> None:
            spoken.append(text)
            shown.set()

    monkeypatch.setattr(module, "_TICK", 0.01)
    progress = Progress(spoken.append, 60, waits_of(tmp_path, istiod=40), Status(io.StringIO()))
    progress._heard -= 10
    progress.task("gateways", "Bring them up", once=True)
    progress.begun("west")
    progress.start()
    assert shown.wait(60)
    progress.stop()
    assert "waiting for istiod" in spoken[0]


def test_a_task_that_may_ask_a_question_has_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a person, as ansible.builtin.pause, is no wait of ours: nothing is written over its question."""
    heard = threading.Event()
    screen = io.StringIO()
    monkeypatch.setattr(module, "_TICK", 0.01)
    progress = Progress(lambda text: heard.set(), 0.02, str(tmp_path), StatusLine(screen))
    progress._heard -= 100
    progress.task("x", "Ask", once=True)
    progress.begun("west")
    progress.start()
    assert heard.wait(60)
    progress.stop()
    assert screen.getvalue() == ""
