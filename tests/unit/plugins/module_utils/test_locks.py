# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock has one holder, reports that it is held, and ends with a holder that is killed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked

COLLECTIONS = Path(__file__).parents[4] / "collections"
HOLDER = """
import pathlib, select, sys, time
sys.path.insert(0, sys.argv[2])
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked

with locked(sys.argv[1]):
    print("held", flush=True)
    select.select([sys.stdin], [], [], 10)
    time.sleep(0.2)
    pathlib.Path(sys.argv[1]).write_text("finished")
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its standard input ends (10 s at most), and a moment longer."""
    argv = [sys.executable, "-c", HOLDER, str(path), str(COLLECTIONS)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_free_lock_is_not_reported_as_held(tmp_path: Path) -> None:
    for _again in range(2):
        with locked(tmp_path / "fleet" / "lock", busy=lambda: pytest.fail("nobody holds it")):
            pass
    assert stat.S_IMODE((tmp_path / "fleet" / "lock").stat().st_mode) == 0o600


def test_a_held_lock_is_waited_for(tmp_path: Path) -> None:
    process = holder(tmp_path / "lock")
    assert process.stdin is not None
    calls: list[str] = []
    end = process.stdin.close

    def busy() -> None:
        calls.append("busy")
        end()

    with locked(tmp_path / "lock", busy=busy):
        assert (tmp_path / "lock").read_text() == "finished"
    assert calls == ["busy"]
    assert process.wait(60) == 0


def test_a_lock_ends_with_a_holder_that_is_killed(tmp_path: Path) -> None:
    process = holder(tmp_path / "lock")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with locked(tmp_path / "lock", busy=lambda: pytest.fail("nobody holds it")):
        assert (tmp_path / "lock").read_text() == ""


def test_who_may_not_wait_is_refused_at_once(tmp_path: Path) -> None:
    def refuse() -> None:
        raise FleetError("somebody else is at work")

    with (
        locked(tmp_path / "lock"),
        pytest.raises(FleetError, match="somebody else"),
        locked(tmp_path / "lock", busy=refuse),
    ):
        pytest.fail("two hold one lock")
    # Who was refused holds nothing.
    with locked(tmp_path / "lock", busy=refuse):
        pass


def test_a_block_that_fails_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with locked(tmp_path / "lock", busy=lambda: pytest.fail("still held")):
        pass


def test_what_the_file_holds_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("theirs")
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == "theirs"


def test_a_lock_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(FleetError, match="cannot be opened"), locked(tmp_path / "lock"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_folder_without_locks_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(_handle: int, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(FleetError, match="cannot be taken") as caught, locked(tmp_path / "lock"):
        pytest.fail("nothing was locked")
    assert os.strerror(number) in caught.value.seen


def test_a_systems_error_in_the_block_stays_itself(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), locked(tmp_path / "lock"):
        raise BlockingIOError
