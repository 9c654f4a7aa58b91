# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of exported services and of the front door, and of what their Google side needs.

The front door's variables belong to its role, not to the model: they are read beside the fleet's, so that a
mistake in them is found before anything is touched, and not an hour later by the stage that uses them.
"""

from __future__ import annotations

import collections
import os
import typing as t

from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, quoted, shown
from ..inventory.values import fault_of
from ..inventory.variables import FAULTY, FLEET, Variable, text
from ..multicluster.exports import read_exports
from ..multicluster.front_door import read_front_door
from ..multicluster.multicluster_ingress import ingress_problems
from ..providers.google import checks as check_google

__all__ = ["DOOR_PREFIX", "DOOR_VARIABLES", "check", "check_door"]

_Hosts = t.Mapping[str, t.Mapping[str, t.Any]]
DOOR_PREFIX = "front_door_"
DOOR_VARIABLES: t.Mapping[str, Variable] = {
    name: Variable(name, FLEET, "", type=kind, form=form)
    for name, kind, form in (
        ("front_door_name", "str", "label"),
        ("front_door_routes", "list", ""),
        ("front_door_certificates", "list", ""),
        ("front_door_https_redirect", "bool", ""),
        ("front_door_address", "str", ""),
        ("front_door_release_address", "bool", ""),
        ("front_door_timeout", "int", ""),
    )
}
"""Those of the role ``front_door``."""
_TRUE = ("true", "yes")
_MANY = 5
"""More values of what should be one are not looked at."""


def check(hosts: _Hosts) -> list[Problem]:
    """Problems of exports and of the Google fleet, given values that are right in themselves."""
    problems: list[Problem] = []
    for host, value in _distinct(hosts, "mesh_exports"):
        _exports, found = read_exports(value, hosts)
        problems += [Problem(host, p.variable, p.value, p.message, p.hint) for p in found]
    gke = {host: v for host, v in hosts.items() if text(v, "cluster_provider") == "gke"}
    if gke:
        problems += _config_cluster(hosts, gke)
        problems += _fleet_project(gke)
        problems += _memberships(gke)
    return problems


def check_door(hosts: _Hosts, sound: _Hosts) -> list[Problem]:
    """Problems of the front door's variables.

    Args:
        hosts: all variables of each cluster, those of the front door among them.
        sound: the fleet's own variables of each cluster that are right in themselves.
    """
    given = {
        host: {k: v for k, v in values.items() if str(k).startswith(DOOR_PREFIX)} for host, values in hosts.items()
    }
    if not any(given.values()):
        return []
    problems, wrong = _values(given)
    problems += _shared(given)
    if wrong & {"front_door_name", "front_door_routes", "front_door_certificates", "front_door_https_redirect"}:
        return problems
    values = next(iter(given.values()))
    door, found = read_front_door(
        str(values.get("front_door_name") or "front-door"),
        values.get("front_door_routes") or [],
        hosts,
        certificates=values.get("front_door_certificates") or [],
        address=str(values.get("front_door_address") or ""),
        https_redirect=str(values.get("front_door_https_redirect") or "").lower() in _TRUE,
    )
    providers = {host: text(variables, "cluster_provider") for host, variables in sound.items()}
    problems += found + ingress_problems(door, providers)
    if door.routes:
        named = [set(route.clusters or ()) for route in door.routes]
        behind = sound if not all(named) else {h: v for h, v in sound.items() if h in set().union(*named)}
        problems += check_google.check_door(behind)
    return problems


def _values(given: _Hosts) -> tuple[list[Problem], set[str]]:
    """Names and types, each once: hosts of a group share them."""
    problems: list[Problem] = []
    wrong: set[str] = set()
    seen: set[tuple[str, int]] = set()
    nearest = Nearest(DOOR_VARIABLES)
    for values in given.values():
        for name, value in values.items():
            if (name, id(value)) in seen:
                continue
            seen.add((name, id(value)))
            known = DOOR_VARIABLES.get(name)
            if known is None:
                guess = nearest.find(name)
                hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(DOOR_VARIABLES)}"
                problems.append(Problem("", name, "", "is not a variable of this collection", hint))
                wrong.add(name)
                continue
            fault = fault_of(known, value) if value not in (None, "") else None
            if fault:
                problems.append(Problem("", name, shown(value), fault.message, fault.hint))
                wrong.add(name)
    return list(dict.fromkeys(problems)), wrong


def _shared(given: _Hosts) -> list[Problem]:
    problems = []
    for name in DOOR_VARIABLES:
        values = _distinct(given, name)
        if len(values) > 1:
            hint = "one value for the whole fleet: set it in the vars of the group"
            host, value = values[1]
            problems.append(Problem(host, name, shown(value), f"differs from {values[0][0]}'s", hint))
    return problems


def _distinct(hosts: _Hosts, name: str) -> list[tuple[str, t.Any]]:
    """``(host, value)`` for each value that there is; the host is "" where all clusters have the same."""
    by_id: dict[int, tuple[str, t.Any]] = {}
    for host, variables in hosts.items():
        value = variables.get(name)
        if value not in (None, "", FAULTY):
            by_id.setdefault(id(value), (host, value))
    found: list[tuple[str, t.Any]] = []
    for host, value in by_id.values():
        if len(found) < _MANY and all(value != other for _host, other in found):
            found.append((host, value))
    return [("", found[0][1])] if len(found) == 1 else found


def _config_cluster(hosts: _Hosts, gke: _Hosts) -> list[Problem]:
    problems = []
    for host, value in _distinct(hosts, "gke_config_cluster"):
        if value in gke:
            continue
        if value in hosts:
            provider = text(hosts[str(value)], "cluster_provider")
            message = f"is a cluster of provider {provider}: Google reads multi-cluster ingress in a GKE cluster"
            hint = f"one of: {', '.join(list(gke)[:_MANY])}"
        else:
            message = "is not a cluster of this fleet"
            guess = Nearest(gke).find(str(value))
            hint = f"did you mean {quoted(guess)}?" if guess else f"one of: {', '.join(list(gke)[:_MANY])}"
        problems.append(Problem(host, "gke_config_cluster", shown(value), message, hint))
    return problems


def _project(variables: t.Mapping[str, t.Any]) -> str:
    own = text(variables, "gke_project") or os.environ.get("GCP_PROJECT", "")
    return text(variables, "gke_fleet_project") or own


def _fleet_project(gke: _Hosts) -> list[Problem]:
    """All GKE clusters of one mesh are members of one Google fleet."""
    projects = {host: project for host, variables in gke.items() if (project := _project(variables))}
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
        place = text(variables, "gke_membership_location") or text(variables, "cluster_region")
        name = text(variables, "gke_membership") or text(variables, "gke_name") or host
        other = taken.setdefault((_project(variables), place, name), host)
        if other != host:
            message = f"would be {other}'s too: one membership of a name in {place}"
            problems.append(Problem(host, "gke_membership", shown(name), message, "give it a name of its own"))
    return problems
