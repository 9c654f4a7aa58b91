# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of policies: the fixtures word by word, and what every fleet and every policy has in common."""

from __future__ import annotations

import json
import typing as t

from hypothesis import HealthCheck, Phase, given, settings

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.fields import POLICY
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import (
    POLICY_ANNOTATION,
    Generator,
    objects_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.istio_words import traffic_policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.options import Option
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import EVERYWHERE, Policy, Rules
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import see
from tests.policies import BREAKER, REVIEWS, fleets, live, raw_policies, sound

from ..fleets import SERVED, TWO, fleet

Values = dict[str, t.Any]
SOURCE = "topology.istio.io/cluster"


def made(of: Fleet, *policies: Values, **more: t.Any) -> dict[str, list[Values]]:
    return objects_of(of, parse_policies(list(policies), of.clusters), **more)


def kinds(objects: dict[str, list[Values]]) -> dict[str, list[str]]:
    return {cluster: [one["kind"] for one in own] for cluster, own in objects.items()}


def spec(objects: t.Sequence[Values], kind: str) -> Values:
    (found,) = [one["spec"] for one in objects if one["kind"] == kind]
    assert isinstance(found, dict)
    return found


def test_three_quarters_to_another_cluster() -> None:
    host = "reviews.shop.svc.cluster.local"
    metadata = {
        "name": "reviews-traffic",
        "namespace": "shop",
        "labels": {"mesh.fleet/part-of": "traffic", "mesh.fleet/fleet": "local"},
        "annotations": {POLICY_ANNOTATION: "reviews.shop from west"},
    }
    rule = {
        "host": host,
        "subsets": [
            {"name": "east-v3", "labels": {SOURCE: "east", "version": "v3"}},
            {"name": "west-v1", "labels": {SOURCE: "west", "version": "v1"}},
            {"name": "west-v2", "labels": {SOURCE: "west", "version": "v2"}},
        ],
    }
    parts = [("east-v3", 75), ("west-v1", 15), ("west-v2", 10)]
    ways = [{"destination": {"host": host, "subset": name}, "weight": weight} for name, weight in parts]
    routes = {"hosts": [host], "http": [{"name": "all", "route": ways}]}
    api = "networking.istio.io/v1"
    assert made(fleet(TWO), REVIEWS) == {
        "west": [
            {"apiVersion": api, "kind": "DestinationRule", "metadata": metadata, "spec": rule},
            {"apiVersion": api, "kind": "VirtualService", "metadata": metadata, "spec": routes},
        ],
        "east": [],
    }


def test_a_timeout_and_a_breaker_in_every_cluster() -> None:
    objects = made(fleet(TWO), BREAKER)
    host = "sample-producer.sample.svc.cluster.local"
    assert objects["west"] == objects["east"]
    assert spec(objects["west"], "VirtualService") == {
        "hosts": [host],
        "http": [{"name": "all", "route": [{"destination": {"host": host}}], "timeout": "2s"}],
    }
    assert spec(objects["west"], "DestinationRule") == {
        "host": host,
        "trafficPolicy": {
            "connectionPool": {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}},
            "outlierDetection": {
                "consecutive5xxErrors": 1,
                "interval": "1s",
                "baseEjectionTime": "180s",
                "maxEjectionPercent": 50,
            },
        },
    }


def test_nothing_is_made_where_nothing_is_needed() -> None:
    two = fleet(TWO)
    assert objects_of(two, []) == {"west": [], "east": []}
    only = {"service": "reviews.shop", "from": ["west"]}
    assert kinds(made(two, {**only, "timeout": "5s"})) == {"west": ["VirtualService"], "east": []}
    assert kinds(made(two, {**only, "breaker": {"errors": 5}})) == {"west": ["DestinationRule"], "east": []}


def test_a_remotes_objects_go_to_its_primary() -> None:
    served = fleet(SERVED)
    objects = made(served, {"service": "reviews.shop", "from": ["edge"], "timeout": "5s", "breaker": {"errors": 5}})
    assert kinds(objects) == {"fra": ["DestinationRule", "VirtualService"], "edge": []}
    edge, others = spec(objects["fra"], "VirtualService")["http"]
    assert edge["match"] == [{"sourceLabels": {SOURCE: "edge"}}]
    assert edge["route"][0]["destination"]["subset"] == "all-for-edge"
    assert others == {"name": "others", "route": [{"destination": {"host": "reviews.shop.svc.cluster.local"}}]}
    rule = spec(objects["fra"], "DestinationRule")
    assert "trafficPolicy" not in rule, "callers in fra would have it too"
    assert [one["name"] for one in rule["subsets"]] == ["all-for-edge"]
    assert "outlierDetection" in rule["subsets"][0]["trafficPolicy"]


def test_callers_of_one_istiod_may_have_different_policies() -> None:
    served = fleet(SERVED)
    policies = [
        {"service": "reviews.shop", "from": [name], "timeout": time, "breaker": {"errors": errors}}
        for name, time, errors in (("fra", "1s", 1), ("edge", "2s", 2))
    ]
    objects = made(served, *policies)
    ways = spec(objects["fra"], "VirtualService")["http"]
    assert [(way["name"], way["timeout"]) for way in ways] == [("from-fra-all", "1s"), ("from-edge-all", "2s")]
    both = "reviews.shop from fra; reviews.shop from edge"
    assert {one["metadata"]["annotations"][POLICY_ANNOTATION] for one in objects["fra"]} == {both}


def test_gateways_of_another_network_know_the_subsets() -> None:
    hosts = {"west": {}, "east": {"mesh_network": "two"}, "south": {"mesh_network": "two"}, "north": {}}
    objects = made(fleet(hosts), {**REVIEWS, "breaker": {"errors": 5}})
    assert kinds(objects) == {
        "west": ["DestinationRule", "VirtualService"],
        "east": ["DestinationRule"],
        "south": ["DestinationRule"],  # any gateway of the network may get the call
        "north": [],
    }
    assert spec(objects["east"], "DestinationRule") == {
        "host": "reviews.shop.svc.cluster.local",
        "subsets": [{"name": "east-v3-for-west", "labels": {SOURCE: "east", "version": "v3"}}],
    }


def test_a_gateway_serves_its_own_callers_too() -> None:
    split = [{"weight": 100, "labels": {"version": "v1"}}]
    hosts = {"west": {}, "east": {"mesh_network": "two"}}
    objects = made(
        fleet(hosts),
        {"service": "reviews.shop", "from": ["west"], "split": split},
        {"service": "reviews.shop", "from": ["east"], "breaker": {"errors": 5}},
    )
    rule = spec(objects["east"], "DestinationRule")
    assert [one["name"] for one in rule["subsets"]] == ["all-for-east", "v1"]
    assert rule["subsets"][0]["trafficPolicy"]["outlierDetection"]["consecutive5xxErrors"] == 5
    assert "trafficPolicy" not in rule, "its gateway would eject pods for callers in west"
    assert kinds(objects)["east"] == ["DestinationRule", "VirtualService"]


def test_a_gateway_without_the_namespace_gets_no_calls() -> None:
    of = fleet({"west": {}, "east": {"mesh_network": "two"}, "south": {"mesh_network": "two"}})
    other = {"kind": "Namespace", "metadata": {"name": "other"}}
    objects = made(of, REVIEWS, seen={**see(live(["west", "east"]), "local"), **see({"south": [other]}, "local")})
    assert kinds(objects) == {
        "west": ["DestinationRule", "VirtualService"],
        "east": ["DestinationRule"],
        "south": [],
    }


def test_a_gateway_prefers_the_pods_that_its_callers_prefer() -> None:
    hosts = {"west": {"mesh_network": "two"}, "far": {"mesh_network": "two"}, "east": {}}
    breaker = {"errors": 5, "connections": 9}
    policy = {
        "service": "reviews.shop",
        "from": ["east"],
        "breaker": breaker,
        "failover": {"clusters": ["far"]},
        "affinity": {"header": "x-user"},
    }
    objects = made(fleet(hosts), policy)
    assert kinds(objects) == {
        "west": ["DestinationRule"],
        "far": ["DestinationRule"],
        "east": ["DestinationRule", "VirtualService"],
    }
    (subset,) = spec(objects["far"], "DestinationRule")["subsets"]
    assert subset == {
        "name": "all-for-east",
        "trafficPolicy": {
            "outlierDetection": {"consecutive5xxErrors": 5, "maxEjectionPercent": 100},
            "loadBalancer": {"localityLbSetting": {"enabled": True, "failoverPriority": [f"{SOURCE}=far"]}},
        },
    }
    (own,) = spec(objects["east"], "DestinationRule")["subsets"]
    assert own["trafficPolicy"]["connectionPool"] == {"tcp": {"maxConnections": 9}}
    assert own["trafficPolicy"]["loadBalancer"]["consistentHash"] == {"httpHeaderName": "x-user"}
    shares = {"service": "reviews.shop", "from": ["east"], "localities": {"us": 100}}
    (subset,) = spec(made(fleet(hosts), shares)["west"], "DestinationRule")["subsets"]
    assert subset["trafficPolicy"]["loadBalancer"]["localityLbSetting"]["distribute"] == [
        {"from": "*", "to": {"us/*": 100}}
    ]


def test_a_cluster_without_peers_gets_no_subsets_of_others() -> None:
    hosts = {"west": {"mesh_peers": []}, "east": {"mesh_network": "two", "mesh_peers": []}}
    policy = {"service": "reviews.shop", "from": ["west"], "split": [{"weight": 100, "labels": {"version": "v1"}}]}
    assert kinds(made(fleet(hosts), policy))["east"] == []


def test_googles_control_plane_reads_v1beta1() -> None:
    hosts = {"west": {"cluster_provider": "gke", "mesh_control_plane": "managed", "gke_project": "p"}}
    objects = made(fleet(hosts), {**BREAKER})
    assert {one["apiVersion"] for one in objects["west"]} == {"networking.istio.io/v1beta1"}


def test_a_name_resolves_where_callers_have_no_service() -> None:
    two = fleet(TWO)
    seen = {**see(live(["east"]), "local"), **see({"west": []}, "local")}
    objects = made(two, {"service": "reviews.shop", "timeout": "5s"}, seen=seen)
    assert kinds(objects) == {"west": ["VirtualService", "Service"], "east": ["VirtualService"]}
    stub = objects["west"][1]
    assert stub["spec"] == {
        "selector": {"app": "reviews"},
        "ports": [{"port": 9080, "protocol": "TCP", "name": "http", "targetPort": 8080}],
    }
    assert (stub["metadata"]["name"], stub["metadata"]["namespace"]) == ("reviews", "shop")
    # What was made for it is read the next time, and must not be taken for the app's own.
    again = {**seen, **see({"west": [stub]}, "local")}
    assert made(two, {"service": "reviews.shop", "timeout": "5s"}, seen=again) == objects
    elsewhere = made(two, {"service": "reviews.shop", "from": ["east"], "timeout": "5s"}, seen=seen)
    assert kinds(elsewhere) == {"west": [], "east": ["VirtualService"]}
    assert kinds(made(two, {"service": "reviews.shop", "timeout": "5s"}, seen={"east": seen["east"]}))["west"] == [
        "VirtualService"
    ]


def test_a_remote_gets_the_service_itself() -> None:
    seen = {**see(live(["fra"]), "local"), **see({"edge": []}, "local")}
    objects = made(fleet(SERVED), {"service": "reviews.shop", "timeout": "5s"}, seen=seen)
    assert kinds(objects) == {"fra": ["VirtualService"], "edge": ["Service"]}


def test_a_global_name_is_an_entry_for_the_pods_of_all_clusters() -> None:
    two = fleet({"west": {}, "east": {"mesh_network": "two"}})
    policy = {**REVIEWS, "service": "reviews.shop.global"}
    seen = see(live(["east"]), "local")
    objects = made(two, policy, seen=seen, addresses={"reviews.shop.global": ["240.0.0.7"]})
    assert kinds(objects) == {
        "west": ["ServiceEntry", "DestinationRule", "VirtualService"],
        "east": ["ServiceEntry", "DestinationRule"],  # its gateway must know the name
    }
    assert spec(objects["west"], "ServiceEntry") == {
        "hosts": ["reviews.shop.global"],
        "addresses": ["240.0.0.7"],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "ports": [{"number": 9080, "name": "http", "protocol": "HTTP", "targetPort": 8080}],
        "workloadSelector": {"labels": {"app": "reviews"}},
    }
    assert {one["metadata"]["name"] for one in objects["west"]} == {"reviews.global-traffic"}
    assert spec(objects["west"], "VirtualService")["hosts"] == ["reviews.shop.global"]
    assert "addresses" not in spec(made(two, policy, seen=seen)["west"], "ServiceEntry")
    assert kinds(made(two, policy))["west"] == ["DestinationRule", "VirtualService"]


def test_a_global_name_is_in_every_cluster_whoever_calls() -> None:
    two = fleet(TWO)
    name = "reviews.shop.global"
    policy = {**REVIEWS, "global": True, "breaker": {"errors": 5}}
    seen = see(live(["east"]), "local")
    objects = made(two, policy, seen=seen, addresses={name: ["240.241.0.7", "fd00::7"]}, ipv6=["east"])
    west, east = (spec(objects[cluster], "ServiceEntry") for cluster in ("west", "east"))
    assert west == {**east, "addresses": ["240.241.0.7"]}
    assert east["addresses"] == ["240.241.0.7", "fd00::7"]
    assert kinds(objects)["east"] == ["ServiceEntry"]
    # The policy holds for both names.
    hosts = ["reviews.shop.svc.cluster.local", name]
    assert [one["spec"]["hosts"] for one in objects["west"] if one["kind"] == "VirtualService"] == [[h] for h in hosts]
    rules = [one["spec"] for one in objects["west"] if one["kind"] == "DestinationRule"]
    assert [rule["host"] for rule in rules] == hosts
    assert rules[0]["subsets"] == rules[1]["subsets"]


def test_a_global_name_needs_no_rules() -> None:
    two, seen = fleet(TWO), {**see(live(["east"]), "local"), **see({"west": []}, "local")}
    wanted = {"west": ["ServiceEntry"], "east": ["ServiceEntry"]}
    assert kinds(made(two, {"service": "reviews.shop", "global": True}, seen=seen)) == wanted
    assert kinds(made(two, {"service": "reviews.shop.global", "from": ["east"]}, seen=seen)) == wanted
    served = made(fleet(SERVED), {"service": "reviews.shop", "global": True}, seen=see(live(["edge"]), "local"))
    assert kinds(served) == {"fra": ["ServiceEntry"], "edge": []}, "a remote's are those of its primary"


def test_an_order_depends_on_where_the_callers_are() -> None:
    hosts = {name: {"cluster_region": region} for name, region in (("west", "us"), ("east", "ca"), ("north", "eu"))}
    policy = {
        "service": "reviews.shop",
        "from": ["west"],
        "breaker": {"errors": 5},
        "failover": {"regions": ["us", "eu"]},
    }
    setting = spec(made(fleet(hosts), policy)["west"], "DestinationRule")["trafficPolicy"]["loadBalancer"]
    assert setting == {"localityLbSetting": {"enabled": True, "failover": [{"from": "us", "to": "eu"}]}}


def test_an_order_depends_on_whom_callers_find() -> None:
    policy = {"service": "reviews.shop", "breaker": {"errors": 5}, "failover": {"clusters": ["east"]}}
    objects = made(fleet({"west": {}, "east": {}, "alone": {"mesh_peers": []}}), policy)
    settings_ = [
        spec(objects[name], "DestinationRule")["trafficPolicy"]["loadBalancer"]["localityLbSetting"]
        for name in ("west", "alone")
    ]
    assert settings_ == [{"enabled": True, "failoverPriority": [f"{SOURCE}=east"]}, {"enabled": True}]


# What holds for every fleet and every policy.


def said(given_: t.Any, options: t.Sequence[Option], at: str = "") -> t.Iterator[str]:
    """The keys of a policy with the place of each, and with ``=`` the words that it may have."""
    for option in options:
        if option.name not in given_:
            continue
        value, where = given_[option.name], f"{at}{option.name}"
        yield where
        for one in value if isinstance(value, list) else [value]:
            if option.choices:
                yield f"{where}={one}"
            if option.options and option.name != "routes":
                yield from said(one, option.options, f"{where}.")
            elif option.options:
                yield from (f"{where}.{key}" for key in one)


def sayable(options: t.Sequence[Option], at: str = "") -> t.Iterator[str]:
    for option in options:
        where = f"{at}{option.name}"
        yield where
        yield from (f"{where}={one}" for one in option.choices)
        if option.name == "routes":
            yield from (f"{where}.{inner.name}" for inner in option.options)
        else:
            yield from sayable(option.options, f"{where}.")


def test_every_key_and_every_word_is_drawn() -> None:
    """So that what is tested of all combinations, here and by Istio's own checks, is tested of all keys."""
    found: set[str] = set()

    @given(fleets().flatmap(raw_policies))
    @settings(
        max_examples=400,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def draw(policies: list[Values]) -> None:
        found.update(one for policy in policies for one in said(policy, POLICY))

    draw()
    # No object is made of how a policy is measured.
    assert {one for one in sayable(POLICY) if not one.startswith("verify")} - found == set()


@given(sound())
@settings(max_examples=60)
def test_the_same_policies_give_the_same_objects(case: tuple[Fleet, list[Policy]]) -> None:
    of, policies = case
    seen = see(live(list(of.clusters)[:1]), "local")
    first = objects_of(of, policies, seen)
    assert json.dumps(objects_of(of, policies, seen)) == json.dumps(first)
    other = objects_of(of, sorted(policies, key=lambda policy: policy.host, reverse=True), seen)
    for cluster, objects in first.items():
        assert sorted(map(json.dumps, objects)) == sorted(map(json.dumps, other[cluster]))
        keys = [(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]) for one in objects]
        assert len(set(keys)) == len(keys)


def met(objects: t.Sequence[Values], host: str, caller: str) -> tuple[list[Values], Values]:
    """What a proxy of a cluster meets for a host: its routes in their order, and its DestinationRule."""
    ways: list[Values] = []
    rule: Values = {}
    for one in objects:
        if one["kind"] == "VirtualService" and host in one["spec"]["hosts"]:
            for way in one["spec"]["http"]:
                matches = way.get("match") or [{}]
                own = [m for m in matches if m.get("sourceLabels", {SOURCE: caller}) == {SOURCE: caller}]
                bare = [{k: v for k, v in m.items() if k != "sourceLabels"} for m in own]
                if own:
                    ways.append({**way, "match": bare})
        if one["kind"] == "DestinationRule" and one["spec"]["host"] == host:
            rule = one["spec"]
    return ways, rule


def reached(way: Values, rule: Values) -> list[tuple[Values, Values, int]]:
    """Labels, rules for connections and weight of each part of a route, as Istio joins them."""
    subsets = {one["name"]: one for one in rule.get("subsets", [])}
    found = []
    for part in way["route"]:
        subset = subsets[part["destination"]["subset"]] if "subset" in part["destination"] else {}
        traffic = {**rule.get("trafficPolicy", {}), **subset.get("trafficPolicy", {})}
        found.append((subset.get("labels", {}), traffic, part.get("weight", 100)))
    return found


def wanted(rules: Rules, order: Values) -> list[tuple[Values, Values, int]]:
    traffic = traffic_policy(rules, order)
    parts = [(share.subset, share.weight) for share in rules.split if share.weight] or [(EVERYWHERE, 100)]
    return [
        ({**({SOURCE: subset.cluster} if subset.cluster else {}), **dict(subset.labels)}, traffic, weight)
        for subset, weight in parts
    ]


@given(sound())
@settings(max_examples=100)
def test_each_caller_gets_its_policy_and_no_other(case: tuple[Fleet, list[Policy]]) -> None:
    of, policies = case
    policies = policies if not lint(of, policies).problems else policies[:1]
    policies = [named for policy in policies for named in policy.by_name()]
    objects, paths = objects_of(of, policies), Paths(of)
    for caller in of.clusters:
        served = paths.served[paths.read_in(caller)]
        for host in {policy.host for policy in policies}:
            ways, rule = met(objects[paths.read_in(caller)], host, caller)
            mine = [p for p in policies if p.host == host and (p.callers is None or caller in p.callers)]
            if not mine:
                assert all(reached(way, rule) == [({}, {}, 100)] for way in ways)
                assert not rule.get("trafficPolicy")
                continue
            (policy,) = mine
            own = tuple(name for name in served if policy.callers is None or name in policy.callers)
            every = [*(route.rules for route in policy.routes), policy.rules]
            if not ways:
                ways = [{"route": [{"destination": {"host": host}}], "match": [{}]}]
            assert len(ways) >= len(every)
            for way, rules in zip(ways, every, strict=False):
                order = paths.order(rules.failover, own) if rules.failover and rules.is_ordered else None
                assert reached(way, rule) == wanted(rules, order or {})
            assert ways[len(every) - 1]["match"] == [{}], "calls that no route fits have one too"


@given(sound())
@settings(max_examples=100)
def test_every_gateway_knows_each_subset_that_it_gets(case: tuple[Fleet, list[Policy]]) -> None:
    of, policies = case
    objects, paths = objects_of(of, policies), Paths(of)
    names = [named for policy in policies for named in policy.by_name()]
    for caller, one in of.clusters.items():
        for policy in names:
            ways, rule = met(objects[paths.read_in(caller)], policy.host, caller)
            labels = {subset["name"]: subset.get("labels", {}) for subset in rule.get("subsets", [])}
            targets = [part["destination"] for way in ways for part in way["route"]]
            targets += [way["mirror"] for way in ways if "mirror" in way]
            for name in {target["subset"] for target in targets if "subset" in target}:
                for callee, there in of.clusters.items():
                    selected = labels[name].get(SOURCE, callee) == callee
                    if selected and there.network != one.network and paths.may_call(caller, callee):
                        for gateway, beside in of.clusters.items():
                            if beside.network == there.network:
                                _ways, far = met(objects[paths.read_in(gateway)], policy.host, gateway)
                                known = {subset["name"]: subset.get("labels", {}) for subset in far.get("subsets", [])}
                                assert known[name] == labels[name]


@given(sound())
@settings(max_examples=100)
def test_a_gateway_has_the_rules_of_its_callers_alone(case: tuple[Fleet, list[Policy]]) -> None:
    """Calls pass it under the name of their subset, or of the whole service; it chooses among its network's pods."""
    of, policies = case
    policies = policies if not lint(of, policies).problems else policies[:1]
    objects, paths = objects_of(of, policies), Paths(of)
    for caller, one in of.clusters.items():
        for policy in policies:
            mine = policy.callers is None or caller in policy.callers
            others = [p for p in policies if p.host == policy.host and p is not policy]
            if not mine and others:
                continue
            ways, _rule = met(objects[paths.read_in(caller)], policy.host, caller)
            ways = ways or [{"route": [{"destination": {"host": policy.host}}]}]
            every = [*(route.rules for route in policy.routes), policy.rules] if mine else [Rules()]
            for network in {there.network for there in of.clusters.values()} - {one.network}:
                if not paths.crosses(frozenset([caller]), network):
                    continue
                for beside in [name for name, there in of.clusters.items() if there.network == network]:
                    _ways, far = met(objects[paths.read_in(beside)], policy.host, beside)
                    for way, rules in zip(ways, every, strict=False):
                        for part in way["route"]:
                            name = part["destination"].get("subset", "")
                            known = {subset["name"]: subset for subset in far.get("subsets", [])}
                            if name and name not in known:
                                continue  # none of its pods is on that network
                            own = {**far.get("trafficPolicy", {}), **known.get(name, {}).get("trafficPolicy", {})}
                            setting = own.get("loadBalancer", {}).get("localityLbSetting", {})
                            asked = traffic_policy(rules, {}).get("loadBalancer", {}).get("localityLbSetting", {})
                            assert setting.get("distribute") == asked.get("distribute")
                            if not mine:
                                assert own == {}


def test_the_subset_that_calls_go_to() -> None:
    of = fleet(TWO)
    user = {
        "headers": {"x-user": "ann"},
        "split": [{"weight": 100, "labels": {"version": "v2"}}],
        "breaker": {"errors": 5},
    }
    split, plain = parse_policies([{**REVIEWS, "routes": [user]}, BREAKER], of.clusters)
    generator = Generator(of, [split, plain])
    assert [generator.subset_name(split, share.subset) for share in split.rules.split] == [
        "east-v3",
        "west-v1",
        "west-v2",
    ]
    (share,) = split.routes[0].rules.split
    mine = [one for one in generator.objects("west") if one["metadata"]["namespace"] == "shop"]
    (rule, routes) = (spec(mine, kind) for kind in ("DestinationRule", "VirtualService"))
    name = generator.subset_name(split, share.subset, 1)
    assert name in [one["name"] for one in rule["subsets"]]
    assert routes["http"][0]["route"][0]["destination"]["subset"] == name
    assert generator.subset_name(plain, EVERYWHERE) == ""
