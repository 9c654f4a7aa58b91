# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Envoy's clusters: for each service and region of callers, the clusters of the fleet by priority, and their health.

Format: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/cluster/v3/cluster.proto
"""

from __future__ import annotations

import dataclasses
import typing as t

from .front_door import HEALTH_HEADER, Route, is_ip

__all__ = ["ANY", "MOST", "Gateway", "address", "cluster_of", "name_of", "ordered", "speaks_http2"]

_TYPE = "type.googleapis.com/envoy."
_OPTIONS = f"{_TYPE}extensions.upstreams.http.v3.HttpProtocolOptions"
_LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
MOST = 50000
"""As many as the door takes connections."""
ANY = "any"
"""The region of callers of whom nothing is known."""

Object = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Gateway:
    """Where the front door reaches a service of a cluster: mostly its ingress gateway."""

    cluster: str
    addresses: tuple[str, ...]
    port: int = 80
    region: str = ""
    health_port: int = 0
    """Another port at the same addresses, for the health check; 0 for none."""
    http2: bool = False
    """Whether the service's port says that it speaks HTTP/2, as gRPC does."""
    own: bool = False
    """Whether the address is the service's own, and no ingress gateway is between."""


def ordered(gateways: t.Iterable[Gateway], region: str) -> list[list[Gateway]]:
    """The gateways by priority for a caller of that region: those of it share the calls, then one after the other."""
    near = [g for g in gateways if region and g.region == region]
    return [*([near] if near else []), *([g] for g in gateways if g not in near)]


def speaks_http2(gateways: t.Iterable[Gateway]) -> bool:
    """Whether a service gets HTTP/2 from the front door: it is one service, so one cluster that says so is enough."""
    return any(gateway.http2 for gateway in gateways)


def name_of(service: str, region: str, apart: str = "") -> str:
    """Of a service's cluster for callers of a region; "" for callers of whom nothing is known.

    Args:
        apart: host and path of a route that has a cluster of its own, as not all gateways of the service know it.
    """
    return f"{service}|{region or ANY}{f'|{apart}' if apart else ''}"


def cluster_of(route: Route, region: str, gateways: t.Sequence[Gateway], *, apart: str = "") -> Object:
    """The cluster of a route's service for callers of a region; see :func:`name_of` for ``apart``."""
    name = name_of(route.service, region, apart)
    # Which of the gateways' routes is asked, a host decides; the answer is the service's own.
    host = route.host.replace("*", "health", 1) or "front-door"
    check: Object = {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 2,
        "http_health_check": {
            "path": route.health.path if route.health else route.path,
            "host": host,
            # Neither 404, a gateway without the route, nor 503, a gateway without pods behind it, is health.
            "expected_statuses": [{"start": 200, "end": 400}],
        },
    }
    if route.health:
        # The health check's path need not be one of the routes.
        asked = {"header": {"key": HEALTH_HEADER, "value": route.service}}
        check["http_health_check"]["request_headers_to_add"] = [asked]
    options: Object = {"http_protocol_options": {}}
    if speaks_http2(gateways):
        options = {"http2_protocol_options": {}}
        if not any(g.own for g in gateways):
            # A frozen node breaks no connection, and a stream has no end to wait for: without an answer to a ping the
            # connection ends. Servers of gRPC themselves take frequent pings for an attack, gateways do not.
            options["http2_protocol_options"]["connection_keepalive"] = {"interval": "2s", "timeout": "2s"}
        if all(g.health_port in (0, g.port) for g in gateways):
            # By itself a check speaks HTTP/1.1, whatever the cluster does. A port of its own is one for HTTP/1.1.
            check["http_health_check"]["codec_client_type"] = "HTTP2"
    # Of a name that has both, Envoy would take the addresses of IPv6 alone, which a machine may not reach.
    by_name = {"type": "STRICT_DNS", "dns_lookup_family": "ALL"}
    endpoints = sum(1 if is_ip(ip) else 2 for g in gateways for ip in g.addresses)
    return {
        "@type": f"{_TYPE}config.cluster.v3.Cluster",
        "name": name,
        **({"type": "STATIC"} if all(is_ip(ip) for g in gateways for ip in g.addresses) else by_name),
        "connect_timeout": "1s",
        # Where health checks fail in every cluster, they may be what is wrong: calls go on. A healthy one gets all.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        # By default three calls may be led on at a time, and when a cluster dies all of its calls are.
        "circuit_breakers": {"thresholds": [dict.fromkeys(_LIMITS, MOST)]},
        "health_checks": [check],
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _OPTIONS,
                "common_http_protocol_options": {"idle_timeout": "60s"},
                "explicit_http_config": options,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            # Only when all of a priority are gone does the next one get calls.
            "policy": {"overprovisioning_factor": 100 * max(2, endpoints)},
            "endpoints": [
                {
                    "priority": priority,
                    "locality": {"region": gateway.region, "zone": gateway.cluster},
                    "lb_endpoints": [_endpoint(gateway, ip) for ip in sorted(gateway.addresses)],
                }
                for priority, some in enumerate(ordered(gateways, region))
                for gateway in some
            ],
        },
    }


def _endpoint(gateway: Gateway, ip: str) -> Object:
    endpoint: Object = {"address": address(ip, gateway.port)}
    if gateway.health_port:
        endpoint["health_check_config"] = {"port_value": gateway.health_port}
    return {"endpoint": endpoint}


def address(ip: str, port: int) -> Object:
    """An address and a port, as Envoy wants them."""
    return {"socket_address": {"address": ip, "port_value": port}}
