# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects of multi-cluster ingress, from a front door and the live Services."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    read_front_door,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import (
    backend_at,
    ingress_objects,
    leads_to,
    service_differences,
    service_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


def front_door(*routes: dict[str, t.Any]) -> FrontDoor:
    door, problems = read_front_door("door", list(routes), ("west", "north"))
    assert problems == []
    return door


def test_ports_come_from_the_service() -> None:
    door = front_door({"service": "web.shop", "port": 443, "health": "/ready"})
    live = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}, {"port": 443, "targetPort": "https"}]}}
    config, service, ingress = ingress_objects(door, {"web": live}, {"web": ["us-west1-a/west"]}, "")
    # Google means the pods' port: without one they are asked where they serve.
    assert config["spec"]["healthCheck"] == {"type": "HTTP", "requestPath": "/ready"}
    assert service["spec"]["template"]["spec"]["ports"][0]["targetPort"] == "https"
    assert service["metadata"]["annotations"] == {"beta.cloud.google.com/backend-config": '{"ports": {"443": "web"}}'}
    assert ingress["spec"]["template"]["spec"] == {"backend": {"serviceName": "web", "servicePort": 443}}
    live["spec"]["ports"][1]["appProtocol"] = "https"
    door = front_door({"service": "web.shop", "port": 443, "health": {"path": "/r", "port": 8443}})
    config, service, _ingress = ingress_objects(door, {"web": live}, {}, "")
    assert config["spec"]["healthCheck"] == {"type": "HTTPS", "requestPath": "/r", "port": 8443}
    assert service["metadata"]["annotations"]["networking.gke.io/app-protocols"] == '{"port-443": "HTTPS"}'
    assert "appProtocol" not in service["spec"]["template"]["spec"]["ports"][0]
    with pytest.raises(FleetError, match="has no port 443"):
        ingress_objects(door, {"web": {"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}}, {}, "")
    with pytest.raises(FleetError, match="selects no pods"):
        ingress_objects(door, {"web": {"spec": {"ports": [{"port": 443}]}}}, {}, "")


@pytest.mark.parametrize("protocol", ["", "https", "http2", "grpcs"])
def test_a_service_is_known_again_from_what_it_became(protocol: str) -> None:
    port = {"name": "web", "port": 443, "targetPort": 8443, "appProtocol": protocol}
    door = front_door({"service": "web.shop", "health": "/ready"})
    live = {"spec": {"selector": {"app": "web"}, "ports": [port]}}
    made = ingress_objects(door, {"web": live}, {"web": ["us-west1-a/west"]}, "")
    service = next(obj for obj in made if obj["kind"] == "MultiClusterService")
    assert ingress_objects(door, {"web": service_of(service)}, {"web": ["us-west1-a/west"]}, "") == made
    assert [leads_to(service, link) for link in ("us-west1-a/west", "us-west1-a/west-2")] == [True, False]
    del service["spec"]["clusters"]
    assert leads_to(service, "us-west1-a/west-2"), "without links it takes in all"


def test_services_that_differ_between_clusters_are_named() -> None:
    one = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}
    other = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 9090}]}}
    assert service_differences("web.shop", {"west": one, "north": dict(one)}) == ""
    assert "in north than in west" in service_differences("web.shop", {"west": one, "north": other})


def test_calls_go_by_the_nearest_host_and_longest_path() -> None:
    routes = {
        "*.shop.example": "any",
        "a.shop.example": "a",
        "b.shop.example/in": "in",
        "b.shop.example/in/side": "side",
        "/help": "help",
    }
    split = {name: where.partition("/") for where, name in routes.items()}
    made = [{"host": host, "path": f"/{path}", "service": f"{n}.shop"} for n, (host, _slash, path) in split.items()]
    made = [{key: value for key, value in one.items() if value} for one in made]
    door = front_door({"service": "rest.shop"}, *made)
    live = {"spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}}
    *_services, ingress = ingress_objects(door, dict.fromkeys(["rest", *routes.values()], live), {}, "")
    for where, name in {
        **routes,
        "": "rest",
        "c.shop.example": "any",
        "*.c.shop.example": "any",
        "a.shop.example/in": "a",
        "b.shop.example": "rest",
        "b.shop.example/in/x": "in",
        "b.shop.example/in/side/x": "side",
        "b.shop.example/inside": "rest",
        "shop.example/help": "help",
        "shop.example": "rest",
    }.items():
        host, _slash, path = where.partition("/")
        assert backend_at(ingress, host, f"/{path}") == name, where
