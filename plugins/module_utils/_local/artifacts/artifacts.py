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
from ...files import replace_link, write_file
from ..engine.engine import Engine
from .build_graph import Outcome, Store, make
from .build_source import BuildSource, Recipe
from .registries.build import NEEDED_PROGRAMS as REGISTRY_PROGRAMS
from .registries.build import RegistryBuild
from .system_packages import ensure_programs
from .upstream import UpstreamBuild, choose_source

__all__ = ["ArtifactOptions", "Artifacts", "ensure"]

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
    """Out of ``tools``, ``charts``, ``node``."""


@dataclasses.dataclass(frozen=True)
class Artifacts:
    """Where things are."""

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
    source, why = wanted.source, "artifacts_source says so"
    if source == "auto":
        source, why = _remembered(wanted) or choose_source(wanted.node_image)
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
    recipe = Recipe(wanted.files, wanted.versions, wanted.checksums)
    build: BuildSource
    if source == "registries":
        build = RegistryBuild(recipe, engine, wanted.directory / "downloads")
    else:
        build = UpstreamBuild(
            recipe,
            engine,
            downloads=wanted.downloads,
            charts=wanted.charts,
            hub=wanted.hub,
            node_image=wanted.node_image,
            sample_image=wanted.sample_image,
        )
    steps = build.steps(wanted.parts)
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
        bin=str(wanted.directory / "bin"),
        charts=str(wanted.directory / "charts"),
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


def _remembered(wanted: ArtifactOptions) -> tuple[str, str] | None:
    # A fleet must not change its images because a registry was out of reach for a moment.
    seen = _published(wanted.directory)
    return (seen["source"], seen["why"]) if "source" in seen and "why" in seen else None


def _published(directory: pathlib.Path) -> dict[str, str]:
    """What the last run wrote to artifacts.json; empty if there was none."""
    try:
        return {str(k): str(v) for k, v in json.loads((directory / "artifacts.json").read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _node_image(outcome: Outcome) -> str:
    name = outcome.folders["node-image"] / "image"
    return name.read_text().strip() if name.exists() else ""


def _publish(directory: pathlib.Path, outcome: Outcome, found: Artifacts) -> None:
    """Links ``bin/<program>`` and ``charts`` to what is current, and ``artifacts.json``, which describes it.

    Each is replaced whole, so a reader always finds one.
    """
    (directory / "bin").mkdir(parents=True, exist_ok=True)
    for name, folder in outcome.folders.items():
        if name.startswith(("go-", "get-")):
            for program in folder.iterdir():
                _link(directory / "bin" / program.name, program)
        if (folder / "charts").is_dir():
            _link(directory / "charts", folder / "charts")
    facts = {key: getattr(found, key) for key in ("source", "why", "hub", "tag", "sample_image", "node_image")}
    if not facts["node_image"]:
        # A run for programs only does not know the image of an earlier one.
        del facts["node_image"]
        known = _published(directory)
        if known.get("source") == found.source and "node_image" in known:
            facts["node_image"] = known["node_image"]
    text = json.dumps(facts, indent=1) + "\n"
    path = directory / "artifacts.json"
    if not path.exists() or path.read_text() != text:
        write_file(path, text, mode=0o644)


def _link(link: pathlib.Path, target: pathlib.Path) -> None:
    if not link.is_symlink() or os.readlink(link) != str(target):
        replace_link(link, target)
