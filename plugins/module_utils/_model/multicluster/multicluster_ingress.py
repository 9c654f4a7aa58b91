# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door on GKE: MultiClusterIngress and MultiClusterService for the config cluster."""

from __future__ import annotations

import json
import typing as t

from ...errors import FleetError
from ..inventory.problems import Problem
from .front_door import Door, Route

__all__ = [
    "API",
    "INGRESS",
    "KINDS",
    "STANDS_ON",
    "STATIC_IP",
    "differing",
    "door_objects",
    "door_problems",
]

Object = dict[str, t.Any]

API = "networking.gke.io/v1"
INGRESS = "MultiClusterIngress"
KINDS = (
    (API, INGRESS),
    (API, "MultiClusterService"),
    ("cloud.google.com/v1", "BackendConfig"),
    ("networking.gke.io/v1beta1", "FrontendConfig"),
)
"""In the order in which they are taken away: what refers to others first."""
STATIC_IP = "networking.gke.io/static-ip"
"""Annotation: the reserved address, by IP or URL."""
STANDS_ON = "mesh.fleet/address"
"""Annotation of ours: which IP a reserved address has that is named by URL."""
_MOST = 100
"""MultiClusterServices of one project, as Google limits them."""


def door_problems(door: Door, providers: t.Mapping[str, str]) -> list[Problem]:
    """What Google does not do, known from the data alone.

    Args:
        door: what the user wants.
        providers: the provider of each cluster of the fleet; without a GKE cluster there is no problem.
    """
    if not door.routes or "gke" not in providers.values():
        return []
    problems: list[Problem] = []
    for number, route in enumerate(door.routes):
        for name in route.clusters or ():
            if providers.get(name, "gke") != "gke":
                where = f"front_door_routes[{number}].clusters"
                message = f"names {name}, of provider {providers[name]}: on GKE a front door reaches GKE clusters"
                problems.append(Problem("", where, "", message, "leave the cluster out of that route"))
    if door.certificates and not door.address:
        message = "needs front_door_address: Google gives HTTPS to a reserved address only"
        hint = "name an address, for example shop; it is reserved when it is not there"
        problems.append(Problem("", "front_door_certificates", "", message, hint))
    count = len(door.backends())
    if count > _MOST:
        message = f"lead to {count} services: Google allows {_MOST} of a project"
        problems.append(Problem("", "front_door_routes", "", message, "lead several routes through one gateway"))
    return problems


def door_objects(
    door: Door,
    services: t.Mapping[str, t.Mapping[str, t.Any]],
    links: t.Mapping[str, t.Sequence[str]],
    address: str,
    ip: str = "",
) -> list[Object]:
    """All objects of the config cluster, what others refer to first.

    Args:
        door: what the user wants.
        services: the live Service behind each backend, by its name: selector and ports are taken from it.
        links: by backend, ``location/cluster`` of each cluster that serves it; an empty list means all of the fleet.
        address: IP or URL of the reserved address; "" takes whatever comes.
        ip: its IP, where that is known.
    """
    backends = door.backends()
    objects: list[Object] = []
    ports: dict[str, int] = {}
    for name, route in backends.items():
        port = _port_of(route, services[name])
        ports[name] = int(port["port"])
        if route.health:
            objects.append(_backend_config(door, route, port))
        objects.append(_service(route, services[name], port, links.get(name) or ()))
    if door.https_redirect:
        objects.append(
            {
                "apiVersion": "networking.gke.io/v1beta1",
                "kind": "FrontendConfig",
                "metadata": {"name": door.name, "namespace": door.namespace},
                "spec": {"redirectToHttps": {"enabled": True}},
            }
        )
    return [*objects, _ingress(door, ports, address, ip)]


def _port_of(route: Route, service: t.Mapping[str, t.Any]) -> Object:
    ports = (service.get("spec") or {}).get("ports") or []
    chosen = next((p for p in ports if int(p["port"]) == route.port), None) if route.port else next(iter(ports), None)
    if chosen is None:
        raise FleetError(
            f"Service {route.namespace}/{route.name} has no port {route.port or 'at all'}",
            seen=f"ports {', '.join(str(p['port']) for p in ports)}" if ports else "",
            next_step="correct port in front_door_routes",
        )
    return {
        "name": str(chosen.get("name") or f"port-{chosen['port']}"),
        "protocol": "TCP",
        "port": int(chosen["port"]),
        "targetPort": chosen.get("targetPort") or int(chosen["port"]),
        "appProtocol": str(chosen.get("appProtocol") or ""),
    }


def _service(route: Route, service: t.Mapping[str, t.Any], port: Object, links: t.Sequence[str]) -> Object:
    selector = (service.get("spec") or {}).get("selector")
    if not selector:
        raise FleetError(
            f"Service {route.namespace}/{route.name} selects no pods",
            means="the load balancer sends to pods, and finds them by the Service's selector",
            next_step="route to a Service with a selector",
        )
    meta: Object = {"name": route.name, "namespace": route.namespace}
    notes = {}
    if route.health:
        notes["beta.cloud.google.com/backend-config"] = json.dumps({"ports": {str(port["port"]): route.name}})
    speaks = _speaks(port)
    if speaks != "HTTP":
        notes["networking.gke.io/app-protocols"] = json.dumps({port["name"]: speaks})
    if notes:
        meta["annotations"] = notes
    plain = {key: value for key, value in port.items() if key != "appProtocol"}
    spec: Object = {"template": {"spec": {"selector": dict(selector), "ports": [plain]}}}
    if links:
        spec["clusters"] = [{"link": link} for link in links]
    return {"apiVersion": API, "kind": "MultiClusterService", "metadata": meta, "spec": spec}


def _speaks(port: Object) -> str:
    """What the load balancer speaks to the pods of a port: HTTP, HTTPS or HTTP2 (which is always within TLS)."""
    said = str(port.get("appProtocol") or "").lower()
    return {"https": "HTTPS", "http2": "HTTP2", "grpcs": "HTTP2"}.get(said, "HTTP")


def _backend_config(door: Door, route: Route, port: Object) -> Object:
    health = route.health
    if health is None:
        raise ValueError(f"no health check for {route.name}")
    # Without a port the pods are asked where they serve. Google means the pods' port, not the Service's.
    check: Object = {
        "type": _speaks(port),
        "requestPath": health.path,
        **({"port": health.port} if health.port else {}),
    }
    return {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {"name": route.name, "namespace": door.namespace},
        "spec": {"healthCheck": check},
    }


def differing(name: str, services: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """A warning where clusters have a Service whose pods are chosen, or listen, differently; "" where they agree.

    Args:
        name: ``name.namespace``.
        services: the live Service by cluster, the one that is taken first.
    """
    chosen = {cluster: _picks(service) for cluster, service in services.items()}
    first = next(iter(chosen), "")
    others = [cluster for cluster, picks in chosen.items() if picks != chosen[first]]
    if not others:
        return ""
    return (
        f"{name} has another selector or other ports in {', '.join(others)} than in {first}, "
        "whose are taken for all of them"
    )


def _picks(service: t.Mapping[str, t.Any]) -> str:
    spec = service.get("spec") or {}
    ports = [[p.get("port"), p.get("targetPort"), p.get("appProtocol")] for p in spec.get("ports") or []]
    return json.dumps([spec.get("selector"), ports], sort_keys=True)


def _ingress(door: Door, ports: t.Mapping[str, int], address: str, ip: str) -> Object:
    annotations = {}
    if address:
        annotations[STATIC_IP] = address
    if ip and ip != address:
        annotations[STANDS_ON] = ip
    if door.certificates:
        annotations["networking.gke.io/pre-shared-certs"] = ",".join(door.certificates)
    if door.https_redirect:
        annotations["networking.gke.io/frontend-config"] = door.name
    rules: dict[str, list[Object]] = {}
    for route in door.routes:
        if not route.host and route.path == "/":
            continue  # what matches nothing else goes there anyway
        backend = {"serviceName": route.name, "servicePort": ports[route.name]}
        rules.setdefault(route.host, []).extend({"path": path, "backend": backend} for path in _paths(route.path))
    spec: Object = {
        "backend": {"serviceName": door.catch_all.name, "servicePort": ports[door.catch_all.name]},
    }
    if rules:
        spec["rules"] = [
            {**({"host": host} if host else {}), "http": {"paths": paths}} for host, paths in rules.items()
        ]
    meta: Object = {"name": door.name, "namespace": door.namespace}
    if annotations:
        meta["annotations"] = annotations
    return {
        "apiVersion": API,
        "kind": INGRESS,
        "metadata": meta,
        "spec": {"template": {"spec": spec}},
    }


def _paths(path: str) -> list[str]:
    """A path and all below it, as Google's load balancer spells it."""
    return ["/*"] if path == "/" else [path, f"{path}/*"]
