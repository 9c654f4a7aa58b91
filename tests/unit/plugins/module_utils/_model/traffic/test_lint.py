# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with policies by the inventory alone: each with policy, field and remedy."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import Findings, lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from tests.policies import BREAKER, REVIEWS

from ..fleets import TWO, fleet

PLACED = fleet({"west": {"cluster_region": "us-west1", "cluster_zone": "b"}, "east": {"cluster_region": "us-east1"}})


def found(of: Fleet, *policies: dict[str, t.Any]) -> Findings:
    return lint(of, parse_policies(list(policies), of.clusters))


def only(of: Fleet, *policies: dict[str, t.Any]) -> Problem:
    findings = found(of, *policies)
    assert findings.warnings == []
    (problem,) = findings.problems
    return problem


def test_the_fixtures_are_sound() -> None:
    assert found(fleet(TWO), REVIEWS, BREAKER) == Findings()


@pytest.mark.parametrize(
    ("fields", "statement", "hint"),
    [
        ("split: [{weight: 75}, {weight: 20, cluster: west}]", "split has weights that sum to 95, not to 100", "add 5"),
        ("split: [{weight: 90}, {weight: 20, cluster: west}]", "split has weights that sum to 110", "take away 10"),
        ("localities: {us-west1: 50}", "localities has weights that sum to 50", "add 50"),
        ("failover: nearest", "failover needs pods to be ejected, and no errors are counted", "breaker: {errors: 5}"),
        ("{failover: {clusters: [east]}, breaker: {connections: 5}}", "failover needs pods", "breaker: {errors: 5}"),
        (
            "{localities: {us-west1: 100}, failover: nearest, breaker: {errors: 5}}",
            "localities is said together with failover",
            "remove one of both",
        ),
        ("{localities: {us-west1: 100}, failover: none}", "localities is said together with failover", "remove one"),
        (
            "{split: [{weight: 100, cluster: west}], failover: {clusters: [east]}, breaker: {errors: 5}}",
            "failover changes nothing for the parts of split that name a cluster (west)",
            "remove one of both, cluster or failover",
        ),
        (
            "{timeout: 5s, retries: {attempts: 2, per_try: 2s}}",
            "retries allows 3 tries of 2s, which do not fit into 5s",
            "timeout of 6s, or per_try of 1666ms",
        ),
        (
            "{timeout: 1ms, retries: {attempts: 2, per_try: 2s}}",
            "3 tries of 2s, which do not fit into 1ms",
            "timeout of 6s",
        ),
        ("breaker: {errors: 5, share: 100}", "breaker.share 100 lets all pods be ejected", "a share below 100"),
        (
            "{breaker: {errors: 5, share: 100}, failover: nearest, split: [{weight: 100, cluster: west}]}",
            "lets all pods in west be ejected",
            "a share below 100, or failover without a cluster in split",
        ),
        ("localities: {us-wst1: 100}", 'localities "us-wst1" names a region that no cluster has', "mean us-west1?"),
        (
            "{failover: {regions: [moon]}, breaker: {errors: 1}}",
            "names a region that no cluster has",
            "us-east1, us-west1",
        ),
        ("routes: [{path: /, split: [{weight: 5}]}]", "routes[0].split has weights that sum to 5", "add 95"),
        (
            "{timeout: 5s, routes: [{path: /, retries: {attempts: 4, per_try: 2s}}]}",
            "routes[0].retries allows 5 tries",
            "timeout of 10s",
        ),
        (
            "{breaker: {errors: 5}, failover: nearest, routes: [{path: /, breaker: {}}]}",
            "routes[0].failover needs",
            "errors",
        ),
    ],
)
def test_what_is_wrong_by_itself(fields: str, statement: str, hint: str) -> None:
    problem = only(PLACED, {"service": "r.s", **yaml.safe_load(fields)})
    assert problem.variable.startswith("mesh_traffic[0] (r.s) ")
    assert statement in problem.statement
    assert hint in problem.hint


@pytest.mark.parametrize(
    "fields",
    [
        "{timeout: 6s, retries: {attempts: 2, per_try: 2s}}",
        "{timeout: 1s, retries: {attempts: 2}}",
        "{retries: {attempts: 9, per_try: 1h}}",
        "breaker: {errors: 5, share: 99}",
        "{breaker: {errors: 5, share: 100}, failover: nearest}",
        "failover: none",
        "localities: {us-west1/b: 60, us-east1: 40}",
        "{split: [{weight: 0, cluster: west}, {weight: 100}], timeout: 1s}",
        "{split: [{weight: 100, cluster: west}], failover: nearest, breaker: {errors: 5}}",
    ],
)
def test_what_is_right(fields: str) -> None:
    assert found(PLACED, {"service": "r.s", **yaml.safe_load(fields)}) == Findings()


def test_what_a_route_inherits_is_told_of_the_policy() -> None:
    policy = {
        "service": "r.s",
        "split": [{"weight": 5}],
        "failover": "nearest",
        "timeout": "1s",
        "retries": {"attempts": 1, "per_try": "1s"},
        "localities": {"nowhere": 100},
        "routes": [{"path": "/a"}, {"path": "/b", "fault": {"abort": 503}}],
    }
    fields = [problem.variable.partition(") ")[2] for problem in found(PLACED, policy).problems]
    assert fields == ["split", "failover", "localities", "retries", "localities"]


def test_two_policies_for_the_same_callers() -> None:
    two = fleet(TWO)
    first, second = {"service": "r.s", "timeout": "1s"}, {"service": "r.s", "from": ["east"], "timeout": "2s"}
    problem = only(two, first, second)
    assert problem.variable == "mesh_traffic[1] (r.s from east) from"
    assert "is for callers in east, as mesh_traffic[0] is, for the same service" in problem.message
    assert "name different clusters" in problem.hint
    assert only(two, first, first).message.startswith("is for callers in west, east, as")
    assert found(two, {**first, "from": ["west"]}, second) == Findings()
    assert found(two, first, {**second, "service": "r.s.global"}) == Findings()
    named = only(two, {**first, "global": True}, {**second, "service": "r.s.global"})
    assert named.message.startswith("is for callers in east, as mesh_traffic[0] is")
    both = only(two, {**first, "global": True}, {**second, "global": True})
    assert both.message.startswith("is for callers in east, as"), "told once, for both names"


def test_a_region_that_nobody_says_is_a_warning() -> None:
    half = fleet({"west": {"cluster_region": "us-west1"}, "east": {}})
    findings = found(half, {"service": "r.s", "localities": {"us-east1": 100}})
    assert findings.problems == []
    assert [one.message for one in findings.warnings] == ["names a region that no cluster has"]
    unplaced = found(fleet(TWO), {"service": "r.s", "localities": {"us-east1": 100}})
    assert unplaced.warnings[0].hint == "set cluster_region"


def test_a_zone_that_no_cluster_has() -> None:
    findings = found(PLACED, {"service": "r.s", "localities": {"us-west1/c": 100}})
    assert [one.message for one in findings.warnings] == ["names a zone that no cluster has"], "east says no zone"
    zoned = fleet({"west": {"cluster_region": "us-west1", "cluster_zone": "b"}})
    assert only(zoned, {"service": "r.s", "localities": {"us-west1/c": 100}}).hint == "one of: us-west1/b"


def test_an_order_that_istio_cannot_keep() -> None:
    three = fleet(
        {name: {"cluster_region": region} for name, region in (("west", "us"), ("east", "ca"), ("north", "eu"))}
    )
    policy = {"service": "r.s", "breaker": {"errors": 5}, "failover": {"clusters": ["west", "east"]}}
    problem = only(three, policy)
    assert problem.variable.endswith("failover.clusters")
    assert "is an order that Istio cannot keep for callers in west, east, north" in problem.message
    regions = {**policy, "failover": {"regions": ["us", "eu"]}}
    assert "for callers in east, north" in only(three, regions).message
    assert found(three, {**regions, "from": ["west"]}) == Findings()


def test_a_cluster_that_its_callers_do_not_know() -> None:
    apart = fleet({"west": {"mesh_peers": []}, "east": {}, "north": {}})
    split = {"service": "r.s", "split": [{"weight": 100, "cluster": "east"}]}
    problem = only(apart, split)
    assert problem.variable.endswith("split[0].cluster")
    assert problem.message == "cannot be called: west has no peering with east"
    assert problem.hint == "mesh_peers, or from without west"
    assert only(apart, {**split, "from": ["west"]}).hint == "mesh_peers, or another cluster"
    assert found(apart, {**split, "from": ["north"]}) == Findings()
    mirror = {"service": "r.s", "from": ["west"], "mirror": {"cluster": "east"}}
    assert only(apart, mirror).variable.endswith("mirror.cluster")
    order = {"service": "r.s", "from": ["west"], "breaker": {"errors": 5}, "failover": {"clusters": ["east"]}}
    assert only(apart, order).variable.endswith("failover.clusters[0]")
    assert found(apart, {**order, "from": ["west", "north"]}) == Findings()


def test_a_part_without_weight_needs_no_way() -> None:
    apart = fleet({"west": {"mesh_peers": []}, "east": {}})
    split = [{"weight": 100, "cluster": "west"}, {"weight": 0, "cluster": "east"}]
    assert found(apart, {"service": "r.s", "from": ["west"], "split": split}) == Findings()


def test_a_part_without_weight_keeps_no_call_in_its_cluster() -> None:
    split = [{"weight": 0, "cluster": "west"}, {"weight": 100}]
    order = {"failover": {"clusters": ["east"]}, "breaker": {"errors": 5, "share": 100}}
    assert found(fleet(TWO), {"service": "r.s", "split": split, **order}) == Findings()


def test_a_network_without_a_gateway() -> None:
    managed = {"cluster_provider": "gke", "mesh_control_plane": "managed", "gke_project": "p"}
    two = fleet({"west": {**managed, "mesh_network": "one"}, "east": {**managed, "mesh_network": "two"}})
    problem = only(two, {"service": "r.s", "from": ["west"], "split": [{"weight": 100, "cluster": "east"}]})
    assert "east is on another network than west, and Google's control plane serves no" in problem.message


def test_what_googles_control_plane_cannot_do_is_refused_by_name() -> None:
    managed = {"cluster_provider": "gke", "mesh_control_plane": "managed", "gke_project": "p", "cluster_region": "eu"}
    both = fleet({"west": {"cluster_region": "eu"}, "goo": managed})
    shares = {"localities": {"eu": 100}}
    for policy, where in (
        (shares, "(r.s) localities"),
        ({"routes": [{"path": "/a", **shares}]}, "(r.s) routes[0].localities"),
    ):
        problem = only(both, {"service": "r.s", **policy})
        assert problem.variable.endswith(where)
        assert problem.message == (
            "cannot be kept for callers in goo: Google's control plane does not support localityLbSetting.distribute"
        )
        assert problem.hint == "leave localities out, or these clusters out of from"
        assert found(both, {"service": "r.s", "from": ["west"], **policy}) == Findings()


def test_limits_that_a_gateway_counts_for_all_its_callers() -> None:
    two = fleet({"west": {}, "east": {"mesh_network": "two"}})
    limited = {"service": "r.s", "breaker": {"pending": 5, "connections": 9}}
    findings = found(two, limited)
    assert findings.problems == []
    (warning,) = findings.warnings
    assert warning.variable.endswith("breaker.connections")
    assert "counts at east-west gateways too, there for all callers of other networks" in warning.message
    assert found(two, {**limited, "from": ["west"]}, {**limited, "from": ["east"]}) == Findings()
    assert found(two, {"service": "r.s", "breaker": {"requests": 5}}) == Findings()
    assert found(fleet(TWO), limited) == Findings()


def test_a_route_behind_one_for_the_same_calls() -> None:
    twice = [{"path": "/a", "timeout": "1s"}, {"path": "/b", "timeout": "1s"}, {"path": "/a", "timeout": "2s"}]
    problem = only(fleet(TWO), {"service": "r.s", "routes": twice})
    assert problem.variable.endswith("routes[2]")
    assert "never holds: routes[0] is for the same calls" in problem.message
    assert found(fleet(TWO), {"service": "r.s", "routes": twice[:2]}) == Findings()
