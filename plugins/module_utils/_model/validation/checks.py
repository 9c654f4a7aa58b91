# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that can be said about a fleet's data before anything is touched.

``check`` takes plain variables, sound or not, and returns every problem at once. It never raises, and
costs O(N log N) in the number of clusters. What it takes for granted of the network is what Istio does:

- pods of one network call each other by IP, so their pod ranges are distinct, and no pod range lies on a
  service range there (the kernel of a node rewrites calls to addresses that are services at home);
- service ranges may repeat: a proxy uses its own cluster's service addresses only;
- clusters of different networks meet at gateways only and may have the same ranges;
- clusters that we make on one machine share its container network: all their ranges are distinct.
"""

from __future__ import annotations

import typing as t

from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, shown
from ..inventory.values import fault_of
from ..inventory.variables import FAULTY, OF_ROLES, PREFIXES, VARIABLES, Variable
from ..providers.google import checks as check_google
from . import (
    names,
    ranges,
    services,
    topology,
)

__all__ = ["Problem", "check"]

_MARKED = ("cluster_provider", "mesh_role", "cluster_api_url", "cluster_kubeconfig")
"""Variables on which other rules hang: these must know that a value was meant, rather than use the default."""


def check(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]], groups: t.Mapping[str, t.Sequence[str]] | None = None
) -> list[Problem]:
    """All problems of a fleet's data, by host in inventory order.

    Args:
        hosts: per cluster its variables, those of the role front_door among them; others than ours are ignored.
        groups: groups of the whole inventory, for better hints.
    """
    if not hosts:
        return [Problem("", "", "", "the fleet has no clusters", "put hosts into the inventory group mesh_clusters")]
    named = {str(host): variables for host, variables in hosts.items()}
    sound, problems = _values(named)
    faulty = {(problem.host, problem.variable) for problem in problems}
    whole = names.check(sound)
    whole += names.check_shared(sound)
    whole += topology.check(sound, groups or {})
    whole += ranges.check(sound)
    whole += check_google.check(sound)
    whole += services.check(sound)
    whole += services.check_door(named, sound)
    # What is wrong in itself was left out above; that it is then missing is no second problem.
    problems += [p for p in whole if not p.variable or (p.host, p.variable) not in faulty]
    place = {"": -1, **{host: i for i, host in enumerate(sound)}}
    order = {name: i for i, name in enumerate(VARIABLES)}
    return sorted(problems, key=lambda p: (place[p.host], order.get(p.variable, -1)))


def _values(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]],
) -> tuple[dict[str, dict[str, t.Any]], list[Problem]]:
    """Each host's variables that are known and right in themselves, and a problem for each other one."""
    problems: list[Problem] = []
    sound: dict[str, dict[str, t.Any]] = {}
    nearest = Nearest([*VARIABLES, *OF_ROLES])
    memo: dict[tuple[str, t.Any], tuple[str, str, str, str] | None] = {}
    for host, variables in hosts.items():
        kept = sound[host] = {}
        for name, value in variables.items():
            if not isinstance(name, str) or not name.startswith(PREFIXES):
                continue
            known = VARIABLES.get(name)
            if known is None:
                if name not in OF_ROLES:
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
    return (known.name, shown_of(known, value), fault.message, fault.hint) if fault else None


def shown_of(known: Variable, value: t.Any) -> str:
    """The value for a message, without what might be a credential."""
    if known.form == "https" and isinstance(value, str) and "@" in value:
        value = f"***@{value.rpartition('@')[2]}"
    if known.form == "pem" and isinstance(value, str):
        return f"(text of {len(value)} characters)"
    return shown(value, known.secret)
