# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the variables of a front door to its data, with everything that is wrong with them."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, shown
from ..inventory.values import LABEL
from .exports import refuse, split_service, unknown_clusters
from .front_door import Door, Health, Route

__all__ = ["is_ip", "parse_door", "read_door"]

_ROUTE_KEYS = ("host", "path", "service", "port", "clusters", "health")
_HEALTH_KEYS = ("path", "port")
_PORTS = range(1, 65536)
_HOST = re.compile(r"(?=.{1,253}\Z)(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""Of what a provider holds: an address, a certificate."""


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def parse_door(
    name: str,
    routes: t.Any,
    clusters: t.Collection[str],
    *,
    certificates: t.Any = (),
    address: str = "",
    https_redirect: bool = False,
) -> Door:
    """The role's variables as data; see :func:`read_door`. Raises FleetError for all that is wrong."""
    door, problems = read_door(
        name, routes, clusters, certificates=certificates, address=address, https_redirect=https_redirect
    )
    refuse(problems)
    return door


def read_door(
    name: str,
    routes: t.Any,
    clusters: t.Collection[str],
    *,
    certificates: t.Any = (),
    address: str = "",
    https_redirect: bool = False,
) -> tuple[Door, list[Problem]]:
    """The role's variables as data, without what cannot be read, and everything that is wrong with them."""
    problems: list[Problem] = []
    if not LABEL.fullmatch(name):
        problems.append(
            Problem("", "front_door_name", shown(name), "is not a DNS-1123 label", "for example front-door")
        )
    if not isinstance(routes, (list, tuple)):
        if routes:
            hint = "[{host: shop.example, service: web.shop}]"
            problems.append(Problem("", "front_door_routes", shown(routes), "is no list of routes", hint))
        routes = []
    read = [(f"front_door_routes[{i}]", _route(entry, i, clusters, problems)) for i, entry in enumerate(routes)]
    parsed = [(where, route) for where, route in read if route is not None]
    names = _certificates(certificates, problems)
    if address and not is_ip(address) and not _NAME.fullmatch(address):
        hint = "lower-case letters, digits and -, for example shop; or an IP"
        problems.append(Problem("", "front_door_address", shown(address), "is neither a name nor an IP", hint))
    spaces = sorted({route.namespace for _where, route in parsed})
    if len(spaces) > 1:
        hint = "put a gateway in front (a route to istio-ingressgateway), or move the services together"
        message = "leads into several namespaces: one front door and its services share one"
        problems.append(Problem("", "front_door_routes", ", ".join(spaces), message, hint))
    if https_redirect and not names:
        message = "is set without front_door_certificates: there would be no HTTPS to go to"
        hint = "name the certificates, or leave the redirect out"
        problems.append(Problem("", "front_door_https_redirect", "", message, hint))
    problems += _agree(parsed)
    return Door(name, tuple(route for _where, route in parsed), names, address, https_redirect), problems


def _certificates(given: t.Any, problems: list[Problem]) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)):
        if given:
            message = "is no list of certificates' names"
            problems.append(Problem("", "front_door_certificates", shown(given), message, "[shop-2026]"))
        return ()
    for number, name in enumerate(given):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            where = f"front_door_certificates[{number}]"
            hint = "the name under which the provider holds it, for example shop-2026"
            problems.append(Problem("", where, shown(name), "is no name of a certificate", hint))
    return tuple(str(name) for name in given)


def _agree(routes: t.Sequence[tuple[str, Route]]) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[tuple[str, str], str] = {}
    first: dict[str, Route] = {}
    for where, route in routes:
        key = (route.host, route.path)
        if key in seen:
            goes = f"repeats a host and path: {route.host or 'any host'}{route.path} goes to {seen[key]} already"
            problems.append(Problem("", where, "", goes, "keep one of them"))
        seen.setdefault(key, route.service)
        other = first.setdefault(route.service, route)
        if (other.clusters, other.health, other.port) != (route.clusters, route.health, route.port):
            message = (
                f"says other clusters, port or health of {route.service} than a route before; "
                "there is one backend for a service"
            )
            problems.append(Problem("", where, "", message, "say the same in all routes to it"))
    return problems


def _route(entry: t.Any, number: int, clusters: t.Collection[str], problems: list[Problem]) -> Route | None:
    where = f"front_door_routes[{number}]"
    if not isinstance(entry, t.Mapping):
        problems.append(Problem("", where, shown(entry), "is not a dictionary", "{service: web.shop, path: /}"))
        return None
    for key in entry:
        if key not in _ROUTE_KEYS:
            guess = Nearest(_ROUTE_KEYS).find(str(key))
            hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(_ROUTE_KEYS)}"
            problems.append(Problem("", f"{where}.{key}", "", "is unknown", hint))
    name, namespace = split_service(entry.get("service"), f"{where}.service", problems)
    host = str(entry.get("host") or "")
    if host and (is_ip(host) or not _HOST.fullmatch(host)):
        hint = "a name without scheme, port and path, for example shop.example or *.shop.example"
        problems.append(Problem("", f"{where}.host", shown(host), "is no host name", hint))
    path = str(entry.get("path") or "/")
    if not path.startswith("/") or any(sign in path for sign in "*?# "):
        hint = "it begins with / and holds no *, ? or #; all below it is meant too"
        problems.append(Problem("", f"{where}.path", shown(path), "is no path", hint))
    wanted = entry.get("clusters")
    if wanted == "all":
        wanted = None
    if wanted is not None:
        if not isinstance(wanted, (list, tuple)) or not wanted:
            hint = "[west, north]; without it all of them"
            problems.append(Problem("", f"{where}.clusters", shown(wanted), "is no list of clusters", hint))
            wanted = None
        else:
            problems += unknown_clusters(wanted, f"{where}.clusters", clusters)
    port = _port(entry.get("port"), f"{where}.port", problems)
    health = _health(entry.get("health"), f"{where}.health", problems)
    if not name:
        return None
    return Route(
        name,
        namespace,
        host=host,
        path=path if path == "/" else path.rstrip("/"),
        port=port,
        clusters=None if wanted is None else tuple(str(c) for c in wanted),
        health=health,
    )


def _port(given: t.Any, where: str, problems: list[Problem]) -> int:
    if given is None or given == "":
        return 0
    try:
        port = 0 if isinstance(given, bool) else int(given)
    except (TypeError, ValueError):
        port = 0
    if port not in _PORTS:
        problems.append(Problem("", where, shown(given), "is no port", "a number from 1 to 65535"))
        return 0
    return port


def _health(given: t.Any, where: str, problems: list[Problem]) -> Health | None:
    if not given:
        return None
    if isinstance(given, str):
        given = {"path": given}
    path = given.get("path") if isinstance(given, t.Mapping) else None
    if not path or set(given) - set(_HEALTH_KEYS) or not str(path).startswith("/"):
        problems.append(Problem("", where, shown(given), "is no health check", "{path: /healthz, port: 8080}"))
        return None
    return Health(str(path), _port(given.get("port"), f"{where}.port", problems))
