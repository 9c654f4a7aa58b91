# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts are built once for their inputs, and are whole or not there, whatever happens to the builder."""

from __future__ import annotations

import asyncio
import os
import pathlib
import re
import signal
import subprocess
import sys
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import (
    Build,
    Outcome,
    Step,
    Store,
    digest_of_files,
    keys_of,
    make,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

COLLECTIONS = pathlib.Path(__file__).parents[6] / "collections"


def writes(text: str = "x") -> Build:
    async def build(work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        (work / "file").write_text(text + "".join((n / "file").read_text() for n in needs.values()))

    return build


def fails(error: Exception) -> Build:
    async def build(work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        (work / "half").write_text("half")
        raise error

    return build


def run(steps: list[Step], store: Store, lines: list[str] | None = None, **options: t.Any) -> Outcome:
    say = (lines if lines is not None else []).append
    return asyncio.run(asyncio.wait_for(make(steps, store, say=say, at_once=2, **options), 300))


def test_each_is_built_once_and_reported(tmp_path: pathlib.Path) -> None:
    steps = [Step("a", ("1",), writes("a")), Step("b", ("1",), writes("b"), ("a",))]
    lines: list[str] = []
    outcome = run(steps, Store(tmp_path), lines)
    assert outcome.built == ["a", "b"]
    assert (outcome.folders["b"] / "file").read_text() == "ba"
    lines = [re.sub(r"\d+ s$", "0 s", line) for line in lines]
    assert lines == ["  a …", "  a done in 0 s", "  b …", "  b done in 0 s"]
    lines.clear()
    assert run(steps, Store(tmp_path), lines).built == []
    assert lines == []


def test_a_dry_run_builds_nothing(tmp_path: pathlib.Path) -> None:
    assert run([Step("a", ("1",), writes())], Store(tmp_path / "s"), dry_run=True).built == ["a"]
    assert not (tmp_path / "s").exists()


def test_what_is_gone_from_elsewhere_is_built_again(tmp_path: pathlib.Path) -> None:
    there = False

    async def also(folder: pathlib.Path) -> bool:
        return there

    steps = [Step("image", ("1",), writes(), also=also)]
    assert run(steps, Store(tmp_path)).built == ["image"]
    assert run(steps, Store(tmp_path)).built == ["image"]
    there = True
    assert run(steps, Store(tmp_path)).built == []


@given(
    inputs=st.dictionaries(st.sampled_from("abcd"), st.text(max_size=3), min_size=4, max_size=4),
    which=st.sampled_from("abcd"),
)
def test_a_key_follows_its_own_inputs_and_needs_alone(inputs: dict[str, str], which: str) -> None:
    needs = {"a": (), "b": ("a",), "c": (), "d": ("b", "c")}
    below = {"a": "abd", "b": "bd", "c": "cd", "d": "d"}

    def keys(values: t.Mapping[str, str]) -> dict[str, str]:
        return keys_of([Step(n, (values[n],), writes(), needs[n]) for n in "abcd"])

    before, after = keys(inputs), keys({**inputs, which: inputs[which] + "!"})
    assert {n for n in "abcd" if before[n] != after[n]} == set(below[which])


def test_a_digest_is_over_names_and_contents(tmp_path: pathlib.Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "one").write_text("1")
    first = digest_of_files(tmp_path / "d")
    (tmp_path / "d" / "one").write_text("2")
    second = digest_of_files(tmp_path / "d")
    (tmp_path / "d" / "one").rename(tmp_path / "d" / "two")
    assert len({first, second, digest_of_files(tmp_path / "d")}) == 3


def test_a_failure_keeps_what_is_finished_and_leaves_no_half(tmp_path: pathlib.Path) -> None:
    steps = [
        Step("good", ("1",), writes()),
        Step("bad", ("1",), fails(FleetError("no such thing")), ("good",)),
        Step("late", ("1",), writes(), ("bad",)),
        Step("later", ("1",), writes(), ("late",)),
    ]
    with pytest.raises(FleetError, match="no such thing"):
        run(steps, Store(tmp_path))
    assert [p.name.split("-")[0] for p in (tmp_path / "store").iterdir()] == ["good"]
    assert list((tmp_path / "tmp").iterdir()) == []
    mended = [steps[0], Step("bad", ("1",), writes(), ("good",)), *steps[2:]]
    assert run(mended, Store(tmp_path)).built == ["bad", "late", "later"]


def test_a_full_disk_is_reported_in_one_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FleetError) as caught:
        run([Step("big", ("1",), fails(OSError(28, "No space left on device")))], Store(tmp_path))
    assert caught.value.what == "building big failed"
    assert caught.value.means == "the disk is full"
    assert "free some space" in caught.value.next_step


BUILDER = """
import asyncio, pathlib, sys
sys.path.insert(0, sys.argv[2])
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import Step, Store, make

async def good(work, needs, key):
    (work / "file").write_text("x")

async def slow(work, needs, key):
    (work / "file").write_text("half")
    print("half", flush=True)
    await asyncio.Event().wait()

steps = [Step("good", ("1",), good), Step("slow", ("1",), slow, ("good",))]
asyncio.run(make(steps, Store(pathlib.Path(sys.argv[1])), say=lambda line: None, at_once=2))
"""


def half_way(folder: pathlib.Path) -> subprocess.Popen[str]:
    """A builder of its own, in the middle of step ``slow``."""
    argv = [sys.executable, "-c", BUILDER, str(folder), str(COLLECTIONS)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_a_killed_build_leaves_no_incomplete_artifact(tmp_path: pathlib.Path) -> None:
    process = half_way(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert [p.name for p in (tmp_path / "tmp").iterdir() if p.name.startswith("slow")]
    steps = [Step("good", ("1",), writes()), Step("slow", ("1",), writes("whole"), ("good",))]
    outcome = run(steps, Store(tmp_path))
    assert outcome.built == ["slow"]
    assert (outcome.folders["slow"] / "file").read_text() == "wholex"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_two_at_once_take_turns(tmp_path: pathlib.Path) -> None:
    process = half_way(tmp_path)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if "waiting for it" in line:
            # Only now: the other holds the lock until it ends.
            os.kill(process.pid, signal.SIGKILL)

    steps = [Step("good", ("1",), writes()), Step("slow", ("1",), writes(), ("good",))]
    outcome = asyncio.run(asyncio.wait_for(make(steps, Store(tmp_path), say=say, at_once=2), 300))
    process.communicate()
    assert lines[0] == "  artifacts: another run is building; waiting for it"
    assert outcome.built == ["slow"]
