# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A status gives way to whatever is printed, in whichever stream."""

from __future__ import annotations

import io
import os
import threading

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.status_line import StatusLine, changes_in_place

ERASE = "\r\x1b[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_printed_takes_the_status_away() -> None:
    screen = Terminal()
    line = StatusLine(screen)
    line.status("waiting 10 s")
    line.status("waiting 11 s")
    line.write("stage done\n")
    line.write("another\n")
    assert screen.getvalue() == f"waiting 10 s{ERASE}waiting 11 s{ERASE}stage done\nanother\n"


def test_a_warning_on_the_other_stream_does_so_too() -> None:
    out, err = Terminal(), Terminal()
    line = StatusLine(out)
    line.status("waiting")
    StatusLine(err, line).write("warning\n")
    assert (out.getvalue(), err.getvalue()) == (f"waiting{ERASE}", "warning\n")


def test_a_status_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    screen = Terminal()
    StatusLine(screen).status("0123456789abc")
    assert screen.getvalue() == "01234567…"


def test_only_a_terminal_changes_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert changes_in_place(Terminal())
    assert not changes_in_place(io.StringIO())
    monkeypatch.setenv("AWX_ISOLATED_DATA_DIR", "/runner/artifacts/7")
    assert not changes_in_place(Terminal()), "what has no end of line is an event only when the task is over"
    monkeypatch.delenv("AWX_ISOLATED_DATA_DIR")
    monkeypatch.setenv("TERM", "dumb")
    assert not changes_in_place(Terminal())


def test_a_process_that_begins_while_a_thread_writes_can_write() -> None:
    line = StatusLine(Terminal())
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with line._shared["lock"]:
            held.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    threading.Timer(0.1, over.set).start()
    child = os.fork()
    if child == 0:
        done = threading.Thread(target=line.write, args=("x",), daemon=True)
        done.start()
        done.join(30)
        os._exit(int(done.is_alive()))
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
