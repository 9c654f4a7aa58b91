# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What istiod's pages say of proxies; the forms are those of istiod 1.31."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.distribution import (
    Rule,
    has_routes,
    has_rules,
    parse_syncz,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_routes import routes_wanted

HOST = "reviews.shop.svc.cluster.local"
UUID = "2660b00d-330f-4ce1-a10a-f40c1c10e28d"
TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


def nonce(number: int) -> str:
    return f"2026-11-27T02:12:19Z/{number}{UUID}"


def connected(**more: t.Any) -> dict[str, t.Any]:
    kinds = {f"{kind}_{what}": nonce(34) for kind in ("cluster", "endpoint", "route") for what in ("sent", "acked")}
    return {"cluster_id": "far", "proxy": "caller-1.shop", "proxy_type": "sidecar", "resources": {}, **kinds, **more}


def test_the_number_of_the_push_that_a_proxy_accepted() -> None:
    proxies = parse_syncz(json.dumps([connected(route_sent=nonce(35), route_acked=nonce(35))]))
    assert proxies is not None
    one = proxies["caller-1.shop"]
    assert (one.cluster, one.kind, one.rules, one.routes, one.watches_routes, one.pending) == (
        "far",
        "sidecar",
        34,
        35,
        True,
        "",
    )


def test_a_proxy_that_has_not_accepted_what_it_was_sent() -> None:
    errors = {TYPE: {"lastError": "no such filter"}}
    late = parse_syncz(json.dumps([connected(cluster_sent=nonce(36), resources=errors)]))
    assert late is not None
    assert late["caller-1.shop"].pending == "it has not accepted its clusters: no such filter"
    slow = parse_syncz(json.dumps([connected(endpoint_sent=nonce(36))]))
    assert slow is not None
    assert slow["caller-1.shop"].pending == "it has not accepted its endpoints"
    for when, said in (
        ("2026-11-28T13:23:31.482Z", ", sent at 2026-11-28 13:23:31 by istiod's clock"),
        ("0001-01-01T00:00:00Z", ""),
        ("soon", ""),
    ):
        sent = {TYPE: {"sentTime": when, "lastError": "no such filter"}}
        timed = parse_syncz(json.dumps([connected(cluster_sent=nonce(36), resources=sent)]))
        assert timed is not None
        assert timed["caller-1.shop"].pending == f"it has not accepted its clusters{said}: no such filter"


def test_of_two_connections_the_one_that_accepted_most_counts() -> None:
    """The other broke, and istiod does not know it yet."""
    broken, live = connected(cluster_sent=nonce(36)), connected(cluster_sent=nonce(36), cluster_acked=nonce(36))
    for page in ([broken, live], [live, broken]):
        proxies = parse_syncz(json.dumps(page))
        assert proxies is not None
        assert (proxies["caller-1.shop"].rules, proxies["caller-1.shop"].pending) == (36, "")


def test_a_gateway_without_routes_and_what_is_no_proxy() -> None:
    gateway = connected(proxy="gate.istio-system", proxy_type="router")
    del gateway["route_sent"], gateway["route_acked"]
    ztunnel = connected(proxy="z.istio-system", proxy_type="ztunnel")
    proxies = parse_syncz(json.dumps([gateway, ztunnel]))
    assert proxies is not None
    assert list(proxies) == ["gate.istio-system"]
    assert not proxies["gate.istio-system"].watches_routes
    assert proxies["gate.istio-system"].routes == -1
    assert parse_syncz("404 page not found") is None
    assert parse_syncz("[]") == {}


def scope(generation: int = 2, name: str = "reviews-traffic", **more: t.Any) -> str:
    merged = {
        "from": [{"Namespace": "shop", "Name": name}],
        "rule": {"name": name, "namespace": "shop", "generation": generation},
    }
    return json.dumps({"destinationRules": {HOST: [merged]}, "services": [{"hostname": HOST}], "sidecar": None, **more})


RULE = Rule("reviews-traffic", "shop", HOST, 2)


def test_a_proxy_has_a_rule_in_its_generation_or_a_later_one() -> None:
    assert has_rules(scope(2), [RULE]) == ""
    assert has_rules(scope(3), [RULE]) == ""
    assert has_rules(scope(1), [RULE]) == "it has DestinationRule shop/reviews-traffic as it was"
    assert has_rules(scope(destinationRules={}), [RULE]) == "it lacks DestinationRule shop/reviews-traffic"
    assert has_rules(scope(name="theirs"), [RULE]) == "it lacks DestinationRule shop/reviews-traffic"
    assert has_rules("{", [RULE]) == "istiod does not show what it was sent"


def test_a_rule_that_istiod_merged_with_others_is_there() -> None:
    merged = {
        "from": [{"Namespace": "shop", "Name": "theirs"}, {"Namespace": "shop", "Name": "reviews-traffic"}],
        "rule": {"name": "theirs", "namespace": "shop", "generation": 1},
    }
    assert has_rules(scope(destinationRules={HOST: [merged]}), [RULE]) == ""


def test_a_rule_that_went() -> None:
    gone = Rule("reviews-traffic", "shop", HOST, None)
    assert has_rules(scope(), [gone]) == "it still has DestinationRule shop/reviews-traffic"
    assert has_rules(scope(destinationRules={}), [gone]) == ""
    assert has_rules(scope(name="theirs"), [gone]) == ""


def test_a_proxy_whose_sidecar_leaves_the_host_out() -> None:
    narrow = scope(destinationRules={}, services=[{"hostname": "other.shop.svc.cluster.local"}], sidecar={"egress": []})
    assert has_rules(narrow, [RULE]) is None
    assert has_rules(narrow, [Rule("reviews-traffic", "shop", HOST, None)]) is None
    both = Rule("other-traffic", "shop", "other.shop.svc.cluster.local", 1)
    assert has_rules(narrow, [RULE, both]) == "it lacks DestinationRule shop/other-traffic"


def way(subset: str, weight: int | None = None) -> dict[str, t.Any]:
    destination = {"host": HOST, **({"subset": subset} if subset else {})}
    return {"destination": destination, **({"weight": weight} if weight is not None else {})}


SERVICE = {
    "kind": "VirtualService",
    "metadata": {"name": "reviews-traffic", "namespace": "shop"},
    "spec": {
        "hosts": [HOST],
        "http": [
            {
                "name": "from-west-all",
                "match": [{"sourceLabels": {"topology.istio.io/cluster": "west"}}],
                "route": [way("v1", 60), way("v2", 40)],
                "timeout": "1500ms",
            },
            {"name": "others", "route": [way("")]},
        ],
    },
}


def page(*routes: dict[str, t.Any], host: str = HOST) -> str:
    return json.dumps({"configs": [{"virtualHosts": [{"name": f"{host}:9080", "routes": list(routes)}]}]})


def shares(**weights: int) -> dict[str, t.Any]:
    clusters = [{"name": f"outbound|9080|{subset}|{HOST}", "weight": weight} for subset, weight in weights.items()]
    return {"weightedClusters": {"clusters": clusters}}


SPLIT = {"name": "from-west-all", "route": {**shares(v1=60, v2=40), "timeout": "1.500s"}}
OTHERS = {"name": "others", "route": {"cluster": f"outbound|9080||{HOST}", "timeout": "0s"}}


def test_a_proxy_has_routes_that_the_object_may_give_it() -> None:
    wanted = {HOST: routes_wanted(SERVICE)}
    assert has_routes(page(SPLIT), wanted) == ""
    assert has_routes(page(OTHERS), wanted) == "", "a caller of another cluster has other routes of it"
    assert has_routes(page(SPLIT, OTHERS), wanted) == ""


def test_a_route_that_came_is_waited_for() -> None:
    users = {"name": "users", "match": [{"headers": {"x-user": {"exact": "ann"}}}], "route": [way("v2")]}
    hidden = {"name": "hidden", "route": [way("v1")]}
    routes = {**SERVICE, "spec": {"hosts": [HOST], "http": [users, SERVICE["spec"]["http"][1], hidden]}}
    header = {"name": "x-user", "stringMatch": {"exact": "ann"}}
    sent = {
        "name": "users",
        "match": {"prefix": "/", "headers": [header]},
        "route": {"cluster": f"outbound|9080|v2|{HOST}", "timeout": "0s"},
    }
    wanted = {HOST: routes_wanted(routes)}
    assert has_routes(page(OTHERS), wanted) == f"it lacks route users of {HOST}"
    # Istio sends nothing behind a route for all calls.
    assert has_routes(page(sent, OTHERS), wanted) == ""


def test_routes_as_they_were_are_seen() -> None:
    wanted = {HOST: routes_wanted(SERVICE)}
    weights = {**SPLIT, "route": {**SPLIT["route"], **shares(v1=50, v2=50)}}
    assert has_routes(page(weights), wanted) == f"it has route from-west-all of {HOST} as it was"
    assert has_routes(page({**SPLIT, "route": {**SPLIT["route"], "timeout": "2s"}}), wanted)
    assert has_routes(page({**SPLIT, "route": {**SPLIT["route"], **shares(v1=60, v3=40)}}), wanted)
    assert has_routes(page({**OTHERS, "name": "default"}), wanted)
    assert has_routes("no page", wanted) == "istiod does not show what it was sent"


def test_routes_that_went_leave_no_subset() -> None:
    wanted = {HOST: None}
    assert has_routes(page(SPLIT), wanted) == f"it still has routes of {HOST} to subsets"
    assert has_routes(page({**OTHERS, "name": "default"}), wanted) == ""


def test_a_proxy_without_the_host_is_not_concerned() -> None:
    assert has_routes(page(OTHERS, host="other.shop.svc.cluster.local"), {HOST: routes_wanted(SERVICE)}) is None
    assert has_routes("{}", {HOST: None}) is None
