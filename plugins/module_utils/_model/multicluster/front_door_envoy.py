# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door as configuration of Envoy (v3 API): a bootstrap, and the files it watches.

A caller's region is decided by the filter chain that takes its connection: by its address, or, from the addresses of a
CDN alone, by a header. So a header that a stranger sets is read by nobody. Each region has a cluster of Envoy for each
service, whose priorities are the clusters of the fleet, the region's own first.

Routes are in files of their own: another route changes no listener, and so ends no connection. Keys never come here: a
file names the paths under which Envoy finds certificate and key.

Format: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from .front_door import HEALTH_HEADER, FrontDoor, Route, is_ip

__all__ = [
    "ADMIN_PORT",
    "BOOTSTRAP",
    "CLUSTERS",
    "Certificate",
    "EnvoyDoor",
    "Gateway",
    "Health",
    "as_loaded",
    "as_static",
    "callers",
    "health_of",
    "ordered",
    "render",
    "union_of_clusters",
]

_TYPE = "type.googleapis.com/envoy."
_HCM = f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_OPTIONS = f"{_TYPE}extensions.upstreams.http.v3.HttpProtocolOptions"
BOOTSTRAP = "bootstrap.yaml"
CLUSTERS = "clusters.yaml"
LISTENERS = "listeners.yaml"
ADMIN_PORT = 9901
"""On its loopback alone."""
_SAFE = "GET|HEAD|OPTIONS"
"""Methods that a caller may repeat, as they have no effect (RFC 9110, section 9.2.1)."""
_LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
_MOST = 50000
"""As many as the door takes connections."""
_ANY = "any"
"""The region of callers of whom nothing is known."""

Object = dict[str, t.Any]
Files = t.Mapping[str, t.Mapping[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class Gateway:
    """Where the front door reaches a service of a cluster: mostly its ingress gateway."""

    cluster: str
    addresses: tuple[str, ...]
    port: int = 80
    region: str = ""
    health_port: int = 0
    """Another port at the same addresses, for the health check; 0 for none."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Where Envoy finds a certificate and its key. A renewed one has another folder."""

    name: str
    directory: str


@dataclasses.dataclass(frozen=True)
class EnvoyDoor:
    """What Envoy's configuration is made of, besides the routes.

    ``gateways``: by service, in the order of the inventory. ``regions``: ranges of callers' addresses by region.
    """

    gateways: t.Mapping[str, tuple[Gateway, ...]]
    certificates: tuple[Certificate, ...] = ()
    regions: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    folder: str = "/etc/front-door"
    http_port: int = 80
    https_port: int = 443
    admin_port: int = ADMIN_PORT
    bind: str = "0.0.0.0"


@dataclasses.dataclass(frozen=True)
class Health:
    """What Envoy thinks of the gateways of one service."""

    healthy: tuple[str, ...] = ()
    """Clusters that callers are led to."""
    unhealthy: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The others, with Envoy's words."""


def callers(door: FrontDoor, known: t.Mapping[str, t.Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Ranges of callers by region: those that the user names, and those known of the clusters' own callers.

    A range counts once, for Envoy takes no two chains for the same callers: what the user says of it counts.
    """
    taken = {*door.trusted, *(text for some in door.regions.values() for text in some)}
    found = {region: [text for text in some if text not in door.trusted] for region, some in door.regions.items()}
    for region, some in known.items():
        for text in some:
            if text not in taken:
                taken.add(text)
                found.setdefault(region, []).append(text)
    return {region: tuple(some) for region, some in found.items() if some}


def ordered(gateways: t.Iterable[Gateway], region: str) -> list[list[Gateway]]:
    """The gateways by priority for a caller of that region: those of it share the calls, then one after the other."""
    near = [g for g in gateways if region and g.region == region]
    return [*([near] if near else []), *([g] for g in gateways if g not in near)]


def render(door: FrontDoor, envoy: EnvoyDoor) -> dict[str, Object]:
    """Files by name: bootstrap.yaml, and those that Envoy watches. The same input gives the same files."""
    chains = _chains(door, envoy)
    regions = ["", *sorted({region for chain in chains for region in chain.regions})]
    files: dict[str, Object] = {
        CLUSTERS: _file(_cluster(r, region, envoy) for r in door.services().values() for region in regions),
        LISTENERS: _file(_listeners(door, envoy, chains)),
    }
    for listener in _names(envoy):
        redirect = listener == "http" and door.https_redirect and bool(envoy.certificates)
        for chain in chains:
            name = f"{listener}-{chain.name}"
            files[f"routes-{name}.yaml"] = _file([_routes(name, door, envoy, chain, redirect)])
    for certificate in envoy.certificates:
        files[f"secret-{certificate.name}.yaml"] = _file([_secret(certificate)])
    return {BOOTSTRAP: _bootstrap(door, envoy), **files}


def as_static(files: Files) -> Object:
    """The same as one bootstrap without other files, for ``envoy --mode validate``, which reads none of them."""
    of_routes = [r for name, f in files.items() if name.startswith("routes-") for r in f["resources"]]
    routes = {route["name"]: _untyped(route) for route in of_routes}
    listeners = json.loads(json.dumps(files[LISTENERS]["resources"]))
    for listener in listeners:
        for chain in (*listener["filter_chains"], listener["default_filter_chain"]):
            config = chain["filters"][0]["typed_config"]
            config["route_config"] = routes[config.pop("rds")["route_config_name"]]
            for secret in _tls_of(chain).get("tls_certificate_sds_secret_configs") or ():
                secret.pop("sds_config")  # it is one of the static ones then
        listener.pop("@type")
    secrets = [s for name, f in files.items() if name.startswith("secret-") for s in f["resources"]]
    clusters = files[CLUSTERS]["resources"]
    return {
        "node": files[BOOTSTRAP]["node"],
        "static_resources": {
            "listeners": listeners,
            "clusters": [_untyped(c) for c in clusters],
            "secrets": [_untyped(s) for s in secrets],
        },
    }


def union_of_clusters(new: t.Mapping[str, t.Any], old: t.Mapping[str, t.Any]) -> Object:
    """Clusters of both files: what routes still name stays until the new routes are loaded."""
    names = {c["name"] for c in new["resources"]}
    return _file([*new["resources"], *(c for c in old.get("resources") or () if c["name"] not in names)])


def as_loaded(files: Files, stats: t.Mapping[str, t.Any]) -> list[str]:
    """The files that Envoy has not loaded as they are.

    Args:
        files: what :func:`render` gave.
        stats: the page ``/stats?format=json`` of its admin port, whose texts hold the versions.
    """
    texts: dict[str, str] = {}
    for stat in stats.get("stats") or ():
        texts[str(stat.get("name"))] = str(stat.get("value"))
    wanted = {CLUSTERS: "cluster_manager.cds.version_text", LISTENERS: "listener_manager.lds.version_text"}
    for name in files:
        if name.startswith("routes-"):
            own = name.removeprefix("routes-").removesuffix(".yaml")
            wanted[name] = f"http.{own}.rds.{own}.version_text"
    return [name for name, stat in wanted.items() if name in files and texts.get(stat) != files[name]["version_info"]]


def health_of(door: FrontDoor, page: t.Mapping[str, t.Any]) -> dict[str, Health]:
    """By service, what Envoy thinks of its gateways.

    Args:
        page: ``/clusters?format=json`` of its admin port.
    """
    seen: dict[str, dict[str, list[str]]] = {}
    for status in page.get("cluster_statuses") or ():
        service, _bar, region = str(status.get("name")).partition("|")
        if region != _ANY:
            continue
        for host in status.get("host_statuses") or ():
            cluster = str((host.get("locality") or {}).get("zone"))
            seen.setdefault(service, {}).setdefault(cluster, []).append(_faults(host.get("health_status") or {}))
    found = {}
    for service in door.services():
        of = seen.get(service, {})
        healthy = tuple(cluster for cluster, faults in of.items() if "" in faults)
        found[service] = Health(healthy, {c: faults[0] for c, faults in of.items() if "" not in faults})
    return found


def _faults(status: t.Mapping[str, t.Any]) -> str:
    """What is wrong with a host in Envoy's words; "" for nothing."""
    words = {
        "failed_active_health_check": "its health check fails",
        "failed_active_hc_timeout": "its health check gets no answer in time",
        "pending_active_hc": "its first health check goes on",
    }
    said = [text for key, text in words.items() if status.get(key)]
    return (said[-1] if said else "") or (
        "" if status.get("eds_health_status", "HEALTHY") == "HEALTHY" else "unhealthy"
    )


def _file(resources: t.Iterable[Object]) -> Object:
    listed = list(resources)
    text = json.dumps(listed, sort_keys=True)
    return {"version_info": hashlib.sha256(text.encode()).hexdigest()[:12], "resources": listed}


def _untyped(resource: t.Mapping[str, t.Any]) -> Object:
    return {key: value for key, value in resource.items() if key != "@type"}


def _tls_of(chain: t.Mapping[str, t.Any]) -> Object:
    config = (chain.get("transport_socket") or {}).get("typed_config") or {}
    found: Object = config.get("common_tls_context") or {}
    return found


def _source(folder: str, name: str) -> Object:
    watched = {"path": f"{folder}/{name}", "watched_directory": {"path": folder}}
    return {"path_config_source": watched, "resource_api_version": "V3"}


def _bootstrap(door: FrontDoor, envoy: EnvoyDoor) -> Object:
    return {
        "node": {"id": door.name, "cluster": door.name},
        "admin": {"address": _address("127.0.0.1", envoy.admin_port)},
        "dynamic_resources": {
            "cds_config": _source(envoy.folder, CLUSTERS),
            "lds_config": _source(envoy.folder, LISTENERS),
        },
        # What Envoy's guide for proxies at the edge asks for; without a limit, memory would be the limit.
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}extensions.resource_monitors.downstream_connections.v3."
                        "DownstreamConnectionsConfig",
                        "max_active_downstream_connections": _MOST,
                    },
                }
            ]
        },
    }


def _name(service: str, region: str) -> str:
    return f"{service}|{region or _ANY}"


def _cluster(route: Route, region: str, envoy: EnvoyDoor) -> Object:
    gateways = envoy.gateways.get(route.service, ())
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
    return {
        "@type": f"{_TYPE}config.cluster.v3.Cluster",
        "name": _name(route.service, region),
        "type": "STATIC" if all(is_ip(ip) for g in gateways for ip in g.addresses) else "STRICT_DNS",
        "connect_timeout": "1s",
        # Where health checks fail in every cluster, they may be what is wrong: calls go on. A healthy one gets all.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        # By default three calls may be led on at a time, and when a cluster dies all of its calls are.
        "circuit_breakers": {"thresholds": [dict.fromkeys(_LIMITS, _MOST)]},
        # A call that waits for a cluster which is found dead goes on elsewhere, or ends.
        "close_connections_on_host_health_failure": True,
        "health_checks": [check],
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _OPTIONS,
                "common_http_protocol_options": {"idle_timeout": "60s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": _name(route.service, region),
            # Only when all of a priority are gone does the next one get calls.
            "policy": {"overprovisioning_factor": 100 * max(2, sum(len(g.addresses) for g in gateways))},
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
    endpoint: Object = {"address": _address(ip, gateway.port)}
    if gateway.health_port:
        endpoint["health_check_config"] = {"port_value": gateway.health_port}
    return {"endpoint": endpoint}


def _address(ip: str, port: int) -> Object:
    return {"socket_address": {"address": ip, "port_value": port}}


@dataclasses.dataclass(frozen=True)
class _Chain:
    """One way to know the region of a caller."""

    name: str
    ranges: tuple[str, ...] = ()
    """Of the callers that it takes; none for all that no other takes."""
    regions: tuple[str, ...] = ()
    header: str = ""
    """The header that names one of ``regions``; "" for a chain whose callers are all of the first of them."""


def _chains(door: FrontDoor, envoy: EnvoyDoor) -> list[_Chain]:
    """One for each way to know a region; the last is for callers of whom nothing is known."""
    ranges = {region: tuple(some) for region, some in sorted(envoy.regions.items()) if some}
    chains = [_Chain(f"region-{region}", some, (region,)) for region, some in ranges.items()]
    if door.region_header and door.trusted:
        known = {g.region for some in envoy.gateways.values() for g in some if g.region}
        trusted = tuple(sorted({*known, *ranges}))
        chains.insert(0, _Chain("trusted", door.trusted, trusted, door.region_header))
    return [*chains, _Chain(_ANY)]


def _names(envoy: EnvoyDoor) -> tuple[str, ...]:
    return ("http", "https") if envoy.certificates else ("http",)


def _listeners(door: FrontDoor, envoy: EnvoyDoor, chains: t.Sequence[_Chain]) -> list[Object]:
    found = []
    for name in _names(envoy):
        made = [_filter_chain(name, chain, envoy) for chain in chains]
        port = envoy.https_port if name == "https" else envoy.http_port
        found.append(
            {
                "@type": f"{_TYPE}config.listener.v3.Listener",
                "name": name,
                "address": _address(envoy.bind, port),
                "per_connection_buffer_limit_bytes": 32768,
                "filter_chains": made[:-1],
                "default_filter_chain": made[-1],
            }
        )
    return found


def _filter_chain(listener: str, chain: _Chain, envoy: EnvoyDoor) -> Object:
    name = f"{listener}-{chain.name}"
    found: Object = {
        "name": name,
        "filters": [
            {
                "name": "http",
                "typed_config": {
                    "@type": _HCM,
                    "stat_prefix": name,
                    "codec_type": "AUTO",
                    "use_remote_address": True,
                    # Routes by path must not be passed by another spelling of it.
                    "normalize_path": True,
                    "merge_slashes": True,
                    "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
                    "common_http_protocol_options": {
                        "idle_timeout": "600s",
                        "headers_with_underscores_action": "REJECT_REQUEST",
                    },
                    "http2_protocol_options": {
                        "max_concurrent_streams": 100,
                        "initial_stream_window_size": 65536,
                        "initial_connection_window_size": 1048576,
                    },
                    "stream_idle_timeout": "300s",
                    "request_headers_timeout": "10s",
                    "upgrade_configs": [{"upgrade_type": "websocket"}],
                    "rds": {
                        "route_config_name": name,
                        "config_source": _source(envoy.folder, f"routes-{name}.yaml"),
                    },
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
    if chain.ranges:
        found["filter_chain_match"] = {"source_prefix_ranges": [_range(text) for text in sorted(chain.ranges)]}
    if listener == "https":
        found["transport_socket"] = {
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
    return found


def _range(text: str) -> Object:
    prefix, _slash, length = text.partition("/")
    return {"address_prefix": prefix, "prefix_len": int(length or (128 if ":" in prefix else 32))}


def _routes(name: str, door: FrontDoor, envoy: EnvoyDoor, chain: _Chain, redirect: bool) -> Object:
    hosts = []
    for number, (host, routes) in enumerate(door.hosts().items()):
        entries = [entry for route in routes for entry in _of_route(route, chain)]
        if redirect:
            entries = [{"match": {"prefix": "/"}, "redirect": {"https_redirect": True}}]
        hosts.append({"name": f"host-{number}", "domains": [host or "*"], "routes": entries})
    return {
        "@type": f"{_TYPE}config.route.v3.RouteConfiguration",
        "name": name,
        # A name with a port is the same name.
        "ignore_port_in_host_matching": True,
        "request_headers_to_remove": [HEALTH_HEADER],
        "virtual_hosts": hosts,
    }


def _of_route(route: Route, chain: _Chain) -> list[Object]:
    if not chain.header:
        region = chain.regions[0] if chain.regions else ""
        return _for_methods(route, region, [])
    found = []
    for region in chain.regions:
        found += _for_methods(route, region, [{"name": chain.header, "string_match": {"exact": region}}])
    return [*found, *_for_methods(route, "", [])]


def _for_methods(route: Route, region: str, headers: list[Object]) -> list[Object]:
    """Calls that may be repeated go on to the next cluster whenever one breaks, or its gateway has no way to the
    service; others if they never got to it."""
    safe = {"name": ":method", "string_match": {"safe_regex": {"regex": _SAFE}}}
    return [
        _route(route, region, [*headers, safe], "connect-failure,refused-stream,reset,gateway-error"),
        _route(route, region, headers, "connect-failure,refused-stream,reset-before-request"),
    ]


def _route(route: Route, region: str, headers: list[Object], retry_on: str) -> Object:
    match: Object = {"prefix": "/"} if route.path == "/" else {"path_separated_prefix": route.path}
    if headers:
        match["headers"] = headers
    previous = {
        "@type": f"{_TYPE}extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 1,
    }
    return {
        "match": match,
        "route": {
            "cluster": _name(route.service, region),
            "timeout": "30s",
            "retry_policy": {
                "retry_on": retry_on,
                "num_retries": 2,
                "retry_priority": {"name": "envoy.retry_priorities.previous_priorities", "typed_config": previous},
            },
        },
    }


def _secret(certificate: Certificate) -> Object:
    return {
        "@type": f"{_TYPE}extensions.transport_sockets.tls.v3.Secret",
        "name": certificate.name,
        "tls_certificate": {
            "certificate_chain": {"filename": f"{certificate.directory}/tls.crt"},
            "private_key": {"filename": f"{certificate.directory}/tls.key"},
        },
    }
