# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts objects of others serve at a cluster's ingress gateway, and what they lead them to.

- VirtualServices: https://istio.io/latest/docs/reference/config/networking/virtual-service/
- HTTPRoutes: https://gateway-api.sigs.k8s.io/reference/spec/. The address of their Gateway names a gateway that is
  there (https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/#manual-deployment); a Gateway
  without such an address gets a gateway of its own.
"""

from __future__ import annotations

import typing as t

__all__ = ["HTTP_KINDS", "INGRESS_SELECTOR", "Claim", "claims", "route_claims", "selects"]

INGRESS_SELECTOR: t.Mapping[str, str] = {"istio": "ingressgateway"}
"""Of the labels of the ingress gateway's pods, the one by which objects of ours select them."""
_GATEWAY_API = "gateway.networking.k8s.io"
HTTP_KINDS = ((f"{_GATEWAY_API}/v1", "Gateway"), (f"{_GATEWAY_API}/v1", "HTTPRoute"))
_ANY = "*"

Live = t.Mapping[str, t.Any]


class Claim(t.NamedTuple):
    """A host that an object of somebody else serves at the ingress gateway."""

    host: str
    object: str
    """``VirtualService namespace/name``."""
    services: tuple[str, ...]
    """``name.namespace`` of those that it leads to."""


def selects(gateway: Live, proxies: t.Iterable[t.Mapping[str, str]]) -> bool:
    """Whether a Gateway of Istio is for one of some proxies, of which the labels are given; without a selector it is.

    https://istio.io/latest/docs/reference/config/networking/gateway/#Gateway
    """
    selector = (gateway.get("spec") or {}).get("selector") or {}
    return any(selector.items() <= labels.items() for labels in proxies)


def claims(
    gateways: t.Iterable[Live], virtual: t.Iterable[Live], proxies: t.Sequence[t.Mapping[str, str]]
) -> list[Claim]:
    """Hosts that objects of others serve at ingress gateways.

    Args:
        gateways: the Gateways that are not ours.
        virtual: the VirtualServices that are not ours.
        proxies: the labels of each ingress gateway, as ``ingress_labels`` says them.
    """
    served = {
        (str(gateway["metadata"]["namespace"]), str(gateway["metadata"]["name"]))
        for gateway in gateways
        if selects(gateway, proxies)
    }
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


def route_claims(gateways: t.Iterable[Live], routes: t.Iterable[Live], gateway: str, namespace: str) -> list[Claim]:
    """The same of the Gateway API.

    Args:
        gateways: its Gateways, whoever made them.
        routes: the HTTPRoutes that are not ours.
        gateway: name of the ingress gateway's Service.
        namespace: its namespace.
    """
    listeners = {
        (str(one["metadata"]["namespace"]), str(one["metadata"]["name"])): (one.get("spec") or {}).get("listeners")
        or ()
        for one in gateways
        if _is_at(one, gateway, namespace)
    }
    found = []
    for route in routes:
        spec, meta = route.get("spec") or {}, route["metadata"]
        space = str(meta["namespace"])
        hosts = {
            host
            for parent in spec.get("parentRefs") or ()
            if (parent.get("group", _GATEWAY_API), parent.get("kind", "Gateway")) == (_GATEWAY_API, "Gateway")
            for listener in listeners.get((str(parent.get("namespace") or space), str(parent["name"])), ())
            if parent.get("sectionName") in (None, listener.get("name"))
            if parent.get("port") in (None, listener.get("port"))
            for named in spec.get("hostnames") or (_ANY,)
            if (host := _both(str(named), str(listener.get("hostname") or _ANY)))
        }
        backends = [b for rule in spec.get("rules") or () for b in rule.get("backendRefs") or ()]
        services = tuple(sorted({f"{b['name']}.{b.get('namespace') or space}" for b in backends}))
        found += [Claim(host, f"HTTPRoute {space}/{meta['name']}", services) for host in sorted(hosts)]
    return found


def _is_at(gateway: Live, service: str, namespace: str) -> bool:
    """Whether a Gateway of the Gateway API is served by the gateway of a Service, which its address names."""
    own = str(gateway["metadata"]["namespace"])
    for address in (gateway.get("spec") or {}).get("addresses") or ():
        name, *rest = str(address.get("value") or "").split(".")
        if address.get("type") == "Hostname" and (name, rest[0] if rest else own) == (service, namespace):
            return True
    return False


def _both(one: str, other: str) -> str:
    """The hosts that two names have in common, as one name; "" for none."""
    for wide, narrow in ((one, other), (other, one)):
        if wide in (_ANY, narrow) or (wide.startswith("*.") and narrow.endswith(wide[1:])):
            return narrow
    return ""


def _service_name(host: str, namespace: str) -> str:
    """``name.namespace`` of a destination's host, which may be short."""
    name, *rest = host.split(".")
    return f"{name}.{rest[0] if rest else namespace}"
