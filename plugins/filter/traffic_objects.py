# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies for calls to services as objects of a cluster. Documentation: traffic_objects.yml."""

from __future__ import annotations

import json
import typing as t

from ansible.errors import AnsibleFilterError, AnsibleTypeError
from ansible.utils.display import Display
from jinja2 import pass_context

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem, headline
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import prefixes
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import Generator
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import Findings, lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint_seen import lint_seen
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import read_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import see
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.printable import printable
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain

_DISPLAY = Display()


class _Variables(t.Mapping[str, t.Any]):
    """Our variables of a host, each read when somebody asks for it: one may be a lookup of a token."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self._given = given
        self._names = [str(name) for name in given if str(name).startswith(prefixes())]

    def __getitem__(self, name: str) -> t.Any:
        if name not in self._names:
            raise KeyError(name)
        return plain(self._given[name])

    def __iter__(self) -> t.Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@pass_context
def traffic_objects(
    context: t.Any, policies: t.Any, cluster: t.Any, live: t.Any = None, group: str = "mesh_clusters"
) -> list[dict[str, t.Any]]:
    """See traffic_objects.yml."""
    if live is not None and not isinstance(live, t.Mapping):
        raise AnsibleTypeError("live of traffic_objects is a dictionary: lists of objects by cluster")
    fleet = _fleet(context, group)
    name = str(plain(cluster))
    if name not in fleet.clusters:
        raise AnsibleFilterError(f"{name} is not in group {group}, whose hosts are the clusters of the fleet")
    read, problems = read_policies(plain(policies), fleet.clusters, "policies")
    findings = Findings(problems) + lint(fleet, read)
    seen = see(plain(live), fleet.name) if live is not None else None
    if seen is not None:
        findings += lint_seen(fleet, read, seen)
    for warning in findings.warnings:
        _DISPLAY.warning(printable(_text(warning)))
    if findings.problems:
        lines = "\n  ".join(map(_text, findings.problems))
        raise AnsibleFilterError(printable(f"{headline(findings.problems)}\n  {lines}"))
    # Clusters share what is alike, and YAML would show that by anchors.
    objects: list[dict[str, t.Any]] = json.loads(json.dumps(Generator(fleet, read, seen).objects(name)))
    return objects


def _fleet(context: t.Any, group: str) -> Fleet:
    groups, hostvars = context.get("groups") or {}, context.get("hostvars") or {}
    hosts = {str(host): _Variables(hostvars[host]) for host in groups.get(group) or []}
    try:
        return read_fleet(hosts, environment())
    except (FleetError, ValueError) as error:
        message = "the inventory describes no fleet; mesh.fleet.preflight lists what is wrong"
        raise AnsibleFilterError(f"{message}: {printable(str(error))}") from error


def _text(problem: Problem) -> str:
    return f"{problem.statement}: {problem.hint}" if problem.hint else problem.statement


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., list[dict[str, t.Any]]]]:
        return {"traffic_objects": traffic_objects}
