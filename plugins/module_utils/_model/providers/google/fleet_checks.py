# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the Google fleet: its project, memberships, config cluster, and what its front door reaches."""

from __future__ import annotations

import collections
import typing as t

from ...inventory.nearest import Nearest
from ...inventory.problems import Problem, quoted, shown
from ...inventory.variable import FAULTY
from .variables import text

__all__ = ["check", "check_front_door"]

_Hosts = t.Mapping[str, t.Mapping[str, t.Any]]
_MANY = 5


def check(hosts: _Hosts) -> list[Problem]:
    """Problems of the Google fleet, given values that are right in themselves; ``hosts`` are of whatever provider."""
    gke = _gke(hosts)
    return [*_config_cluster(hosts, gke), *_fleet_project(gke), *_memberships(gke)] if gke else []


def check_front_door(hosts: _Hosts) -> list[Problem]:
    """What Google's multi-cluster ingress asks of clusters on a Shared VPC; ``hosts`` are a front door's."""
    projects = {host: text(v, "gke_project") for host, v in _gke(hosts).items()}
    shared = next((host for host, own in projects.items() if text(hosts[host], "gke_network_project") != own), "")
    if not shared:
        return []
    message = f"is {{}}, {shared}'s {projects[shared]}: on a Shared VPC one front door has clusters of one project"
    hint = "leave the cluster out of front_door_routes[].clusters, or make it in that project"
    return [
        Problem(host, "gke_project", "", message.format(project), hint)
        for host, project in projects.items()
        if project != projects[shared]
    ]


def _gke(hosts: _Hosts) -> _Hosts:
    return {host: v for host, v in hosts.items() if v.get("cluster_provider") == "gke"}


def _config_cluster(hosts: _Hosts, gke: _Hosts) -> list[Problem]:
    """A value that every cluster has is named once."""
    named: dict[str, str] = {}
    for host, variables in hosts.items():
        if (value := variables.get("gke_config_cluster")) not in (None, "", FAULTY):
            named.setdefault(str(value), host)
    problems = []
    for value, host in named.items():
        if value in gke:
            continue
        if value in hosts:
            message = "is no GKE cluster, and Google reads multi-cluster ingress in one"
            hint = f"one of: {', '.join(list(gke)[:_MANY])}"
        else:
            message = "is not a cluster of this fleet"
            guess = Nearest(gke).find(value)
            hint = f"did you mean {quoted(guess)}?" if guess else f"one of: {', '.join(list(gke)[:_MANY])}"
        problems.append(Problem("" if len(named) == 1 else host, "gke_config_cluster", shown(value), message, hint))
    return problems


def _fleet_project(gke: _Hosts) -> list[Problem]:
    """All GKE clusters of one mesh are members of one Google fleet."""
    projects = {host: project for host, variables in gke.items() if (project := text(variables, "gke_fleet_project"))}
    counted = collections.Counter(projects.values()).most_common(2)
    if len(counted) < 2:
        return []
    common = counted[0][0]
    model = next(host for host, project in projects.items() if project == common)
    hint = "set gke_fleet_project, for all clusters, to the project that hosts the fleet"
    return [
        Problem(host, "gke_fleet_project", "", f"would be {project}, and {model}'s {common}: a mesh is one fleet", hint)
        for host, project in projects.items()
        if project != common
    ]


def _memberships(gke: _Hosts) -> list[Problem]:
    problems = []
    taken: dict[tuple[str, str, str], str] = {}
    for host, variables in gke.items():
        place = text(variables, "gke_membership_location")
        name = text(variables, "gke_membership") or text(variables, "gke_name") or host
        other = taken.setdefault((text(variables, "gke_fleet_project"), place, name), host)
        if other != host:
            message = f"would be {other}'s too: one membership of a name in {place}"
            problems.append(Problem(host, "gke_membership", shown(name), message, "give it a name of its own"))
    return problems
