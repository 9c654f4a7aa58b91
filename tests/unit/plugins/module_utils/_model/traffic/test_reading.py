# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies as data: what may be written, and one clear message for each thing that may not."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import (
    EVERYWHERE,
    Affinity,
    Breaker,
    Failover,
    Fault,
    Match,
    Measured,
    Mirror,
    Policy,
    Retries,
    Rules,
    Share,
    Subset,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import (
    parse_policies,
    read_policies,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from tests.policies import BREAKER, REVIEWS

CLUSTERS = ("west", "east")


def one(**fields: t.Any) -> Policy:
    (policy,) = parse_policies([{"service": "reviews.shop", **fields}], CLUSTERS)
    return policy


def wrong(entry: t.Any) -> tuple[str, str]:
    """The only problem of a policy, and its remedy."""
    policies, problems = read_policies([entry], CLUSTERS)
    assert policies == []
    (problem,) = problems
    return problem.statement, problem.hint


def test_three_quarters_to_another_cluster() -> None:
    (policy,) = parse_policies([REVIEWS], CLUSTERS)
    assert (policy.service, policy.callers) == ("reviews.shop", ("west",))
    assert policy.host == "reviews.shop.svc.cluster.local"
    assert policy.said == "reviews.shop from west"
    assert policy.rules == Rules(
        split=(
            Share(Subset("east", (("version", "v3"),)), 75),
            Share(Subset("west", (("version", "v1"),)), 15),
            Share(Subset("west", (("version", "v2"),)), 10),
        )
    )


def test_a_timeout_and_a_breaker() -> None:
    (policy,) = parse_policies([BREAKER], CLUSTERS)
    assert policy.callers is None
    assert policy.rules == Rules(timeout=2000, breaker=Breaker(1, 1, None, 1, "5xx", 1000, 180_000))


def test_everything_else() -> None:
    policy = one(
        retries={"attempts": 3, "per_try": "1.5s", "retry_on": ["reset", "reset", "5xx"], "other_localities": True},
        failover={"regions": ["us-west1", "us-east1"]},
        localities={"us-west1": 80, "us-east1/b": 20},
        fault={"delay": "1m30s", "abort": 503, "share": 12.5},
        mirror={"labels": {"version": "v4"}, "share": "50"},
        affinity={"cookie": "session", "ttl": "1h", "path": "/"},
    )
    assert policy.rules == Rules(
        retries=Retries(3, 1500, ("reset", "5xx"), True),
        failover=Failover("regions", ("us-west1", "us-east1")),
        localities=(("us-east1/b", 20), ("us-west1", 80)),
        fault=Fault(90_000, 503, 12.5),
        mirror=Mirror(Subset("", (("version", "v4"),)), 50),
        affinity=Affinity("", "session", 3_600_000, "/"),
    )
    assert one(service="reviews.shop.global", timeout="1s").host == "reviews.shop.global"
    assert one(retries={"attempts": 0}).rules.retries == Retries(0)
    assert one(split=[{"weight": "100"}]).rules.split == (Share(EVERYWHERE, 100),)


def test_what_a_route_does_not_say_is_as_in_the_policy() -> None:
    policy = one(
        timeout="5s",
        fault={"abort": 503},
        breaker={"errors": 5},
        routes=[
            {"headers": {"x-user": "ann"}, "split": [{"weight": 100, "labels": {"version": "v2"}}]},
            {"path": "/api/", "rewrite": "/v2/", "method": ["GET"], "fault": {}, "timeout": "1s", "breaker": {}},
        ],
    )
    first, second = policy.routes
    assert first.match == Match(headers=(("x-user", "exact", "ann"),))
    assert (first.rules.timeout, first.rules.fault, first.rules.breaker) == (5000, Fault(abort=503), Breaker(errors=5))
    assert [share.subset.labels for share in first.rules.split] == [(("version", "v2"),)]
    assert first.said == {"split"}
    assert (second.match, second.rewrite) == (Match((), ("GET",), "/api/"), "/v2/")
    assert (second.rules.timeout, second.rules.fault, second.rules.breaker) == (1000, None, None)


def test_a_global_name_beside_the_service() -> None:
    policy = one(timeout="1s", **{"global": True})
    assert [(named.host, named.rules) for named in policy.by_name()] == [
        (policy.host, policy.rules),
        (f"{policy.service}.global", policy.rules),
    ]
    assert not one(timeout="1s", **{"global": False}).also_global
    assert one(service="r.s.global", **{"global": True}).by_name() == (one(service="r.s.global"),)
    # That the name is there is all that it says.
    assert parse_policies([{"service": "r.s", "global": True}], CLUSTERS)[0].says_nothing
    assert "contradicts the name r.s.global" in wrong({"service": "r.s.global", "global": False})[0]


@pytest.mark.parametrize("share", [0.00005, "0.00005", 1e-7])
def test_a_share_may_be_tiny(share: t.Any) -> None:
    """Python writes such numbers as 5e-05."""
    mirror = one(mirror={"cluster": "east", "share": share}).rules.mirror
    assert mirror is not None and mirror.share == float(share)


@pytest.mark.parametrize("share", [float("nan"), float("inf"), 1e300, -1e-7])
def test_a_share_that_is_no_percentage_is_refused(share: float) -> None:
    assert wrong({"service": "reviews.shop", "mirror": {"cluster": "east", "share": share}})


def test_how_it_is_measured() -> None:
    assert one(timeout="5s").measured == Measured("/", 0, None)
    assert one(timeout="5s", verify={"path": "/healthz", "port": 9090, "requests": 0}).measured == Measured(
        "/healthz", 9090, 0
    )
    # It says nothing of calls.
    assert "says nothing" in wrong({"service": "r.s", "verify": {"requests": 5}})[0]
    assert wrong({"service": "r.s", "timeout": "1s", "verify": {"paht": "/"}})[1] == "did you mean path?"
    assert "is not the beginning of a path" in wrong({"service": "r.s", "timeout": "1s", "verify": {"path": "x"}})[0]


def test_null_says_nothing() -> None:
    assert one(timeout="5s", split=None, routes=[{"path": "/", "timeout": None}]).routes[0].rules.timeout == 5000


@pytest.mark.parametrize(
    ("entry", "statement", "hint"),
    [
        ("reviews.shop", '"reviews.shop" is not a dictionary', "{service: orders.shop, timeout: 5s}"),
        ({"timeout": "5s"}, "mesh_traffic[0] service is missing", "write text"),
        ({"service": "reviews", "timeout": "5s"}, "is neither name.namespace nor name.namespace.global", "orders.shop"),
        (
            {"service": "r.s.svc.cluster.local", "timeout": "5s"},
            "is neither name.namespace",
            "r.s, without .svc.cluster",
        ),
        ({"service": "Reviews.shop", "timeout": "5s"}, "is neither name.namespace", "orders.shop"),
        ({"service": 5, "timeout": "5s"}, "service 5 is a number, not text", "put it in quotes"),
        ({"service": "r.s"}, "mesh_traffic[0] (r.s) says nothing", "one of: split, timeout"),
        ({"service": "r.s", "timeot": "5s"}, "(r.s) timeot is unknown", "did you mean timeout?"),
        ({"service": "r.s", "timeout": 5}, "timeout 5 has no unit", "for example 5s"),
    ],
)
def test_a_wrong_policy(entry: t.Any, statement: str, hint: str) -> None:
    said, remedy = wrong(entry)
    assert statement in said
    assert hint in remedy


@pytest.mark.parametrize(
    ("fields", "statement", "hint"),
    [
        ("from: [wst]", 'from "wst" names no cluster of this fleet', 'did you mean "west"?'),
        ("from: [west, west]", 'from "west" is named twice', "name it once"),
        ("from: []", "from names no cluster", "leave it out for all"),
        ("from: west", 'from "west" is not a list', "[west]"),
        ("from: [5]", "from[0] 5 is a number, not text", "put it in quotes"),
        ("split: {weight: 5}", "is not a list", "write a list"),
        ("split: [west]", 'split[0] "west" is not a dictionary', "with the keys weight, cluster, labels"),
        ("split: [{cluster: west}]", "split[0].weight is missing", "write a whole number"),
        ("split: [{weight: 101}]", "split[0].weight 101 is more than 100", "0 to 100"),
        ("split: [{weight: -1}]", "split[0].weight -1 is less than 0", "0 to 100"),
        ("split: [{weight: 1.5}]", "split[0].weight 1.5 is not a whole number", "write a whole number"),
        ("split: [{weight: true}]", "split[0].weight true is not a whole number", "write a whole number"),
        ("split: [{weight: 100, clster: west}]", "split[0].clster is unknown", "did you mean cluster?"),
        ("split: [{weight: 100, cluster: eats}]", 'split[0].cluster "eats" names no cluster', 'did you mean "east"?'),
        ("split: [{weight: 100, labels: {version: 3}}]", "split[0].labels", "put it in quotes"),
        (
            "split: [{weight: 100, labels: {topology.istio.io/cluster: east}}]",
            "which Istio sets itself",
            "cluster: east",
        ),
        ("split: [{weight: 50}, {weight: 50}]", "split[1] has the same cluster and labels", "name it once"),
        ("timeout: 0s", 'timeout "0s" is no time at all', "at least 1ms"),
        ("timeout: 25h", 'timeout "25h" is longer than a day', "at most 24h"),
        ("timeout: 0.5ms", 'timeout "0.5ms" is not a length of time', "with a unit"),
        ("timeout: 5 s", "is not a length of time", "with a unit"),
        ("timeout: true", "timeout true is not a length of time", "with a unit"),
        ("retries: 3", "retries 3 is not a dictionary", "with the keys attempts, per_try"),
        ("retries: {per_try: 1s}", "retries.attempts is missing", "write a whole number"),
        ("retries: {attempts: 1, retry_on: [rest]}", 'retries.retry_on[0] "rest" is unknown', 'did you mean "reset"?'),
        ("retries: {attempts: 1, on: [reset]}", "retries has the key true, which is how YAML reads", "retry_on"),
        (
            "retries: {attempts: 0, per_try: 1s}",
            "retries.attempts 0 says that no call is repeated",
            "attempts: 0 alone",
        ),
        ("retries: {attempts: 1, other_localities: maybe}", "is not true or false", "write true or false"),
        ("breaker: {kind: 5xx}", 'breaker.kind "5xx" is about pods that are ejected', "add errors"),
        ("breaker: {interval: 1s}", "breaker.interval", "add errors"),
        ("breaker: {errors: 5, kind: 6xx}", 'breaker.kind "6xx" is unknown', 'did you mean "5xx"?'),
        ("breaker: {errors: 0}", "breaker.errors 0 is less than 1", "1 to 2147483647"),
        ("failover: near", 'failover "near" is unknown', "nearest, none, {clusters: [west, east]}"),
        ("failover: nearst", 'failover "nearst" is unknown', "did you mean nearest?"),
        ("failover: {cluster: [west]}", "failover", "did you mean clusters?"),
        ("failover: {clusters: west}", "is no order of clusters or regions", "{clusters: [west, east]}"),
        ("failover: {clusters: [wst]}", 'failover.clusters "wst" names no cluster', 'did you mean "west"?'),
        ("failover: {regions: [a, a]}", "failover.regions", "name it once"),
        ("localities: {us west: 100}", "which is no region", "us-west1"),
        ("localities: {us-west1: 50, us-west1/b: 50}", "has us-west1/b and the whole of us-west1", "of the region"),
        ("localities: {us-west1: 0}", "has a weight for us-west1 that is none", "1 to 100"),
        ("fault: {share: 5}", "fault neither delays nor aborts", "add delay or abort"),
        ("fault: {abort: 99}", "fault.abort 99 is less than 200", "200 to 599"),
        ("fault: {abort: 503, share: 100.5}", "fault.share 100.5 is more than 100", "0 to 100"),
        ("mirror: {share: 5}", "mirror copies calls to the pods that get them already", "add cluster or labels"),
        ("affinity: {header: x, address: true}", "has header and address", "keep one"),
        ("affinity: {path: /}", "affinity needs one of header, cookie and address, and has none", "keep one"),
        ("affinity: {header: x, ttl: 5s}", 'affinity.ttl "5s" is about a cookie', "add cookie, or remove ttl"),
        ("affinity: {header: X-User}", "is not the name of a header as Istio compares it", "write x-user"),
        ("affinity: {cookie: a b}", "is not the name of a cookie", "session"),
        ("routes: [{timeout: 1s}]", "routes[0] fits every call", "headers, method or path"),
        ("routes: [{path: api}]", 'routes[0].path "api" is not the beginning of a path', "/api/"),
        ("routes: [{method: [GTE], path: /}]", 'routes[0].method[0] "GTE" is unknown', 'did you mean "GET"?'),
        ("routes: [{method: [GET], rewrite: /}]", "routes[0].rewrite", "add path"),
        ("routes: [{headers: {X-User: ann}}]", "which is not the name of a header", "write x-user"),
        (
            "routes: [{headers: {x-user: {exct: ann}}}]",
            "has no text to compare x-user with",
            "{exact|prefix|regex: text}",
        ),
        ("routes: [{headers: {x-user: {regex: '('}}}]", "has a regular expression for x-user that is none", "RE2"),
        ("routes: [{path: /, timeot: 1s}]", "routes[0].timeot is unknown", "did you mean timeout?"),
        (
            "routes: [{path: /, split: [{weight: 100, cluster: wst}]}]",
            "routes[0].split[0].cluster",
            'did you mean "west"?',
        ),
    ],
)
def test_a_wrong_field(fields: str, statement: str, hint: str) -> None:
    policies, problems = read_policies([{"service": "r.s", "timeout": "5s", **yaml.safe_load(fields)}], CLUSTERS)
    assert policies == []
    problem = problems[0]
    assert problem.variable.startswith("mesh_traffic[0] (r.s) ")
    assert statement in problem.statement
    assert hint in problem.hint
    assert len(problems) == 1
    assert len(yaml.safe_load(fields)) == 1


def test_problems_of_all_policies_are_one_error() -> None:
    with pytest.raises(FleetError) as error:
        parse_policies([{"service": "a.b", "timeout": 5}, {"service": "a.c", "timeot": "5s"}], CLUSTERS, "policies")
    assert "policies[0] (a.b) timeout 5 has no unit" in str(error.value)
    assert "policies[1] (a.c) timeot is unknown: did you mean timeout?" in str(error.value)


def test_policies_are_a_list() -> None:
    assert read_policies(None, CLUSTERS) == ([], [])
    _policies, (problem,) = read_policies({"service": "a.b"}, CLUSTERS)
    assert "is no list of policies" in problem.statement


def test_what_is_inherited_is_told_once() -> None:
    policy = {"service": "a.b", "retries": {"attempts": 0, "per_try": "1s"}, "routes": [{"path": "/"}, {"path": "/b"}]}
    assert len(read_policies([policy], CLUSTERS)[1]) == 1
