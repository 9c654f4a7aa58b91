# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All problems of an inventory that are known before anything is changed.

``check`` accepts any variables, valid or not, and returns every problem at once. It never raises, and costs
O(N log N) in the number of clusters. Its assumptions about networks are Istio's:

- pods of one network call each other by IP, so their pod ranges are distinct, and no pod range overlaps a
  service range there (a node's kernel rewrites calls to service addresses of its own cluster);
- service ranges may repeat: a proxy uses its own cluster's service addresses only;
- clusters of different networks call each other through gateways only and may have the same ranges;
- clusters that we make on one machine share its container network: all their ranges are distinct.
"""

from __future__ import annotations

import typing as t

from ..inventory.environment import Environment
from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from ..providers.base import Hosts
from ..providers.reading import read_fleet, with_environment
from ..providers.registry import PROVIDERS, VARIABLES, provider_of_host
from . import (
    control_planes,
    federation,
    front_door,
    global_names,
    ingress,
    names,
    ranges,
    renamed,
    role_variables,
    services,
    shared,
    topology,
    traffic,
)
from . import variables as values
from .role_variables import RoleVariables

__all__ = ["check"]


def check(
    hosts: Hosts,
    groups: t.Mapping[str, t.Sequence[str]] | None = None,
    environment: Environment | None = None,
    roles: RoleVariables | None = None,
) -> list[Problem]:
    """All problems, by host in inventory order.

    Args:
        hosts: by cluster its variables, with those of roles; variables of others are ignored.
        groups: groups of the whole inventory, for better hints.
        environment: what this machine adds.
        roles: what the roles' specifications say; None leaves their variables unchecked.
    """
    if not hosts:
        return [Problem("", "", "", "the fleet has no clusters", "put hosts into the inventory group mesh_clusters")]
    environment = environment or Environment()
    named = {str(host): variables for host, variables in hosts.items()}
    right, problems = values.check(named, roles.options if roles else ())
    faulty = {(problem.host, problem.variable) for problem in problems}
    sound = with_environment(right, environment)
    whole = names.check(sound)
    whole += renamed.check(named)
    whole += shared.check(sound)
    whole += topology.check(sound, groups or {})
    whole += control_planes.check(sound)
    whole += ranges.check(sound)
    for host, variables in sound.items():
        whole += provider_of_host(variables).check_cluster(host, variables, environment.variables)
    fleet = _fleet(sound)
    for provider in PROVIDERS.values():
        whole += provider.check_fleet(sound, fleet)
    whole += services.check(sound)
    whole += traffic.check(sound, fleet)
    whole += global_names.check(named, sound, fleet)
    whole += federation.check(sound, fleet)
    whole += front_door.check(named, sound)
    whole += ingress.check(named, fleet)
    whole += role_variables.check(named, fleet, roles) if roles else []
    # A value with a problem of its own was left out above: that it is missing is no second problem.
    problems += [p for p in whole if not p.variable or (p.host, p.variable) not in faulty]
    place = {"": -1, **{host: i for i, host in enumerate(sound)}}
    order = {name: i for i, name in enumerate(VARIABLES)}
    return sorted(problems, key=lambda p: (place[p.host], order.get(p.variable, -1)))


def _fleet(hosts: Hosts) -> Fleet | None:
    try:
        return read_fleet(hosts)
    except ValueError:
        return None  # the check of ranges says why
