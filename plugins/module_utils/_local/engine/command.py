# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a program of this machine: its output kept, its failure explained, nothing left running."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shlex
import signal
import typing as t

from ...child_env import child_environment
from ...errors import FleetError
from ...logins import without_logins
from ...waits import Wait, waiting

__all__ = ["Done", "explain", "run"]

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_ENDED_SECONDS = 10.0

# What programs print, what it means, what to do about it.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        "no space left on device",
        "the disk is full",
        "free some space (docs/local-fleet.md says how much) and run again",
    ),
    ("errno 28", "the disk is full", "free some space (docs/local-fleet.md says how much) and run again"),
    ("disk quota exceeded", "the disk quota is used up", "free some space and run again"),
    (
        "403 forbidden",
        "the registry refuses this machine",
        "set a mirror (artifacts_hub, artifacts_charts, artifacts_downloads)",
    ),
    (
        "403 (forbidden)",
        "the registry refuses this machine",
        "set a mirror (artifacts_hub, artifacts_kind_image, artifacts_sample_image), or artifacts_source: registries",
    ),
    (
        "status code 403",
        "the registry refuses this machine",
        "set a mirror (artifacts_hub, artifacts_charts, artifacts_downloads)",
    ),
    ("401 unauthorized", "the registry wants a login", "log in with the container engine, or set a mirror"),
    ("checksum mismatch", "what was downloaded is not what the project pins", "do not use it; find out who changed it"),
    ("address already in use", "another program holds that port", "stop it, or run again for another port"),
    ("temporary failure in name resolution", "no name server answers", "check this machine's network"),
    ("no such host", "a host name does not resolve from here", "check this machine's network, or set a mirror"),
    ("cannot connect to the docker daemon", "the docker daemon does not run", "start it, or install podman"),
    ("port is already allocated", "another program holds that port", "stop it, then run again"),
    ("is already used on the host", "another network of this machine has that range", "set fleet_engine_network"),
    ("operation not permitted", "this user may not do that", "run as root, or let this user use the container engine"),
    (
        "permission denied",
        "this user may not do that",
        "correct the owner and mode of what the message names; if it is the container engine, let this user use it",
    ),
)


class Done(t.NamedTuple):
    """A program that ended: exit status, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of its output, of standard error first."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit status {self.code}, no output"


def explain(text: str) -> tuple[str, str]:
    """``(means, next_step)`` for the output of a failed program; empty when it is not a known cause."""
    lowered = text.lower()
    for needle, means, next_step in _CAUSES:
        if needle in lowered:
            return means, next_step
    return "", ""


async def run(
    argv: t.Sequence[str],
    *,
    what: str = "",
    cluster: str = "",
    env: t.Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: str | bytes | None = None,
    timeout: float = 600,
    check: bool = True,
    progress: t.Callable[[str], str] | None = None,
) -> Done:
    """Run ``argv`` without a shell.

    Args:
        what: what is being done, for the error; the command itself otherwise.
        cluster: named in the error.
        env: added to what :mod:`child_env` makes; nothing else of this process's environment is passed on.
        timeout: seconds after which the program and its children are killed.
        check: raise on a non-zero exit status.
        progress: gets each line of standard error, and returns how far the program is; "" for a line that says
            nothing of that and stays in the output. Not together with ``stdin``.

    Raises:
        FleetError: the program is missing, failed or took too long.
    """
    doing = what or shlex.join(argv[:4])
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(env),
            cwd=cwd,
            start_new_session=True,
            # Linux alone has it. On others a killed run leaves its programs to end by themselves.
            preexec_fn=_die_with_parent if hasattr(_LIBC, "prctl") else None,
        )
    except FileNotFoundError as error:
        raise FleetError(
            f"{doing}: {argv[0]} is not installed",
            cluster=cluster,
            next_step="run the clusters stage, which installs it (playbooks/clusters.yml)",
        ) from error
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        with waiting(f"{cluster}: {doing}" if cluster else doing) as wait:
            raw_out, raw_err = await asyncio.wait_for(
                process.communicate(data) if progress is None else _follow(process, progress, wait), timeout
            )
    except TimeoutError as error:
        raise FleetError(
            f"{doing} did not end in {timeout:.0f} s",
            cluster=cluster,
            next_step="run again; what is finished is kept",
        ) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Its children may die after it: what they hold open would outlive the loop.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), _ENDED_SECONDS)
            await process.wait()
    out, err = raw_out.decode(errors="replace"), raw_err.decode(errors="replace")
    done = Done(process.returncode or 0, out, err)
    if check and done.code != 0:
        raise failed(doing, done, cluster=cluster)
    return done


async def _follow(
    process: asyncio.subprocess.Process, progress: t.Callable[[str], str], wait: Wait
) -> tuple[bytes, bytes]:
    """As ``communicate``; lines that are progress are said and not kept."""
    stdout, stderr = process.stdout, process.stderr
    if stdout is None or stderr is None:
        raise AssertionError("a program that is followed has pipes")
    kept: list[bytes] = []

    async def read(stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                said = progress(line.decode(errors="replace"))
                if said:
                    wait.seen = said
                else:
                    kept.append(line + b"\n")
        kept.append(rest)

    out, _none = await asyncio.gather(stdout.read(), read(stderr))
    await process.wait()
    return out, b"".join(kept)


def failed(doing: str, done: Done, *, cluster: str = "") -> FleetError:
    """The error for a program that ended with a status other than 0."""
    text = without_logins(done.err.strip() or done.out.strip())  # before it is cut
    means, next_step = explain(text)
    lines = [
        line for line in text.splitlines() if line.strip() and not line.startswith(("\t", "sigs.k8s.io/", "Stack"))
    ]
    errors = [line for line in lines if "error" in line.lower()]
    seen = (errors or lines)[-1][:400] if lines else f"exit status {done.code}, no output"
    return FleetError(f"{doing} failed", cluster=cluster, seen=seen, means=means, next_step=next_step)


def _die_with_parent() -> None:
    # A run that is killed must not leave a build or a half-made cluster working on behind the next run's back.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
