# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the front door's variables.

They are variables of a role, which preflight checks too: so a mistake is found before anything is changed, and not an
hour later by the stage that reads them.
"""

from __future__ import annotations

import typing as t

from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, shown
from ..inventory.values import fault_of, label
from ..inventory.variable import FLEET, Variable
from ..multicluster.front_door import read_front_door, without_machines
from ..multicluster.front_door_gateways import local_problems
from ..multicluster.multicluster_ingress import ingress_problems
from ..providers.base import Hosts
from ..providers.registry import PROVIDERS, front_door_kind, provider_of_host
from .shared import distinct

__all__ = ["DOOR_PREFIX", "DOOR_VARIABLES", "check"]

DOOR_PREFIX = "front_door_"
DOOR_VARIABLES: t.Mapping[str, Variable] = {
    variable.name: variable
    for variable in (
        Variable("front_door_name", FLEET, "", form=label),
        Variable("front_door_routes", FLEET, "", type="list"),
        Variable("front_door_certificates", FLEET, "", type="list"),
        Variable("front_door_https_redirect", FLEET, "", type="bool"),
        Variable("front_door_address", FLEET, ""),
        Variable("front_door_addresses", FLEET, "", type="list"),
        Variable("front_door_regions", FLEET, "", type="dict"),
        Variable("front_door_region_header", FLEET, ""),
        Variable("front_door_region_header_from", FLEET, "", type="list"),
        Variable("front_door_engine", FLEET, ""),
        Variable("front_door_release_address", FLEET, "", type="bool"),
        Variable("front_door_timeout", FLEET, "", type="int"),
    )
}
"""Those of the role ``front_door``."""
_TRUE = ("true", "yes")
_READ = frozenset(DOOR_VARIABLES) - {f"front_door_{n}" for n in ("address", "release_address", "timeout", "engine")}
"""Those that are read together."""


def check(hosts: Hosts, sound: Hosts) -> list[Problem]:
    """Problems of the front door's variables.

    Args:
        hosts: all variables of each cluster, with those of the front door.
        sound: the valid variables of each cluster that are the fleet's.
    """
    given = {
        host: {k: v for k, v in values.items() if str(k).startswith(DOOR_PREFIX)} for host, values in hosts.items()
    }
    if not any(given.values()):
        return []
    problems, wrong = _values(given)
    problems += _shared(given)
    if wrong & _READ:
        return problems
    values = next(iter(given.values()))
    door, found = read_front_door(
        str(values.get("front_door_name") or "front-door"),
        values.get("front_door_routes") or [],
        hosts,
        certificates=values.get("front_door_certificates") or [],
        address=str(values.get("front_door_address") or ""),
        https_redirect=str(values.get("front_door_https_redirect") or "").lower() in _TRUE,
        regions=values.get("front_door_regions") or {},
        region_header=str(values.get("front_door_region_header") or ""),
        trusted=values.get("front_door_region_header_from") or [],
        addresses=values.get("front_door_addresses") or [],
    )
    problems += found
    providers = {host: provider_of_host(variables) for host, variables in sound.items()}
    kind = front_door_kind(provider.front_door for provider in providers.values())
    problems += without_machines(door, kind)
    if kind:
        elsewhere = {host: provider.name for host, provider in providers.items() if provider.front_door != kind}
        problems += (ingress_problems if kind == "google" else local_problems)(door, elsewhere)
    if door.routes:
        named = [set(route.clusters or ()) for route in door.routes]
        behind = sound if not all(named) else {h: v for h, v in sound.items() if h in set().union(*named)}
        for provider in PROVIDERS.values():
            problems += provider.check_front_door(behind)
    return problems


def _values(given: Hosts) -> tuple[list[Problem], set[str]]:
    """Problems of names and types, each once since hosts of a group share values, and the variables that have some."""
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


def _shared(given: Hosts) -> list[Problem]:
    problems = []
    for name in DOOR_VARIABLES:
        values = distinct(given, name)
        if len(values) > 1:
            hint = "one value for the whole fleet: set it in the vars of the group"
            host, value = values[1]
            problems.append(Problem(host, name, shown(value), f"differs from {values[0][0]}'s", hint))
    return problems
