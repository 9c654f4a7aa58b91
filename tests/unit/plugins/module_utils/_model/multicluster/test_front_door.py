# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of a front door: what is wrong with them is named."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import refuse
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
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
