# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door on GKE, multi-cluster ingress: the objects of the config cluster."""

from __future__ import annotations

import json
import typing as t

from ...errors import FleetError
from ...metadata import annotations_of
from ..inventory.problems import Problem
from .front_door import FrontDoor, Route

__all__ = [
    "API",
    "INGRESS",
    "KINDS",
    "RESERVED_IP",
    "STATIC_IP",
    "backend_at",
    "ingress_objects",
    "ingress_problems",
    "leads_to",
    "links_of",
    "service_differences",
    "service_of",
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
"""In the order of removal: what refers to others first."""
STATIC_IP = "networking.gke.io/static-ip"
"""Annotation: the reserved address, by IP or URL."""
RESERVED_IP = "mesh.fleet/address"
"""Annotation of ours: the IP of a reserved address that STATIC_IP names by URL."""
_PROTOCOLS = "networking.gke.io/app-protocols"
"""Annotation: by name of a port, its protocol where that is not HTTP."""
_MOST = 100
"""Google's limit of MultiClusterServices in one project."""


def ingress_problems(door: FrontDoor, elsewhere: t.Mapping[str, str]) -> list[Problem]:
    """What multi-cluster ingress cannot do, known from the inventory alone.

    Args:
        door: what the user wants.
        elsewhere: the clusters of the fleet that Google's ingress does not reach, with their providers.
    """
    if not door.routes:
        return []
    problems: list[Problem] = []
    spaces = sorted({route.namespace for route in door.routes})
    if len(spaces) > 1:
        hint = "route to one gateway (istio-ingressgateway), or move the services into one namespace"
        message = "names services of several namespaces: a front door of Google and its services are of one"
        problems.append(Problem("", "front_door_routes", ", ".join(spaces), message, hint))
    for name, value in (("front_door_regions", door.regions), ("front_door_region_header", door.region_header)):
        if value:
            message = "is set, but Google's load balancer knows by itself where callers are"
            problems.append(Problem("", name, "", message, "leave it out on GKE"))
    for route in door.routes:
        for name in route.clusters or ():
            if name in elsewhere:
                where = f"front_door_routes[{route.number}].clusters"
                message = f"names {name}, of provider {elsewhere[name]}: on GKE a front door reaches GKE clusters"
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


def ingress_objects(
    door: FrontDoor,
    services: t.Mapping[str, t.Mapping[str, t.Any]],
    links: t.Mapping[str, t.Sequence[str]],
    address: str,
    ip: str = "",
) -> list[Object]:
    """All objects of the config cluster; what others refer to comes first.

    Args:
        door: what the user wants.
        services: the live Service of each backend, by its name: selector and ports are its.
        links: by backend, ``location/cluster`` of each cluster that serves it; none for all of the fleet.
        address: IP or URL of the reserved address; "" for any address.
        ip: the reserved address's IP, where it is known.
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
            means="the load balancer sends requests to pods, and finds them by the Service's selector",
            next_step="route to a Service with a selector",
        )
    meta: Object = {"name": route.name, "namespace": route.namespace}
    notes = {}
    if route.health:
        notes["beta.cloud.google.com/backend-config"] = json.dumps({"ports": {str(port["port"]): route.name}})
    protocol = _protocol(port)
    if protocol != "HTTP":
        notes[_PROTOCOLS] = json.dumps({port["name"]: protocol})
    if notes:
        meta["annotations"] = notes
    plain = {key: value for key, value in port.items() if key != "appProtocol"}
    spec: Object = {"template": {"spec": {"selector": dict(selector), "ports": [plain]}}}
    if links:
        spec["clusters"] = [{"link": link} for link in links]
    return {"apiVersion": API, "kind": "MultiClusterService", "metadata": meta, "spec": spec}


def service_of(live: t.Mapping[str, t.Any]) -> Object:
    """The Service of which a MultiClusterService was made, as far as it tells: selector, and the port that serves."""
    spec = live["spec"]["template"]["spec"]
    said = json.loads(annotations_of(live).get(_PROTOCOLS) or "{}")
    ports = [{**port, "appProtocol": str(said.get(port.get("name"), "")).lower()} for port in spec.get("ports") or []]
    return {"spec": {"selector": spec.get("selector"), "ports": ports}}


def leads_to(live: t.Mapping[str, t.Any], link: str) -> bool:
    """Whether a MultiClusterService takes in a cluster, ``location/cluster``: without links it takes in all."""
    links = links_of(live)
    return not links or link in links


def links_of(live: t.Mapping[str, t.Any]) -> list[str]:
    """The clusters that a MultiClusterService names, ``location/cluster``; none where it takes in all."""
    return [str(entry.get("link")) for entry in live["spec"].get("clusters") or []]


def _protocol(port: Object) -> str:
    """The protocol between load balancer and pods: HTTP, HTTPS or HTTP2 (which is always within TLS)."""
    said = str(port.get("appProtocol") or "").lower()
    return {"https": "HTTPS", "http2": "HTTP2", "grpcs": "HTTP2"}.get(said, "HTTP")


def _backend_config(door: FrontDoor, route: Route, port: Object) -> Object:
    health = route.health
    if health is None:
        raise ValueError(f"no health check for {route.name}")
    # The port is the pods', not the Service's; without one Google asks the port that serves.
    check: Object = {
        "type": _protocol(port),
        "requestPath": health.path,
        **({"port": health.port} if health.port else {}),
    }
    return {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {"name": route.name, "namespace": door.namespace},
        "spec": {"healthCheck": check},
    }


def service_differences(name: str, services: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """A warning where the clusters' Services have other selectors or ports; "" where they agree.

    Args:
        name: ``name.namespace``.
        services: the live Service by cluster; the first one is used for all.
    """
    compared = {cluster: _selection(service) for cluster, service in services.items()}
    first = next(iter(compared), "")
    others = [cluster for cluster, selection in compared.items() if selection != compared[first]]
    if not others:
        return ""
    return (
        f"{name} has another selector or other ports in {', '.join(others)} than in {first}: "
        f"those of {first} are used for all"
    )


def _selection(service: t.Mapping[str, t.Any]) -> str:
    spec = service.get("spec") or {}
    ports = [[p.get("port"), p.get("targetPort"), p.get("appProtocol")] for p in spec.get("ports") or []]
    return json.dumps([spec.get("selector"), ports], sort_keys=True)


def _ingress(door: FrontDoor, ports: t.Mapping[str, int], address: str, ip: str) -> Object:
    annotations = {}
    if address:
        annotations[STATIC_IP] = address
    if ip and ip != address:
        annotations[RESERVED_IP] = ip
    if door.certificates:
        annotations["networking.gke.io/pre-shared-certs"] = ",".join(door.certificates)
    if door.https_redirect:
        annotations["networking.gke.io/frontend-config"] = door.name
    rules: dict[str, list[Object]] = {}
    for route in door.routes:
        if not route.host and route.path == "/":
            continue  # it goes to the default backend
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


def backend_at(ingress: t.Mapping[str, t.Any], host: str, path: str) -> str:
    """The service to which an ingress leads a host's path, by Google's rules: the nearest host, then the longest path.

    Args:
        ingress: the MultiClusterIngress.
        host: as in a route; "" for one that no rule names.
        path: as in a route.
    """
    spec = ingress["spec"]["template"]["spec"]
    rules = {str(rule.get("host") or ""): rule["http"]["paths"] for rule in spec.get("rules") or []}
    fitting = [one for one in rules if one in ("", host) or (one.startswith("*.") and host.endswith(one[1:]))]
    nearest = max(fitting, key=lambda one: (one == host, len(one)), default="")
    there = {str(entry["path"]): str(entry["backend"]["serviceName"]) for entry in rules.get(nearest, [])}
    parts = path.rstrip("/").split("/")
    tried = [path, *("/".join([*parts[:count], "*"]) for count in range(len(parts), 0, -1))]
    return next((there[one] for one in tried if one in there), str(spec["backend"]["serviceName"]))


def _paths(path: str) -> list[str]:
    """A path and all paths below it, in the load balancer's notation."""
    return ["/*"] if path == "/" else [path, f"{path}/*"]
