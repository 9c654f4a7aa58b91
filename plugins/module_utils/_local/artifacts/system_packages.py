# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages of this system that building artifacts needs: installed, or listed."""

from __future__ import annotations

import os
import pathlib
import shutil
import typing as t

from ...errors import FleetError
from ..engine.command import run

__all__ = ["ensure_programs"]


async def ensure_programs(programs: t.Mapping[str, str], say: t.Callable[[str], None]) -> list[str]:
    """Install what is missing, as root on Debian or Ubuntu; elsewhere say what to install.

    Args:
        programs: ``{program: Debian package}``.
        say: receives a line of progress.

    Returns:
        The packages that were installed.

    Raises:
        FleetError: something is missing and cannot be installed from here.
    """
    missing = sorted({package for program, package in programs.items() if not _which(program)})
    if not missing:
        return []
    if os.geteuid() != 0 or not _is_debian():
        raise FleetError(
            f"missing on this machine: {', '.join(missing)}",
            seen=", ".join(sorted(p for p in programs if not _which(p))) + " not found in PATH",
            next_step=f"install them (Debian, Ubuntu: apt-get install {' '.join(missing)}) and run again",
        )
    say(f"  installing {', '.join(missing)} …")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    await run(["apt-get", "update", "-q"], what="apt-get update", env=env, timeout=300)
    await run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing],
        what=f"apt-get install {' '.join(missing)}",
        env=env,
        timeout=900,
    )
    return missing


def _which(program: str) -> str | None:
    return shutil.which(
        program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/lib/podman:/usr/libexec/podman"
    )


def _is_debian(release: pathlib.Path = pathlib.Path("/etc/os-release")) -> bool:
    try:
        text = release.read_text()
    except OSError:
        return False
    words = {
        w.strip('"')
        for line in text.splitlines()
        if line.startswith(("ID=", "ID_LIKE="))
        for w in line.split("=")[1].split()
    }
    return bool(words & {"debian", "ubuntu"})
