# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What gateways need behind a front door, and who else serves its hosts there."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import ingress_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.claims import claims
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    HealthCheck,
    Route,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_gateways import (
    gateway_objects,
    local_name,
    rivals,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from ..fleets import SERVED, fleet

WEB = Route("web", "shop", host="shop.example", health=HealthCheck("/healthz"))
PAY = Route("pay", "bank", host="shop.example", path="/pay")
ANY = Route("web", "shop", health=HealthCheck("/healthz"))
LIVE = {
    "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 1}]}
}
DOOR = FrontDoor("front-door", (WEB, PAY, ANY))


def objects(*routes: Route, claimed: t.Collection[str] = ()) -> dict[tuple[str, str, str], dict[str, t.Any]]:
    door = FrontDoor("front-door", routes)
    made = gateway_objects(door, "west", dict.fromkeys(door.services(), LIVE), claimed)
    return {(o["kind"], o["metadata"]["namespace"], o["metadata"]["name"]): o for o in made}


def test_calls_stay_in_the_cluster_of_the_gateway() -> None:
    made = objects(WEB, PAY)
    service = made["Service", "shop", "web-front-door-west"]
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
    assert service["spec"] == {"selector": {"app": "web"}, "ports": [port]}
    health, pay, web = made["VirtualService", "shop", "front-door-shop.example"]["spec"]["http"]
    hosts = [rule["route"][0]["destination"]["host"] for rule in (health, pay, web)]
    assert hosts == [
        "web-front-door-west.shop.svc.cluster.local",
        "pay-front-door-west.bank.svc.cluster.local",
        "web-front-door-west.shop.svc.cluster.local",
    ]
    assert pay["match"] == [{"uri": {"exact": "/pay"}}, {"uri": {"prefix": "/pay/"}}]
    assert health["match"][0]["headers"] == {"x-mesh-fleet-health": {"exact": "web.shop"}}
    assert made["Gateway", "shop", "front-door"]["spec"]["servers"][0]["hosts"] == ["shop.example"]


def test_a_service_of_a_file_gives_what_a_live_one_gives() -> None:
    door = FrontDoor("front-door", (Route("web", "shop", host="shop.example"),))
    ports = {"name": "http", "port": 80}
    written, live = (
        gateway_objects(door, "west", {"web.shop": {"spec": {"selector": {"app": "web"}, "ports": [given]}}})
        for given in (ports, {**ports, "protocol": "TCP", "targetPort": 80})
    )
    assert written == live


@pytest.mark.parametrize(
    ("ports", "asked", "wanted"),
    [
        ({"name": "http", "port": 80, "targetPort": 8080}, 9090, 9090),
        ({"name": "http", "port": 80, "targetPort": "web"}, 9090, 9090),
        ({"port": 9090, "targetPort": 8080}, 9090, 9091),
        ({"name": "http", "port": 65535, "targetPort": 8080}, 65535, 1),
        ({"name": "http", "port": 80, "targetPort": 8080}, 8080, 80),
        ({"name": "http", "port": 80}, 80, 80),
    ],
)
def test_a_health_check_gets_to_its_port_of_the_pods(ports: dict[str, t.Any], asked: int, wanted: int) -> None:
    route = Route("web", "shop", host="shop.example", health=HealthCheck("/healthz", asked))
    door = FrontDoor("front-door", (route,))
    live = {"web.shop": {"spec": {"selector": {"app": "web"}, "ports": [ports]}}}
    service, _gateway, virtual_service = gateway_objects(door, "west", live)
    health, calls = (r["route"][0]["destination"]["port"]["number"] for r in virtual_service["spec"]["http"])
    assert (health, calls) == (wanted, ports["port"])
    leads = {p["port"]: p.get("targetPort", p["port"]) for p in service["spec"]["ports"]}
    assert leads == {ports["port"]: ports.get("targetPort", ports["port"]), wanted: leads[wanted]}
    assert wanted == ports["port"] or leads[wanted] == asked
    names = [p.get("name") for p in service["spec"]["ports"]]
    assert len(names) == len(set(names)) and (len(names) == 1 or None not in names)


def test_a_host_that_somebody_else_serves_alike_stays_theirs() -> None:
    made = objects(WEB, ANY, claimed={"*"})
    assert [name for kind, _space, name in made if kind == "VirtualService"] == ["front-door-shop.example"]
    assert made["Gateway", "shop", "front-door"]["spec"]["servers"][0]["hosts"] == ["shop.example"]


def test_a_service_without_selector_or_port_is_refused() -> None:
    door = FrontDoor("front-door", (WEB,))
    with pytest.raises(FleetError, match="selects no pods"):
        gateway_objects(door, "west", {"web.shop": {"spec": {"ports": [{"port": 80}]}}})
    other = FrontDoor("front-door", (Route("web", "shop", port=81),))
    with pytest.raises(FleetError, match="no port 81"):
        gateway_objects(other, "west", {"web.shop": LIVE})


def test_long_names_differ_by_cluster() -> None:
    long = Route("w" * 60, "shop")
    names = {local_name(long, "front-door", cluster) for cluster in ("west", "east")}
    assert len(names) == 2 and all(len(name) <= 63 for name in names)


def gateway(name: str, **selector: str) -> dict[str, t.Any]:
    return {"metadata": {"name": name, "namespace": "apps"}, "spec": {"selector": selector}}


def virtual(host: str, to: str, by: str) -> dict[str, t.Any]:
    rules = [{"route": [{"destination": {"host": to}}]}]
    return {
        "metadata": {"name": "theirs", "namespace": "apps"},
        "spec": {"hosts": [host], "gateways": [by], "http": rules},
    }


GATEWAYS = [gateway("in", istio="ingressgateway"), gateway("other", istio="egress")]
FLEET = fleet(SERVED, mesh_revision="canary")
PROXIES = [ingress_labels(FLEET, FLEET.clusters["edge"])]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"istio": "ingressgateway"}, True),
        ({"app": "istio-ingressgateway"}, True),
        ({"app": "istio-ingressgateway", "istio": "ingressgateway"}, True),
        ({"app.kubernetes.io/name": "istio-ingressgateway"}, True),
        ({"istio": "ingressgateway", "istio.io/rev": "canary"}, True),
        ({"istio": "ingressgateway", "topology.istio.io/cluster": "edge"}, True),
        ({}, True),
        ({"istio": "ingressgateway", "app": "mine"}, False),
        ({"app": "istio-eastwestgateway"}, False),
        ({"istio": "ingressgateway", "istio.io/rev": "default"}, False),
        ({"istio": "ingressgateway", "topology.istio.io/cluster": "fra"}, False),
    ],
)
def test_by_any_label_of_the_gateway_others_serve_there(selector: dict[str, str], found: bool) -> None:
    theirs = virtual("shop.example", "web.shop.svc.cluster.local", "in")
    assert [claim.host for claim in claims([gateway("in", **selector)], [theirs], PROXIES)] == ["shop.example"] * found


def test_two_front_doors_with_one_host_are_found() -> None:
    theirs = virtual("shop.example", "web-other-door-west.shop.svc.cluster.local", "in")
    against, same = rivals(DOOR, claims(GATEWAYS, [theirs], PROXIES))
    assert [(c.host, c.object) for c in against] == [("shop.example", "VirtualService apps/theirs")]
    assert same == set()


@pytest.mark.parametrize(
    "theirs",
    [
        virtual("else.example", "web.shop.svc.cluster.local", "in"),
        virtual("shop.example", "web.shop.svc.cluster.local", "other"),
        virtual("shop.example", "web.shop.svc.cluster.local", "mesh"),
    ],
)
def test_what_serves_another_host_or_elsewhere_is_no_rival(theirs: dict[str, t.Any]) -> None:
    assert rivals(DOOR, claims(GATEWAYS, [theirs], PROXIES)) == ([], set())


def test_what_serves_a_host_as_the_door_would_is_known() -> None:
    door = FrontDoor("front-door", (Route("web", "apps"),))
    assert rivals(door, claims(GATEWAYS, [virtual("*", "web", "apps/in")], PROXIES)) == ([], {"*"})
