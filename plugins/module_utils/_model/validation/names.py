# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of cluster names, and of what all clusters must have in common."""

from __future__ import annotations

import collections
import re
import typing as t

from ..inventory.problems import Problem, quoted, shown
from ..inventory.values import LABEL
from ..inventory.variables import FLEET, VARIABLES, Variable, text

__all__ = ["check", "check_shared"]

_GOOGLE_FLEET = "gke_fleet_project"
_MEANS = {"mesh_id": "fleet_name", _GOOGLE_FLEET: "gke_project"}
"""What a variable that is not set means."""
_LONGEST_HOSTNAME = 63
_LONGEST_GKE = 40


def check(hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Problem]:
    """Names that are not DNS-1123 labels, not unique, or too long for what is made from them.

    A cluster's name is Istio's cluster ID, a Secret's key, and part of host names.
    """
    problems: list[Problem] = []
    folded: dict[str, str] = {}
    for host, variables in hosts.items():
        earlier = folded.setdefault(host.lower(), host)
        if earlier != host:
            problems.append(
                Problem(host, "", "", f"the name differs from {earlier}'s only by case", "give it a name of its own")
            )
        if not LABEL.fullmatch(host):
            problems.append(Problem(host, "", "", *_bad_name(host)))
            continue
        provider = text(variables, "cluster_provider")
        if provider == "kind":
            full = f"{text(variables, 'fleet_name')}-{host}-control-plane"
            if len(full) > _LONGEST_HOSTNAME:
                over = len(full) - _LONGEST_HOSTNAME
                problems.append(
                    Problem(
                        host,
                        "",
                        "",
                        f"its node would be named {full}, {over} characters too long for a host name",
                        f"shorten the cluster's name or fleet_name by {over}",
                    )
                )
        elif provider == "gke" and (len(host) > _LONGEST_GKE or not host[0].isalpha()):
            problems.append(
                Problem(
                    host, "", "", "the name is not one that GKE takes", f"begin with a letter, at most {_LONGEST_GKE}"
                )
            )
    return problems


def _bad_name(host: str) -> tuple[str, str]:
    if len(host) > _LONGEST_HOSTNAME:
        return f"the name is {len(host)} characters long", f"at most {_LONGEST_HOSTNAME}"
    guess = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    return (
        "the name is not a DNS-1123 label",
        f'lower-case letters, digits and "-" inside{f"; for example {guess}" if guess else ""}',
    )


def check_shared(hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Problem]:
    """Variables of the whole fleet whose values differ between clusters. Most clusters are right."""
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


def _concerned(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]], variable: Variable
) -> t.Mapping[str, t.Mapping[str, t.Any]]:
    """Whose value counts. Of the Google fleet the inventory plugin tells its members, and no cluster elsewhere."""
    if variable.name != _GOOGLE_FLEET:
        return hosts
    return {h: v for h, v in hosts.items() if variable.name in v or text(v, "cluster_provider") == "gke"}


def _keys(hosts: t.Mapping[str, t.Mapping[str, t.Any]], variable: Variable) -> dict[str, t.Any]:
    """Per host something hashable that is equal where the values mean the same."""
    seen: dict[int, str] = {}
    keys: dict[str, t.Any] = {}
    for host, variables in hosts.items():
        found = variables.get(variable.name, variable.default)
        if found is None and variable.name in _MEANS:
            found = text(variables, _MEANS[variable.name])
        if found is None or isinstance(found, str):
            keys[host] = found
            continue
        if id(found) not in seen:
            seen[id(found)] = repr(list(found) if isinstance(found, tuple) else found)
        keys[host] = (seen[id(found)],)
    return keys


def _described(variables: t.Mapping[str, t.Any], variable: Variable) -> str:
    if variable.name in variables:
        return shown(variables[variable.name], variable.secret)
    if variable.default is None:
        return variable.default_text.replace("`", "") or "no value"
    return quoted(variable.default) if isinstance(variable.default, str) else "none"
