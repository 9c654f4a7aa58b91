# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run every test: ``tests/run.py``, or some stages of it: ``tests/run.py lint unit``.
Stage ``long`` runs only when it is named.

Stages run side by side. Each that makes fleets makes its own, and waits more than it works: one that computes all the
time has what these leave of the processor. The first stage that fails ends the run. Each stage's whole output lies in
build/test/; that of stages with fleets is shown as it comes, each line with the stage's name before it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import checks

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "test"
GIVE_WAY = 10
"""How nice a stage is that runs aside: a tenth of the processor's time where others want all of it."""
POLL_SECONDS = 0.1
"""How long to wait for any of several child processes at a time."""


class Running:
    """A stage whose commands run one after the other, all output in one file."""

    def __init__(self, stage: checks.Stage) -> None:
        self.stage = stage
        self.began = time.monotonic()
        self.log = OUT / f"{stage.name}.log"
        self._file = self.log.open("wb")
        self._commands = list(stage.commands)
        self.done: list[str] = []
        self.failed = ""
        self.stopped: list[str] = []
        """Stages that ran beside this one and were ended because it failed."""
        self._current: checks.Command | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        say(stage.name, "starts", " · ".join(c.name for c in stage.commands))
        self._next()

    def _next(self) -> None:
        self._current = self._commands.pop(0) if self._commands else None
        if self._current is None:
            self._file.close()
            return
        self._file.write(f"\n== {self._current.name}: {' '.join(self._current.argv)}\n".encode())
        self._file.flush()
        # A process group of its own, so that whatever a stage started can be ended with it.
        self._process = subprocess.Popen(
            self._current.argv,
            cwd=self._current.cwd or ROOT,
            env={**os.environ, **self.stage.env, **self._current.env},
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self.stage.aside:
            give_way(self._process.pid)

    def poll(self) -> bool:
        """Go on as far as can be done without waiting; True when the stage is over."""
        if self.stage.live:
            self._follow()
        if self._process is None or self._current is None:
            return True
        code = self._process.poll()
        if code is None:
            return False
        if code not in self._current.good_codes:
            self.failed = self._current.name
            self._file.close()
            return True
        self.done.append(self._current.name)
        self._next()
        return self._current is None

    def _follow(self, *, last: bool = False) -> None:
        """Show the lines that a long stage has written since the last look, also a ``last`` one that has no end."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        if not last:
            new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        for line in new.decode(errors="replace").splitlines():
            print(f"{self.stage.name:<9} {line}".rstrip(), flush=True)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def finish(self) -> None:
        if self.stage.live:
            self._follow(last=True)
        text = self.log.read_text(encoding="utf-8", errors="replace")
        took = f"{time.monotonic() - self.began:.0f} s"
        if self.failed:
            if not self.stage.live:
                print(text[text.rfind(f"\n== {self.failed}:") :].rstrip(), flush=True)
            say(self.stage.name, "FAILED", f"{self.failed} after {took}; all output: {self.log.relative_to(ROOT)}")
            return
        if not self.stage.live:
            for line in checks.closing_lines(text):
                print(line, flush=True)
        say(self.stage.name, "passed", took)


def say(stage: str, state: str, text: str) -> None:
    print(f"{stage:<9} {state:<7} {text}", flush=True)


def give_way(process: int) -> None:
    """Let all others have the processor before this process and what it starts."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process, max(GIVE_WAY, os.getpriority(os.PRIO_PROCESS, process)))
        # Where Linux shares time among sessions first, being nice counts within one's own alone.
        Path(f"/proc/{process}/autogroup").write_text(str(GIVE_WAY), encoding="ascii")


def startable(waiting: list[checks.Stage], running: list[Running], at_once: int) -> checks.Stage | None:
    """The next stage to start, if any: up to ``at_once`` that wait for others, and one that computes beside these.

    While few wait, up to ``at_once`` compute. They give way, so they keep none that waits from starting.
    """
    missing = {stage.name for stage in waiting} | {entry.stage.name for entry in running}
    for stage in waiting:
        alike = sum(entry.stage.aside == stage.aside for entry in running)
        free = alike < at_once and (not stage.aside or len(running) <= at_once)
        if free and missing.isdisjoint(stage.after):
            return stage
    return None


def run_together(stages: list[checks.Stage], at_once: int) -> tuple[list[Running], bool]:
    """Run stages side by side, as :func:`startable` says; stop all at the first failure."""
    waiting, running, over = list(stages), [], []
    try:
        while waiting or running:
            while stage := startable(waiting, running, at_once):
                waiting.remove(stage)
                running.append(Running(stage))
            for entry in [e for e in running if e.poll()]:
                running.remove(entry)
                entry.finish()
                over.append(entry)
                if entry.failed:
                    for other in running:
                        say(other.stage.name, "stopped", f"because {entry.stage.name} failed")
                        entry.stopped.append(other.stage.name)
                    return over, False
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        for entry in running:
            entry.stop()
    return over, True


def count(over: t.Iterable[Running]) -> tuple[int, int]:
    """Tests that passed and failed: pytest's as its reports say, any other command counts as one."""
    passed = failed = 0
    for entry in over:
        for command in entry.stage.commands:
            if command.junit is not None and command.junit.exists():
                good, bad = checks.junit_counts(command.junit)
                passed, failed = passed + good, failed + bad
            elif command.name == entry.failed:
                failed += 1
            elif command.name in entry.done:
                passed += 1
    return passed, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(checks.NAMES)
    choices = [*names, *checks.NAMES_ON_REQUEST]
    parser.add_argument("stages", nargs="*", choices=[*choices, []], metavar="stage", help=f"of {', '.join(choices)}")
    jobs = "stages of a kind, with servers or without, side by side; one more of the other (default: cores)"
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help=jobs)
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*.xml"):
        old.unlink(missing_ok=True)
    began = time.monotonic()
    wanted = checks.stages(arguments.stages or names, OUT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    over, good = run_together(wanted, max(1, arguments.jobs))
    seen = {name for entry in over for name in (entry.stage.name, *entry.stopped)}
    left = [s.name for s in wanted if s.name not in seen]
    if left:
        say("", "", f"not run because of that: {', '.join(left)}")
    if any(e.stage.env.get("MESH_FLEET_NAME") == checks.TEST_FLEET for e in over):
        checks.remove_test_fleet(OUT)
    passed, failed = count(over)
    summary = {"passed": passed, "failed": failed, "seconds": round(time.monotonic() - began)}
    (OUT / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    say("all", "passed" if good else "FAILED", f"{summary['seconds']} s")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(
            "interrupted: what the stages had started is stopped; MESH_FLEET_NAME=test make clean removes their fleet"
        )
