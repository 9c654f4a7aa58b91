# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what all clusters of the fleet must have in common."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..inventory.problems import Problem, quoted, shown
from ..inventory.variable import FAULTY, FLEET, Variable
from ..providers.base import Hosts, Values
from ..providers.registry import VARIABLES, provider_of_host, value

__all__ = ["check", "distinct", "together"]

_MANY = 5
"""At most so many different values of one variable are compared."""


def check(hosts: Hosts) -> list[Problem]:
    """Variables of the whole fleet that differ between clusters, or that nothing reads."""
    problems: list[Problem] = []
    used = {name for variables in hosts.values() for name in variables}
    for variable in VARIABLES.values():
        if variable.scope != FLEET or variable.name not in used:
            continue
        keys = _keys(_concerned(hosts, variable), variable)
        counted = collections.Counter(keys.values())
        if len(counted) == 1:
            continue
        common = counted.most_common(1)[0][0]
        model = next(host for host, key in keys.items() if key == common)
        theirs = _described(hosts[model], variable)
        for host, key in keys.items():
            if key == common:
                continue
            mine = hosts[host].get(variable.name)
            own = "" if mine is None else shown(mine, variable.secret)
            missing = (
                "" if mine is not None else f"is not set here, which means {_described(hosts[host], variable)}, and "
            )
            problems.append(
                Problem(
                    host,
                    variable.name,
                    own,
                    f"{missing}differs from {model}'s {theirs}",
                    "one value for the whole fleet: set it in the vars of the group",
                )
            )
    return problems


def _concerned(hosts: Hosts, variable: Variable) -> Hosts:
    """The hosts that must agree: the inventory plugin sets such a variable of a provider on its clusters only."""
    if not variable.of_provider:
        return hosts
    return {h: v for h, v in hosts.items() if variable.name in v or variable in provider_of_host(v).variables}


def _keys(hosts: Hosts, variable: Variable) -> dict[str, t.Any]:
    """Per host something hashable that is equal where the values mean the same."""
    seen: dict[int, str] = {}
    keys: dict[str, t.Any] = {}
    for host, variables in hosts.items():
        found = value(variables, variable.name)
        if found is None or isinstance(found, str):
            keys[host] = found
            continue
        if id(found) not in seen:
            seen[id(found)] = repr(list(found) if isinstance(found, tuple) else found)
        keys[host] = (seen[id(found)],)
    return keys


def _described(variables: Values, variable: Variable) -> str:
    if variable.name in variables:
        return shown(variables[variable.name], variable.secret)
    if variable.default is None:
        return variable.default_text.replace("`", "") or "no value"
    return quoted(variable.default) if isinstance(variable.default, str) else "none"


def distinct(hosts: Hosts, name: str) -> list[tuple[str, t.Any]]:
    """``(host, value)`` for each value of a variable; the host is "" where all clusters have the same."""
    by_id: dict[int, tuple[str, t.Any]] = {}
    for host, variables in hosts.items():
        found = variables.get(name)
        if found not in (None, "", FAULTY):
            by_id.setdefault(id(found), (host, found))
    unlike: list[tuple[str, t.Any]] = []
    for host, found in by_id.values():
        if len(unlike) < _MANY and all(found != other for _host, other in unlike):
            unlike.append((host, found))
    return [("", unlike[0][1])] if len(unlike) == 1 else unlike


def together(problems: t.Sequence[Problem], hosts: int) -> list[Problem]:
    """The problems, each once; what every cluster has is said of the fleet.

    Args:
        problems: in the order in which they are told.
        hosts: how many clusters the fleet has.
    """
    having = collections.Counter(dataclasses.replace(p, host="") for p in dict.fromkeys(problems) if p.host)
    whole = {problem for problem, count in having.items() if count == hosts}
    found = [p if (fleet := dataclasses.replace(p, host="")) not in whole else fleet for p in problems]
    return list(dict.fromkeys(found))
