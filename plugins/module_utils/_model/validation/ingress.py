# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the routes into the mesh, as far as the inventory says; what only clusters know is asked by the stage."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...errors import FleetError
from ..control_planes.registry import control_plane_of
from ..ingress.certificates import check_pair, given_pair
from ..ingress.routes import CERTIFICATES, GATEWAY_API, GIVEN, ROUTES, Route, read_routes, sites
from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from ..inventory.variable import UNREAD
from ..istio.helm_values import INGRESS
from ..multicluster.claims import Claim
from ..multicluster.front_door import FrontDoor, read_front_door
from ..multicluster.front_door_gateways import rivals
from ..providers.base import Hosts
from ..providers.registry import front_door_kind, provider_of
from ..traffic.hosts import fits

__all__ = ["check", "warnings"]


def check(hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
    """What is wrong with ``ingress_routes`` and ``ingress_certificates``, which run once for the fleet.

    That hosts differ in the routes is told with the variables of other roles.

    Args:
        hosts: all variables of each cluster, with those of roles; UNREAD stands for a value that was not read.
        fleet: the fleet of these hosts; None if they describe none.
    """
    if fleet is None:
        return []
    routes, certificates, problems = _read(hosts, fleet)
    # Google makes Gateways of that API load balancers of its own.
    theirs = [name for name, cluster in fleet.clusters.items() if not control_plane_of(fleet, cluster).ours]
    for route in routes:
        refused = [name for name in theirs if route.reaches(name)] if route.api == GATEWAY_API else []
        if refused:
            message = f"of {route.called} has api: gateway in {refused[0]}, whose control plane is not ours"
            hint = "api: istio; or name the other clusters in clusters"
            problems.append(Problem("", ROUTES, "", message, hint))
    problems += _pairs(routes, certificates)
    door, behind = _front_door(hosts, fleet)
    return [*problems, *_endless(door, behind, routes)] if door else problems


def warnings(hosts: Hosts, fleet: Fleet, now: datetime.datetime | None = None) -> list[Problem]:
    """What a stage may refuse, of an inventory without problems, that must not stop the stages before it.

    Time alone ends a certificate: a run that renews the mesh's own ones goes on. Whether a front door's service is at
    the ingress gateway depends on its type, which only the cluster knows.

    Args:
        hosts, fleet: as of :func:`check`.
        now: the time, with its zone; None for that of this machine.
    """
    routes, certificates, _problems = _read(hosts, fleet)
    found = [
        dataclasses.replace(one, message=f"{one.message}: the stage ingress will refuse it")
        for one in _pairs(routes, certificates, now or datetime.datetime.now(datetime.UTC))
    ]
    door, behind = _front_door(hosts, fleet)
    return [*found, *_served_twice(door, behind, fleet, routes)] if door else found


def _read(hosts: Hosts, fleet: Fleet) -> tuple[list[Route], t.Mapping[str, t.Any] | None, list[Problem]]:
    """The routes that can be read, the certificates (None where nobody has read them), and what is wrong with both."""
    given = next((values[ROUTES] for values in hosts.values() if values.get(ROUTES)), None)
    if not given:
        return [], None, []
    certificates, problems = _certificates(hosts)
    routes, wrong = read_routes(given, {name: one.primary for name, one in fleet.clusters.items()}, certificates)
    return list(routes), certificates, [*problems, *wrong]


def _certificates(hosts: Hosts) -> tuple[t.Mapping[str, t.Any] | None, list[Problem]]:
    """``ingress_certificates``, and that it is no dictionary; None where nobody has read it."""
    found = [values[CERTIFICATES] for values in hosts.values() if values.get(CERTIFICATES)]
    read = [one for one in found if one != UNREAD]
    if not read:
        return (None if found else {}), []
    if isinstance(read[0], t.Mapping):
        return {str(name): entry for name, entry in read[0].items()}, []
    # Its value is not shown: it may be a key.
    hint = "{shop: {certificate: PEM, key: PEM}}"
    return None, [Problem("", CERTIFICATES, "", "is no dictionary of certificates by name", hint)]


def _pairs(
    routes: t.Iterable[Route], certificates: t.Mapping[str, t.Any] | None, now: datetime.datetime | None = None
) -> t.Iterable[Problem]:
    """Certificates that the stage would refuse, each cause once; at any time where ``now`` is None."""
    if certificates is None:
        return ()
    used = {(one.name, route.host): None for route in routes if (one := route.certificate) and one.source == GIVEN}
    found: dict[Problem, None] = {}
    for name, host in used:
        variable = f"{CERTIFICATES}.{name}"
        try:
            check_pair(given_pair(certificates, name), host, now, what=variable)
        except FleetError as error:
            message = error.what if error.what.startswith("is ") else f"is refused: {error.what}"
            message += f" ({error.seen})" if error.seen else ""
            hint = error.next_step or "give it as PEM, as openssl writes it"
            found[Problem("", variable, "", message, hint)] = None
    return found


def _front_door(hosts: Hosts, fleet: Fleet) -> tuple[FrontDoor | None, list[str]]:
    """The fleet's front door and the clusters behind it; None where it calls no ingress gateway, as Google's."""
    kinds = {name: provider_of(cluster).front_door for name, cluster in fleet.clusters.items()}
    kind = front_door_kind(kinds.values())
    given = next((values["front_door_routes"] for values in hosts.values() if values.get("front_door_routes")), None)
    if not given or kind == "google":
        return None, []
    door, _problems = read_front_door("front-door", given, hosts)
    return door, [name for name, one in kinds.items() if one == kind]


def _endless(door: FrontDoor, behind: t.Sequence[str], routes: t.Sequence[Route]) -> list[Problem]:
    """Hosts of a front door that its gateways send on to HTTPS: it calls them by HTTP, so each call would come back."""
    problems = []
    for route in routes:
        led = [one for one in door.routes if route.https_redirect and _meet(one.host or "*", route.host or "*")]
        if any(route.reaches(name) and name in (one.clusters or behind) for one in led for name in behind):
            message = f"of {route.called} has https_redirect, and a front door calls that host there by HTTP"
            hint = f"take https_redirect from {route.host or 'it'}; front_door_https_redirect redirects all its callers"
            problems.append(Problem("", ROUTES, "", message, hint))
    return problems


def _served_twice(
    door: FrontDoor, behind: t.Sequence[str], fleet: Fleet, routes: t.Sequence[Route]
) -> t.Iterable[Problem]:
    """Hosts that a front door and routes lead to different services, as the stage ``front_door`` would refuse them.

    It does not where the front door's service has an address of its own, as one of type LoadBalancer.
    """
    led = door.hosts()
    # A gateway that is itself the service of a route is called at its own address: nothing is added to it.
    own = {host or "*" for host, some in led.items() if any(route.name == INGRESS for route in some)}
    found: dict[str, Problem] = {}
    for name in behind:
        here = {route.host for route in door.routes if name in (route.clusters or behind)}
        served = [
            Claim(site.host or "*", ROUTES, tuple(sorted({route.service for route in site.routes})))
            for site in sites(routes, fleet.clusters[name].primary)
            if site.host in here
        ]
        for claim in rivals(door, served)[0]:
            if claim.host in own:
                continue
            host = "" if claim.host == "*" else claim.host
            theirs = ", ".join(sorted({route.service for route in led[host]}))
            message = (
                f"of {host or 'any host'} lead to {', '.join(claim.services)}, and front_door_routes to {theirs}: "
                f"if the ingress gateway of {name} is to have both, the stage front_door will refuse it"
            )
            hint = "lead the host to the same services in both; or let the front door's be of type LoadBalancer"
            found.setdefault(claim.host, Problem("", ROUTES, "", message, hint))
    return found.values()


def _meet(one: str, other: str) -> bool:
    return one == other or fits(one, other) or fits(other, one)
