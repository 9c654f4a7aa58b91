# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Envoy's clusters: who gets calls, and how a dead one is found."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import HealthCheck, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
    cluster_of,
    ordered,
)

EAST, WEST = Gateway("east", ("10.0.0.2",), region="us"), Gateway("west", ("10.0.0.1",), region="eu")
COAST = Gateway("coast", ("gateway.example",), 8080, "us", 15021)
SHOP = Route("web", "shop", host="shop.example", health=HealthCheck("/healthz"))


def test_dead_clusters_get_no_calls() -> None:
    found = cluster_of(SHOP, "", (EAST, WEST))
    assert found["common_lb_config"]["healthy_panic_threshold"] == {"value": 1}
    assert found["circuit_breakers"]["thresholds"][0]["max_retries"] > 1000
    (check,) = found["health_checks"]
    # 404 is a gateway without the route, 503 one without pods.
    assert check["http_health_check"]["expected_statuses"] == [{"start": 200, "end": 400}]


def test_clusters_of_the_region_share_and_the_next_one_waits() -> None:
    assert ordered((EAST, WEST, COAST), "us") == [[EAST, COAST], [WEST]]
    assert ordered((EAST, WEST, COAST), "") == [[EAST], [WEST], [COAST]]
    found = cluster_of(SHOP, "us", (EAST, WEST, COAST))
    # A name may be two addresses.
    assert found["load_assignment"]["policy"]["overprovisioning_factor"] == 400


def test_a_gateway_may_have_a_name_and_a_port_for_its_health() -> None:
    plain = cluster_of(SHOP, "", (EAST,))
    assert plain["type"] == "STATIC" and "dns_lookup_family" not in plain
    found = cluster_of(SHOP, "", (EAST, COAST))
    # Else a name with an address of IPv6 would be reached by that alone.
    assert (found["type"], found["dns_lookup_family"]) == ("STRICT_DNS", "ALL")
    ends = [e["lb_endpoints"][0]["endpoint"] for e in found["load_assignment"]["endpoints"]]
    assert [e["address"]["socket_address"]["port_value"] for e in ends] == [80, 8080]
    assert [e.get("health_check_config") for e in ends] == [None, {"port_value": 15021}]


def spoken(*gateways: Gateway) -> tuple[t.Any, str]:
    """What a cluster speaks, and its health checks."""
    found = cluster_of(SHOP, "", gateways)
    (options,) = list(found["typed_extension_protocol_options"].values())
    return options["explicit_http_config"], found["health_checks"][0]["http_health_check"].get("codec_client_type", "")


def test_a_service_gets_http2_if_its_port_says_so() -> None:
    says = dataclasses.replace(WEST, http2=True)
    pings = {"connection_keepalive": {"interval": "2s", "timeout": "2s"}}
    assert spoken(EAST, WEST) == ({"http_protocol_options": {}}, "")
    assert spoken(EAST, says) == ({"http2_protocol_options": pings}, "HTTP2")


def test_a_services_own_address_gets_no_pings() -> None:
    own = dataclasses.replace(WEST, http2=True, own=True)
    assert spoken(EAST, own) == ({"http2_protocol_options": {}}, "HTTP2")
    # The port for its health is another one, of which nothing is said.
    assert spoken(dataclasses.replace(own, health_port=15021)) == ({"http2_protocol_options": {}}, "")
