# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the ingress gateways of the clusters need so that a front door reaches services through them.

A front door chooses the cluster. So behind a gateway, calls must stay in its cluster: they go to a Service of a name
that no other cluster has, with selector and port of the service itself. In a mesh, Services of one name are one.
"""

from __future__ import annotations

import hashlib
import typing as t

from ...errors import FleetError
from ..inventory.problems import Problem
from .front_door import HEALTH_HEADER, FrontDoor, Route, is_ip

__all__ = ["KINDS", "Claim", "claims", "gateway_objects", "local_name", "local_problems", "port_of", "rivals"]

Object = dict[str, t.Any]
_ISTIO = "networking.istio.io"
KINDS = ((f"{_ISTIO}/v1", "VirtualService"), (f"{_ISTIO}/v1", "Gateway"), ("v1", "Service"))
"""In the order of removal."""
_SELECTOR = {"istio": "ingressgateway"}
"""The label that Istio's chart gives the pods of a gateway of this name."""
_LONGEST = 63


class Claim(t.NamedTuple):
    """A host that an object of somebody else serves at the ingress gateway."""

    host: str
    object: str
    """``VirtualService namespace/name``."""
    services: tuple[str, ...]
    """``name.namespace`` of those that it leads to."""


def local_problems(door: FrontDoor, elsewhere: t.Mapping[str, str]) -> list[Problem]:
    """What a front door of ours cannot do, known from the inventory alone.

    Args:
        door: what the user wants.
        elsewhere: the clusters of the fleet that it does not lead to, with their providers.
    """
    problems: list[Problem] = []
    if not door.routes:
        return problems
    for number, route in enumerate(door.routes):
        for name in route.clusters or ():
            if name in elsewhere:
                message = f"names {name}, of provider {elsewhere[name]}: a front door has clusters of one provider"
                where = f"front_door_routes[{number}].clusters"
                problems.append(Problem("", where, "", message, "leave the cluster out of that route"))
    if door.address and not is_ip(door.address):
        message = "is a name, which only Google knows"
        hint = "the IP at which it answers; of local clusters, one of their container network, or leave it out"
        problems.append(Problem("", "front_door_address", door.address, message, hint))
    return problems


def local_name(route: Route, door: str, cluster: str) -> str:
    """The name of the Service whose pods are those of one cluster."""
    name = f"{route.name}-{door}-{cluster}"
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - 9].rstrip('-')}-{digest}"


def port_of(route: Route, service: t.Mapping[str, t.Any], cluster: str) -> Object:
    """The port of a live Service that a route means.

    Raises FleetError where the Service has no such port.
    """
    ports = (service.get("spec") or {}).get("ports") or []
    chosen = next((p for p in ports if route.port in (0, int(p["port"]))), None)
    if chosen is None:
        raise FleetError(
            f"Service {route.namespace}/{route.name} has no port {route.port or 'at all'}",
            cluster=cluster,
            seen=f"ports {', '.join(str(p['port']) for p in ports)}" if ports else "",
            next_step="correct port in front_door_routes",
        )
    return dict(chosen)


def gateway_objects(
    door: FrontDoor, cluster: str, services: t.Mapping[str, t.Mapping[str, t.Any]], claimed: t.Collection[str] = ()
) -> list[Object]:
    """The objects of one cluster.

    Args:
        door: what the user wants.
        cluster: its name.
        services: by ``name.namespace``, the live Services that are reached through its gateway.
        claimed: hosts that somebody else serves as the routes say, and which stay as they are.
    """
    spaces: dict[str, dict[str, list[Route]]] = {}
    used: dict[str, Route] = {}
    for host, routes in door.hosts().items():
        here = [route for route in routes if route.service in services]
        if here and (host or "*") not in claimed:
            used.update((route.service, route) for route in here)
            spaces.setdefault(here[-1].namespace, {})[host or "*"] = here
    found = [_service(route, services[service], door.name, cluster) for service, route in used.items()]
    for space, hosts in spaces.items():
        meta = {"name": door.name, "namespace": space}
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": sorted(hosts)}
        gateway = {"selector": dict(_SELECTOR), "servers": [server]}
        found.append({"apiVersion": KINDS[1][0], "kind": "Gateway", "metadata": dict(meta), "spec": gateway})
        for host, routes in sorted(hosts.items()):
            found.append(
                {
                    "apiVersion": KINDS[0][0],
                    "kind": "VirtualService",
                    "metadata": {"name": _name_of_host(door.name, host), "namespace": space},
                    "spec": {
                        "hosts": [host],
                        "gateways": [door.name],
                        "http": [
                            rule
                            for of_route in (_health, _http)
                            for route in routes
                            for rule in of_route(route, services[route.service], door.name, cluster)
                        ],
                    },
                }
            )
    return found


def claims(gateways: t.Iterable[t.Mapping[str, t.Any]], virtual: t.Iterable[t.Mapping[str, t.Any]]) -> list[Claim]:
    """Hosts that objects of others serve at the ingress gateway.

    Args:
        gateways: the Gateways that are not ours.
        virtual: the VirtualServices that are not ours.
    """
    served = set()
    for gateway in gateways:
        selector = (gateway.get("spec") or {}).get("selector") or {}
        if all(_SELECTOR.get(key) == value for key, value in selector.items()):
            served.add((str(gateway["metadata"]["namespace"]), str(gateway["metadata"]["name"])))
    found = []
    for one in virtual:
        spec, meta = one.get("spec") or {}, one["metadata"]
        space = str(meta["namespace"])
        named = [str(name) for name in spec.get("gateways") or ()]
        bound = {tuple(name.split("/", 1)) if "/" in name else (space, name) for name in named}
        if not bound & served:
            continue
        rules = [rule for kind in ("http", "tls", "tcp") for rule in spec.get(kind) or ()]
        to = [d.get("destination", {}).get("host", "") for rule in rules for d in rule.get("route") or ()]
        services = tuple(sorted({_service_name(str(host), space) for host in to}))
        found += [
            Claim(str(host), f"VirtualService {space}/{meta['name']}", services) for host in spec.get("hosts") or ()
        ]
    return found


def rivals(door: FrontDoor, found: t.Iterable[Claim]) -> tuple[list[Claim], set[str]]:
    """Of what others serve: what leads a host of the door elsewhere, and the hosts served as the door would."""
    hosts = {host or "*": {route.service for route in routes} for host, routes in door.hosts().items()}
    against = [c for c in found if c.host in hosts and set(c.services) != hosts[c.host]]
    same = {c.host for c in found if c.host in hosts and set(c.services) == hosts[c.host]}
    return against, same - {c.host for c in against}


def _service_name(host: str, namespace: str) -> str:
    """``name.namespace`` of a destination's host, which may be short."""
    name, *rest = host.split(".")
    return f"{name}.{rest[0] if rest else namespace}"


def _name_of_host(door: str, host: str) -> str:
    """A name for a host's object: hosts have characters that names must not have, and may be longer."""
    if host == "*":
        return door
    plain = host.replace("*", "any")
    if len(door) + 1 + len(plain) <= _LONGEST:
        return f"{door}-{plain}"
    return f"{door}-{hashlib.sha256(host.encode()).hexdigest()[:12]}"


def _service(route: Route, live: t.Mapping[str, t.Any], door: str, cluster: str) -> Object:
    selector = (live.get("spec") or {}).get("selector")
    if not selector:
        raise FleetError(
            f"Service {route.namespace}/{route.name} selects no pods",
            cluster=cluster,
            means="a front door finds the pods of this cluster by the Service's selector",
            next_step="route to a Service with a selector",
        )
    chosen = port_of(route, live, cluster)
    port = {key: chosen[key] for key in ("name", "port", "protocol", "targetPort", "appProtocol") if chosen.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": local_name(route, door, cluster), "namespace": route.namespace},
        "spec": {"selector": dict(selector), "ports": [port]},
    }


def _health(route: Route, live: t.Mapping[str, t.Any], door: str, cluster: str) -> list[Object]:
    """What brings a health check to its service, whatever the routes say of its path."""
    if not route.health:
        return []
    match = {"uri": {"exact": route.health.path}, "headers": {HEALTH_HEADER: {"exact": route.service}}}
    return [{"match": [match], **_to(route, live, door, cluster)}]


def _http(route: Route, live: t.Mapping[str, t.Any], door: str, cluster: str) -> list[Object]:
    rule = _to(route, live, door, cluster)
    if route.path != "/":
        rule["match"] = [{"uri": {"exact": route.path}}, {"uri": {"prefix": f"{route.path}/"}}]
    return [rule]


def _to(route: Route, live: t.Mapping[str, t.Any], door: str, cluster: str) -> Object:
    host = f"{local_name(route, door, cluster)}.{route.namespace}.svc.cluster.local"
    number = int(port_of(route, live, cluster)["port"])
    return {"route": [{"destination": {"host": host, "port": {"number": number}}}]}
