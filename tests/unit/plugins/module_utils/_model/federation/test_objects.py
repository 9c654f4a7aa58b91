# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's settings and objects of a federation."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import Gateway
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.objects import (
    Exported,
    export_entry,
    import_objects,
    istiod_values,
    mesh_objects,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import Export, Peer
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port

from .test_bundle import BUNDLE, OFFER
from .test_peer_roots import OWN_ROOT

EAST = Peer("east.mesh", "east.json")
FLEET = read_fleet({"west": {"cluster_provider": "kubeconfig", "mesh_trust_domain": "west.mesh"}})
PORTS = (Port(80, "http", target=8080), Port(9000))
TILL = Exported(Export("till", "shop", ("web/front",)), {"app": "till"}, PORTS)
STOCK = Exported(Export("stock", "shop"), {"app": "stock"}, PORTS[:1])


def test_a_peer_calls_what_is_exported_to_it_alone() -> None:
    strict, policy, other = mesh_objects(FLEET, {"east.mesh": (TILL, STOCK), "north.mesh": ()})
    assert strict["spec"] == {"mtls": {"mode": "STRICT"}}
    assert policy["metadata"]["namespace"] == "istio-system", "the namespace whose policies are the whole mesh's"
    assert "selector" not in policy["spec"]
    rest, callers = policy["spec"]["rules"]
    assert policy["spec"]["action"] == "DENY", "one that permits would widen policies of the user's"
    assert rest["from"] == [{"source": {"principals": ["east.mesh/*"]}}]
    names = [
        "outbound_.80_._.stock.shop.global",
        "outbound_.80_._.till.shop.global",
        "outbound_.9000_._.till.shop.global",
    ]
    assert rest["when"] == [{"key": "connection.sni", "notValues": names}]
    source = {"principals": ["east.mesh/*"], "notPrincipals": ["east.mesh/ns/web/sa/front"]}
    assert callers == {"from": [{"source": source}], "when": [{"key": "connection.sni", "values": names[1:]}]}
    assert other["spec"]["rules"] == [{"from": [{"source": {"principals": ["north.mesh/*"]}}]}], "nothing at all"


def test_an_export_is_a_name_of_its_pods() -> None:
    entry = export_entry(FLEET, TILL, ["240.241.0.9"])
    assert (entry["metadata"]["name"], entry["metadata"]["namespace"]) == ("till.federation", "shop")
    assert entry["spec"]["hosts"] == ["till.shop.global"]
    assert entry["spec"]["workloadSelector"] == {"labels": {"app": "till"}}
    assert entry["spec"]["ports"] == [
        {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080},
        {"number": 9000, "name": "port-9000", "protocol": "TCP"},
    ]


def test_an_import_is_answered_by_the_identities_of_its_peer() -> None:
    addresses = {OFFER.host: ["240.241.0.9"]}
    (entry,) = import_objects(FLEET, EAST, BUNDLE, addresses)
    assert entry["spec"]["subjectAltNames"] == list(OFFER.identities)
    assert entry["spec"]["resolution"] == "STATIC"
    assert entry["spec"]["endpoints"] == [
        {"address": "203.0.113.7", "ports": {"http": 15443}, "labels": {"security.istio.io/tlsMode": "istio"}}
    ]
    named = dataclasses.replace(BUNDLE, gateways=(Gateway("east-net", "gateway.example", 15443),))
    assert import_objects(FLEET, EAST, named, addresses)[0]["spec"]["resolution"] == "DNS"
    assert import_objects(FLEET, EAST, BUNDLE, {}) == [], "without an address each istiod would choose another"
    assert import_objects(FLEET, EAST, dataclasses.replace(BUNDLE, gateways=()), addresses) == []


def test_an_own_name_asks_the_peer_for_the_name_it_offers() -> None:
    own = dataclasses.replace(EAST, names="own")
    addresses = {"till.shop.east.mesh": ["240.241.0.9"]}
    entry, rule = import_objects(FLEET, own, BUNDLE, addresses)
    assert entry["spec"]["hosts"] == ["till.shop.east.mesh"]
    (usual,) = import_objects(FLEET, EAST, BUNDLE, {OFFER.host: ["240.241.0.9"]})
    assert {**entry["spec"], "hosts": usual["spec"]["hosts"]} == usual["spec"]
    assert entry["metadata"] == usual["metadata"], "the choice changes an object, and leaves none behind"
    assert rule["spec"]["host"] == "till.shop.east.mesh"
    (port,) = rule["spec"]["trafficPolicy"]["portLevelSettings"]
    sni = "outbound_.80_._.till.shop.global"
    tls = {"mode": "ISTIO_MUTUAL", "sni": sni, "subjectAltNames": list(OFFER.identities)}
    assert port == {"port": {"number": 80}, "tls": tls}


def test_istiod_is_told_of_roots_and_their_domains() -> None:
    values: dict[str, t.Any] = istiod_values({"east.mesh": [OWN_ROOT.certificate]})
    assert values["pilot"]["env"] == {"ISTIO_MULTIROOT_MESH": "true"}
    (root,) = values["meshConfig"]["caCertificates"]
    assert root["trustDomains"] == ["east.mesh"]
    assert root["pem"].startswith("-----BEGIN CERTIFICATE-----")
    assert values["meshConfig"]["defaultConfig"]["proxyMetadata"]["PROXY_CONFIG_XDS_AGENT"] == "true"
    assert "caCertificates" not in istiod_values({})["meshConfig"]
