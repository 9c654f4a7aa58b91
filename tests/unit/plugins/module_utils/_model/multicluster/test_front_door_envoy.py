# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Envoy's configuration of a front door."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    Certificate,
    EnvoyDoor,
    Gateway,
    render,
)

GATEWAYS = (Gateway("east", ("10.0.0.2",), region="us"), Gateway("west", ("10.0.0.1",), region="eu"))
SHOP = Route("web", "shop", host="shop.example")


def resources(envoy: EnvoyDoor, name: str, **more: t.Any) -> dict[str, dict[str, t.Any]]:
    files = render(
        FrontDoor("front-door", (SHOP, Route("pay", "shop", path="/pay", clusters=("west",))), **more), envoy
    )
    return {entry["name"]: entry for entry in files[name]["resources"]}


def clusters_asked(found: dict[str, t.Any]) -> list[str]:
    return [e["locality"]["zone"] for e in found["load_assignment"]["endpoints"]]


def test_the_callers_region_comes_first_and_others_follow() -> None:
    found = resources(EnvoyDoor(GATEWAYS), "clusters.yaml")
    assert clusters_asked(found["web.shop|eu"]) == ["west", "east"]
    assert clusters_asked(found["web.shop|us"]) == ["east", "west"]
    assert clusters_asked(found["pay.shop|us"]) == ["west"]
    assert all(c["common_lb_config"]["healthy_panic_threshold"] == {"value": 0} for c in found.values())


def test_a_header_counts_from_trusted_addresses_only() -> None:
    envoy = EnvoyDoor(GATEWAYS, region_header="x-region", trusted=("192.0.2.0/24",), regions={"eu": ("10.9.0.0/16",)})
    http = resources(envoy, "listeners.yaml")["http"]
    chains = {c["name"]: c for c in [*http["filter_chains"], http["default_filter_chain"]]}
    reads = {name for name, chain in chains.items() if "x-region" in str(chain)}
    assert reads == {"trusted"}
    ranges = chains["trusted"]["filter_chain_match"]["source_prefix_ranges"]
    assert ranges == [{"address_prefix": "192.0.2.0", "prefix_len": 24}]
    untrusted = EnvoyDoor(GATEWAYS, region_header="x-region")
    assert "x-region" not in str(resources(untrusted, "listeners.yaml"))


def test_files_name_keys_and_hold_none_and_http_redirects() -> None:
    envoy = EnvoyDoor(GATEWAYS, certificates=(Certificate("shop", "/certs/shop"),))
    found = resources(envoy, "listeners.yaml", https_redirect=True)
    assert "'cluster'" not in str(found["http"]) and "https_redirect" in str(found["http"])
    assert "'cluster'" in str(found["https"]) and "'h2'" in str(found["https"])
    secret = resources(envoy, "secret-shop.yaml")["shop"]["tls_certificate"]
    assert secret["private_key"] == {"filename": "/certs/shop/tls.key"}
