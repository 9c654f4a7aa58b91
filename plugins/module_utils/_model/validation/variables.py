# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of names and values of variables, each by itself."""

from __future__ import annotations

import typing as t

from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, shown
from ..inventory.values import fault_of, https, pem
from ..inventory.variable import FAULTY, Variable
from ..providers.base import Hosts
from ..providers.registry import VARIABLES, of_roles, prefixes

__all__ = ["check"]

_MARKED = ("cluster_provider", "mesh_role", "cluster_api_url", "cluster_kubeconfig")
"""Variables that other checks depend on: an invalid value is not the same as a missing one, which has a default."""


def check(hosts: Hosts, of_other_roles: t.Collection[str] = ()) -> tuple[dict[str, dict[str, t.Any]], list[Problem]]:
    """The known and valid variables of each host, and a problem for each other one.

    ``of_other_roles`` are variables of roles, whose values ``role_variables.py`` checks.
    """
    problems: list[Problem] = []
    sound: dict[str, dict[str, t.Any]] = {}
    ours, others = prefixes(), of_roles().union(of_other_roles)
    nearest = Nearest([*VARIABLES, *others])
    memo: dict[tuple[str, t.Any], tuple[str, str, str, str] | None] = {}
    for host, variables in hosts.items():
        kept = sound[host] = {}
        for name, value in variables.items():
            if not isinstance(name, str) or not name.startswith(ours):
                continue
            known = VARIABLES.get(name)
            if known is None:
                if name not in others:
                    # The value is not shown: a mistyped cluster_api_token would be.
                    guess = nearest.find(name)
                    hint = (
                        f"did you mean {guess}?" if guess else "see docs/variables.md; other names need other prefixes"
                    )
                    problems.append(Problem(host, name, "", "is not a variable of this collection", hint))
                continue
            if value is None or value == "":
                continue
            # By identity where there is no hash: hosts of a group share its lists, and they outlive this loop.
            key = (name, value) if isinstance(value, str) else (name, (type(value), id(value)))
            if key not in memo:
                memo[key] = _problem(known, value)
            wrong = memo[key]
            if wrong is None:
                kept[name] = value
                continue
            problems.append(Problem(host, *wrong))
            if name in _MARKED:
                kept[name] = FAULTY
    return sound, problems


def _problem(known: Variable, value: t.Any) -> tuple[str, str, str, str] | None:
    fault = fault_of(known, value)
    return (known.name, _shown(known, value), fault.message, fault.hint) if fault else None


def _shown(known: Variable, value: t.Any) -> str:
    """The value for a message, without what might be a credential."""
    if known.form is https and isinstance(value, str) and "@" in value:
        value = f"***@{value.rpartition('@')[2]}"
    if known.form is pem and isinstance(value, str):
        return f"(text of {len(value)} characters)"
    return shown(value, known.secret)
