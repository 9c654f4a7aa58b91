# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's charts from where ``artifacts_charts`` says: a repository, or a registry. A folder is used as it is."""

from __future__ import annotations

import asyncio
import hashlib
import pathlib
import tarfile
import typing as t
import urllib.parse

import yaml

from ...errors import FleetError
from ...fast_yaml import LOADER
from ..engine.command import run
from .build_graph import Step
from .downloads import fetch, fetch_text

__all__ = ["CHARTS", "charts_step", "fetch_charts", "is_folder", "is_registry", "plain_http", "repository_index"]

CHARTS = ("base", "istiod", "gateway", "cni")


def is_registry(address: str) -> bool:
    return address.startswith("oci://")


def is_folder(address: str) -> bool:
    return bool(address) and not address.startswith(("oci://", "https://", "http://"))


def plain_http(address: str) -> list[str]:
    """Helm's option for a registry on this machine, which has no certificate."""
    host = address.removeprefix("oci://").split("/", 1)[0]
    local = host.startswith(("127.", "localhost:", "[::1]")) or host == "localhost"
    return ["--plain-http"] if is_registry(address) and local else []


def charts_step(address: str, version: str, checksums: t.Mapping[str, str], helm: str, program: str = "") -> Step:
    """The step that brings the charts.

    Args:
        address, version, checksums: see :func:`fetch_charts`.
        helm: the step that makes the program ``helm``; "" where none does.
        program: the path of a Helm that is used then; "" for the one on PATH.
    """

    async def build(work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        (work / "charts").mkdir()
        puller = str(needs[helm] / "helm") if helm else program or "helm"
        await fetch_charts(address, version, work / "charts", helm=puller, checksums=checksums)

    sums = sorted(f"{name}={value}" for name, value in checksums.items() if name.endswith(".tgz"))
    return Step("charts", (address, version, *sums), build, (helm,) if helm else ())


async def fetch_charts(
    address: str, version: str, folder: pathlib.Path, *, helm: str, checksums: t.Mapping[str, str]
) -> None:
    """Write each of :data:`CHARTS` to a folder of its name below ``folder``.

    Args:
        address: of a chart repository (``https://``), or of the folder of a registry (``oci://``).
        version: of the charts.
        helm: the program that pulls from a registry.
        checksums: SHA-256 by file name (``istiod-1.31.1.tgz``); comes before what the repository publishes.

    Raises:
        FleetError: a chart is not there, cannot be read, or is another one than its checksum says.
    """
    index = await asyncio.to_thread(repository_index, address) if not is_registry(address) else {}
    for name in CHARTS:
        file = f"{name}-{version}.tgz"
        archive = folder / file
        if is_registry(address):
            actual, expected = await _pull(helm, address, name, version, archive), checksums.get(file, "")
        else:
            url, published = _entry(index, address, name, version)
            expected = checksums.get(file) or published
            if not expected:
                raise FleetError(f"no checksum for {file}", obj=address, next_step="give it in artifacts_checksums")
            actual = await asyncio.to_thread(fetch, url, archive)
        if expected and actual != expected:
            raise FleetError(
                f"checksum of {file} does not match",
                seen=f"SHA-256 {actual} from {address}",
                means=f"{expected} was expected",
                next_step="do not use it: find out who changed the file, then run again",
            )
        _unpack(archive, name, folder)
        archive.unlink()


def repository_index(address: str, timeout: float = 60.0) -> dict[str, t.Any]:
    """The charts of a repository: by name, the entries of its ``index.yaml``.

    Raises FleetError where there is none.
    """
    url = f"{address.rstrip('/')}/index.yaml"
    try:
        entries = yaml.load(fetch_text(url, timeout), Loader=LOADER)["entries"]
        return {str(name): list(found or ()) for name, found in entries.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise FleetError(
            "this is no chart repository",
            obj=url,
            seen="no list of charts" if isinstance(error, KeyError) else " ".join(str(error).split())[:200],
            next_step="give the folder that holds index.yaml, as helm repo add takes it; oci:// for a registry",
        ) from error


def _entry(index: t.Mapping[str, t.Any], address: str, name: str, version: str) -> tuple[str, str]:
    """Where a chart of a repository is, and the SHA-256 that the repository publishes."""
    known = [entry for entry in index.get(name, ()) if isinstance(entry, dict)]
    for entry in known:
        if str(entry.get("version", "")).lstrip("v") == version and entry.get("urls"):
            base = address.rstrip("/") + "/"
            return urllib.parse.urljoin(base, str(entry["urls"][0])), str(entry.get("digest") or "")
    versions = ", ".join(str(entry.get("version")) for entry in known[:5])
    raise FleetError(
        f"the repository has no chart {name} {version}",
        obj=address,
        seen=f"it has {versions}" if versions else f"no chart {name} at all",
        next_step="give a repository that has it (artifacts_charts), or another mesh_istio_version",
    )


async def _pull(helm: str, address: str, name: str, version: str, archive: pathlib.Path) -> str:
    reference = f"{address.rstrip('/')}/{name}"
    await run(
        [helm, "pull", reference, "--version", version, "--destination", str(archive.parent), *plain_http(address)],
        what=f"fetching chart {reference} {version}",
        timeout=120,
    )
    if not archive.exists():
        raise FleetError(
            f"there is no chart {name} {version} at this address",
            obj=reference,
            seen=", ".join(p.name for p in archive.parent.glob("*.tgz")) or "no archive",
            next_step="give the folder of the registry that holds Istio's charts by their own names",
        )
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def _unpack(archive: pathlib.Path, name: str, folder: pathlib.Path) -> None:
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FleetError("the chart's archive cannot be read", obj=archive.name, seen=str(error)) from error
    if not (folder / name / "Chart.yaml").is_file():
        raise FleetError(f"the archive holds no chart {name}", obj=archive.name, seen=f"no {name}/Chart.yaml")
