# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door on GKE: MultiClusterIngress and MultiClusterService for the config cluster."""

from __future__ import annotations

import ipaddress
import json
import typing as t

from ..errors import FleetError
from .front_door import Door, Route

__all__ = ["KINDS", "door_objects", "is_ip", "vip_condition"]

Object = dict[str, t.Any]

API = "networking.gke.io/v1"
KINDS = (
    (API, "MultiClusterIngress"),
    (API, "MultiClusterService"),
    ("cloud.google.com/v1", "BackendConfig"),
    ("networking.gke.io/v1beta1", "FrontendConfig"),
)
"""In the order in which they are taken away: what refers to others first."""
_MOST = 100
"""MultiClusterServices of one project, as Google limits them."""


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def door_objects(
    door: Door, services: t.Mapping[str, t.Mapping[str, t.Any]], links: t.Mapping[str, t.Sequence[str]], address: str
) -> list[Object]:
    """All objects of the config cluster, what others refer to first.

    Args:
        door: what the user wants.
        services: the live Service behind each backend, by its name: selector and ports are taken from it.
        links: by backend, ``location/cluster`` of each cluster that serves it; an empty list means all of the fleet.
        address: IP or URL of the reserved address; "" takes whatever comes.
    """
    backends = door.backends()
    if len(backends) > _MOST:
        raise FleetError(
            f"the front door has {len(backends)} services",
            means=f"Google allows {_MOST} MultiClusterServices in a project",
            next_step="lead several routes through one gateway",
        )
    objects: list[Object] = []
    ports: dict[str, int] = {}
    for name, route in backends.items():
        port = _port_of(route, services[name])
        ports[name] = int(port["port"])
        if route.health:
            objects.append(_backend_config(door, route, ports[name]))
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
    return [*objects, _ingress(door, ports, address)]


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
    if route.health:
        meta["annotations"] = {
            "beta.cloud.google.com/backend-config": json.dumps({"ports": {str(port["port"]): route.name}})
        }
    spec: Object = {"template": {"spec": {"selector": dict(selector), "ports": [port]}}}
    if links:
        spec["clusters"] = [{"link": link} for link in links]
    return {"apiVersion": API, "kind": "MultiClusterService", "metadata": meta, "spec": spec}


def _backend_config(door: Door, route: Route, port: int) -> Object:
    health = route.health
    if health is None:
        raise ValueError(f"no health check for {route.name}")
    return {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {"name": route.name, "namespace": door.namespace},
        "spec": {"healthCheck": {"type": "HTTP", "requestPath": health.path, "port": health.port or port}},
    }


def _ingress(door: Door, ports: t.Mapping[str, int], address: str) -> Object:
    annotations = {}
    if address:
        annotations["networking.gke.io/static-ip"] = address
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
        "kind": "MultiClusterIngress",
        "metadata": meta,
        "spec": {"template": {"spec": spec}},
    }


def _paths(path: str) -> list[str]:
    """A path and all below it, as Google's load balancer spells it."""
    return ["/*"] if path == "/" else [path, f"{path}/*"]


def vip_condition(address: str) -> t.Callable[[t.Mapping[str, t.Any] | None], tuple[bool, str]]:
    """A condition on the MultiClusterIngress: it has its address (``address`` where one was reserved)."""

    def check(obj: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
        if obj is None:
            return False, "it does not exist"
        vip = str((obj.get("status") or {}).get("VIP") or "")
        if not vip:
            return False, "no address yet"
        if address and vip != address:
            return False, f"it has {vip}, not yet {address}"
        return True, vip

    return check
