# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Helm chart on this machine, read without starting Helm."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import os
import tarfile
import typing as t

import yaml

from ...errors import FleetError
from ...fast_yaml import LOADER

__all__ = ["Chart", "read_chart"]


@dataclasses.dataclass(frozen=True)
class Chart:
    """Name, version and content of a chart. ``files`` maps a path within it to its bytes."""

    name: str
    version: str
    app_version: str
    files: t.Mapping[str, bytes] = dataclasses.field(repr=False)

    def ignores(self, name: str) -> bool:
        """Whether Helm may leave out a file of ``templates/``: a hidden one, or one that ``.helmignore`` matches.

        Where that file has rules with exceptions (``!``), every file may be.
        """
        rules = self.files.get(".helmignore", b"").decode(errors="replace").splitlines()
        rules = [rule.strip() for rule in rules if rule.strip() and not rule.startswith("#")]
        parts = [name, *name.split("/")]
        return (
            name.split("/")[-1].startswith(".")
            or any(rule.startswith("!") for rule in rules)
            or any(fnmatch.fnmatch(part, rule.strip("/")) for rule in rules for part in parts)
        )

    @property
    def values(self) -> t.Any:
        return yaml.load(self.files.get("values.yaml", b""), Loader=LOADER) or {}


def read_chart(path: str) -> Chart | None:
    """Read a chart's folder or archive; None when ``path`` is neither (a name in a repository, an OCI address).

    Raises FleetError when it looks like a path but holds no chart.
    """
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        return _folder(path, _stamp(path))
    if os.path.isfile(path):
        return _archive(path, os.stat(path).st_mtime_ns)
    if path.startswith(("/", ".")):
        raise FleetError(
            "there is no Helm chart",
            obj=path,
            seen="no such folder or archive",
            means="the artifacts of this machine are not made yet, or the variable that names the charts is wrong",
            next_step="run the artifacts stage, or correct control_plane_charts",
        )
    return None


def _stamp(path: str) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a file of the folder does: the key under which its content is remembered."""
    out = []
    for folder, _dirs, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            info = os.stat(full)
            out.append((os.path.relpath(full, path), info.st_mtime_ns, info.st_size))
    return tuple(sorted(out))


@functools.lru_cache(maxsize=16)
def _folder(path: str, stamp: tuple[tuple[str, int, int], ...]) -> Chart:
    files = {}
    for name, _mtime, _size in stamp:
        with open(os.path.join(path, name), "rb") as stream:
            files[name] = stream.read()
    return _chart(path, files)


@functools.lru_cache(maxsize=16)
def _archive(path: str, _mtime: int) -> Chart:
    files = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() else None
                if stream and "/" in member.name:
                    files[member.name.split("/", 1)[1]] = stream.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FleetError("the chart's archive cannot be read", obj=path, seen=str(error)) from error
    return _chart(path, files)


def _chart(path: str, files: dict[str, bytes]) -> Chart:
    try:
        about = yaml.load(files["Chart.yaml"], Loader=LOADER)
        return Chart(str(about["name"]), str(about["version"]), str(about.get("appVersion") or ""), files)
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise FleetError(
            "this is not a Helm chart",
            obj=path,
            seen="no readable Chart.yaml with a name and a version",
            next_step="name the folder that holds Chart.yaml",
        ) from error
