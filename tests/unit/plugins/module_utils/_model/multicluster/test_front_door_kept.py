# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gateways serve earlier routes beside the wanted ones."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    HealthCheck,
    Route,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_gateways import gateway_objects
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_kept import Kept, keep


def objects(*routes: Route, port: int = 80) -> list[dict[str, t.Any]]:
    live = {"spec": {"selector": {"app": "web"}, "ports": [{"port": port}]}}
    return gateway_objects(FrontDoor("front-door", routes), "west", {route.service: live for route in routes})


def named(kept: Kept, kind: str) -> dict[str, t.Any]:
    (found,) = (one["spec"] for one in kept.wanted if one["kind"] == kind)
    return dict(found)


WEB, PAY = Route("web", "shop", host="shop.example"), Route("pay", "shop", host="shop.example", path="/pay")


def test_what_is_wanted_already_stays_as_it_is() -> None:
    wanted = objects(WEB, PAY)
    assert keep(wanted, wanted) == Kept(tuple(wanted)) and keep(wanted, []) == Kept(tuple(wanted))


def test_earlier_hosts_and_objects_stay() -> None:
    old = Route("old", "shop", host="old.example")
    kept = keep(objects(WEB), objects(WEB, old))
    assert kept.more and named(kept, "Gateway")["servers"][0]["hosts"] == ["old.example", "shop.example"]
    assert [one["metadata"]["name"] for one in kept.left] == ["old-front-door-west", "front-door-old.example"]


def test_earlier_paths_stay_before_shorter_ones() -> None:
    kept = keep(objects(WEB), objects(WEB, PAY))
    assert named(kept, "VirtualService")["http"] == objects(WEB, PAY)[-1]["spec"]["http"]
    # A new service of the same path is the one that counts, and earlier health checks find theirs.
    new = Route("web2", "shop", host="shop.example", health=HealthCheck("/live"))
    earlier = objects(Route("web", "shop", host="shop.example", health=HealthCheck("/ready")), PAY)
    check, rule = objects(new)[-1]["spec"]["http"]
    rules = named(keep(objects(new), earlier), "VirtualService")["http"]
    assert rules == [check, *earlier[-1]["spec"]["http"][:2], rule]


def test_a_host_in_another_namespace_is_served_once() -> None:
    elsewhere = Route("web", "bank", host="shop.example")
    kept = keep(objects(elsewhere), objects(WEB, PAY))
    assert "VirtualService" not in {one["kind"] for one in kept.left}, "the older one would count"
    rules = named(kept, "VirtualService")["http"]
    assert [rule["route"][0]["destination"]["host"].partition(".")[0] for rule in rules] == [
        "pay-front-door-west",
        "web-front-door-west",
    ]
    assert rules[-1] == objects(elsewhere)[-1]["spec"]["http"][0]


def test_earlier_ports_stay_under_names_of_their_own() -> None:
    ports = named(keep(objects(WEB, port=81), objects(WEB)), "Service")["ports"]
    assert [(port["port"], port["name"]) for port in ports] == [(81, "port"), (80, "port-80")]
