# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the tests of this folder run playbooks: as a person does, and with more patience."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import tempfile
import typing as t

from tests.hostile import UMASK

__all__ = ["ROOT", "Run", "changed", "play"]

ROOT = pathlib.Path(__file__).parents[2]
LONGEST = 1800.0
"""Seconds after which a run hangs, for whatever reason."""


class Run:
    """One ``ansible-playbook``, begun and not waited for.

    What it says goes to a file: processes that outlive a run which is killed must not hold up, or lose, who reads.

    Args:
        playbook: its name, without folder and ending.
        arguments: more of the command line.
        inventories: one after the other.
        environment: added to this process's own.
        without: beginnings of names of variables that it does not get.
    """

    def __init__(
        self,
        playbook: str,
        *arguments: str,
        inventories: t.Sequence[str] = ("inventories/local",),
        environment: t.Mapping[str, str] | None = None,
        without: tuple[str, ...] = (),
    ) -> None:
        given = [part for inventory in inventories for part in ("-i", inventory)]
        given += ["-e", "@tests/patience.yml", f"playbooks/{playbook}.yml", *arguments]
        own = {key: value for key, value in os.environ.items() if not (without and key.startswith(without))}
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 — it goes with this object
        self.process = subprocess.Popen(
            ["ansible-playbook", *given],
            cwd=ROOT,
            env={
                **own,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_NOCOLOR": "1",
                **(environment or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            umask=UMASK,
        )

    @property
    def said(self) -> str:
        """All that it has said so far."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it without a word, as a crash does. One that is over stays as it is."""
        self.process.kill()
        self.process.wait()

    def end(self, seconds: float = LONGEST) -> int:
        """Wait for its end; the exit status. Who is interrupted meanwhile leaves no run behind."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not over after {seconds:.0f} s:\n{self.said}") from None
        finally:
            self.kill()


def play(playbook: str, *arguments: str, good: bool = True, **options: t.Any) -> str:
    """Run a playbook to its end, which must be a ``good`` one or must not; what it said. Options are those of Run."""
    run = Run(playbook, *arguments, **options)
    code = run.end()
    assert (code == 0) is good, run.said
    return run.said


def changed(said: str) -> int:
    """How many tasks changed something, by the recap of all hosts."""
    found = re.findall(r"\bchanged=(\d+)", said)
    assert found, said
    return sum(map(int, found))
