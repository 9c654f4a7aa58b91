# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of a front door: what is wrong with them is named."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import refuse
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    read_front_door,
    without_machines,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

CLUSTERS = ("west", "north")


@pytest.mark.parametrize(
    ("routes", "more", "said"),
    [
        ([{"service": "web.shop", "cluster": "west"}], {}, "did you mean clusters?"),
        ([{"service": "web.shop", "clusters": ["wst"]}], {}, 'did you mean "west"?'),
        ([{"service": "web.shop", "path": "pay"}], {}, "begins with /"),
        ([{"service": "web.shop", "path": "/pay/*"}], {}, "is no path"),
        ([{"service": "web.shop", "port": "http"}], {}, "is no port"),
        ([{"service": "web.shop", "health": {"url": "/"}}], {}, "is no health check"),
        ([{"service": "web.shop"}], {"regions": ["10.0.0.0/8"]}, "is no dictionary of ranges"),
        ([{"service": "web.shop"}], {"region_header": "x region", "trusted": ["10.0.0.0/8"]}, "is no name of a header"),
        ([{"service": "web.shop"}], {"addresses": "192.0.2.4"}, "is no list of addresses"),
        ([{"service": "web.shop"}], {"addresses": ["192.0.2.4:80"]}, "ports are 80 and 443"),
        ([{"service": "web.shop"}, {"service": "pay.shop"}], {}, "any host/ goes to web.shop already"),
        ([{"service": "web.shop"}, {"service": "web.shop", "path": "/a", "port": 81}], {}, "a service has one backend"),
        ([{"service": "web.shop"}], {"https_redirect": True}, "front_door_certificates"),
    ],
)
def test_a_wrong_variable_of_a_front_door_is_named(routes: t.Any, more: dict[str, t.Any], said: str) -> None:
    _door, problems = read_front_door("front-door", routes, CLUSTERS, **more)
    with pytest.raises(FleetError) as wrong:
        refuse(problems)
    assert said in str(wrong.value)


def test_what_no_route_of_a_host_takes_goes_to_the_one_for_all() -> None:
    pay, deep, rest = (
        {"host": "shop.example", "path": "/pay", "service": "pay.shop"},
        {"host": "shop.example", "path": "/pay/card", "service": "card.bank"},
        {"service": "web.shop"},
    )
    door, problems = read_front_door("front-door", [pay, deep, rest], CLUSTERS)
    assert problems == []
    paths = {host: [(route.path, route.name) for route in routes] for host, routes in door.hosts().items()}
    assert paths == {"shop.example": [("/pay/card", "card"), ("/pay", "pay"), ("/", "web")], "": [("/", "web")]}
    (alone,) = read_front_door("front-door", [pay], CLUSTERS)[0].hosts().values()
    assert [route.path for route in alone] == ["/pay"]


def test_a_host_is_one_however_it_is_written() -> None:
    """As in ingress_routes, whose hosts a front door may share."""
    given = [{"host": "Shop.Example.", "service": "web.shop"}, {"host": "shop.example", "service": "pay.shop"}]
    door, problems = read_front_door("front-door", given[:1], CLUSTERS)
    assert (list(door.hosts()), problems) == (["shop.example"], [])
    assert "goes to web.shop already" in str(read_front_door("front-door", given, CLUSTERS)[1])


@pytest.mark.parametrize("host", ["", ".", "*", False])
def test_no_host_is_any_host_by_mistake(host: t.Any) -> None:
    door, (problem,) = read_front_door("front-door", [{"host": host, "service": "web.shop"}], CLUSTERS)
    assert door.routes == ()
    assert problem.variable == "front_door_routes[0].host"
    assert "for any host leave host out" in problem.hint


def test_addresses_of_machines_are_for_machines_alone() -> None:
    door, problems = read_front_door("front-door", [], CLUSTERS, addresses=["192.0.2.4", "2001:db8::4", "a.example"])
    assert (problems, without_machines(door, "files")) == ([], [])
    assert door.addresses == ("192.0.2.4", "2001:db8::4", "a.example")
    for kind in ("engine", "google", ""):
        (wrong,) = without_machines(door, kind)
        assert wrong.variable == "front_door_addresses"
