# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What programs print becomes a cause and a next step; nothing is left running."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine import command
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import Done, explain, failed, run
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("write /var/x: no space left on device", "the disk is full"),
        ("[Errno 28] No space left on device", "the disk is full"),
        ("unexpected status from GET request to https://r/v2/x: 403 Forbidden", "the registry refuses this machine"),
        ("pinging container registry r: invalid status code from registry 403 (Forbidden)", "the registry refuses"),
        ("received unexpected HTTP status code 403", "the registry refuses this machine"),
        ("pinging container registry r: 401 Unauthorized", "the registry wants a login"),
        ("verifying module: checksum mismatch", "what was downloaded is not what the project pins"),
        ("listen tcp4 127.0.0.1:6443: bind: address already in use", "another program holds that port"),
        ("Bind for 127.0.0.1:6443 failed: port is already allocated", "another program holds that port"),
        ("dial tcp: lookup r: Temporary failure in name resolution", "no name server answers"),
        ("dial tcp: lookup r.example: no such host", "a host name does not resolve from here"),
        ("Cannot connect to the Docker daemon at unix:///x", "the docker daemon does not run"),
        ("open /x: permission denied", "this user may not do that"),
        ("subnet 10.9.0.0/22 is already used on the host or by another config", "another network of this machine"),
    ],
)
def test_known_causes(text: str, means: str) -> None:
    found, next_step = explain(text)
    assert found.startswith(means)
    assert next_step


def test_an_unknown_cause_is_shown_as_it_is() -> None:
    assert explain("something else") == ("", "")
    error = failed("doing it", Done(1, "", "first\nERROR: it broke\nStack Trace: x\n\tat y\n"), cluster="west")
    assert str(error) == "west: doing it failed\n  seen   ERROR: it broke"
    assert failed("doing it", Done(7, "", "")).seen == "exit status 7, no output"


def test_the_last_line() -> None:
    assert Done(1, "out\n", "").last_line == "out"
    assert Done(1, "out\n", "a\nb\n").last_line == "b"
    assert Done(1, "", " \n").last_line == "exit status 1, no output"


def test_a_missing_program_is_reported() -> None:
    with pytest.raises(FleetError, match="/nowhere/kind is not installed"):
        asyncio.run(run(["/nowhere/kind", "get"], what="asking kind"))


def test_a_program_runs_where_nothing_ends_it_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, whose libc has no prctl."""
    monkeypatch.setattr(command, "_LIBC", object())
    assert asyncio.run(run([sys.executable, "-c", "print('done')"])).out == "done\n"


def test_what_takes_too_long_is_ended_with_its_children() -> None:
    program = "import subprocess; subprocess.run(['sleep', '600'])"
    began = time.monotonic()
    with pytest.raises(FleetError, match="did not end in 1 s"):
        asyncio.run(run([sys.executable, "-c", program], what="sleeping", timeout=1))
    assert time.monotonic() - began < 300


def test_progress_is_said_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed build is explained by its error, whatever the packages before it are called."""
    seen: list[str] = []

    def progress(line: str) -> str:
        if line.startswith("pkg/"):
            seen.append(line)
            return f"{len(seen)} of 2 packages"
        return ""

    script = "echo out; for p in pkg/a pkg/errors; do echo $p >&2; done; printf 'x.go:1: broken' >&2"
    done = asyncio.run(run(["sh", "-c", script], progress=progress))
    assert (done.code, done.out, done.err) == (0, "out\n", "x.go:1: broken")
    assert seen == ["pkg/a", "pkg/errors"]
    with pytest.raises(FleetError, match="broken"):
        asyncio.run(run(["sh", "-c", f"{script}; exit 1"], progress=progress))
