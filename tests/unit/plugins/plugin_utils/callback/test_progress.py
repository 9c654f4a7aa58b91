# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import io
import re
import threading

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.progress import Progress, write_lines_at_once


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
