# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test runner and the set-up: a failure stops the run, a half-made environment is never a whole one."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
import types
import typing as t
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[types.ModuleType, types.ModuleType]:
    """tests/run.py and tests/checks.py as they see each other, writing to a folder of the test."""
    monkeypatch.syspath_prepend(str(TESTS))
    checks = importlib.import_module("checks")
    run = importlib.import_module("run")
    monkeypatch.setattr(run, "OUT", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return run, checks


def python(checks: types.ModuleType, name: str, code: str, **more: t.Any) -> t.Any:
    return checks.Stage(name, (checks.Command(name, [sys.executable, "-c", code]),), **more)


def test_the_first_failure_stops_what_runs_and_what_waits(
    harness: tuple[types.ModuleType, types.ModuleType], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run, checks = harness
    stages = [
        python(checks, "bad", "print('the cause'); raise SystemExit(3)"),
        python(checks, "long", "import time; time.sleep(600)"),
        python(checks, "never", f"open({str(tmp_path / 'ran')!r}, 'w')"),
    ]
    began = time.monotonic()
    over, good = run.run_together(stages, 2)
    said = capfd.readouterr().out
    assert not good
    assert time.monotonic() - began < 300
    assert "the cause" in said
    assert "bad       FAILED" in said
    assert "long      stopped because bad failed" in said
    assert over[-1].stopped == ["long"]
    assert not (tmp_path / "ran").exists()
    assert run.count(over) == (0, 1)


def test_stages_run_side_by_side_and_show_pytests_last_line(
    harness: tuple[types.ModuleType, types.ModuleType], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run, checks = harness
    # Each of the two waits for the other, so they can end only when both run at once.
    wait = "import pathlib, time\nopen({mine!r}, 'w')\nwhile not pathlib.Path({other!r}).exists(): time.sleep(0.01)\n"
    line = "print('=' * 20 + ' 3 passed in 0.10s ' + '=' * 20)"
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    stages = [
        python(checks, "one", wait.format(mine=one, other=two)),
        python(checks, "two", wait.format(mine=two, other=one) + line),
    ]
    over, good = run.run_together(stages, 2)
    assert good
    assert "3 passed in 0.10s" in capfd.readouterr().out
    assert run.count(over) == (2, 0)


def test_junit_figures_count_tests_and_not_skipped_ones(
    harness: tuple[types.ModuleType, types.ModuleType], tmp_path: Path
) -> None:
    _run, checks = harness
    path = tmp_path / "x.xml"
    path.write_text('<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>')
    assert checks.junit_counts(path) == (5, 2)


def test_artifacts_come_before_stages_with_clusters(
    harness: tuple[types.ModuleType, types.ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _run, checks = harness
    monkeypatch.setattr(checks, "other_python", lambda version: f"python{version}")
    assert [s.name for s in checks.stages(["api"], tmp_path)] == ["artifacts", "api", "awx"]
    assert [s.name for s in checks.stages(["unit", "lint"], tmp_path)] == ["lint", "unit"]
    assert [s.name for s in checks.stages(["other-python"], tmp_path)] == ["unit-3.13"]
    stages = checks.stages(checks.NAMES, tmp_path)
    need_nothing = [s.name for s in stages if not s.after]
    assert need_nothing == ["artifacts", "lint", "unit", "sanity"]
    assert {s.after for s in stages if s.name not in need_nothing} == {("artifacts",)}


def test_a_stage_that_computes_runs_beside_those_that_wait(
    harness: tuple[types.ModuleType, types.ModuleType], tmp_path: Path
) -> None:
    run, checks = harness
    left = [checks.Stage("first", ()), *(checks.Stage(name, (), after=("first",)) for name in ("one", "two", "three"))]
    left += [checks.Stage("some", (), aside=True), checks.Stage("more", (), aside=True)]

    def started(running: list[str], at_once: int) -> str:
        entries = [types.SimpleNamespace(stage=stage) for stage in left if stage.name in running]
        waiting = [stage for stage in left if stage.name not in running]
        stage = run.startable(waiting, entries, at_once)
        return stage.name if stage else ""

    assert started([], 2) == "first"
    assert started(["first"], 2) == "some", "the others come after it"
    assert started(["first", "some"], 2) == "more"
    del left[0]
    assert started(["some"], 2) == "one"
    assert started(["one", "some"], 2) == "two"
    assert started(["one", "two", "some"], 2) == "", "no more than there are places"
    assert started(["one", "two"], 2) == "some", "a place for what computes"
    assert started(["some", "more"], 2) == "one", "a place for what waits"
    assert started(["some", "more", "one"], 2) == "two", "what computes gives way"
    assert started([], 1) == "one"
    assert started(["one"], 1) == "some"
    assert started(["one", "some"], 1) == ""


def test_what_computes_gives_way_to_what_waits(
    harness: tuple[types.ModuleType, types.ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, checks = harness
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as process:
        run.give_way(process.pid)
        nice = os.getpriority(os.PRIO_PROCESS, process.pid)
        group = Path(f"/proc/{process.pid}/autogroup")
        words = group.read_text().split() if group.exists() else []
    assert nice == max(os.nice(0), run.GIVE_WAY)
    assert words[-1:] in ([], [str(run.GIVE_WAY)])

    given = []
    monkeypatch.setattr(run, "give_way", given.append)
    assert run.run_together([python(checks, "waits", "")], 1)[1]
    assert given == []
    assert run.run_together([python(checks, "computes", "", aside=True)], 1)[1]
    assert len(given) == 1


def test_each_end_to_end_test_is_in_one_half(
    harness: tuple[types.ModuleType, types.ModuleType], tmp_path: Path
) -> None:
    _run, checks = harness
    halves = checks.end_to_end(tmp_path)
    run = [word for half in halves for word in half.commands[0].argv if word.startswith("tests/e2e/")]
    assert sorted(run) == sorted(f"tests/e2e/{path.name}" for path in (TESTS / "e2e").glob("test_*.py"))
    assert len({half.env["MESH_FLEET_E2E"] for half in halves}) == len(halves) == 2


def test_lines_of_stages_side_by_side_stay_whole(
    harness: tuple[types.ModuleType, types.ModuleType], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run, checks = harness
    # The second half of a line comes when the first has been looked at.
    told, looked = tmp_path / "told", tmp_path / "looked"
    code = (
        "import pathlib, sys, time\n"
        "sys.stdout.write('one half, '); sys.stdout.flush()\n"
        f"pathlib.Path({str(told)!r}).touch()\n"
        f"while not pathlib.Path({str(looked)!r}).exists(): time.sleep(0.01)\n"
        "print('the other')\nprint('end', end='')\n"
    )
    running = run.Running(python(checks, "slow", code, live=True))
    deadline = time.monotonic() + 300
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.poll()
    looked.touch()
    while not running.poll() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.finish()
    said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("slow ")]
    assert "slow      one half, the other" in said
    assert "slow      end" in said


def test_molecule_forgets_a_run_that_was_stopped(harness: tuple[types.ModuleType, types.ModuleType]) -> None:
    _run, checks = harness
    assert [command.argv[3:] for command in checks.molecule()] == [["reset", "--all"], ["test", "--all", "--report"]]


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_unit_tests_run_on_another_python_where_there_is_one(
    harness: tuple[types.ModuleType, types.ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _run, checks = harness
    monkeypatch.setattr(checks, "OTHER_PYTHON", "4.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    (missing,) = checks.other_unit(tmp_path)
    told = subprocess.run(missing.argv, capture_output=True, text=True, check=False)
    assert (told.returncode, "no Python 4.0 with" in told.stderr) == (1, True)
    program(tmp_path / "python4.0", "echo /usr/bin/python4.0")
    environment, second = checks.other_unit(tmp_path)
    assert environment.argv == ["/usr/bin/python4.0", "tests/venv.py", ".cache/venv-4.0"]
    assert environment.env == {"PIP_NO_COMPILE": "1"}
    assert second.argv[0] == ".cache/venv-4.0/bin/python"
    assert second.junit == tmp_path / "unit-4.0.xml"


def test_a_python_of_pyenv_is_found_and_a_broken_one_is_not(
    harness: tuple[types.ModuleType, types.ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _run, checks = harness
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "python4.0", "echo 'python4.0: command not found' >&2; exit 127")
    assert checks.other_python("4.0") == ""
    program(tmp_path / "pyenv", f'[ "$*" = "prefix 4.0" ] && echo {tmp_path}/versions/4.0.1')
    assert checks.other_python("4.0") == ""
    program(tmp_path / "versions/4.0.1/bin/python4.0", "echo $0")
    assert checks.other_python("4.0") == f"{tmp_path}/versions/4.0.1/bin/python4.0"
    assert checks.other_python(f"{sys.version_info[0]}.{sys.version_info[1]}") == ""


def test_sigterm_ends_what_a_stage_started(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import run, checks, pathlib, signal\n"
        "run.OUT = run.ROOT = pathlib.Path(sys.argv[2])\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "child = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
        "stage = checks.Stage('long', (checks.Command('long', [sys.executable, '-c', child]),))\n"
        "run.run_together([stage], 1)\n"
    )
    outer = subprocess.Popen([sys.executable, "-c", code, str(TESTS), str(tmp_path)], stdout=subprocess.DEVNULL)
    log = tmp_path / "long.log"
    child = 0
    deadline = time.monotonic() + 300
    while not child and time.monotonic() < deadline:
        words = log.read_text().split() if log.exists() else []
        child = int(words[-1]) if words and words[-1].isdigit() else 0
        time.sleep(0.02)
    assert child
    outer.send_signal(signal.SIGTERM)
    assert outer.wait(timeout=300) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.fixture
def venv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Any:
    """tests/venv.py for a checkout of the test, noting the commands it would run instead of running them."""
    # By its place: the standard library has a `venv` too.
    spec = importlib.util.spec_from_file_location("fleet_venv", TESTS / "venv.py")
    assert spec is not None and spec.loader is not None
    module: t.Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("ansible\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "READY", tmp_path / ".venv" / ".ready")
    monkeypatch.setattr(module, "REQUIREMENTS", (tmp_path / "requirements.txt", tmp_path / "requirements-dev.txt"))
    module.ran = []

    def step(command: list[str], failure: str) -> None:
        module.ran.append(command[2])
        folder = tmp_path / ".venv" / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pip").write_text(f"#!{tmp_path}/.venv/bin/python\n")
        for name in ("python", "ansible-playbook", "../pyvenv.cfg"):
            (folder / name).touch()
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        (tmp_path / ".venv" / "lib" / version).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(module, "_step", step)
    return module


def test_an_environment_is_made_once_and_updated_in_place(venv: t.Any, tmp_path: Path) -> None:
    venv.main()
    assert venv.ran == ["venv", "pip"]
    venv.main()
    assert venv.ran == ["venv", "pip"]
    (tmp_path / "requirements-dev.txt").write_text("ansible\npytest\n")
    venv.main()
    assert venv.ran == ["venv", "pip", "pip"]


def test_a_half_made_environment_is_made_again(venv: t.Any, tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "left").touch()
    venv.main()
    assert venv.ran == ["venv", "pip"]
    assert not (tmp_path / ".venv" / "left").exists()


def test_a_failed_install_leaves_nothing_that_seems_ready(
    venv: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.main()
    (tmp_path / "requirements.txt").write_text("no-such-thing\n")

    def fail(command: list[str], failure: str) -> None:
        raise SystemExit(failure)

    monkeypatch.setattr(venv, "_step", fail)
    with pytest.raises(SystemExit):
        venv.main()
    assert not venv.is_ready(venv.key())
    assert not (tmp_path / ".venv" / ".ready").exists()


def test_an_environment_that_was_moved_is_made_again(venv: t.Any, tmp_path: Path) -> None:
    venv.main()
    (tmp_path / ".venv" / "bin" / "pip").write_text("#!/somewhere/else/.venv/bin/python\n")
    (tmp_path / ".venv" / ".ready").write_text("another key")
    venv.main()
    assert venv.ran == ["venv", "pip", "venv", "pip"]


def test_a_python_without_venv_is_named_with_its_package(venv: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as stopped:
        venv.main()
    assert "no module venv or ensurepip" in str(stopped.value)
    assert "-venv" in str(stopped.value)
