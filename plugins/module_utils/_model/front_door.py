# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door: one address for the world in front of the clusters, as the user says it."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import FleetError
from .check_values import LABEL
from .exports import split_service
from .nearest import Nearest

__all__ = ["Door", "Health", "Route", "parse_door"]

_ROUTE_KEYS = ("host", "path", "service", "port", "clusters", "health")
_HEALTH_KEYS = ("path", "port")
_PORTS = range(1, 65536)


@dataclasses.dataclass(frozen=True)
class Health:
    """The request that tells a healthy backend; ``port`` 0: that of the route."""

    path: str
    port: int = 0


@dataclasses.dataclass(frozen=True)
class Route:
    """What reaches which service. ``host`` "": any; ``port`` 0: the Service's first; ``clusters`` None: all of them."""

    name: str
    namespace: str
    host: str = ""
    path: str = "/"
    port: int = 0
    clusters: tuple[str, ...] | None = None
    health: Health | None = None

    @property
    def service(self) -> str:
        return f"{self.name}.{self.namespace}"


@dataclasses.dataclass(frozen=True)
class Door:
    """All of it. ``address``: a reserved address's name or IP; "": whatever comes."""

    name: str
    routes: tuple[Route, ...]
    certificates: tuple[str, ...] = ()
    address: str = ""
    https_redirect: bool = False

    @property
    def namespace(self) -> str:
        return self.routes[0].namespace if self.routes else ""

    @property
    def catch_all(self) -> Route:
        """The route for what matches no other: one without host and path, else the first."""
        return next((r for r in self.routes if not r.host and r.path == "/"), self.routes[0])

    def backends(self) -> dict[str, Route]:
        """Services by name; routes to one service say the same of it."""
        found: dict[str, Route] = {}
        for route in self.routes:
            found.setdefault(route.name, route)
        return found


def parse_door(
    name: str,
    routes: t.Any,
    clusters: t.Collection[str],
    *,
    certificates: t.Sequence[str] = (),
    address: str = "",
    https_redirect: bool = False,
) -> Door:
    """The role's variables as data. Raises FleetError for the first thing that is wrong."""
    if not LABEL.fullmatch(name):
        raise FleetError("front_door_name is not a DNS-1123 label", seen=name, next_step="for example front-door")
    parsed = tuple(_route(entry, f"front_door_routes[{i}]", clusters) for i, entry in enumerate(routes or []))
    door = Door(name, parsed, tuple(certificates), address, https_redirect)
    spaces = sorted({route.namespace for route in parsed})
    if len(spaces) > 1:
        raise FleetError(
            "front_door_routes leads into several namespaces",
            seen=", ".join(spaces),
            means="one front door and its services share a namespace",
            next_step="put a gateway in front (a route to istio-ingressgateway), or move the services together",
        )
    if https_redirect and not certificates:
        raise FleetError(
            "front_door_https_redirect is set without front_door_certificates",
            means="there would be no HTTPS to go to",
            next_step="name the certificates, or leave the redirect out",
        )
    _agree(parsed)
    return door


def _agree(routes: t.Sequence[Route]) -> None:
    seen: dict[tuple[str, str], str] = {}
    first: dict[str, Route] = {}
    for number, route in enumerate(routes):
        where = f"front_door_routes[{number}]"
        key = (route.host, route.path)
        if key in seen:
            shown = f"{route.host or 'any host'}{route.path} goes to {seen[key]} already"
            raise FleetError(f"{where} repeats a host and path", seen=shown, next_step="keep one of them")
        seen[key] = route.service
        other = first.setdefault(route.name, route)
        if (other.clusters, other.health, other.port) != (route.clusters, route.health, route.port):
            raise FleetError(
                f"{where} says other clusters, port or health of {route.service} than a route before",
                means="there is one backend for a service",
                next_step="say the same in all routes to it",
            )


def _route(entry: t.Any, where: str, clusters: t.Collection[str]) -> Route:
    if not isinstance(entry, t.Mapping):
        raise FleetError(
            f"{where} is not a dictionary", seen=repr(entry)[:80], next_step="{service: web.shop, path: /}"
        )
    for key in entry:
        if key not in _ROUTE_KEYS:
            guess = Nearest(_ROUTE_KEYS).find(str(key))
            hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(_ROUTE_KEYS)}"
            raise FleetError(f"{where}.{key} is unknown", next_step=hint)
    name, namespace = split_service(entry.get("service"), f"{where}.service")
    path = str(entry.get("path") or "/")
    if not path.startswith("/") or "*" in path:
        raise FleetError(
            f"{where}.path is no path",
            seen=path,
            next_step="it begins with / and holds no *; all below it is meant too",
        )
    wanted = entry.get("clusters")
    if wanted is not None:
        if not isinstance(wanted, (list, tuple)) or not wanted:
            raise FleetError(f"{where}.clusters is no list of clusters", seen=repr(wanted)[:80])
        for cluster in wanted:
            if cluster not in clusters:
                guess = Nearest(clusters).find(str(cluster))
                hint = f'did you mean "{guess}"?' if guess else f"one of: {', '.join(list(clusters)[:5])}"
                raise FleetError(f"{where}.clusters names no cluster of this fleet", seen=str(cluster), next_step=hint)
    return Route(
        name,
        namespace,
        host=str(entry.get("host") or ""),
        path=path if path == "/" else path.rstrip("/"),
        port=_port(entry.get("port"), f"{where}.port"),
        clusters=None if wanted is None else tuple(str(c) for c in wanted),
        health=_health(entry.get("health"), f"{where}.health"),
    )


def _port(given: t.Any, where: str) -> int:
    if given is None or given == "":
        return 0
    try:
        port = int(given)
    except (TypeError, ValueError):
        port = 0
    if port not in _PORTS:
        raise FleetError(f"{where} is no port", seen=repr(given)[:40], next_step="a number from 1 to 65535")
    return port


def _health(given: t.Any, where: str) -> Health | None:
    if not given:
        return None
    if isinstance(given, str):
        given = {"path": given}
    if not isinstance(given, t.Mapping) or set(given) - set(_HEALTH_KEYS) or not given.get("path"):
        raise FleetError(f"{where} is no health check", seen=repr(given)[:80], next_step="{path: /healthz, port: 8080}")
    return Health(str(given["path"]), _port(given.get("port"), f"{where}.port"))
