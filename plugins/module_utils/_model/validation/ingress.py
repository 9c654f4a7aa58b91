# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the routes into the mesh, as far as the inventory says; what only clusters know is asked by the stage."""

from __future__ import annotations

from ..control_planes.registry import control_plane_of
from ..ingress.routes import GATEWAY_API, ROUTES, read_routes
from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from ..providers.base import Hosts

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
    return problems
