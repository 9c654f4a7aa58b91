# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Envoy's configuration of a front door."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    HealthCheck,
    Route,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    CLUSTERS,
    Certificate,
    EnvoyDoor,
    as_static,
    callers,
    render,
    union_of_clusters,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
)

EAST, WEST = Gateway("east", ("10.0.0.2",), region="us"), Gateway("west", ("10.0.0.1",), region="eu")
COAST = Gateway("coast", ("10.0.0.3",), region="us")
SHOP = Route("web", "shop", host="shop.example", health=HealthCheck("/healthz"))
PAY = Route("pay", "shop", path="/pay", clusters=("west",))
GATEWAYS = {"web.shop": (EAST, WEST), "pay.shop": (WEST,)}
RANGES = {"eu": ("10.9.0.0/16",), "us": ("10.8.0.0/16",)}


def files_of(envoy: EnvoyDoor | None = None, **more: t.Any) -> dict[str, dict[str, t.Any]]:
    return render(FrontDoor("front-door", (SHOP, PAY), **more), envoy or EnvoyDoor(GATEWAYS, regions=RANGES))


def resources(files: t.Mapping[str, t.Mapping[str, t.Any]], name: str) -> dict[str, dict[str, t.Any]]:
    return {entry["name"]: entry for entry in files[name]["resources"]}


def clusters_asked(found: dict[str, t.Any]) -> list[tuple[int, str]]:
    return [(e["priority"], e["locality"]["zone"]) for e in found["load_assignment"]["endpoints"]]


def test_the_callers_region_comes_first_and_others_follow() -> None:
    found = resources(files_of(), CLUSTERS)
    assert clusters_asked(found["web.shop|eu"]) == [(0, "west"), (1, "east")]
    assert clusters_asked(found["web.shop|us"]) == [(0, "east"), (1, "west")]
    assert clusters_asked(found["web.shop|any"]) == [(0, "east"), (1, "west")]
    assert clusters_asked(found["pay.shop|us"]) == [(0, "west")]
    shared = EnvoyDoor({"web.shop": (EAST, WEST, COAST), "pay.shop": ()}, regions=RANGES)
    assert clusters_asked(resources(files_of(shared), CLUSTERS)["web.shop|us"]) == [
        (0, "east"),
        (0, "coast"),
        (1, "west"),
    ]


def test_a_health_check_names_its_service_and_callers_cannot() -> None:
    files = files_of()
    checks = {n: c["health_checks"][0]["http_health_check"] for n, c in resources(files, CLUSTERS).items()}
    assert (checks["web.shop|any"]["path"], checks["web.shop|any"]["host"]) == ("/healthz", "shop.example")
    assert checks["web.shop|any"]["request_headers_to_add"][0]["header"]["value"] == "web.shop"
    assert checks["pay.shop|any"]["path"] == "/pay" and "request_headers_to_add" not in checks["pay.shop|any"]
    (routes,) = files["routes-http-any.yaml"]["resources"]
    assert routes["request_headers_to_remove"] == ["x-mesh-fleet-health"]


def test_a_header_counts_from_trusted_addresses_only() -> None:
    envoy = EnvoyDoor(GATEWAYS, regions={"eu": ("10.9.0.0/16",)})
    files = files_of(envoy, region_header="x-region", trusted=("192.0.2.0/24",))
    assert {name for name, content in files.items() if "x-region" in str(content)} == {"routes-http-trusted.yaml"}
    chains = {c["name"]: c for c in resources(files, "listeners.yaml")["http"]["filter_chains"]}
    ranges = chains["http-trusted"]["filter_chain_match"]["source_prefix_ranges"]
    assert ranges == [{"address_prefix": "192.0.2.0", "prefix_len": 24}]
    assert "x-region" not in str(files_of(envoy, region_header="x-region"))


def test_a_range_is_of_one_region() -> None:
    regions = {"eu": ("10.9.0.0/16", "10.7.0.0/16")}
    door = FrontDoor("front-door", (SHOP,), regions=regions, trusted=("10.7.0.0/16",))
    known = {"us": ["10.9.0.0/16", "10.1.0.2/32"], "asia": ["10.7.0.0/16"]}
    assert callers(door, known) == {"eu": ("10.9.0.0/16",), "us": ("10.1.0.2/32",)}


def test_files_name_keys_and_hold_none_and_http_redirects() -> None:
    envoy = EnvoyDoor(GATEWAYS, certificates=(Certificate("shop", "/certs/shop"),))
    files = files_of(envoy, https_redirect=True)
    assert "'cluster'" not in str(files["routes-http-any.yaml"])
    assert "https_redirect" in str(files["routes-http-any.yaml"])
    assert "'cluster'" in str(files["routes-https-any.yaml"])
    assert "'h2'" in str(resources(files, "listeners.yaml")["https"])
    secret = resources(files, "secret-shop.yaml")["shop"]["tls_certificate"]
    assert secret["private_key"] == {"filename": "/certs/shop/tls.key"}


def test_without_a_certificate_nothing_is_redirected() -> None:
    assert "https_redirect" not in str(files_of(https_redirect=True))


def test_other_routes_change_no_listener() -> None:
    one = files_of()
    more = render(
        FrontDoor("front-door", (SHOP, PAY, Route("new", "shop", path="/new"))), EnvoyDoor(GATEWAYS, regions=RANGES)
    )
    assert {name for name in more if more[name] != one.get(name)} == {
        CLUSTERS,
        "routes-http-any.yaml",
        "routes-http-region-eu.yaml",
        "routes-http-region-us.yaml",
    }


def test_only_calls_without_effect_are_repeated_after_they_began() -> None:
    (host,) = [h for h in files_of()["routes-http-any.yaml"]["resources"][0]["virtual_hosts"] if h["domains"] != ["*"]]
    safe, other = host["routes"]
    assert "GET|HEAD|OPTIONS" in str(safe["match"])
    assert {"reset", "gateway-error"} <= set(safe["route"]["retry_policy"]["retry_on"].split(","))
    # The first try goes on: without hedging, Envoy would end an answer that is merely slow.
    assert safe["route"]["retry_policy"]["per_try_timeout"] == "3s"
    assert safe["route"]["hedge_policy"] == {"hedge_on_per_try_timeout": True}
    assert "headers" not in other["match"] and "hedge_policy" not in other["route"]
    assert "per_try_timeout" not in other["route"]["retry_policy"]
    assert other["route"]["retry_policy"]["retry_on"] == "connect-failure,refused-stream,reset-before-request"


def test_calls_of_grpc_have_their_callers_time() -> None:
    says = EnvoyDoor({**GATEWAYS, "web.shop": (EAST, dataclasses.replace(WEST, http2=True))})
    (routes,) = files_of(says)["routes-http-any.yaml"]["resources"]
    (host,) = [h for h in routes["virtual_hosts"] if h["domains"] == ["shop.example"]]
    call, *others = host["routes"]
    assert (call["match"], call["route"]["timeout"]) == ({"prefix": "/", "grpc": {}}, "0s")
    assert call["route"]["max_stream_duration"] == {"grpc_timeout_header_max": "0s"}
    assert "hedge_policy" not in call["route"] and "per_try_timeout" not in call["route"]["retry_policy"]
    assert [route["route"]["timeout"] for route in others] == ["30s", "30s"]


def test_a_route_goes_past_gateways_that_do_not_know_it() -> None:
    says = (EAST, dataclasses.replace(WEST, http2=True))
    envoy = EnvoyDoor({**GATEWAYS, "web.shop": says}, regions=RANGES, knowing={("shop.example", "/"): {"east"}})
    files = files_of(envoy)
    found = resources(files, CLUSTERS)
    assert clusters_asked(found["web.shop|any"]) == [(0, "east"), (1, "west")]
    assert clusters_asked(found["web.shop|eu|shop.example/"]) == [(0, "east")]
    protocols = [
        resources(files, CLUSTERS)[name]["typed_extension_protocol_options"] for name in found if "web" in name
    ]
    assert all(one == protocols[0] for one in protocols), "it is one service"
    (routes,) = files["routes-http-any.yaml"]["resources"]
    named = {entry["route"]["cluster"] for host in routes["virtual_hosts"] for entry in host["routes"]}
    assert named == {"web.shop|any|shop.example/", "pay.shop|any"}


def test_what_routes_still_name_stays_until_they_are_loaded() -> None:
    old, new = files_of(), render(FrontDoor("front-door", (SHOP,)), EnvoyDoor({"web.shop": (WEST,)}))
    both = union_of_clusters(new[CLUSTERS], old[CLUSTERS])
    assert {"pay.shop|any", "web.shop|eu"} <= {c["name"] for c in both["resources"]}
    assert clusters_asked(resources({CLUSTERS: both}, CLUSTERS)["web.shop|any"]) == [(0, "west")]
    assert both["version_info"] not in (old[CLUSTERS]["version_info"], new[CLUSTERS]["version_info"])


def test_one_file_for_envoys_validation_names_no_other() -> None:
    envoy = EnvoyDoor(GATEWAYS, certificates=(Certificate("shop", "/certs/shop"),), regions=RANGES)
    static = as_static(files_of(envoy))
    assert "path_config_source" not in str(static)
    assert {listener["name"] for listener in static["static_resources"]["listeners"]} == {"http", "https"}
    assert "'shop.example'" in str(static)


def test_it_listens_by_ipv6_where_it_has_such_an_address() -> None:
    regions = {"eu": ("2001:db8:9::/48", "10.9.0.0/16")}
    envoy = EnvoyDoor(GATEWAYS, (Certificate("shop", "/keys/shop"),), regions)
    (plain, _https) = files_of(envoy, addresses=("192.0.2.4", "door.example"))["listeners.yaml"]["resources"]
    assert "additional_addresses" not in plain, "Envoy would not start where there is no IPv6"
    found = files_of(envoy, addresses=("192.0.2.4", "2001:db8::1"))["listeners.yaml"]["resources"]
    for listener, port in zip(found, (80, 443), strict=True):
        sockets = [listener["address"], *(one["address"] for one in listener["additional_addresses"])]
        assert [one["socket_address"] for one in sockets] == [
            {"address": "0.0.0.0", "port_value": port},
            {"address": "::", "port_value": port},
        ]
    ranges = found[0]["filter_chains"][0]["filter_chain_match"]["source_prefix_ranges"]
    assert {"address_prefix": "2001:db8:9::", "prefix_len": 48} in ranges
