# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a run finds Helm and Istio's charts: the user brings them, an earlier run made them, or they can be had."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import tempfile
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.charts import read_chart
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.artifacts import (
    ArtifactOptions,
    not_to_be_had,
)
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.chart_sources import (
    is_folder,
    is_registry,
    plain_http,
    repository_index,
)
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.upstream import registry_address, unanswered
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import run
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem, shown
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import (
    CHARTS,
    chart_of,
    helm_binary,
    helm_major,
    other_version,
)

__all__ = ["Brought", "check_tools"]

_SECONDS = 30.0
"""For one question to a chart repository or a registry."""


@dataclasses.dataclass(frozen=True)
class Brought:
    """What the inventory says of the user's own Helm and charts, as ``(variable, value)``; "" where it says nothing."""

    helm: frozenset[tuple[str, str]]
    charts: frozenset[tuple[str, str]]
    needed: t.Mapping[str, t.Sequence[str]]
    """By variable of ``charts``, the charts that are wanted from there."""
    version: str
    """Of Istio."""


async def check_tools(
    brought: Brought, made: ArtifactOptions, task_vars: t.Mapping[str, t.Any] | None = None
) -> list[Problem]:
    """What is lacking, each with what to bring and the variable that says where.

    Asks addresses only for what is not on this machine.

    Args:
        brought: what the user has.
        made: what the artifacts stage brings.
        task_vars: the task's variables, see :func:`helm_binary`.
    """
    problems: list[Problem] = []
    programs: list[str] = []
    parts = set(made.parts)
    if shutil.which("helm"):
        parts.discard("helm")
    for name, path in sorted(brought.helm):
        if not path and parts & {"helm", "tools"}:
            continue  # it is downloaded or built
        program, why, advice = await _program(path, made, task_vars)
        programs += [program] if program else []
        problems += [Problem("", name, path, why, advice)] if why else []
    for name, place in sorted(brought.charts):
        if not place and "charts" in parts and not is_folder(made.charts):
            continue
        ours = not place and "charts" in parts
        variable, where = ("artifacts_charts", made.charts) if ours else (name, place)
        folder = where or str(made.directory / "charts")
        why = await _charts(folder, brought.needed.get(name, ()), brought.version, programs)
        why = f"is not set, and {folder} {why}" if why and not where else why
        problems += [Problem("", variable, where, why, _charts_advice(brought, variable))] if why else []
    if is_folder(made.charts):
        parts.discard("charts")
    # What stage artifacts makes has to be had, also where nobody uses it.
    todo, silent = await not_to_be_had(dataclasses.replace(made, parts=frozenset(parts))) if parts else ([], "")
    lacks_helm = any(step.endswith(("-helm", "-istio", "-istioctl", "-kubectl")) for step in todo)
    if lacks_helm:
        problems.append(_not_to_be_had("helm", brought.helm, made, silent, _helm_advice(made)))
    if any(step in ("charts", "istio-files") for step in todo):
        why, advice = "" if lacks_helm else silent, _charts_advice(brought, "control_plane_charts")
        problems.append(_not_to_be_had("charts", brought.charts, made, why, advice))
    return list(dict.fromkeys(problems))


def _not_to_be_had(
    part: str, given: t.Iterable[tuple[str, str]], made: ArtifactOptions, silent: str, advice: str
) -> Problem:
    """Neither here nor to be downloaded or built; ``silent`` says why, "" where another problem says it."""
    name = {"helm": "Helm", "charts": "Istio's charts"}[part]
    why = f"{name} cannot be had {f'from here: {silent}' if silent else 'either'}"
    if not all(value for _variable, value in given):
        return Problem("", f"control_plane_{part}", "", f"is not set, and {why}", advice)
    asked = sorted(made.parts & ({"helm", "tools"} if part == "helm" else {"charts"}))
    if not asked:  # a Helm is made to pull charts
        return Problem("", "artifacts_charts", made.charts, f"is a registry, and {why}", advice)
    hint = f"leave {' and '.join(asked)} out of artifacts_parts: control_plane_{part} says where yours is"
    return Problem("", "artifacts_parts", shown(sorted(made.parts)), f"asks for it, and {why}", hint)


def _helm_advice(made: ArtifactOptions) -> str:
    and_none = " and no tools in artifacts_parts" if "tools" in made.parts else ""
    return (
        f"bring Helm 3 or 4 ({made.versions.get('helm', '')} is tested) on PATH, or its path in control_plane_helm of "
        f"every cluster{and_none}; or name a mirror of it: artifacts_downloads"
    )


def _charts_advice(brought: Brought, name: str) -> str:
    wanted = sorted({chart for charts in brought.needed.values() for chart in charts})
    archive = f"{wanted[0] if wanted else 'base'}-{brought.version}.tgz"
    text = (
        f"bring Istio's charts {', '.join(wanted)} of version {brought.version}: {name} is a folder of charts or of "
        f"archives ({archive}), an https:// repository, or an oci:// folder"
    )
    return text if name == "artifacts_charts" else f"{text}; or name a mirror of them: artifacts_charts"


async def _program(path: str, made: ArtifactOptions, task_vars: t.Mapping[str, t.Any] | None) -> tuple[str, str, str]:
    """Helm's path, or why there is none, and what to do."""
    try:
        known = {**(task_vars or {}), "artifacts_parts": sorted(made.parts)}
        program = helm_binary(path, known, made.directory)
        await helm_major(program)
    except FleetError as error:
        advice = _helm_advice(made)
        if path:
            return "", f"names no Helm 3 or 4 ({error.seen})", advice
        if error.obj:  # a program of that name, and too old or broken
            first = f"replace {error.obj}" + (
                ", or take it away: one is downloaded then" if "helm" in made.parts else ""
            )
            return "", f"is not set, and {error.obj} is no Helm 3 or 4 ({error.seen})", f"{first}; or {advice}"
        return "", f"is not set, and there is no Helm ({error.seen})", advice
    return program, "", ""


async def _charts(place: str, names: t.Sequence[str], version: str, programs: t.Sequence[str]) -> str:
    """Why charts are not in ``place``; "" if they are."""
    try:
        if is_registry(place):
            return await _in_registry(place, names, version, programs)
        if place and not is_folder(place):
            return await asyncio.to_thread(_in_repository, place, names, version)
        return _in_folder(place, names, version)
    except FleetError as error:
        return f"cannot be used: {error.what}: {error.seen or error.obj}"


def _in_folder(place: str, names: t.Sequence[str], version: str) -> str:
    missing, others = [], []
    folder = ""
    for name in names:
        found = chart_of(place, *CHARTS[name], version=version)[0]
        folder = os.path.dirname(found)
        chart = read_chart(found) if os.path.exists(found) else None
        other = other_version(chart, version) if chart else ""
        missing += [] if chart and not other else [name]
        others += [f"{name} {other}"] if other else []
    if not missing:
        return ""
    there = others or (sorted(os.listdir(folder))[:8] if os.path.isdir(folder) else [])
    seen = f"it holds {', '.join(there)}" if there else "nothing is there"
    return f"has no {', '.join(missing)} of version {version} ({seen})"


def _in_repository(place: str, names: t.Sequence[str], version: str) -> str:
    index = repository_index(place, _SECONDS)
    lacking = []
    for name in names:
        versions = [str(entry.get("version", "")).lstrip("v") for entry in index.get(name, ())]
        if version not in versions:
            lacking.append(f"{name} (it has {', '.join(versions[:5]) or 'none'})")
    return f"has no version {version} of {', '.join(lacking)}" if lacking else ""


async def _in_registry(place: str, names: t.Sequence[str], version: str, programs: t.Sequence[str]) -> str:
    """Helm pulls them, as it will when it installs them: it knows the user's logins."""
    if not programs:
        silent = await asyncio.to_thread(unanswered, [registry_address(place)])
        return f"cannot be reached ({silent})" if silent else ""
    with tempfile.TemporaryDirectory(prefix="mesh-fleet-") as folder:
        for name in names:
            reference = f"{place.rstrip('/')}/{name}"
            asked = [programs[0], "pull", reference, "--version", version, "--destination", folder, *plain_http(place)]
            done = await run(asked, what=f"asking for {reference}", check=False, timeout=_SECONDS)
            if done.code:
                return f"has no {name} of version {version} for this user ({done.last_line})"
    return ""
