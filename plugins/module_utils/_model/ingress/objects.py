# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects of routes in one cluster: Istio's, those of the Kubernetes Gateway API, and cert-manager's Certificate.

- Istio: https://istio.io/latest/docs/reference/config/networking/gateway/ and .../virtual-service/
- Gateway API: https://gateway-api.sigs.k8s.io/reference/spec/. The Gateway names the ingress gateway that is there
  by its address (https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/#manual-deployment), so
  istiod makes no other one.
- cert-manager: https://cert-manager.io/docs/usage/certificate/
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ..istio.helm_values import INGRESS
from ..multicluster.claims import INGRESS_SELECTOR
from .routes import GATEWAY_API, ISSUER, Route, Site

__all__ = [
    "CERT_MANAGER",
    "GATEWAY_API_VERSION",
    "GATEWAY_CLASS",
    "GATEWAY_KINDS",
    "Place",
    "kinds",
    "redirect_name",
    "site_objects",
    "tls_secret",
    "without_redirect",
]

Manifest = dict[str, t.Any]

CERT_MANAGER = ("cert-manager.io/v1", "Certificate")
_GATEWAY = "gateway.networking.k8s.io/v1"
GATEWAY_API_VERSION = "v1.6.0"
"""The release that the local fleet's Istio is built with."""
GATEWAY_KINDS = ((_GATEWAY, "Gateway"), (_GATEWAY, "HTTPRoute"))
GATEWAY_CLASS = "istio"
"""The GatewayClass that istiod makes."""
_REVISION = "istio.io/rev"
_HTTP, _HTTPS = 80, 443
"""Ports of the ingress gateway's Service."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a cluster's objects go."""

    namespace: str
    """Of the ingress gateway."""
    istio_api: str
    """``apiVersion`` of Istio's objects."""
    revision: str = "default"
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Ours, which cert-manager puts on the Secrets that it makes."""


def kinds(istio_api: str) -> list[tuple[str, str]]:
    """Every kind that a route may become."""
    return [
        (istio_api, "Gateway"),
        (istio_api, "VirtualService"),
        *GATEWAY_KINDS,
        CERT_MANAGER,
        ("v1", "Secret"),
    ]


def site_objects(site: Site, ports: t.Mapping[Route, int], place: Place) -> list[Manifest]:
    """The objects of one host, without a Secret whose certificate is given.

    Args:
        site: the host and its routes.
        ports: of each route, the Service's port.
        place: where they go.
    """
    make = _gateway_api if site.api == GATEWAY_API else _istio
    return [*_certificate(site, place), *make(site, ports, place)]


def tls_secret(name: str, namespace: str, certificate: str, key: str) -> Manifest:
    """A Secret with a certificate that the inventory gives."""
    meta = {"name": name, "namespace": namespace}
    data = {"tls.crt": certificate, "tls.key": key}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "stringData": data}


def _certificate(site: Site, place: Place) -> list[Manifest]:
    found = site.certificate
    if found is None or found.source != ISSUER:
        return []
    spec = {
        "secretName": site.secret,
        "secretTemplate": {"labels": dict(place.labels)},
        "dnsNames": [site.host],
        "issuerRef": {"name": found.name, "kind": found.kind, "group": found.group},
    }
    meta = {"name": site.name, "namespace": place.namespace}
    return [{"apiVersion": CERT_MANAGER[0], "kind": CERT_MANAGER[1], "metadata": meta, "spec": spec}]


# -- Istio's -------------------------------------------------------------------------------------


def _istio(site: Site, ports: t.Mapping[Route, int], place: Place) -> list[Manifest]:
    hosts = [site.host or "*"]
    plain: Manifest = {"port": {"number": _HTTP, "name": "http", "protocol": "HTTP"}, "hosts": hosts}
    servers = [plain]
    if site.secret:
        if site.https_redirect:
            plain["tls"] = {"httpsRedirect": True}
        servers.append(
            {
                "port": {"number": _HTTPS, "name": "https", "protocol": "HTTPS"},
                "hosts": hosts,
                "tls": {"mode": "SIMPLE", "credentialName": site.secret},
            }
        )
    meta = {"name": site.name, "namespace": place.namespace}
    routes = [
        {
            "match": _istio_matches(route.path),
            "route": [
                {
                    "destination": {
                        "host": f"{route.service}.svc.cluster.local",
                        "port": {"number": ports[route]},
                    }
                }
            ],
        }
        for route in site.routes
    ]
    return [
        {
            "apiVersion": place.istio_api,
            "kind": "Gateway",
            "metadata": dict(meta),
            "spec": {"selector": dict(INGRESS_SELECTOR), "servers": servers},
        },
        {
            "apiVersion": place.istio_api,
            "kind": "VirtualService",
            "metadata": dict(meta),
            "spec": {"hosts": hosts, "gateways": [site.name], "http": routes},
        },
    ]


def _istio_matches(path: str) -> list[Manifest]:
    """The path and what is below it: by itself a prefix of Istio's takes /payments for /pay too."""
    if path == "/":
        return [{"uri": {"prefix": "/"}}]
    return [{"uri": {"exact": path}}, {"uri": {"prefix": f"{path}/"}}]


# -- the Gateway API's ---------------------------------------------------------------------------


def redirect_name(site: Site) -> str:
    """The HTTPRoute that sends HTTP on to HTTPS."""
    return f"{site.name}-redirect"


def without_redirect(live: t.Mapping[str, t.Any]) -> Manifest:
    """An object of a host as it is, but served by HTTP as by HTTPS; the HTTPRoute that redirects is another one."""
    meta = {key: live["metadata"][key] for key in ("name", "namespace")}
    revision = (live["metadata"].get("labels") or {}).get(_REVISION)
    labels = {"labels": {_REVISION: revision}} if revision else {}
    spec = copy.deepcopy(dict(live["spec"]))
    for server in spec.get("servers") or []:
        if (server.get("tls") or {}).pop("httpsRedirect", None) is not None and not server["tls"]:
            del server["tls"]
    for parent in spec.get("parentRefs") or []:
        parent.pop("sectionName", None)
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {**meta, **labels}, "spec": spec}


def _gateway_api(site: Site, ports: t.Mapping[Route, int], place: Place) -> list[Manifest]:
    spaces = sorted({route.namespace for route in site.routes} | {place.namespace})
    allowed = {
        "namespaces": {
            "from": "Selector",
            "selector": {
                "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": spaces}]
            },
        }
    }
    host = {"hostname": site.host} if site.host else {}
    listeners: list[Manifest] = [
        {"name": "http", "port": _HTTP, "protocol": "HTTP", **host, "allowedRoutes": allowed},
    ]
    if site.secret:
        tls = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "group": "", "name": site.secret}]}
        listeners.append(
            {"name": "https", "port": _HTTPS, "protocol": "HTTPS", **host, "tls": tls, "allowedRoutes": allowed}
        )
    meta: Manifest = {"name": site.name, "namespace": place.namespace}
    if place.revision != "default":
        meta["labels"] = {_REVISION: place.revision}
    address = f"{INGRESS}.{place.namespace}.svc.cluster.local"
    gateway = {
        "apiVersion": _GATEWAY,
        "kind": "Gateway",
        "metadata": meta,
        "spec": {
            "gatewayClassName": GATEWAY_CLASS,
            "addresses": [{"type": "Hostname", "value": address}],
            "listeners": listeners,
        },
    }
    objects = [gateway]
    if site.https_redirect:
        redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
        rule = {"matches": [_path_of("/")], "filters": [redirect]}
        objects.append(_http_route(site, redirect_name(site), place.namespace, place, "http", [rule]))
    for space in dict.fromkeys(route.namespace for route in site.routes):
        rules = [
            {
                "matches": [_path_of(route.path)],
                "backendRefs": [
                    {"group": "", "kind": "Service", "name": route.name, "port": ports[route], "weight": 1}
                ],
            }
            for route in site.routes
            if route.namespace == space
        ]
        objects.append(_http_route(site, site.name, space, place, "https" if site.https_redirect else "", rules))
    return objects


def _path_of(path: str) -> Manifest:
    return {"path": {"type": "PathPrefix", "value": path}}


def _http_route(site: Site, name: str, namespace: str, place: Place, listener: str, rules: list[Manifest]) -> Manifest:
    """Every default of the API server is written out, so that what is applied is what is there."""
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": site.name, "namespace": place.namespace}
    if listener:
        parent["sectionName"] = listener
    spec: Manifest = {"parentRefs": [parent], "rules": rules}
    if site.host:
        spec["hostnames"] = [site.host]
    return {
        "apiVersion": _GATEWAY,
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
