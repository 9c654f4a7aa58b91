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

from .front_door import HEALTH_HEADER, FrontDoor, Route
from .front_door_upstreams import ANY, MOST, Gateway, address, cluster_of, name_of, speaks_http2

__all__ = [
    "ADMIN_PORT",
    "BOOTSTRAP",
    "CLUSTERS",
    "LISTENERS",
    "Certificate",
    "EnvoyDoor",
    "Files",
    "as_static",
    "callers",
    "render",
    "union_of_clusters",
]

_TYPE = "type.googleapis.com/envoy."
_HCM = f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
BOOTSTRAP = "bootstrap.yaml"
CLUSTERS = "clusters.yaml"
LISTENERS = "listeners.yaml"
ADMIN_PORT = 9901
"""On its loopback alone."""
_SAFE = "GET|HEAD|OPTIONS"
"""Methods that a caller may repeat, as they have no effect (RFC 9110, section 9.2.1)."""
_NEVER_BEGUN = "connect-failure,refused-stream,reset-before-request"
"""What happened to calls of which no cluster has got anything."""

Object = dict[str, t.Any]
Files = t.Mapping[str, t.Mapping[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Where Envoy finds a certificate and its key. A renewed one has another folder."""

    name: str
    directory: str


@dataclasses.dataclass(frozen=True)
class EnvoyDoor:
    """What Envoy's configuration is made of, besides the routes.

    ``gateways``: by service, in the order in which callers of no region are led to them. ``regions``: ranges of
    callers' addresses by region.
    """

    gateways: t.Mapping[str, tuple[Gateway, ...]]
    certificates: tuple[Certificate, ...] = ()
    regions: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    folder: str = "/etc/front-door"
    http_port: int = 80
    https_port: int = 443
    admin_port: int = ADMIN_PORT
    bind: str = "0.0.0.0"
    bind_ipv6: str = "::"
    """Besides, where one of the front door's addresses is of IPv6: Envoy starts nowhere that has none."""
    patience: str = "3s"
    """How long a call that may be repeated waits for one cluster alone, before the next one is asked too."""
    longest: str = "30s"
    """How long a call may take, but one of gRPC."""
    knowing: t.Mapping[tuple[str, str], t.Collection[str]] = dataclasses.field(default_factory=dict)
    """By host and path of a route that not all gateways of its service know yet, the clusters whose gateways do."""

    def gateways_of(self, route: Route) -> tuple[Gateway, ...]:
        """Those that a route's callers are led to."""
        some = self.gateways.get(route.service, ())
        known = self.knowing.get((route.host, route.path))
        if known is None:
            return some
        # It is one service, and speaks one protocol.
        http2 = speaks_http2(some)
        return tuple(dataclasses.replace(g, http2=http2) for g in some if g.cluster in known)

    def apart(self, route: Route) -> str:
        """What names a route's own cluster; "" where it has that of its service."""
        return f"{route.host}{route.path}" if (route.host, route.path) in self.knowing else ""


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


def render(door: FrontDoor, envoy: EnvoyDoor) -> dict[str, Object]:
    """Files by name: bootstrap.yaml, and those that Envoy watches. The same input gives the same files."""
    chains = _chains(door, envoy)
    regions = ["", *sorted({region for chain in chains for region in chain.regions})]
    files: dict[str, Object] = {
        CLUSTERS: _file(
            [
                *(
                    cluster_of(r, region, envoy.gateways.get(r.service, ()))
                    for r in door.services().values()
                    for region in regions
                ),
                *(
                    cluster_of(r, region, envoy.gateways_of(r), apart=envoy.apart(r))
                    for r in door.routes
                    if envoy.apart(r)
                    for region in regions
                ),
            ]
        ),
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
        "admin": {"address": address("127.0.0.1", envoy.admin_port)},
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
                        "max_active_downstream_connections": MOST,
                    },
                }
            ]
        },
    }


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
    return [*chains, _Chain(ANY)]


def _names(envoy: EnvoyDoor) -> tuple[str, ...]:
    return ("http", "https") if envoy.certificates else ("http",)


def _listeners(door: FrontDoor, envoy: EnvoyDoor, chains: t.Sequence[_Chain]) -> list[Object]:
    found = []
    ipv6 = any(":" in one for one in door.addresses)
    for name in _names(envoy):
        made = [_filter_chain(name, chain, envoy) for chain in chains]
        port = envoy.https_port if name == "https" else envoy.http_port
        found.append(
            {
                "@type": f"{_TYPE}config.listener.v3.Listener",
                "name": name,
                "address": address(envoy.bind, port),
                # Apart from it: to an address that took both, callers by IPv4 would be in no range of IPv4.
                **({"additional_addresses": [{"address": address(envoy.bind_ipv6, port)}]} if ipv6 else {}),
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
        entries = [entry for route in routes for entry in _of_route(route, chain, envoy)]
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


def _of_route(route: Route, chain: _Chain, envoy: EnvoyDoor) -> list[Object]:
    if not chain.header:
        region = chain.regions[0] if chain.regions else ""
        return _for_calls(route, region, [], envoy)
    found = []
    for region in chain.regions:
        header = {"name": chain.header, "string_match": {"exact": region}}
        found += _for_calls(route, region, [header], envoy)
    return [*found, *_for_calls(route, "", [], envoy)]


def _for_calls(route: Route, region: str, headers: list[Object], envoy: EnvoyDoor) -> list[Object]:
    """Calls of gRPC have the time that their callers give them: a stream may last for hours."""
    others = _for_methods(route, region, headers, envoy)
    if not speaks_http2(envoy.gateways.get(route.service, ())):
        return others
    calls = _route(route, region, headers, _NEVER_BEGUN, envoy)
    calls["match"]["grpc"] = {}
    calls["route"].update(timeout="0s", max_stream_duration={"grpc_timeout_header_max": "0s"})
    return [calls, *others]


def _for_methods(route: Route, region: str, headers: list[Object], envoy: EnvoyDoor) -> list[Object]:
    """Calls that may be repeated go on to the next cluster whenever one breaks, or its gateway has no way to the
    service; others if they never got to it.

    A frozen node breaks no connection: its kernel takes the call, and no answer comes. Nor does Envoy end calls for a
    failed health check. So one that may be repeated is sent to the next cluster too after a while. The first one is
    not given up: the first answer counts, so a slow service is no failure, and one that has begun to answer has time.
    """
    safe = {"name": ":method", "string_match": {"safe_regex": {"regex": _SAFE}}}
    repeated = _route(route, region, [*headers, safe], "connect-failure,refused-stream,reset,gateway-error", envoy)
    repeated["route"]["retry_policy"]["per_try_timeout"] = envoy.patience
    repeated["route"]["hedge_policy"] = {"hedge_on_per_try_timeout": True}
    return [repeated, _route(route, region, headers, _NEVER_BEGUN, envoy)]


def _route(route: Route, region: str, headers: list[Object], retry_on: str, envoy: EnvoyDoor) -> Object:
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
            "cluster": name_of(route.service, region, envoy.apart(route)),
            "timeout": envoy.longest,
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
