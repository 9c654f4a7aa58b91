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
from .claims import INGRESS_SELECTOR, Claim
from .front_door import HEALTH_HEADER, FrontDoor, Route, is_ip

__all__ = ["KINDS", "gateway_objects", "local_name", "local_problems", "objects_of_remote", "port_of", "rivals"]

Object = dict[str, t.Any]
_ISTIO = "networking.istio.io"
KINDS = ((f"{_ISTIO}/v1", "VirtualService"), (f"{_ISTIO}/v1", "Gateway"), ("v1", "Service"))
"""In the order of removal."""
_CLUSTER = "topology.istio.io/cluster"
_LONGEST = 63


def local_problems(door: FrontDoor, elsewhere: t.Mapping[str, str]) -> list[Problem]:
    """What a front door of ours cannot do, known from the inventory alone.

    Args:
        door: what the user wants.
        elsewhere: the clusters of the fleet that it does not lead to, with their providers.
    """
    problems: list[Problem] = []
    if not door.routes:
        return problems
    for route in door.routes:
        for name in route.clusters or ():
            if name in elsewhere:
                message = f"names {name}, of provider {elsewhere[name]}: a front door has clusters of one provider"
                where = f"front_door_routes[{route.number}].clusters"
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
    door: FrontDoor,
    cluster: str,
    services: t.Mapping[str, t.Mapping[str, t.Any]],
    claimed: t.Collection[str] = (),
    *,
    remote: bool = False,
    shared: bool = False,
) -> list[Object]:
    """The objects that bring calls from one cluster's gateway to its own pods.

    Services are for the cluster itself, the others for who configures its gateway: a remote's primary.

    Args:
        door: what the user wants.
        cluster: its name.
        services: by ``name.namespace``, the live Services that are reached through its gateway.
        claimed: hosts that somebody else serves as the routes say, and which stay as they are.
        remote: whether it is a remote.
        shared: whether who configures its gateway configures those of other clusters for this front door too.
    """
    base = _base_of_remote(door.name, cluster) if remote else door.name
    # To the labels of a proxy's pod istiod adds the cluster in which it runs.
    selector = {**INGRESS_SELECTOR, **({_CLUSTER: cluster} if shared or remote else {})}
    spaces: dict[str, dict[str, list[Route]]] = {}
    used: dict[str, Route] = {}
    for host, routes in door.hosts().items():
        here = [route for route in routes if route.service in services]
        if here and (host or "*") not in claimed:
            used.update((route.service, route) for route in here)
            spaces.setdefault(here[-1].namespace, {})[host or "*"] = here
    found = [_service(route, services[service], door.name, cluster) for service, route in used.items()]
    for space, hosts in spaces.items():
        meta = {"name": base, "namespace": space}
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": sorted(hosts)}
        gateway = {"selector": dict(selector), "servers": [server]}
        found.append({"apiVersion": KINDS[1][0], "kind": "Gateway", "metadata": dict(meta), "spec": gateway})
        for host, routes in sorted(hosts.items()):
            found.append(
                {
                    "apiVersion": KINDS[0][0],
                    "kind": "VirtualService",
                    "metadata": {"name": _name_of_host(base, host), "namespace": space},
                    "spec": {
                        "hosts": [host],
                        "gateways": [base],
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


def objects_of_remote(
    door: str, cluster: str, gateways: t.Iterable[t.Mapping[str, t.Any]], virtual: t.Iterable[t.Mapping[str, t.Any]]
) -> list[t.Mapping[str, t.Any]]:
    """Of what a front door has in a primary, the objects that configure the gateway of one of its remotes.

    Args:
        door: the front door's name.
        cluster: the remote's.
        gateways: the front door's Gateways in the primary.
        virtual: its VirtualServices there.
    """
    base = _base_of_remote(door, cluster)
    return [
        *(one for one in gateways if one["metadata"]["name"] == base),
        *(one for one in virtual if (one.get("spec") or {}).get("gateways") == [base]),
    ]


def _base_of_remote(door: str, cluster: str) -> str:
    # No host begins with a hyphen, so no object of the primary's own has this name.
    return f"{door}--{cluster}"


def rivals(door: FrontDoor, found: t.Iterable[Claim]) -> tuple[list[Claim], set[str]]:
    """Of what others serve: what leads a host of the door elsewhere, and the hosts served as the door would."""
    hosts = {host or "*": {route.service for route in routes} for host, routes in door.hosts().items()}
    against = [c for c in found if c.host in hosts and set(c.services) != hosts[c.host]]
    same = {c.host for c in found if c.host in hosts and set(c.services) == hosts[c.host]}
    return against, same - {c.host for c in against}


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
    given = port_of(route, live, cluster)
    # What the API server adds to each port, so that a Service of a file and a live one give the same.
    chosen = {"protocol": "TCP", "targetPort": given["port"], **given}
    port = {key: chosen[key] for key in ("name", "port", "protocol", "targetPort", "appProtocol") if chosen.get(key)}
    ports, health = [port], _health_number(route, chosen)
    if route.health and health != chosen["port"]:
        # With two ports, each has a name. Of this one Istio finds out the protocol, as of one without.
        port.setdefault("name", "port")
        ports.append({"name": "http-health-check", "port": health, "targetPort": route.health.port})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": local_name(route, door, cluster), "namespace": route.namespace},
        "spec": {"selector": dict(selector), "ports": ports},
    }


def _health_number(route: Route, chosen: t.Mapping[str, t.Any]) -> int:
    """The port of the Service of one cluster by which a health check gets to its port of the pods."""
    number = int(chosen["port"])
    asked = route.health.port if route.health else 0
    if asked in (0, chosen.get("targetPort", number)):
        return number
    # The Service may have this number for another port of the pods.
    return asked if asked != number else asked % 65535 + 1


def _health(route: Route, live: t.Mapping[str, t.Any], door: str, cluster: str) -> list[Object]:
    """What brings a health check to its service, whatever the routes say of its path."""
    if not route.health:
        return []
    match = {"uri": {"exact": route.health.path}, "headers": {HEALTH_HEADER: {"exact": route.service}}}
    number = _health_number(route, port_of(route, live, cluster))
    return [{"match": [match], **_to(route, number, door, cluster)}]


def _http(route: Route, live: t.Mapping[str, t.Any], door: str, cluster: str) -> list[Object]:
    rule = _to(route, int(port_of(route, live, cluster)["port"]), door, cluster)
    if route.path != "/":
        rule["match"] = [{"uri": {"exact": route.path}}, {"uri": {"prefix": f"{route.path}/"}}]
    return [rule]


def _to(route: Route, number: int, door: str, cluster: str) -> Object:
    host = f"{local_name(route, door, cluster)}.{route.namespace}.svc.cluster.local"
    return {"route": [{"destination": {"host": host, "port": {"number": number}}}]}
