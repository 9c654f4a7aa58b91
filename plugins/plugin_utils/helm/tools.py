# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Helm's program and the charts are on this machine."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.charts import Chart, read_chart
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import run
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir

__all__ = ["CHARTS", "brought_later", "chart_of", "charts_folder", "helm_binary", "helm_major", "other_version"]

CHARTS: t.Mapping[str, tuple[str, ...]] = {
    "base": ("base",),
    "istiod": ("istio-control/istio-discovery", "istio-discovery", "istiod"),
    "cni": ("istio-cni", "cni"),
    "gateway": ("gateway",),
}
"""Istio's charts, and what they are called in a checkout, in a folder and, last, in a repository."""
_UNRELEASED = "1.0.0"
"""The version of the charts in Istio's repository; the release's own is written into what is released."""
_WITH_HELM = frozenset(("helm", "tools"))
"""Parts of the artifacts that have Helm."""


def helm_binary(
    wanted: str = "", task_vars: t.Mapping[str, t.Any] | None = None, made: pathlib.Path | None = None
) -> str:
    """Helm's path: the one that is asked for, else the artifacts' one, else the one on PATH.

    Where ``artifacts_parts`` says that the artifacts bring none, the one on PATH comes before one of an earlier run.

    Args:
        wanted: path of the program; "" finds it.
        task_vars: the task's variables, in which the artifacts role leaves the fact ``artifacts_bin``.
        made: the folder of the artifacts where that fact is not there; None for the default one.

    Raises FleetError where there is none.
    """
    known = task_vars or {}
    folder = str(known.get("artifacts_bin") or (made or artifacts_dir()) / "bin")
    parts = known.get("artifacts_parts")
    if wanted:
        found = shutil.which(os.path.expanduser(wanted))
    elif isinstance(parts, (list, tuple)) and not _WITH_HELM & set(parts):
        found = shutil.which("helm") or shutil.which("helm", path=folder)
    else:
        found = shutil.which("helm", path=folder) or shutil.which("helm")
    if not found:
        raise FleetError(
            "Helm is not there",
            seen=wanted or f"no helm in {folder}, none on PATH",
            next_step="run the artifacts stage, or name the path of a Helm binary",
        )
    return found


_MAJORS: dict[str, int] = {}
_OLDEST = 3


async def helm_major(program: str) -> int:
    """The major version of a Helm program, asked once in a process.

    Raises FleetError when it does not answer, answers something else, or is Helm 2.
    """
    if program in _MAJORS:
        return _MAJORS[program]
    try:
        done = await run([program, "version", "--template", "{{.Version}}"], check=False, timeout=60)
        said = done.out.strip() or done.err.strip()[-200:]
    except (OSError, FleetError) as error:
        said = str(error)
    found = re.match(r"v(\d+)\.", said)
    if not found or int(found.group(1)) < _OLDEST:
        raise FleetError(
            "this program is no Helm that is supported",
            obj=program,
            seen=said,
            next_step="name the path of a Helm 3 or Helm 4 binary",
        )
    return _MAJORS.setdefault(program, int(found.group(1)))


def chart_of(charts: str, *names: str, version: str = "") -> tuple[str, str, str]:
    """``(chart, version, repository)`` for the first of ``names`` within ``charts``.

    Args:
        charts: a folder of charts, an ``https://`` repository, an ``oci://`` address, or "" for the artifacts' folder.
        names: the chart's names, folder names within a checkout first, its name in a repository last.
        version: chart version, for a repository only.
    """
    if charts.startswith("oci://"):
        return f"{charts.rstrip('/')}/{names[-1]}", version, ""
    if charts.startswith(("https://", "http://")):
        return names[-1], version, charts
    folder = os.path.expanduser(charts) if charts else os.path.join(artifacts_dir(), "charts")
    for name in names:
        for path in (os.path.join(folder, name), os.path.join(folder, f"{name}-{version}.tgz")):
            if os.path.exists(path):
                return path, "", ""
    return os.path.join(folder, names[-1]), "", ""


def charts_folder(given: str, artifacts: pathlib.Path, version: str, names: t.Iterable[str]) -> str:
    """Where the charts are: what is given, else what an earlier run made, for a stage alone.

    Args:
        given: the user's, or the fact ``artifacts_charts_dir``; "" finds them.
        artifacts: the folder of the artifacts.
        version: of Istio.
        names: which of :data:`CHARTS` the stage needs.

    Raises FleetError where the artifacts have one in another version: fleets may share the folder.
    """
    folder = given or str(artifacts / "charts")
    # A fact may be one of an earlier run too, from a cache of facts.
    ours = not given or os.path.abspath(given).startswith(str(artifacts) + os.sep)
    for name in names if ours else ():
        path = chart_of(folder, *CHARTS[name], version=version)[0]
        chart = read_chart(path) if os.path.exists(path) else None
        other = other_version(chart, version) if chart else ""
        if other:
            raise FleetError(
                "the charts on this machine are of another version",
                obj=path,
                seen=other,
                means=f"another fleet, or an earlier run, made them; mesh_istio_version is {version}",
                next_step="run mesh.fleet.site, or add the tag artifacts: that brings the charts of this version",
            )
    return folder


def other_version(chart: Chart, wanted: str) -> str:
    """The version of a chart that is not the wanted one; "" if it is, or if a checkout's chart says nothing of it.

    A chart of the user's own may have a version of its own: then that of the app counts. What a vendor appends
    (``1.31.1-distroless``) does not.
    """
    versions = [version.lstrip("v") for version in (chart.version, chart.app_version)]
    pattern = re.compile(re.escape(wanted.lstrip("v")) + r"([-+].*)?")
    if versions[0] == _UNRELEASED or any(pattern.fullmatch(version) for version in versions):
        return ""
    return chart.version


def brought_later(chart: str, task_vars: t.Mapping[str, t.Any], made: pathlib.Path | None = None) -> bool:
    """Whether a chart is missing and stage artifacts brings it: it is in the artifacts' folder, not one of the user's.

    Args:
        chart: its path.
        task_vars: the task's variables, in which the artifacts role leaves the fact ``artifacts_charts_dir``.
        made: the folder of the artifacts; None for the default one.
    """
    folders = [str((made or artifacts_dir()) / "charts"), str(task_vars.get("artifacts_charts_dir") or "")]
    ours = any(folder and os.path.realpath(chart).startswith(os.path.realpath(folder) + os.sep) for folder in folders)
    return ours and not os.path.exists(chart)
