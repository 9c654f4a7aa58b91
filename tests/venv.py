# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make .venv/ from the pinned requirement files, once for each state of them.

Runs with any system Python of 3.11 or newer and the standard library alone; the environment gets the Python that runs
this. ``tests/venv.py FOLDER`` makes another environment, in a folder of the checkout. A key over the requirement
files, the interpreter and the place of the environment is written last, so a half-made one never counts as whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / (sys.argv[1] if __name__ == "__main__" and len(sys.argv) > 1 else ".venv")
READY = VENV / ".ready"
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
OLDEST = (3, 11)
# An activated virtual environment, perhaps this very one, must not be what the new one is made from.
SYSTEM_PYTHON: str = getattr(sys, "_base_executable", "") or sys.executable


def key() -> str:
    """What the environment was made from; any difference means that it has to be made again."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {VENV}\n".encode())
    for path in REQUIREMENTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_ready(wanted: str) -> bool:
    return READY.is_file() and READY.read_text(encoding="utf-8") == wanted and (VENV / "bin/ansible-playbook").exists()


@contextlib.contextmanager
def alone() -> t.Iterator[None]:
    """Two `make` at once must not write into one environment."""
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{VENV}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def need_venv_module() -> None:
    """Debian and Ubuntu ship `venv` without `ensurepip`: install it as root, else say how."""
    try:
        import ensurepip  # noqa: F401  only its presence matters
        import venv  # noqa: F401  only its presence matters

        return
    except ImportError:
        pass
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"setup: this Python has no venv module: installing {package}", flush=True)
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-yq", "--no-install-recommends", package]):
            if subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False).returncode:
                sys.exit(f"setup: `{' '.join(command)}` failed\n  next   install {package} by hand; then run again")
        return
    sys.exit(
        f"setup: {sys.executable} cannot make a virtual environment\n"
        f"  seen   no module venv or ensurepip\n"
        f"  next   as root: apt-get install {package} (or your system's like); then run again"
    )


def build(wanted: str) -> None:
    """Make or update the environment; READY is gone until everything is in it."""
    # An environment whose key file is there was whole: pip brings it up to date in place.
    whole = READY.is_file() and (VENV / "bin/python").exists()
    same_python = whole and (VENV / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}").is_dir()
    in_place = same_python and (VENV / "pyvenv.cfg").exists() and _belongs_here()
    READY.unlink(missing_ok=True)
    if not in_place:
        need_venv_module()
        shutil.rmtree(VENV, ignore_errors=True)
        _step([SYSTEM_PYTHON, "-m", "venv", str(VENV)], f"could not make {VENV.relative_to(ROOT)}")
    command = [str(VENV / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    for path in REQUIREMENTS:
        command += ["-r", str(path)]
    _step(command, "could not install the pinned Python packages")
    READY.write_text(wanted, encoding="utf-8")


def _belongs_here() -> bool:
    """Scripts in bin/ hold absolute paths: an environment that was moved has to be made again."""
    script = VENV / "bin/pip"
    with contextlib.suppress(OSError):
        return str(VENV) in script.read_text(encoding="utf-8").splitlines()[0]
    return False


def _step(command: list[str], failure: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(
            f"setup: {failure}\n"
            f"  seen   exit code {done.returncode}, its own words are above\n"
            f"  next   check that this machine reaches a Python package index (pip config list); then run again"
        )


def main() -> None:
    if sys.version_info < OLDEST:
        sys.exit(
            f"setup: Python {sys.version_info[0]}.{sys.version_info[1]} is too old, 3.11 or newer is needed\n"
            f"  next   make PYTHON=/path/to/python3.11 …"
        )
    wanted = key()
    if is_ready(wanted):
        return
    with alone():
        if is_ready(wanted):
            return
        print(f"setup          {VENV.relative_to(ROOT)} from requirements.txt and requirements-dev.txt", flush=True)
        began = time.monotonic()
        build(wanted)
        print(f"setup          ready in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
