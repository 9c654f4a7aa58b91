# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes of VirtualServices and of proxies, compared field by field; the second form is that of istiod 1.31."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_routes import (
    is_route_of,
    routes_seen,
    routes_wanted,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.istio_words import http_routes
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies

HOST = "reviews.shop.svc.cluster.local"
Values = dict[str, t.Any]

POLICY: Values = {
    "service": "reviews.shop",
    "timeout": "5s",
    "retries": {"attempts": 3, "per_try": "500ms", "retry_on": ["gateway-error", "reset"], "other_localities": True},
    "fault": {"delay": "1m1s", "abort": 503, "share": 33.3},
    "mirror": {"labels": {"version": "v2"}, "share": 50},
    "routes": [
        {
            "path": "/api/",
            "method": ["GET", "POST"],
            "headers": {"x-user": "ann", "x-b": {"regex": "b+"}},
            "rewrite": "/v2/",
        }
    ],
}
MATCH: Values = {
    "prefix": "/api/",
    "caseSensitive": True,
    "headers": [
        {"name": "x-b", "stringMatch": {"safeRegex": {"regex": "b+"}}},
        {"name": "x-user", "stringMatch": {"exact": "ann"}},
        {"name": ":method", "stringMatch": {"safeRegex": {"regex": "GET|POST"}}},
    ],
}
SHARE = {"numerator": 333000, "denominator": "MILLION"}
SENT: Values = {
    "name": "route-1",
    "match": MATCH,
    "route": {
        "cluster": f"outbound|9080||{HOST}",
        "timeout": "5s",
        "maxGrpcTimeout": "5s",
        "prefixRewrite": "/v2/",
        "retryPolicy": {
            "retryOn": "gateway-error,reset",
            "numRetries": 3,
            "perTryTimeout": "0.500s",
            "retryPriority": {"name": "envoy.retry_priorities.previous_priorities"},
            "hostSelectionRetryMaxAttempts": "5",
        },
        "requestMirrorPolicies": [
            {
                "cluster": f"outbound|9080|v2|{HOST}",
                "runtimeFraction": {"defaultValue": {"numerator": 500000, "denominator": "MILLION"}},
            }
        ],
    },
    "typedPerFilterConfig": {
        "envoy.filters.http.fault": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "delay": {"fixedDelay": "61s", "percentage": SHARE},
            "abort": {"httpStatus": 503, "percentage": SHARE},
        }
    },
}


def service(**more: t.Any) -> Values:
    """The VirtualService of the policy, with some of its fields changed."""
    (policy,) = parse_policies([{**POLICY, **more}], ["west"])

    def destination(_number: int, subset: t.Any) -> Values:
        names = [value for _key, value in subset.labels]
        return {"host": HOST, **({"subset": names[0]} if names else {})}

    return {"spec": {"hosts": [HOST], "http": http_routes(policy, (), destination)}}


def fits(sent: Values, wanted: Values) -> bool:
    (seen,) = routes_seen({"routes": [sent]}, HOST)
    return is_route_of(seen, routes_wanted(wanted))


def test_a_route_with_everything_is_one_of_its_object() -> None:
    assert fits(SENT, service())
    whole = {**copy.deepcopy(SENT), "name": "all", "match": {"prefix": "/"}}
    del whole["route"]["prefixRewrite"]
    assert fits(whole, service())
    assert not fits({**whole, "match": MATCH}, service()), "it is for all calls"


@pytest.mark.parametrize(
    "changed",
    [
        {"timeout": "6s"},
        {
            "retries": {
                "attempts": 2,
                "per_try": "500ms",
                "retry_on": ["gateway-error", "reset"],
                "other_localities": True,
            }
        },
        {
            "retries": {
                "attempts": 3,
                "per_try": "400ms",
                "retry_on": ["gateway-error", "reset"],
                "other_localities": True,
            }
        },
        {"retries": {"attempts": 3, "per_try": "500ms", "retry_on": ["reset"], "other_localities": True}},
        {"retries": {"attempts": 3, "per_try": "500ms", "retry_on": ["gateway-error", "reset"]}},
        {"retries": {"attempts": 0}},
        {"fault": None},
        {"fault": {"delay": "1m1s", "share": 33.3}},
        {"fault": {"delay": "1m1s", "abort": 500, "share": 33.3}},
        {"fault": {"delay": "1m1s", "abort": 503}},
        {"mirror": None},
        {"mirror": {"labels": {"version": "v1"}, "share": 50}},
        {"mirror": {"labels": {"version": "v2"}, "share": 51}},
        {"split": [{"weight": 100, "labels": {"version": "v1"}}]},
        *(
            {"routes": [{**POLICY["routes"][0], **one}]}
            for one in (
                {"path": "/api"},
                {"method": ["GET"]},
                {"headers": {"x-user": "ann"}},
                {"headers": {"x-user": "bob", "x-b": {"regex": "b+"}}},
                {"rewrite": "/v3/"},
            )
        ),
    ],
    ids=repr,
)
def test_a_change_of_any_field_alone_is_seen(changed: Values) -> None:
    assert not fits(SENT, service(**changed))


def test_what_the_mesh_decides_is_not_compared() -> None:
    assert fits(SENT, service(retries=None)), "of how often it repeats by default nobody here knows"
    assert fits(SENT, service(retries={**POLICY["retries"], "retry_on": []})), "nor of which failures"
    off = copy.deepcopy(SENT)
    del off["route"]["retryPolicy"]
    assert fits(off, service(retries={"attempts": 0}))
    assert not fits(off, service())


def test_shares_of_all_and_of_nothing() -> None:
    sent = copy.deepcopy(SENT)
    fault = sent["typedPerFilterConfig"]["envoy.filters.http.fault"]
    for percentage, share in (({"denominator": "MILLION"}, 0), ({"numerator": 100}, 100)):
        fault["delay"]["percentage"] = fault["abort"]["percentage"] = percentage
        assert fits(sent, service(fault={**POLICY["fault"], "share": share}))
    none = copy.deepcopy(SENT)
    del none["route"]["requestMirrorPolicies"]
    assert fits(none, service(mirror={**POLICY["mirror"], "share": 0})), "Istio sends no copies then"
