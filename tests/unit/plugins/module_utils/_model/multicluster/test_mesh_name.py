# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects by which sidecars know the name of an exported service."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.mesh_name import (
    headless_name_objects,
    mesh_name_objects,
)

ORDERS = Export("orders", "shop", mtls=True)
HOST = "orders.shop.svc.clusterset.local"


def test_the_name_leads_to_the_service_port_by_port() -> None:
    entry, routes = mesh_name_objects(ORDERS, {9000: "grpc", 80: "http", 5432: "tcp", 443: "https", 1: ""}, "x/v1")
    assert [(o["apiVersion"], o["kind"]) for o in (entry, routes)] == [
        ("x/v1", "ServiceEntry"),
        ("x/v1", "VirtualService"),
    ]
    assert {o["metadata"]["name"] for o in (entry, routes)} == {"orders-clusterset"}
    assert entry["spec"]["hosts"] == routes["spec"]["hosts"] == [HOST]
    assert [(p["number"], p["protocol"]) for p in entry["spec"]["ports"]] == [(80, "HTTP"), (9000, "GRPC")]
    to = [(r["match"][0]["port"], r["route"][0]["destination"]) for r in routes["spec"]["http"]]
    host = "orders.shop.svc.cluster.local"
    assert to == [(number, {"host": host, "port": {"number": number}}) for number in (80, 9000)]


def test_without_a_port_for_http_there_is_nothing() -> None:
    assert mesh_name_objects(ORDERS, {5432: "tcp", 443: "https"}, "x/v1") == []


def test_with_an_address_every_tcp_port_counts() -> None:
    entry, routes = mesh_name_objects(ORDERS, {80: "http", 5432: "", 443: "https", 53: "udp"}, "x/v1", ["240.241.0.9"])
    assert entry["spec"]["addresses"] == ["240.241.0.9"]
    ports = [(80, "http-80", "HTTP"), (443, "tcp-443", "TCP"), (5432, "tcp-5432", "TCP")]
    assert [(p["number"], p["name"], p["protocol"]) for p in entry["spec"]["ports"]] == ports
    assert [r["match"][0]["port"] for r in routes["spec"]["http"]] == [80]
    assert [r["match"][0]["port"] for r in routes["spec"]["tcp"]] == [443, 5432]


def test_a_headless_name_leads_to_the_pods() -> None:
    ports = [
        {"port": 80, "protocol": "TCP", "spoken": "http", "targetPort": 8080},
        {"port": 5432, "protocol": "TCP", "spoken": "", "targetPort": "sql"},
        {"port": 53, "protocol": "UDP", "spoken": "udp"},
    ]
    (entry,) = headless_name_objects(ORDERS, ports, {"app": "orders"}, "x/v1", ["240.241.0.9"])
    assert entry["spec"]["workloadSelector"] == {"labels": {"app": "orders"}}
    assert entry["spec"]["ports"] == [
        {"number": 80, "name": "http-80", "protocol": "HTTP", "targetPort": 8080},
        {"number": 5432, "name": "tcp-5432", "protocol": "TCP"},
    ]
    assert headless_name_objects(ORDERS, ports, {}, "x/v1", ["240.241.0.9"]) == []
