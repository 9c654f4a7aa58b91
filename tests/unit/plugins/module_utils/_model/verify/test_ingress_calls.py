# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which routes are called at which gateways, and how a call is judged."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Route, read_routes
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.ingress_calls import (
    Entrance,
    IngressCall,
    Reply,
    ingress_calls,
    judge_ingress,
    not_reached,
    page_of,
)

CLUSTERS = {"west": "west", "east": "east", "edge": "west"}
GATES = [Entrance("west", "192.0.2.1"), Entrance("edge", "192.0.2.2", {80: 30080, 443: 30443})]
PLAIN = IngressCall("west", "192.0.2.1", 80, "shop.example", "/", "web.shop")
SECURE = dataclasses.replace(PLAIN, port=443, https=True)
NAMES = ("shop.example",)


def routes(*given: dict[str, object]) -> list[Route]:
    read, wrong = read_routes(given, CLUSTERS)
    assert wrong == []
    return read


def test_each_gateway_is_called_for_what_it_serves() -> None:
    given = routes(
        {"host": "shop.example", "service": "web.shop", "certificate_secret": "s", "https_redirect": True},
        {"host": "*.dev.example", "service": "web.dev", "clusters": ["east"]},
    )
    found = ingress_calls(given, GATES, CLUSTERS)
    assert [(call.name, call.port, call.redirected) for call in found] == [
        ("http://shop.example/ in west", 80, True),
        ("https://shop.example/ in west", 443, False),
        ("http://shop.example/ in edge", 30080, True),
        ("https://shop.example/ in edge", 30443, False),
    ], "a remote's gateway serves what its primary's does"
    (wild,) = ingress_calls(given, [Entrance("east", "192.0.2.3")], CLUSTERS)[2:]
    assert wild.host == "mesh-verify.dev.example"


@pytest.mark.parametrize(
    ("call", "reply", "seen"),
    [
        (PLAIN, Reply(200, 12.3, "east"), "200 from east in 12 ms"),
        (PLAIN, Reply(404, 1, said="no such page"), "404 from a service that does not name its cluster in 1 ms"),
        (SECURE, Reply(200, 1, "west", names=("shop.example",)), "200 from west in 1 ms"),
        (
            dataclasses.replace(PLAIN, redirected=True),
            Reply(301, 1, location="https://shop.example/"),
            "301 to https://shop.example/",
        ),
    ],
)
def test_what_is_well(call: IngressCall, reply: Reply, seen: str) -> None:
    ended = judge_ingress(call, reply)
    assert (ended.ok, ended.seen, ended.next_step) == (True, seen, "")
    assert ended.callee == (reply.cluster or "west")


@pytest.mark.parametrize(
    ("call", "reply", "means"),
    [
        (PLAIN, Reply(404), "it does not know the host or the path"),
        (PLAIN, Reply(503, said="no healthy upstream"), "no pod of web.shop that is ready"),
        (PLAIN, Reply(500), "web.shop itself answers with an error"),
        (PLAIN, Reply(error="refused"), "takes no HTTP yet"),
        (SECURE, Reply(error="handshake failure"), "has not got the certificate"),
        (SECURE, Reply(200, cluster="west", names=("other.example",)), "a certificate of another host"),
        (SECURE, Reply(200, cluster="west"), "a certificate of another host"),
        (dataclasses.replace(PLAIN, redirected=True), Reply(200, cluster="west"), "has not got the redirect"),
        (dataclasses.replace(PLAIN, redirected=True), Reply(301, location="http://x/"), "has not got the redirect"),
    ],
)
def test_what_is_wrong_fails_the_gateways_cluster(call: IngressCall, reply: Reply, means: str) -> None:
    ended = judge_ingress(call, reply)
    assert not ended.ok and means in ended.means and ended.next_step
    assert "west" in ended.as_check().clusters


def test_what_is_not_reached_proves_nothing() -> None:
    check = not_reached(PLAIN, Reply(error="timed out", unreached=True))
    assert (check.state, check.clusters) == ("skipped", ())
    assert check.seen == "this machine does not reach 192.0.2.1 port 80: timed out"


def test_the_samples_page_is_where_a_route_leads_to_it() -> None:
    given = routes(
        {"host": "*.example", "service": "page.apps"},
        {"host": "shop.example", "service": "page.apps", "path": "/x"},
        {"host": "page.example", "service": "page.apps", "certificate_secret": "s", "clusters": ["west"]},
    )
    assert page_of(given, "page.apps", "west", "192.0.2.1") == "https://page.example/"
    assert page_of(given, "page.apps", "east", "192.0.2.1") == ""
    assert page_of(routes({"service": "page.apps"}), "page.apps", "east", "192.0.2.1") == "http://192.0.2.1/"
