# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules in Istio's words."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.istio_words import (
    ejected_share,
    http_routes,
    length,
    traffic_policy,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Rules, Subset
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies

ORDER = {"enabled": True, "failoverPriority": ["topology.istio.io/cluster=east"]}


def rules(**fields: t.Any) -> Rules:
    (policy,) = parse_policies([{"service": "reviews.shop", **fields}], ("west", "east"))
    return policy.rules


def destination(number: int, subset: Subset) -> dict[str, t.Any]:
    return {"host": f"{number} {subset.cluster} {dict(subset.labels)}"}


def routes(*sources: str, **fields: t.Any) -> list[dict[str, t.Any]]:
    (policy,) = parse_policies([{"service": "reviews.shop", **fields}], ("west", "east"))
    return http_routes(policy, sources, destination)


def test_lengths() -> None:
    assert [length(n) for n in (1, 1500, 2000, 90_000)] == ["1ms", "1500ms", "2s", "90s"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"connections": 7}, {"connectionPool": {"tcp": {"maxConnections": 7}}}),
        (
            {"pending": 2, "requests": 3},
            {"connectionPool": {"http": {"http1MaxPendingRequests": 2, "http2MaxRequests": 3}}},
        ),
        ({"errors": 5}, {"outlierDetection": {"consecutive5xxErrors": 5, "maxEjectionPercent": 50}}),
        (
            {"errors": 5, "kind": "gateway", "share": 10},
            {
                "outlierDetection": {
                    "consecutive5xxErrors": 0,
                    "consecutiveGatewayErrors": 5,
                    "maxEjectionPercent": 10,
                }
            },
        ),
        (
            {"errors": 5, "kind": "local", "interval": "1s", "ejection": "1m"},
            {
                "outlierDetection": {
                    "consecutive5xxErrors": 0,
                    "splitExternalLocalOriginErrors": True,
                    "consecutiveLocalOriginFailures": 5,
                    "interval": "1s",
                    "baseEjectionTime": "60s",
                    "maxEjectionPercent": 50,
                }
            },
        ),
    ],
)
def test_a_breaker(fields: dict[str, t.Any], said: dict[str, t.Any]) -> None:
    assert traffic_policy(rules(breaker=fields), {}) == said


def test_a_connection_takes_no_longer_than_a_try() -> None:
    def pool(retries: dict[str, t.Any], **breaker: t.Any) -> t.Any:
        policy = {"service": "reviews.shop", "retries": retries, "breaker": breaker}
        (read,) = parse_policies([policy], ("west", "east"))
        return traffic_policy(read.rules, {}).get("connectionPool")

    tries = {"attempts": 3, "per_try": "2s"}
    assert pool(tries, errors=5) == {"tcp": {"connectTimeout": "2s"}}
    assert pool(tries, errors=5, connections=7) == {"tcp": {"maxConnections": 7, "connectTimeout": "2s"}}
    assert pool({"attempts": 3}, errors=5) is None
    assert pool(tries, pending=2) == {"http": {"http1MaxPendingRequests": 2}}, "no pod is ejected"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"failover": "nearest"}, {"localityLbSetting": {"enabled": True}}),
        ({"failover": "none"}, {"localityLbSetting": {"enabled": False}}),
        ({"failover": {"clusters": ["east"]}}, {"localityLbSetting": ORDER}),
        (
            {"localities": {"us": 80, "eu/b": 20}},
            {"localityLbSetting": {"enabled": True, "distribute": [{"from": "*", "to": {"us/*": 80, "eu/b/*": 20}}]}},
        ),
        ({"affinity": {"header": "x-user"}}, {"consistentHash": {"httpHeaderName": "x-user"}}),
        ({"affinity": {"address": True}}, {"consistentHash": {"useSourceIp": True}}),
        ({"affinity": {"cookie": "s"}}, {"consistentHash": {"httpCookie": {"name": "s"}}}),
        (
            {"affinity": {"cookie": "s", "ttl": "1m", "path": "/"}, "failover": "none"},
            {
                "localityLbSetting": {"enabled": False},
                "consistentHash": {"httpCookie": {"name": "s", "ttl": "60s", "path": "/"}},
            },
        ),
    ],
)
def test_a_balance(fields: dict[str, t.Any], said: dict[str, t.Any]) -> None:
    assert traffic_policy(rules(**fields), ORDER) == {"loadBalancer": said}


def test_all_may_be_ejected_only_where_calls_can_go_to_others() -> None:
    pinned = {"split": [{"weight": 100, "cluster": "west"}]}
    assert ejected_share(rules(breaker={"errors": 5})) == 50
    assert ejected_share(rules(breaker={"errors": 5}, failover="none")) == 50
    assert ejected_share(rules(breaker={"errors": 5}, failover="nearest")) == 100
    assert ejected_share(rules(breaker={"errors": 5}, failover="nearest", **pinned)) == 50
    assert ejected_share(rules(breaker={"errors": 5, "share": 7}, failover="nearest")) == 7


def test_a_route_says_everything() -> None:
    (route,) = routes(
        split=[{"weight": 80, "cluster": "east"}, {"weight": 20}, {"weight": 0, "labels": {"version": "v9"}}],
        timeout="5s",
        retries={"attempts": 2, "per_try": "1s", "retry_on": ["reset", "5xx"], "other_localities": False},
        fault={"delay": "1s", "abort": 503, "share": 5},
        mirror={"labels": {"version": "v4"}, "share": 0.5},
    )
    assert route == {
        "name": "all",
        "route": [
            {"destination": {"host": "0 east {}"}, "weight": 80},
            {"destination": {"host": "0  {}"}, "weight": 20},
        ],
        "timeout": "5s",
        "retries": {
            "attempts": 2,
            "perTryTimeout": "1s",
            "retryOn": "reset,5xx",
            "retryRemoteLocalities": False,
        },
        "fault": {
            "delay": {"fixedDelay": "1s", "percentage": {"value": 5}},
            "abort": {"httpStatus": 503, "percentage": {"value": 5}},
        },
        "mirror": {"host": "0  {'version': 'v4'}"},
        "mirrorPercentage": {"value": 0.5},
    }


def test_retries_can_be_turned_off() -> None:
    assert routes(retries={"attempts": 0})[0]["retries"] == {"attempts": 0}


def test_routes_come_before_what_is_for_all_calls() -> None:
    given = [
        {"headers": {"x-user": "ann", "x-team": {"prefix": "a"}}, "method": ["GET"]},
        {"path": "/api/", "rewrite": "/", "method": ["GET", "HEAD"]},
    ]
    first, second, rest = routes(timeout="5s", routes=given)
    assert first["match"] == [
        {"method": {"exact": "GET"}, "headers": {"x-team": {"prefix": "a"}, "x-user": {"exact": "ann"}}}
    ]
    assert second["match"] == [{"uri": {"prefix": "/api/"}, "method": {"regex": "GET|HEAD"}}]
    assert second["rewrite"] == {"uri": "/"}
    assert [one["name"] for one in (first, second, rest)] == ["route-1", "route-2", "all"]
    assert [one["route"][0]["destination"]["host"] for one in (first, second, rest)] == ["1  {}", "2  {}", "0  {}"]
    assert "match" not in rest


def test_routes_for_some_callers_name_their_clusters() -> None:
    first, rest = routes("west", "edge", timeout="5s", routes=[{"path": "/api/"}])
    source = "topology.istio.io/cluster"
    assert first["match"] == [
        {"sourceLabels": {source: "west"}, "uri": {"prefix": "/api/"}},
        {"sourceLabels": {source: "edge"}, "uri": {"prefix": "/api/"}},
    ]
    assert rest["match"] == [{"sourceLabels": {source: "west"}}, {"sourceLabels": {source: "edge"}}]
    assert (first["name"], rest["name"]) == ("from-west-route-1", "from-west-all")
