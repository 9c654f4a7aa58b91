# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What written files of a front door say of clusters, and what they are without some of them."""

from __future__ import annotations

import dataclasses

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    CLUSTERS,
    EnvoyDoor,
    Gateway,
    render,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import (
    version_in,
    with_version,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_written import (
    clusters_of,
    gateway_of,
    leads,
    without,
)

EAST, WEST = Gateway("east", ("10.0.0.2", "10.0.0.3"), region="us"), Gateway("west", ("10.0.0.1",), 443, "eu", 15021)
FAR = Gateway("far", ("10.0.0.9",), region="asia")
WAYS = {"web.shop": (EAST, WEST, FAR), "pay.shop": (WEST,)}
FILES = render(FrontDoor("front-door", (Route("web", "shop"), Route("pay", "shop", path="/pay"))), EnvoyDoor(WAYS))


def test_what_is_written_is_read_again() -> None:
    assert clusters_of(FILES[CLUSTERS]) == ["east", "west", "far"] and clusters_of({}) == []
    # Files of a release that knew HTTP/1.1 alone: only a service's own address has another port than gateways.
    own = dataclasses.replace(WEST, own=True)
    assert [gateway_of(FILES[CLUSTERS], "web.shop", one.cluster) for one in WAYS["web.shop"]] == [EAST, own, FAR]
    assert gateway_of(FILES[CLUSTERS], "pay.shop", "east") is gateway_of({}, "pay.shop", "west") is None


def test_a_route_leads_where_its_own_upstream_does() -> None:
    routes = [content for name, content in FILES.items() if name.startswith("routes-")]
    assert leads(FILES[CLUSTERS], routes, "web.shop", "", "/") == {"east", "west", "far"}
    assert leads(FILES[CLUSTERS], routes, "pay.shop", "", "/pay") == {"west"}
    for service, host, path in (("web.shop", "", "/pay"), ("web.shop", "shop.example", "/"), ("pay.shop", "", "/")):
        assert leads(FILES[CLUSTERS], routes, service, host, path) == set()
    assert leads({}, routes, "web.shop", "", "/") == leads(FILES[CLUSTERS], [{}], "web.shop", "", "/") == set()
    door = FrontDoor("front-door", (Route("web", "shop"), Route("web", "shop", path="/new")))
    part = render(door, EnvoyDoor(WAYS, knowing={("", "/new"): {"far"}}))
    new = [content for name, content in part.items() if name.startswith("routes-")]
    assert leads(part[CLUSTERS], new, "web.shop", "", "/new") == {"far"}
    assert leads(part[CLUSTERS], new, "web.shop", "", "/") == {"east", "west", "far"}


def test_what_speaks_http2_goes_on_so() -> None:
    door = FrontDoor("front-door", (Route("web", "shop"),))
    for own in (False, True):
        says = dataclasses.replace(WEST, http2=True, own=own)
        written = render(door, EnvoyDoor({"web.shop": (says,)}))[CLUSTERS]
        assert gateway_of(written, "web.shop", "west") == says


def test_nobody_is_led_to_clusters_that_leave() -> None:
    left = without(FILES[CLUSTERS], ["east"])
    assert clusters_of(left) == ["west", "far"]
    (web,) = [one for one in left["resources"] if one["name"] == "web.shop|any"]
    assert [one["priority"] for one in web["load_assignment"]["endpoints"]] == [0, 1]
    assert left["version_info"] != FILES[CLUSTERS]["version_info"], "or Envoy does not load it"
    assert without(FILES[CLUSTERS], []) == FILES[CLUSTERS]
    assert clusters_of(without(left, ["west", "far"])) == []


def test_other_files_have_another_version_and_the_same_have_one() -> None:
    first = with_version("front-door", FILES)
    assert with_version("front-door", first) == first
    less = with_version("front-door", {**first, CLUSTERS: without(first[CLUSTERS], ["east"])})
    routes = [name for name in FILES if name.startswith("routes-")]
    assert len({version_in(files[routes[0]]) for files in (first, less)}) == 2
    assert less[routes[0]]["version_info"] != first[routes[0]]["version_info"]
