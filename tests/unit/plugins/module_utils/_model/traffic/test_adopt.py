# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether objects of others say what a policy says."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.adopt import difference
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import objects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies

from ..fleets import TWO, fleet

Object = dict[str, t.Any]
HOST = "reviews.shop.svc.cluster.local"
POLICY: Object = {
    "service": "reviews.shop",
    "timeout": "1.5s",
    "breaker": {"errors": 5, "ejection": "90s"},
    "split": [{"weight": 60, "labels": {"version": "v1"}}, {"weight": 40, "labels": {"version": "v2"}}],
    "routes": [{"headers": {"x-user": "ann"}, "split": [{"weight": 100, "labels": {"version": "v2"}}]}],
}


def ours(policy: Object | None = None) -> list[Object]:
    of = fleet(TWO)
    return objects_of(of, parse_policies([policy or POLICY], of.clusters))["west"]


def theirs() -> tuple[Object, Object]:
    """The same by hand: other names, short hosts, lengths of time otherwise written, another order of the weights."""
    rule = {
        "kind": "DestinationRule",
        "metadata": {"name": "by-hand", "namespace": "shop"},
        "spec": {
            "host": "reviews",
            "trafficPolicy": {
                "outlierDetection": {
                    "consecutive5xxErrors": 5,
                    "baseEjectionTime": "1m30s",
                    "maxEjectionPercent": 50,
                }
            },
            "subsets": [
                {"name": "one", "labels": {"version": "v1"}},
                {"name": "two", "labels": {"version": "v2"}},
            ],
        },
    }
    service = {
        "kind": "VirtualService",
        "metadata": {"name": "by-hand", "namespace": "shop"},
        "spec": {
            "hosts": ["reviews"],
            "gateways": ["mesh"],
            "http": [
                {
                    "match": [{"headers": {"x-user": {"exact": "ann"}}}],
                    "route": [{"destination": {"host": "reviews", "subset": "two"}, "weight": 100}],
                    "timeout": "1500ms",
                },
                {
                    "match": [{"uri": {"prefix": "/"}}],
                    "route": [
                        {"destination": {"host": "reviews", "subset": "two"}, "weight": 40},
                        {"destination": {"host": HOST, "subset": "one"}, "weight": 60},
                    ],
                    "timeout": "1500ms",
                },
            ],
        },
    }
    return service, rule


def said(
    *objects: Object,
    live: t.Sequence[Object] = (),
    policy: Object | None = None,
    elsewhere: t.Mapping[str, t.Sequence[Object]] | None = None,
) -> str:
    return difference(HOST, ours(policy), objects, [*objects, *live], elsewhere)


def test_names_and_spellings_do_not_matter() -> None:
    assert said(*theirs()) == ""


CHANGES: dict[str, tuple[t.Callable[[Object, Object], t.Any], str]] = {
    "weight": (
        lambda service, _rule: service["spec"]["http"][1]["route"][0].update(weight=41),
        "VirtualService says something else in http[1]: route",
    ),
    "timeout": (
        lambda service, _rule: service["spec"]["http"][0].update(timeout="2s"),
        "VirtualService says something else in http[0]: timeout",
    ),
    "headers that only theirs sets": (
        lambda service, _rule: service["spec"]["http"][0].update(headers={"request": {"set": {"a": "b"}}}),
        "VirtualService says something else in http[0]: headers",
    ),
    "match": (
        lambda service, _rule: service["spec"]["http"][0]["match"][0].update(uri={"prefix": "/x"}),
        "VirtualService says something else in http[0]: match",
    ),
    "a route more": (
        lambda service, _rule: service["spec"]["http"].append({"route": [{"destination": {"host": "reviews"}}]}),
        "VirtualService has 3 routes, and the policy 2",
    ),
    "labels of a subset": (
        lambda _service, rule: rule["spec"]["subsets"][0]["labels"].update(version="v9"),
        "VirtualService says something else in http[1]: route",
    ),
    "policy of a subset": (
        lambda _service, rule: rule["spec"]["subsets"][0].update(trafficPolicy={"tls": {"mode": "DISABLE"}}),
        "VirtualService says something else in http[1]: route",
    ),
    "traffic policy": (
        lambda _service, rule: rule["spec"]["trafficPolicy"].update(tls={"mode": "DISABLE"}),
        "DestinationRule says another trafficPolicy: tls",
    ),
    "a subset that is not there": (
        lambda _service, rule: rule["spec"]["subsets"].pop(),
        "VirtualService says something else in http[0]: route",
    ),
    "other hosts": (
        lambda service, _rule: service["spec"]["hosts"].append("orders"),
        "VirtualService is for other hosts too",
    ),
    "gateways": (
        lambda service, _rule: service["spec"]["gateways"].append("door"),
        "VirtualService is for gateways too",
    ),
    "tcp": (lambda service, _rule: service["spec"].update(tcp=[{}]), "VirtualService has routes of TCP or TLS"),
    "exportTo": (
        lambda _service, rule: rule["spec"].update(exportTo=["."]),
        "DestinationRule has exportTo, so it is not for all callers",
    ),
    "workloads": (
        lambda _service, rule: rule["spec"].update(workloadSelector={"matchLabels": {"a": "b"}}),
        "DestinationRule has workloadSelector, so it is not for all callers",
    ),
    "the namespace": (
        lambda _service, rule: (rule["metadata"].update(namespace="other"), rule["spec"].update(host=HOST)),
        "DestinationRule is in another namespace than the service, and so for other callers",
    ),
    "a subset of our name": (
        lambda _service, rule: rule["spec"]["subsets"].append({"name": "v1", "labels": {"version": "v3"}}),
        "subset v1 means other pods, or has another trafficPolicy",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_otherwise_is_named(what: str) -> None:
    service, rule = theirs()
    change, expected = CHANGES[what]
    change(service, rule)
    assert said(service, rule) == expected


def test_a_subset_that_a_third_names_is_not_taken_away() -> None:
    service, rule = theirs()
    door = copy.deepcopy(service)
    door["metadata"]["name"] = "door"
    door["spec"] = {
        "hosts": ["shop.example"],
        "gateways": ["door"],
        "http": [{"route": [{"destination": {"host": "reviews", "subset": "two"}}]}],
    }
    assert said(service, rule, live=[door]) == "VirtualService shop/door names its subset two"
    named = "VirtualService shop/by-hand in east names its subset one"
    assert said(service, rule, elsewhere={"east": [service]}) == named, "the same name, in another cluster"
    assert said(service, rule, elsewhere={"east": [rule]}) == ""


def test_rules_are_compared_alone_once_our_routes_are_there() -> None:
    _service, rule = theirs()
    assert said(rule, live=ours()) == ""
    rule["spec"]["trafficPolicy"]["tls"] = {"mode": "DISABLE"}
    assert said(rule, live=ours()) == "DestinationRule says another trafficPolicy: tls"


def test_one_of_both_kinds_alone_says_the_rest() -> None:
    service, rule = theirs()
    assert said(service).startswith("DestinationRule says another trafficPolicy")
    assert said(rule) == "VirtualService has 0 routes, and the policy 2"
    whole = {"service": "reviews.shop", "breaker": POLICY["breaker"]}
    assert said(rule, policy=whole) == ""
    nothing = {**service, "spec": {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "reviews"}}]}]}}
    assert said(nothing, rule, policy=whole) == "", "it changes nothing"


def test_two_of_a_kind_are_not_taken_over() -> None:
    service, rule = theirs()
    other = {**service, "metadata": {"name": "second", "namespace": "shop"}}
    assert said(service, other, rule) == "there are 2 of kind VirtualService"
    assert said({**rule, "kind": "ServiceEntry"}) == "it is a ServiceEntry"


def test_copies_of_calls_count() -> None:
    policy = {"service": "reviews.shop", "mirror": {"labels": {"version": "v2"}}}
    mirror = {"host": "reviews", "subset": "two"}
    service, rule = theirs()
    del rule["spec"]["trafficPolicy"]
    service["spec"]["http"] = [{"route": [{"destination": {"host": "reviews"}}], "mirror": mirror}]
    assert said(service, rule, policy=policy) == ""
    service["spec"]["http"][0]["mirrorPercentage"] = {"value": 50}
    assert said(service, rule, policy=policy) == "VirtualService says something else in http[0]: mirrorPercentage"
