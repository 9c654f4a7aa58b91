# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read ``apps_list`` and ``apps_sample`` of an inventory into apps; one error names all problems."""

from __future__ import annotations

import re
import typing as t

from ...errors import FleetError
from ..inventory.fleet import Fleet
from ..inventory.nearest import Nearest
from .apps import App
from .sample import ROLES, VERSION

__all__ = ["manifest_problem", "parse_apps", "problems_of_apps", "problems_of_sample", "sample_apps"]

Manifest = dict[str, t.Any]

_SOURCES = ("manifests", "files", "template", "chart")
_KEYS = ("name", "clusters", "namespace", "inject", *_SOURCES, "services", "stub_in", "wait", "wait_timeout")
_CHART_KEYS = ("ref", "repo", "version", "values")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_VERSION = 40
"""The name of a Deployment begins with that of the app, and has at most 63 characters."""


def parse_apps(fleet: Fleet, raw: t.Sequence[t.Any]) -> list[App]:
    """The apps of ``apps_list``. Raises one FleetError that names all problems."""
    apps, problems = _read_apps(fleet.clusters, raw)
    _raise(problems)
    return apps


def problems_of_apps(clusters: t.Collection[str], raw: t.Sequence[t.Any]) -> list[str]:
    """What is wrong with ``apps_list`` in a fleet of these clusters."""
    return _read_apps(clusters, raw)[1]


def sample_apps(fleet: Fleet, where: t.Mapping[str, t.Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By role of ``apps_sample``, and by version, its clusters. Raises one FleetError that names all problems."""
    found, problems = _read_sample(fleet.clusters, where)
    _raise(problems)
    return found


def problems_of_sample(clusters: t.Collection[str], where: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with ``apps_sample`` in a fleet of these clusters."""
    return _read_sample(clusters, where)[1]


def _read_apps(clusters: t.Collection[str], raw: t.Sequence[t.Any]) -> tuple[list[App], list[str]]:
    problems: list[str] = []
    apps: list[App] = []
    for index, entry in enumerate(raw):
        app = _parse(clusters, entry, f"apps_list[{index}]", problems)
        if app is not None:
            apps.append(app)
    names = [app.name for app in apps]
    problems += [f'two apps are named "{name}"' for name in sorted({n for n in names if names.count(n) > 1})]
    return apps, problems


def _read_sample(
    clusters: t.Collection[str], where: t.Mapping[str, t.Any]
) -> tuple[dict[str, dict[str, tuple[str, ...]]], list[str]]:
    problems: list[str] = []
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for role, value in where.items():
        if role not in ROLES:
            problems.append(f'apps_sample: "{role}" is not a role of the sample{_near(role, ROLES)}')
            continue
        by_version = value if isinstance(value, t.Mapping) else {VERSION: value}
        problems += [
            f'apps_sample.{role}: "{version}" is no version (a-z, 0-9, -, at most {_LONGEST_VERSION} characters)'
            for version in by_version
            if not _NAME.fullmatch(str(version)) or len(str(version)) > _LONGEST_VERSION
        ]
        found[role] = {
            str(version): _clusters(
                clusters, names, f"apps_sample.{role}{f'.{version}' if by_version is value else ''}", problems
            )
            for version, names in by_version.items()
        }
    return found, problems


def _parse(known: t.Collection[str], entry: t.Any, where: str, problems: list[str]) -> App | None:
    if not isinstance(entry, t.Mapping):
        problems.append(f"{where}: a mapping with a name is expected, not {type(entry).__name__}")
        return None
    before = len(problems)
    name = str(entry.get("name") or "")
    if not _NAME.fullmatch(name):
        problems.append(f'{where}.name: "{name}" is not a DNS label (a-z, 0-9, -, at most 63 characters)')
    where = f'{where} "{name}"' if name else where
    problems += [f"{where}: there is no key {key}{_near(key, _KEYS)}" for key in map(str, entry) if key not in _KEYS]
    namespace = str(entry.get("namespace") or name)
    if entry.get("namespace") and not _NAME.fullmatch(namespace):
        problems.append(f'{where}.namespace: "{namespace}" is not a DNS label')
    given = [key for key in _SOURCES if entry.get(key)]
    if len(given) != 1:
        what = " and ".join(given) if given else "none"
        problems.append(f"{where}: one of {', '.join(_SOURCES)} is needed, {what} given")
    manifests = _manifests(entry.get("manifests"), f"{where}.manifests", problems)
    services = _services(entry.get("services"), f"{where}.services", problems)
    files = entry.get("files") or []
    files = [files] if isinstance(files, str) else files
    if not isinstance(files, (list, tuple)) or not all(isinstance(f, str) for f in files):
        problems.append(f"{where}.files: a list of paths is expected")
        files = []
    chart = entry.get("chart") or {}
    if not isinstance(chart, t.Mapping) or (chart and not chart.get("ref")):
        problems.append(f"{where}.chart: a mapping with ref (a folder, an archive, or a name in its repo) is expected")
        chart = {}
    problems += [
        f"{where}.chart: there is no key {key}{_near(key, _CHART_KEYS)}" for key in chart if key not in _CHART_KEYS
    ]
    timeout = entry.get("wait_timeout", 300)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 1:
        problems.append(f"{where}.wait_timeout: seconds, at least 1, not {timeout!r}")
        timeout = 300
    flags = {key: entry.get(key, True) for key in ("inject", "wait")}
    problems += [f"{where}.{key}: true or false, not {v!r}" for key, v in flags.items() if not isinstance(v, bool)]
    stub_in = entry.get("stub_in", "callers")
    if stub_in not in ("callers", "all", "none"):
        stub_in = _clusters(known, stub_in, f"{where}.stub_in", problems, also=("callers", "none"))
    clusters = _clusters(known, entry.get("clusters", "all"), f"{where}.clusters", problems)
    if len(problems) > before:
        return None
    return App(
        name=name,
        namespace=namespace,
        clusters=clusters,
        inject=flags["inject"],
        manifests=manifests,
        files=tuple(files),
        template=str(entry.get("template") or ""),
        chart=dict(chart),
        services=services,
        stub_in=stub_in,
        wait=flags["wait"],
        wait_timeout=timeout,
    )


def _clusters(
    known: t.Collection[str], value: t.Any, where: str, problems: list[str], also: tuple[str, ...] = ()
) -> tuple[str, ...]:
    if value == "all":
        return tuple(known)
    if value is None or value == "none":
        return ()
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        words = ", ".join(("all", *also))
        problems.append(f"{where}: {words}, or a list of clusters is expected, not {value!r}")
        return ()
    unknown = [str(v) for v in value if v not in known]
    problems += [f'{where}: "{v}" is not a cluster of this fleet{_near(v, known)}' for v in unknown]
    return tuple(dict.fromkeys(str(v) for v in value if v in known))


def _manifests(value: t.Any, where: str, problems: list[str]) -> tuple[Manifest, ...]:
    value = [value] if isinstance(value, t.Mapping) else value or []
    if not isinstance(value, (list, tuple)):
        problems.append(f"{where}: a list of manifests is expected")
        return ()
    found = []
    for index, manifest in enumerate(value):
        problem = manifest_problem(manifest)
        if problem:
            problems.append(f"{where}[{index}]: {problem}")
        else:
            found.append(manifest)
    return tuple(found)


def manifest_problem(manifest: t.Any) -> str:
    """Why this is not a manifest; "" if it is one."""
    if not isinstance(manifest, t.Mapping):
        return f"a mapping is expected, not {type(manifest).__name__}"
    missing = [key for key in ("apiVersion", "kind") if not manifest.get(key)]
    meta = manifest.get("metadata")
    if not isinstance(meta, t.Mapping) or not meta.get("name"):
        missing.append("metadata.name")
    return f"{', '.join(missing)} missing" if missing else ""


def _services(value: t.Any, where: str, problems: list[str]) -> tuple[Manifest, ...]:
    found = []
    for index, entry in enumerate(value or []):
        if not isinstance(entry, t.Mapping) or not entry.get("name") or not entry.get("port"):
            problems.append(f"{where}[{index}]: name and port of a Service are expected")
            continue
        port = {"name": str(entry.get("port_name") or "http"), "port": entry["port"]}
        found.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": str(entry["name"])},
                "spec": {"ports": [port], "selector": entry.get("selector") or {"app": str(entry["name"])}},
            }
        )
    return tuple(found)


def _near(word: str, known: t.Iterable[str]) -> str:
    found = Nearest(known).find(word)
    return f', did you mean "{found}"?' if found else ""


def _raise(problems: list[str]) -> None:
    if problems:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        raise FleetError(
            f"{count} in the apps of the inventory, nothing was touched",
            seen="\n         ".join(problems),
            next_step="correct apps_list (or apps_sample) and run again",
        )
