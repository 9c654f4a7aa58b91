# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door as configuration of Envoy (v3 API): a bootstrap, and the files it watches.

A caller's region is decided by the filter chain that takes its connection: by its address, or, from the addresses of a
CDN alone, by a header. So a header that a stranger sets is read by nobody. Each region has a cluster of Envoy for each
service, whose priorities are the clusters of the fleet, the region's own first.

Keys never come here: a file names the paths under which Envoy finds certificate and key.

Format: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto
"""

from __future__ import annotations

import dataclasses
import typing as t

from .front_door import FrontDoor, Route

__all__ = ["Certificate", "EnvoyDoor", "Gateway", "ordered", "render"]

_TYPE = "type.googleapis.com/envoy."
_HCM = f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


@dataclasses.dataclass(frozen=True)
class Gateway:
    """A cluster's ingress gateway, as the front door reaches it."""

    cluster: str
    addresses: tuple[str, ...]
    port: int = 80
    region: str = ""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Where Envoy finds a certificate and its key; ``directory`` is watched for an atomic move."""

    name: str
    directory: str


@dataclasses.dataclass(frozen=True)
class EnvoyDoor:
    """What Envoy's configuration is made of, besides the routes.

    ``regions``: ranges of callers' addresses by region. ``region_header`` counts from ``trusted`` ranges only.
    """

    gateways: tuple[Gateway, ...]
    certificates: tuple[Certificate, ...] = ()
    regions: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    region_header: str = ""
    trusted: tuple[str, ...] = ()
    folder: str = "/etc/front-door"
    http_port: int = 8080
    https_port: int = 8443


def ordered(gateways: t.Iterable[Gateway], region: str) -> list[Gateway]:
    """The gateways in the order in which a caller of that region gets them."""
    return sorted(gateways, key=lambda g: (g.region != region if region else False, g.cluster))


def render(door: FrontDoor, envoy: EnvoyDoor) -> dict[str, dict[str, t.Any]]:
    """Files by name: bootstrap.yaml, and those that Envoy watches. The same input gives the same files."""
    regions = sorted({g.region for g in envoy.gateways if g.region} | set(envoy.regions))
    files: dict[str, dict[str, t.Any]] = {
        "bootstrap.yaml": _bootstrap(door, envoy),
        "clusters.yaml": {
            "resources": [
                _cluster(route, region, envoy.gateways)
                for route in door.backends().values()
                for region in ["", *regions]
            ]
        },
        "listeners.yaml": {"resources": _listeners(door, envoy, regions)},
    }
    for certificate in envoy.certificates:
        files[f"secret-{certificate.name}.yaml"] = {"resources": [_secret(certificate)]}
    return files


def _source(folder: str, name: str) -> dict[str, t.Any]:
    watched = {"path": f"{folder}/{name}", "watched_directory": {"path": folder}}
    return {"path_config_source": watched, "resource_api_version": "V3"}


def _bootstrap(door: FrontDoor, envoy: EnvoyDoor) -> dict[str, t.Any]:
    return {
        "node": {"id": door.name, "cluster": door.name},
        "dynamic_resources": {
            "cds_config": _source(envoy.folder, "clusters.yaml"),
            "lds_config": _source(envoy.folder, "listeners.yaml"),
        },
    }


def _name(route: Route, region: str) -> str:
    return f"{route.service}|{region or 'any'}"


def _cluster(route: Route, region: str, gateways: t.Iterable[Gateway]) -> dict[str, t.Any]:
    asked = [g for g in gateways if route.clusters is None or g.cluster in route.clusters]
    check: dict[str, t.Any] = {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 2,
        # The gateway routes by host, so the answer is the service's: one without ready pods is unhealthy.
        "http_health_check": {
            "path": route.health.path if route.health else route.path,
            **({"host": route.host} if route.host and not route.host.startswith("*.") else {}),
            "expected_statuses": [{"start": 200, "end": 500}],
        },
    }
    return {
        "@type": f"{_TYPE}config.cluster.v3.Cluster",
        "name": _name(route, region),
        "type": "STATIC",
        "connect_timeout": "1s",
        # Without healthy gateways a call fails at once, rather than going to one known to be dead.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [check],
        "load_assignment": {
            "cluster_name": _name(route, region),
            "endpoints": [
                {
                    "priority": priority,
                    "locality": {"region": gateway.region, "zone": gateway.cluster},
                    "lb_endpoints": [
                        {"endpoint": {"address": _address(ip, gateway.port)}} for ip in sorted(gateway.addresses)
                    ],
                }
                for priority, gateway in enumerate(ordered(asked, region))
            ],
        },
    }


def _address(ip: str, port: int) -> dict[str, t.Any]:
    return {"socket_address": {"address": ip, "port_value": port}}


def _listeners(door: FrontDoor, envoy: EnvoyDoor, regions: t.Sequence[str]) -> list[dict[str, t.Any]]:
    redirect = door.https_redirect and bool(envoy.certificates)
    found = [_listener("http", envoy.http_port, _chains(door, envoy, regions, redirect=redirect))]
    if envoy.certificates:
        chains = _chains(door, envoy, regions, tls=True)
        found.append(_listener("https", envoy.https_port, chains))
    return found


def _listener(name: str, port: int, chains: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return {
        "@type": f"{_TYPE}config.listener.v3.Listener",
        "name": name,
        "address": {"socket_address": {"address": "::", "port_value": port, "ipv4_compat": True}},
        "filter_chains": chains[:-1],
        "default_filter_chain": chains[-1],
    }


def _chains(
    door: FrontDoor, envoy: EnvoyDoor, regions: t.Sequence[str], *, tls: bool = False, redirect: bool = False
) -> list[dict[str, t.Any]]:
    """One for each way to know a region; the last is for callers of whom nothing is known."""
    chains = []
    if envoy.region_header and envoy.trusted:
        chains.append(_chain("trusted", door, envoy, list(regions), envoy.trusted, tls, redirect))
    for region, ranges in sorted(envoy.regions.items()):
        chains.append(_chain(f"region-{region}", door, envoy, region, ranges, tls, redirect))
    return [*chains, _chain("any", door, envoy, "", (), tls, redirect)]


def _chain(
    name: str,
    door: FrontDoor,
    envoy: EnvoyDoor,
    region: str | list[str],
    ranges: t.Sequence[str],
    tls: bool,
    redirect: bool,
) -> dict[str, t.Any]:
    chain: dict[str, t.Any] = {
        "name": name,
        "filters": [
            {
                "name": "http",
                "typed_config": {
                    "@type": _HCM,
                    "stat_prefix": name,
                    "codec_type": "AUTO",
                    "use_remote_address": True,
                    "route_config": {"name": name, "virtual_hosts": _virtual_hosts(door, envoy, region, redirect)},
                    "http_filters": [
                        {
                            "name": "router",
                            "typed_config": {"@type": f"{_TYPE}extensions.filters.http.router.v3.Router"},
                        }
                    ],
                },
            }
        ],
    }
    if ranges:
        chain["filter_chain_match"] = {"source_prefix_ranges": [_range(text) for text in sorted(ranges)]}
    if tls:
        chain["transport_socket"] = {
            "name": "tls",
            "typed_config": {
                "@type": f"{_TYPE}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificate_sds_secret_configs": [
                        {"name": c.name, "sds_config": _source(envoy.folder, f"secret-{c.name}.yaml")}
                        for c in envoy.certificates
                    ],
                },
            },
        }
    return chain


def _range(text: str) -> dict[str, t.Any]:
    prefix, _slash, length = text.partition("/")
    return {"address_prefix": prefix, "prefix_len": int(length or (128 if ":" in prefix else 32))}


def _virtual_hosts(
    door: FrontDoor, envoy: EnvoyDoor, region: str | list[str], redirect: bool
) -> list[dict[str, t.Any]]:
    hosts: dict[str, list[Route]] = {}
    for route in door.routes:
        hosts.setdefault(route.host or "*", []).append(route)
    hosts.setdefault("*", []).append(door.catch_all)
    found = []
    for number, (host, routes) in enumerate(hosts.items()):
        # Envoy takes the first that matches, so the longest path comes first.
        matched = sorted(routes, key=lambda r: (-len(r.path), r.path))
        entries = [_route(r, "", region) for r in matched] if isinstance(region, str) else []
        if isinstance(region, list):
            entries = [_route(r, envoy.region_header if name else "", name) for r in matched for name in [*region, ""]]
        if redirect:
            entries = [{"match": {"prefix": "/"}, "redirect": {"https_redirect": True}}]
        found.append({"name": f"host-{number}", "domains": [host], "routes": entries})
    return found


def _route(route: Route, header: str, region: str) -> dict[str, t.Any]:
    match: dict[str, t.Any] = {"prefix": "/"} if route.path == "/" else {"path_separated_prefix": route.path}
    if header:
        match["headers"] = [{"name": header, "string_match": {"exact": region}}]
    retry = {
        "@type": f"{_TYPE}extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 1,
    }
    return {
        "match": match,
        "route": {
            "cluster": _name(route, region),
            # A call that never reached its gateway goes to the next cluster; others may have had an effect.
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,reset-before-request",
                "num_retries": 2,
                "retry_priority": {"name": "envoy.retry_priorities.previous_priorities", "typed_config": retry},
            },
        },
    }


def _secret(certificate: Certificate) -> dict[str, t.Any]:
    return {
        "@type": f"{_TYPE}extensions.transport_sockets.tls.v3.Secret",
        "name": certificate.name,
        "tls_certificate": {
            "certificate_chain": {"filename": f"{certificate.directory}/tls.crt"},
            "private_key": {"filename": f"{certificate.directory}/tls.key"},
            "watched_directory": {"path": certificate.directory},
        },
    }
