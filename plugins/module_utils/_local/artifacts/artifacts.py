# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything a fleet is made of, from whichever source serves this machine."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import typing as t

from ...errors import FleetError
from ...files import make_cache, replace_link, write_file
from ...logins import without_logins
from ..engine.engine import Engine
from .build_graph import Outcome, Store, make
from .build_source import BuildSource, Recipe
from .chart_sources import is_folder, is_registry
from .registries.build import NEEDED_PROGRAMS as REGISTRY_PROGRAMS
from .registries.build import RegistryBuild
from .system_packages import ensure_programs
from .upstream import UpstreamBuild, choose_source

__all__ = ["ArtifactOptions", "Artifacts", "ensure", "not_to_be_had"]

_WITH_CHARTS = ("charts", "istio-files")
"""The steps whose folder has charts, of which the first one counts."""
_NODE_PROGRAMS = {
    "podman": "podman",
    "conmon": "conmon",
    "iptables": "iptables",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
}


@dataclasses.dataclass(frozen=True)
class ArtifactOptions:
    """What the inventory asks for; the fields are the variables of role ``artifacts``."""

    source: str
    directory: pathlib.Path
    engine: str
    files: pathlib.Path
    versions: t.Mapping[str, str]
    checksums: t.Mapping[str, str]
    downloads: str
    charts: str
    hub: str
    node_image: str
    sample_image: str
    parts: frozenset[str]
    """Out of ``helm`` (where none is on PATH), ``tools``, ``charts``, ``node``; with none, nothing is made."""
    istio: str = ""
    """The version of Istio that the inventory wants; "" for that of ``versions``."""
    helm: str = ""
    """Path of a Helm of the user's, which pulls charts from a registry; "" for one on PATH, or one that is made."""


@dataclasses.dataclass(frozen=True)
class Artifacts:
    """Where things are; "" for what was not asked for."""

    source: str
    why: str
    bin: str
    charts: str
    node_image: str
    hub: str
    tag: str
    sample_image: str
    engine: str
    built: tuple[str, ...]
    installed: tuple[str, ...]


async def ensure(wanted: ArtifactOptions, say: t.Callable[[str], None], dry_run: bool = False) -> Artifacts:
    """Make what is missing.

    Raises:
        FleetError: an engine, a program or a download cannot be had.
    """
    if not wanted.parts:
        return Artifacts("", "", "", "", "", "", "", "", "", (), ())
    source, why = await source_of(wanted)
    needs_node = "node" in wanted.parts
    programs = dict(REGISTRY_PROGRAMS) if source == "registries" else dict(_NODE_PROGRAMS)
    installed: list[str] = []
    if needs_node and source == "registries" and not dry_run and os.geteuid() != 0:
        raise FleetError(
            "building the node image from package registries needs root",
            means="a root file system is made, with its owners and devices",
            next_step="run as root, or set artifacts_source: upstream with mirrors this machine can reach",
        )
    bare = wanted.engine == "auto" and not (shutil.which("podman") or shutil.which("docker"))
    if needs_node and not dry_run and (source == "registries" or wanted.engine == "podman" or bare):
        installed = await ensure_programs(programs, say)
    engine = await Engine.detect(wanted.engine, wanted.directory) if needs_node else None
    build = _build(wanted, source, engine)
    steps = build.steps(_made(wanted))
    quiet: t.Callable[[str], None] = say
    announced = False

    def announce(line: str) -> None:
        nonlocal announced
        if not announced:
            announced = True
            quiet(f"  artifacts from {source}: {why}")
        quiet(line)

    outcome = await make(
        steps, Store(wanted.directory), say=announce, at_once=max(2, os.cpu_count() or 2), dry_run=dry_run
    )
    found = Artifacts(
        source=source,
        why=why,
        bin=str(wanted.directory / "bin") if _made(wanted) & {"helm", "tools", "node"} else "",
        charts=_charts(wanted, outcome),
        node_image=_node_image(outcome) if needs_node else "",
        hub=build.hub,
        tag=build.tag,
        sample_image=build.sample_image,
        engine=engine.name if engine else "",
        built=tuple(outcome.built),
        installed=tuple(installed),
    )
    if not dry_run:
        _publish(wanted.directory, outcome, found)
    return found


async def source_of(wanted: ArtifactOptions) -> tuple[str, str]:
    """``(source, why)``: the one that is asked for, the one of earlier runs, or the one that answers."""
    if wanted.source != "auto":
        return wanted.source, "artifacts_source says so"
    if found := _remembered(wanted):
        return found
    if "node" in wanted.parts:
        return choose_source(wanted.node_image)
    silent = await _build(wanted, "upstream", None).unreachable(_made(wanted))
    return ("registries", f"upstream cannot be reached ({silent})") if silent else ("upstream", "it can be reached")


async def not_to_be_had(wanted: ArtifactOptions) -> tuple[list[str], str]:
    """What is not made yet of programs and charts, and why it cannot be had from here; nothing if it can.

    Returns:
        The names of steps, and why not.
    """
    rest = dataclasses.replace(wanted, parts=wanted.parts - {"node"})
    source, why = await source_of(rest)
    build = _build(rest, source, None)
    store = Store(wanted.directory)
    todo = (await make(build.steps(_made(rest)), store, say=lambda _line: None, at_once=1, dry_run=True)).built
    silent = await build.unreachable(_made(rest)) if todo else ""
    if not silent:
        return [], ""
    return todo, f"{why}; {silent}" if source == "registries" and wanted.source == "auto" else silent


def _made(wanted: ArtifactOptions) -> frozenset[str]:
    """The parts that are downloaded or built: a Helm on PATH, and charts of a folder, are used as they are."""
    used = {"helm"} if shutil.which("helm") else set()
    return wanted.parts - used - ({"charts"} if is_folder(wanted.charts) else set())


def _charts(wanted: ArtifactOptions, outcome: Outcome) -> str:
    """The folder of the charts: not the link to it, which a dry run leaves as it is, and other fleets change."""
    if "charts" not in wanted.parts:
        return ""
    if is_folder(wanted.charts):
        return os.path.abspath(os.path.expanduser(wanted.charts))
    return str(next(outcome.folders[step] for step in _WITH_CHARTS if step in outcome.folders) / "charts")


def _build(wanted: ArtifactOptions, source: str, engine: Engine | None) -> BuildSource:
    """The source's builder.

    Raises FleetError where the source does not have the wanted version of Istio.
    """
    istio = wanted.istio or wanted.versions["istio"]
    if source == "registries":
        pulled = wanted.charts if is_registry(wanted.charts) else ""
        made = _made(wanted)
        if istio != wanted.versions["istio"] and ("node" in made or ("charts" in made and not pulled)):
            raise FleetError(
                f"Istio {istio} cannot be had from package registries",
                obj="mesh_istio_version",
                seen=f"they are pinned to {wanted.versions['istio']}",
                next_step="set artifacts_source: upstream; or bring its charts: control_plane_charts",
            )
        recipe = Recipe(wanted.files, wanted.versions, wanted.checksums)
        return RegistryBuild(recipe, engine, wanted.directory / "downloads", pulled, istio, wanted.helm)
    recipe = Recipe(wanted.files, {**wanted.versions, "istio": istio}, wanted.checksums)
    return UpstreamBuild(
        recipe,
        engine,
        downloads=wanted.downloads,
        charts=wanted.charts,
        hub=wanted.hub,
        node_image=wanted.node_image,
        sample_image=wanted.sample_image,
        helm=wanted.helm,
    )


def _remembered(wanted: ArtifactOptions) -> tuple[str, str] | None:
    # A fleet must not change its images because a registry was out of reach for a moment.
    seen = _published(wanted.directory)
    if not {"source", "why"} <= seen.keys() or ("node" in wanted.parts and "node_image" not in seen):
        return None  # where programs came from says nothing of images
    return seen["source"], seen["why"]


def _published(directory: pathlib.Path) -> dict[str, str]:
    """What the last run wrote to artifacts.json; empty if there was none."""
    try:
        # Former releases wrote passwords of mirrors there.
        return {
            str(k): without_logins(str(v)) for k, v in json.loads((directory / "artifacts.json").read_text()).items()
        }
    except (OSError, ValueError, AttributeError):
        return {}


def _node_image(outcome: Outcome) -> str:
    name = outcome.folders["node-image"] / "image"
    return name.read_text().strip() if name.exists() else ""


def _publish(directory: pathlib.Path, outcome: Outcome, found: Artifacts) -> None:
    """Links ``bin/<program>`` and ``charts`` to what is current, and ``artifacts.json``, which describes it.

    Each is replaced whole, so a reader always finds one.
    """
    make_cache(directory / "bin")
    for name, folder in outcome.folders.items():
        if name.startswith(("go-", "get-")):
            for program in folder.iterdir():
                _link(directory / "bin" / program.name, program)
        if (folder / "charts").is_dir() and not found.charts:
            _link(directory / "charts", folder / "charts")
    if found.charts:
        _link(directory / "charts", pathlib.Path(found.charts))
    facts = {key: getattr(found, key) for key in ("source", "why", "hub", "tag", "sample_image", "node_image")}
    if not facts["node_image"]:
        # A run for programs only, of another fleet perhaps, says nothing of images, and where they came from.
        del facts["node_image"]
        known = _published(directory)
        if "node_image" in known:
            facts = known
    text = json.dumps(facts, indent=1) + "\n"
    path = directory / "artifacts.json"
    if not path.exists() or path.read_text() != text:
        write_file(path, text, mode=0o644)


def _link(link: pathlib.Path, target: pathlib.Path) -> None:
    if not link.is_symlink() or os.readlink(link) != str(target):
        replace_link(link, target)
