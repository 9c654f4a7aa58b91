# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which requests measure a policy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import (
    Counts,
    upstream,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import Generator
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_plans import plan
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.shares import Seen, measure
from tests.policies import BREAKER, REVIEWS, sound

from ..fleets import TWO, fleet
from .series import Values, answers, only, planned


def test_who_is_asked_and_who_is_not() -> None:
    assert planned(REVIEWS, caller="east") == ([], {})
    everybody = {**REVIEWS, "from": None}
    assert [series.caller for series in planned(everybody, caller="east")[0]] == ["east"]
    name = "reviews.shop from west"
    assert planned({**REVIEWS, "verify": {"requests": 0}}) == ([], {name: "the inventory asks for no requests"})
    assert planned(REVIEWS, requests=0) == ([], {name: "the inventory asks for no requests"})
    assert [one.count for one in planned({**REVIEWS, "verify": {"requests": 50}}, requests=0)[0]] == [50]
    assert planned({**REVIEWS, "verify": {"port": 1}})[1] == {name: "the service has no port 1"}
    assert planned(BREAKER)[1] == {"sample-producer.sample from west": "no cluster has the service"}
    read = parse_policies([REVIEWS], ("west", "east"))
    tcp = {("reviews", "shop"): (Port(9090, "metrics"),)}
    assert plan(read, Generator(fleet(TWO), read), "west", tcp, 400)[1] == {
        name: "the service has no port that is known to speak HTTP"
    }


def test_both_names_of_a_service_are_measured() -> None:
    local, everywhere = planned({**REVIEWS, "global": True})[0]
    assert (local.url, everywhere.url) == ("http://reviews.shop:8080/", "http://reviews.shop.global:8080/")
    assert (local.name, everywhere.name) == ("reviews.shop from west", "reviews.shop.global from west")
    assert [part.upstream for part in everywhere.parts] == [
        upstream(8080, name, "reviews.shop.global") for name in ("east-v3", "west-v1", "west-v2")
    ]
    entries = {measure(series, Seen()).entry for series in (local, everywhere)}
    assert len(entries) == 1, "it is one policy"


def test_where_nothing_is_drawn_few_requests_do() -> None:
    assert only(split=None, timeout="2s").count == 20
    assert only(split=[{"weight": 100, "cluster": "east"}]).count == 20
    assert only(split=None, timeout="2s", verify={"requests": 5}).count == 5
    assert only(split=None, fault={"abort": 503, "share": 50}).count == 400


def test_a_breaker_for_many_calls_gets_one_at_a_time() -> None:
    assert only().side_by_side == 8
    assert only(breaker={"errors": 5}).side_by_side == 8
    for key in ("connections", "pending", "requests"):
        assert only(breaker={key: 1}).side_by_side == 1
    assert only(fault={"delay": "2s"}).side_by_side == 40


def test_a_request_for_each_route() -> None:
    routes: list[Values] = [
        {"headers": {"x-user": "ann"}, "split": [{"weight": 100, "labels": {"version": "v2"}}]},
        {"headers": {"x-user": {"prefix": "b"}, "x-kind": {"regex": "beta"}}, "timeout": "1s"},
        {"path": "/api/", "method": ["GET", "POST"], "timeout": "3s"},
        {"method": ["DELETE"], "timeout": "4s"},
        {"headers": {"x-user": {"regex": "c.*"}}, "timeout": "5s"},
        {"path": "/api/v2/", "timeout": "6s"},
    ]
    series, left = planned({**REVIEWS, "routes": routes, "verify": {"path": "/healthz"}})
    assert [(one.route, one.path, one.headers, one.rules.timeout) for one in series] == [
        (0, "/healthz", (), 0),
        (1, "/healthz", (("x-user", "ann"),), 0),
        (2, "/healthz", (("x-kind", "beta"), ("x-user", "b")), 1000),
        (3, "/api/", (), 3000),
    ]
    assert series[1].name == "reviews.shop route 1 from west"
    assert left == {
        "reviews.shop route 4 from west": "it is for DELETE, and only GET requests are made",
        "reviews.shop route 5 from west": "no value of the header x-user is known that its regular expression fits",
        "reviews.shop route 6 from west": "GET /api/v2/ is for route 3; name another path in verify",
    }
    series, left = planned({**REVIEWS, "routes": [{"path": "/", "timeout": "1s"}]})
    assert [one.route for one in series] == [1]
    assert left == {"reviews.shop from west": "GET / is for route 1; name another path in verify"}


@settings(max_examples=60, deadline=None)
@given(sound())
def test_what_any_policy_asks_for(drawn: tuple[Fleet, list[Policy]]) -> None:
    of, policies = drawn
    generator = Generator(of, policies)
    ports = {(policy.name, policy.namespace): (Port(8080, "http"),) for policy in policies}
    for caller in of.clusters:
        series, left = plan(policies, generator, caller, ports, 400)
        mine = [p for p in policies if p.callers is None or caller in p.callers]
        assert len(series) + len(left) == sum((1 + len(policy.routes)) * len(policy.by_name()) for policy in mine)
        for one in series:
            assert 0 < one.count <= 400
            assert 1 <= one.side_by_side <= 64
            splits = [part.share for part in one.parts if part.kind == "split"]
            assert not splits or sum(splits) == pytest.approx(1)
            assert all(part.upstream.endswith(f"|{one.policy.host}") for part in one.parts if part.upstream)
            # Counted as declared, nothing is refused.
            exact = {part.upstream: Counts(round(part.share * 1000)) for part in one.parts if part.kind == "split"}
            exact = exact or {one.upstream: Counts(1000)}
            found = measure(one, Seen(answers=(answers(1000),), counts=exact))
            assert all(share.p > 0.9 for share in found.shares if share.kind == "split")
