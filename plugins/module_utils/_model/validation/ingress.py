# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the routes into the mesh, as far as the inventory says; what only clusters know is asked by the stage."""

from __future__ import annotations

import typing as t

from ..control_planes.registry import control_plane_of
from ..ingress.routes import GATEWAY_API, ROUTES, Route, read_routes
from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from ..multicluster.front_door import read_front_door
from ..providers.base import Hosts
from ..providers.registry import front_door_kind, provider_of
from ..traffic.hosts import fits

__all__ = ["check"]


def check(hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
    """What is wrong with ``ingress_routes``; that hosts differ in it is told with the variables of other roles.

    Args:
        hosts: all variables of each cluster, with those of roles.
        fleet: the fleet of these hosts; None if they describe none.
    """
    given = next((values[ROUTES] for values in hosts.values() if values.get(ROUTES)), None)
    if fleet is None or not given:
        return []
    routes, problems = read_routes(given, {name: cluster.primary for name, cluster in fleet.clusters.items()})
    # Google makes Gateways of that API load balancers of its own.
    theirs = [name for name, cluster in fleet.clusters.items() if not control_plane_of(fleet, cluster).ours]
    for route in routes:
        wrong = [name for name in theirs if route.reaches(name)] if route.api == GATEWAY_API else []
        if wrong:
            message = f"of {route.called} has api: gateway in {wrong[0]}, whose control plane is not ours"
            hint = "api: istio; or name the other clusters in clusters"
            problems.append(Problem("", ROUTES, "", message, hint))
    return [*problems, *_endless(hosts, fleet, routes)]


def _endless(hosts: Hosts, fleet: Fleet, routes: t.Sequence[Route]) -> list[Problem]:
    """Hosts of a front door that its gateways send on to HTTPS: it calls them by HTTP, so each call would come back."""
    kinds = {name: provider_of(cluster).front_door for name, cluster in fleet.clusters.items()}
    kind = front_door_kind(kinds.values())
    given = next((values["front_door_routes"] for values in hosts.values() if values.get("front_door_routes")), None)
    if not given or kind == "google":
        return []
    behind = [name for name, one in kinds.items() if one == kind]
    door, _problems = read_front_door("front-door", given, hosts)
    problems = []
    for route in routes:
        led = [one for one in door.routes if route.https_redirect and _meet(one.host or "*", route.host or "*")]
        if any(route.reaches(name) and name in (one.clusters or behind) for one in led for name in behind):
            message = f"of {route.called} has https_redirect, and a front door calls that host there by HTTP"
            hint = f"take https_redirect from {route.host or 'it'}; front_door_https_redirect redirects all its callers"
            problems.append(Problem("", ROUTES, "", message, hint))
    return problems


def _meet(one: str, other: str) -> bool:
    return one == other or fits(one, other) or fits(other, one)
