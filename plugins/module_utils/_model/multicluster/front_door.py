# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door: one address in front of all clusters. Read from the role's variables, whatever provides it."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ..inventory.problems import Problem, shown
from ..inventory.unknown_keys import unknown_keys
from ..inventory.values import LABEL
from .exports import read_port, split_service, unknown_clusters

__all__ = [
    "HEALTH_HEADER",
    "LOCAL_SECONDS",
    "FrontDoor",
    "HealthCheck",
    "Route",
    "is_ip",
    "read_front_door",
    "read_host",
    "without_machines",
]

LOCAL_SECONDS = 120.0
"""As long as a run waits for a front door of this machine: Google needs many minutes; nothing here does."""

_ROUTE_KEYS = ("host", "path", "service", "port", "clusters", "health")
_HEALTH_KEYS = ("path", "port")
_HOST = re.compile(r"(?=.{1,253}\Z)(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""Names of addresses and certificates at a provider."""
HEALTH_HEADER = "x-mesh-fleet-health"
"""Names the service that a front door's health check asks a gateway for; callers cannot set it through the door."""
_HEADER = re.compile(r"[A-Za-z0-9][-A-Za-z0-9]{0,63}")


@dataclasses.dataclass(frozen=True)
class HealthCheck:
    """The request that a healthy backend answers; ``port`` 0: the route's."""

    path: str
    port: int = 0


@dataclasses.dataclass(frozen=True)
class Route:
    """Which requests go to which service. ``host`` "": any; ``port`` 0: the Service's first; ``clusters`` None: all."""

    name: str
    namespace: str
    host: str = ""
    path: str = "/"
    port: int = 0
    clusters: tuple[str, ...] | None = None
    health: HealthCheck | None = None
    number: int = dataclasses.field(default=0, compare=False)
    """Its place in ``front_door_routes``, from 0; for messages alone."""

    @property
    def service(self) -> str:
        return f"{self.name}.{self.namespace}"


@dataclasses.dataclass(frozen=True)
class FrontDoor:
    """What the user wants. ``address``: a reserved address's name or IP; "": any address."""

    name: str
    routes: tuple[Route, ...]
    certificates: tuple[str, ...] = ()
    address: str = ""
    https_redirect: bool = False
    regions: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By region, the ranges of its callers' addresses."""
    region_header: str = ""
    """The header that names a caller's region; "" for none."""
    trusted: tuple[str, ...] = ()
    """The ranges from which that header counts."""
    addresses: tuple[str, ...] = ()
    """Where machines of the user's answer, or what stands before them."""

    @property
    def namespace(self) -> str:
        return self.routes[0].namespace if self.routes else ""

    @property
    def catch_all(self) -> Route:
        """The route for what matches no other: one without host and path, else the first."""
        return next((r for r in self.routes if not r.host and r.path == "/"), self.routes[0])

    def backends(self) -> dict[str, Route]:
        """Services by name; all routes to one service agree on it."""
        found: dict[str, Route] = {}
        for route in self.routes:
            found.setdefault(route.name, route)
        return found

    def services(self) -> dict[str, Route]:
        """The same by ``name.namespace``."""
        found: dict[str, Route] = {}
        for route in self.routes:
            found.setdefault(route.service, route)
        return found

    def hosts(self) -> dict[str, list[Route]]:
        """By host, "" for any, the routes of its requests: the first whose path matches counts.

        What none of a host's own routes takes goes to the route without host and path, if there is one.
        """
        found: dict[str, list[Route]] = {}
        for route in self.routes:
            found.setdefault(route.host, []).append(route)
        rest = [route for route in self.routes if not route.host and route.path == "/"]
        ordered = {host: sorted(some, key=lambda r: (-len(r.path), r.path)) for host, some in found.items()}
        return {
            host: [*some, *(r for r in rest if r not in some and some[-1].path != "/")]
            for host, some in ordered.items()
        }


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def read_host(given: t.Any, variable: str, problems: list[Problem]) -> str | None:
    """The host of a route, in lower case and without a dot at its end.

    Args:
        given: what the route says; None where it names no host.
        variable: the variable, for messages.
        problems: gets what is wrong.

    Returns:
        "" for any host, and None where the host is wrong.
    """
    if given is None:
        return ""
    host = given.lower().rstrip(".") if isinstance(given, str) else ""
    if not is_ip(host) and _HOST.fullmatch(host):
        return host
    # An empty text may come of a template whose variable is empty, and any host is more than somebody meant.
    message = "is no host name" if given else "names no host"
    hint = "a name without scheme, port and path, for example shop.example or *.shop.example"
    hint += "" if host.strip("* ") else "; for any host leave host out"
    problems.append(Problem("", variable, shown(given), message, hint))
    return None


def without_machines(door: FrontDoor, kind: str) -> list[Problem]:
    """Addresses of machines, where the front door is on none of the user's.

    Args:
        door: what the user wants.
        kind: as ``Provider.front_door`` of the clusters that it leads to.
    """
    if not door.addresses or kind == "files":
        return []
    message = "is for Envoy on machines of yours, before clusters of provider kubeconfig alone"
    hint = "remove it: verify finds the address of this front door by itself"
    return [Problem("", "front_door_addresses", shown(list(door.addresses)), message, hint)]


def read_front_door(
    name: str,
    routes: t.Any,
    clusters: t.Collection[str],
    *,
    certificates: t.Any = (),
    address: str = "",
    https_redirect: bool = False,
    regions: t.Any = None,
    region_header: str = "",
    trusted: t.Any = (),
    addresses: t.Any = (),
) -> tuple[FrontDoor, list[Problem]]:
    """The role's variables as data, without what cannot be read, and all problems of them.

    Args:
        name: the front door's name.
        routes: a list of dictionaries with the keys _ROUTE_KEYS.
        clusters: names of the fleet's clusters.
        certificates: a list of names.
        address: a name or an IP.
        https_redirect: whether HTTP is redirected to HTTPS.
        regions: a dictionary of lists of ranges by region.
        region_header: the name of a header.
        trusted: a list of ranges.
        addresses: a list of names and IPs.
    """
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
        address = ""
    if https_redirect and not names:
        message = "is set without front_door_certificates: there is no HTTPS to redirect to"
        hint = "name the certificates, or remove the redirect"
        problems.append(Problem("", "front_door_https_redirect", "", message, hint))
    problems += _agree(parsed)
    where_from = _regions(regions, problems)
    ranges = tuple(_ranges(trusted, "front_door_region_header_from", problems))
    if region_header and not _HEADER.fullmatch(region_header):
        hint = "for example x-client-region"
        problems.append(Problem("", "front_door_region_header", shown(region_header), "is no name of a header", hint))
    if region_header and not ranges:
        message = "is set without front_door_region_header_from: from nobody would it count"
        hint = "list the ranges of your CDN; a header that anybody may set says nothing"
        problems.append(Problem("", "front_door_region_header", "", message, hint))
    door = FrontDoor(
        name,
        tuple(route for _where, route in parsed),
        names,
        address,
        https_redirect,
        regions=where_from,
        region_header=region_header.lower(),
        trusted=ranges,
        addresses=_addresses(addresses, problems),
    )
    return door, problems


def _regions(given: t.Any, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    """Ranges by region; a range that two regions have is a problem."""
    if not isinstance(given, t.Mapping):
        if given:
            hint = "{europe: [192.0.2.0/24]}"
            problems.append(Problem("", "front_door_regions", shown(given), "is no dictionary of ranges", hint))
        return {}
    found: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for region, some in given.items():
        where = f"front_door_regions.{region}"
        if not LABEL.fullmatch(str(region)):
            problems.append(
                Problem("", where, "", "is no name of a region", "as in cluster_region, for example us-west1")
            )
            continue
        ranges = _ranges(some, where, problems)
        for text in ranges:
            if owners.setdefault(text, str(region)) != region:
                problems.append(
                    Problem("", where, text, f"is a range of {owners[text]} too", "a caller is of one region")
                )
        found[str(region)] = tuple(ranges)
    return found


def _ranges(given: t.Any, where: str, problems: list[Problem]) -> list[str]:
    if not isinstance(given, (list, tuple)):
        if given:
            problems.append(Problem("", where, shown(given), "is no list of ranges", "[192.0.2.0/24]"))
        return []
    found = []
    for text in given:
        try:
            found.append(str(ipaddress.ip_network(str(text))))
        except ValueError:
            problems.append(Problem("", where, shown(text), "is no range of addresses", "for example 192.0.2.0/24"))
    return found


def _addresses(given: t.Any, problems: list[Problem]) -> tuple[str, ...]:
    """Names and IPs of machines, each once."""
    where, hint = "front_door_addresses", "[192.0.2.4, door-2.example]; ports are 80 and 443"
    if not isinstance(given, (list, tuple)):
        if given:
            problems.append(Problem("", where, shown(given), "is no list of addresses", hint))
        return ()
    found = []
    for number, one in enumerate(given):
        if isinstance(one, str) and (is_ip(one) or (_HOST.fullmatch(one) and not one.startswith("*"))):
            found.append(one)
        else:
            problems.append(
                Problem("", f"{where}[{number}]", shown(one), "is neither a name nor an IP of a machine", hint)
            )
    return tuple(dict.fromkeys(found))


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
                f"gives {route.service} other clusters, another port or another health check than an earlier route; "
                "a service has one backend"
            )
            problems.append(Problem("", where, "", message, "give it the same in all routes"))
    return problems


def _route(entry: t.Any, number: int, clusters: t.Collection[str], problems: list[Problem]) -> Route | None:
    where = f"front_door_routes[{number}]"
    if not isinstance(entry, t.Mapping):
        problems.append(Problem("", where, shown(entry), "is not a dictionary", "{service: web.shop, path: /}"))
        return None
    problems += unknown_keys(entry, _ROUTE_KEYS, where)
    name, namespace = split_service(entry.get("service"), f"{where}.service", problems)
    host = read_host(entry.get("host"), f"{where}.host", problems)
    path = str(entry.get("path") or "/")
    if not path.startswith("/") or any(sign in path for sign in "*?# "):
        hint = "it begins with / and holds no *, ? or #; paths below it are included"
        problems.append(Problem("", f"{where}.path", shown(path), "is no path", hint))
    wanted = entry.get("clusters")
    if wanted == "all":
        wanted = None
    if wanted is not None:
        if not isinstance(wanted, (list, tuple)) or not wanted:
            hint = "[west, north]; leave it out for all of them"
            problems.append(Problem("", f"{where}.clusters", shown(wanted), "is no list of clusters", hint))
            wanted = None
        else:
            problems += unknown_clusters(wanted, f"{where}.clusters", clusters)
    port = read_port(entry.get("port"), f"{where}.port", problems)
    health = _health(entry.get("health"), f"{where}.health", problems)
    if not name or host is None:
        return None
    return Route(
        name,
        namespace,
        host=host,
        path=path if path == "/" else path.rstrip("/"),
        port=port,
        clusters=None if wanted is None else tuple(str(c) for c in wanted),
        health=health,
        number=number,
    )


def _health(given: t.Any, where: str, problems: list[Problem]) -> HealthCheck | None:
    if not given:
        return None
    if isinstance(given, str):
        given = {"path": given}
    path = given.get("path") if isinstance(given, t.Mapping) else None
    if not path or set(given) - set(_HEALTH_KEYS) or not str(path).startswith("/"):
        problems.append(Problem("", where, shown(given), "is no health check", "{path: /healthz, port: 8080}"))
        return None
    return HealthCheck(str(path), read_port(given.get("port"), f"{where}.port", problems))
