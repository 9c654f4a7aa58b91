# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real controllers of cert-manager beside a test's API server: built from its Go module, once for each version."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from tests import go_program

from . import control_plane

__all__ = ["NAMESPACE", "start"]

NAMESPACE = "cert-manager"
"""Where a ClusterIssuer's Secret is."""
_SOURCE = Path(__file__).resolve().parent.parent / "go" / "cert-manager"
_BUILD_SECONDS = 1800
"""Far more than it takes, see docs/testing.md."""


def start(plane: control_plane.ControlPlane) -> subprocess.Popen[bytes]:
    """Start them; they end with the API server."""
    return plane.run(_program(), f"--kubeconfig={plane.kubeconfig}", f"--cluster-resource-namespace={NAMESPACE}")


def _program() -> Path:
    """The built program; without Go, to build it, the test is skipped."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCE.iterdir()))).hexdigest()[:12]
    folder = artifacts_dir().parent / "tests"
    made = folder / f"cert-manager-{digest}"
    if made.exists():
        return made
    env = go_program.environment("which builds cert-manager")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may build it
        if not made.exists():
            _build(made, env)
    return made


def _build(made: Path, env: t.Mapping[str, str]) -> None:
    """Build it beside its place and rename it there: what is ended in between is not taken for a program."""
    for old in made.parent.glob("cert-manager-*"):
        old.unlink()
    half = made.with_name(f"half-{made.name}")
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(half), "."]
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(
        command,
        cwd=_SOURCE,
        env={**env, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=_BUILD_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    half.rename(made)
