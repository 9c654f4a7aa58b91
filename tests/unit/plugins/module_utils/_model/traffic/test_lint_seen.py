# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with policies, given what clusters hold."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import Findings
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint_seen import lint_seen
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import see
from tests.policies import live

from ..fleets import SERVED, TWO, fleet

Values = dict[str, t.Any]
TIMEOUT: Values = {"service": "reviews.shop", "timeout": "5s"}
NAMESPACE: Values = {"kind": "Namespace", "metadata": {"name": "shop"}}


def found(of: Fleet, policy: Values, objects: dict[str, list[Values]]) -> Findings:
    return lint_seen(of, parse_policies([policy], of.clusters), see(objects, of.name))


def only(of: Fleet, policy: Values, objects: dict[str, list[Values]]) -> Problem:
    findings = found(of, policy, objects)
    (problem,) = findings.problems
    assert findings.warnings == []
    assert problem.hint
    return problem


def changed(objects: list[Values], **port: t.Any) -> list[Values]:
    """The same objects, and the only port of the Service as said."""
    service = {**objects[1], "spec": {**objects[1]["spec"], "ports": [{"port": 9080, **port}]}}
    return [objects[0], service, *objects[2:]]


def test_what_is_there_is_right() -> None:
    assert found(fleet(TWO), TIMEOUT, live(TWO)) == Findings()
    half = {"west": [NAMESPACE], **live(["east"])}
    assert found(fleet(TWO), TIMEOUT, half) == Findings()


def test_a_host_that_nobody_serves() -> None:
    two = fleet(TWO)
    problem = only(two, TIMEOUT, {"west": [NAMESPACE], "east": [NAMESPACE]})
    assert problem.statement == 'mesh_traffic[0] (reviews.shop) service "reviews.shop" is served by no cluster'
    assert "a Service reviews in namespace shop" in problem.hint
    assert found(two, TIMEOUT, {"west": [NAMESPACE]}) == Findings(), "east was not read, and may serve it"


def test_a_host_without_pods_is_a_warning() -> None:
    other = {"kind": "Pod", "metadata": {"name": "orders", "namespace": "shop", "labels": {"app": "orders"}}}
    bare = {name: objects[:2] for name, objects in live(TWO).items()}
    empty = {name: [*objects, other] for name, objects in bare.items()}
    findings = found(fleet(TWO), TIMEOUT, empty)
    assert findings.problems == []
    assert [one.message for one in findings.warnings] == ["has no pods in any cluster"]
    assert found(fleet(TWO), TIMEOUT, bare) == Findings(), "pods were not read"
    assert found(fleet(TWO), TIMEOUT, {"west": empty["west"]}) == Findings(), "east was not read"


def test_pods_that_callers_do_not_reach() -> None:
    apart = fleet({"west": {"mesh_peers": []}, "east": {}})
    problem = only(apart, TIMEOUT, {**live(["east"]), "west": [NAMESPACE]})
    assert "has no pods that callers in west reach: west has no peering with east" in problem.message
    assert problem.hint == "mesh_peers of west, or leave it out of from"
    assert found(apart, {**TIMEOUT, "from": ["east"]}, {**live(["east"]), "west": []}) == Findings()


def test_a_subset_that_no_pod_has_is_a_warning() -> None:
    split = [
        {"weight": 50, "labels": {"version": "v9"}},
        {"weight": 50, "cluster": "east", "labels": {"version": "v2"}},
        {"weight": 0, "labels": {"version": "v8"}},
    ]
    routes = [{"path": "/"}, {"path": "/b", "split": [{"weight": 100, "cluster": "east"}]}]
    policy = {"service": "reviews.shop", "split": split, "mirror": {"labels": {"version": "v7"}}, "routes": routes}
    half = {**live(["west"]), "east": [NAMESPACE]}
    findings = found(fleet(TWO), policy, half)
    assert findings.problems == []
    assert [one.variable.partition(") ")[2] for one in findings.warnings] == [
        "split[0]",
        "split[1]",
        "mirror",
        "routes[1].split[0]",
    ]
    assert findings.warnings[0].message == "names pods that are not there: version=v9"
    assert findings.warnings[1].message == "names pods that are not there in east: version=v2"
    assert findings.warnings[3].message == "names pods that are not there in east: of the service"
    assert found(fleet(TWO), policy, live(["west"])).warnings == [], "east was not read, and may have them"


@pytest.mark.parametrize(
    ("port", "message", "hint"),
    [
        ({}, "port 9080 has neither a name that says so nor appProtocol", "name port 9080 http, or begin"),
        ({"name": "web"}, "port 9080 has neither a name that says so", "set appProtocol: http"),
        ({"name": "tcp-db"}, "no port of the Service in west is known to speak it", "appProtocol: http"),
        ({"name": "http", "appProtocol": "tcp"}, "no port of the Service in west", "appProtocol: http"),
    ],
)
def test_a_port_that_is_not_known_to_speak_http(port: Values, message: str, hint: str) -> None:
    two, objects = fleet(TWO), live(TWO)
    objects["west"] = changed(objects["west"], **port)
    problem = only(two, TIMEOUT, objects)
    assert problem.variable.endswith("timeout")
    assert message in problem.message
    assert hint in problem.hint
    assert found(two, {"service": "reviews.shop", "breaker": {"connections": 5}}, objects) == Findings()
    assert only(
        two, {"service": "reviews.shop", "routes": [{"path": "/", "timeout": "1s"}]}, objects
    ).variable.endswith("routes")


def test_rules_for_some_callers_of_an_istiod_need_http() -> None:
    served, objects = fleet(SERVED), live(SERVED)
    objects["fra"] = changed(objects["fra"], name="tcp-db")
    limits = {"service": "reviews.shop", "breaker": {"connections": 5}}
    assert only(served, {**limits, "from": ["edge"]}, objects).variable.endswith("from")
    assert found(served, limits, objects) == Findings()


def test_a_namespace_that_the_objects_need() -> None:
    two, other = fleet(TWO), {"kind": "Namespace", "metadata": {"name": "other"}}
    problem = only(two, TIMEOUT, {**live(["east"]), "west": [other]})
    assert "needs namespace shop in west, where its objects go" in problem.message
    assert problem.hint == "kubectl create namespace shop"
    assert found(two, {**TIMEOUT, "from": ["east"]}, {**live(["east"]), "west": [other]}) == Findings()


def test_a_remotes_policy_needs_the_namespace_in_its_primary() -> None:
    other = {"kind": "Namespace", "metadata": {"name": "other"}}
    served = fleet(SERVED)
    objects = {"fra": [other], **live(["edge"])}
    assert "namespace shop in fra, where" in only(served, {**TIMEOUT, "from": ["edge"]}, objects).message
    lone = {**live(["fra"]), "edge": [other]}
    assert "namespace shop in edge, where" in only(served, {**TIMEOUT, "from": ["edge"]}, lone).message
    name = {**TIMEOUT, "service": "reviews.shop.global", "from": ["edge"]}
    assert found(served, name, lone) == Findings(), "no Service is made there for a global name"


def test_a_global_name_needs_the_namespace_in_every_cluster() -> None:
    other, two = {"kind": "Namespace", "metadata": {"name": "other"}}, fleet(TWO)
    policy = {**TIMEOUT, "from": ["east"], "global": True}
    assert "namespace shop in west, where" in only(two, policy, {**live(["east"]), "west": [other]}).message


def test_what_a_global_name_cannot_be_made_of() -> None:
    policy = {**TIMEOUT, "service": "reviews.shop.global", "breaker": {"errors": 5}}
    one, objects = fleet({"west": {}}), live(["west"])["west"]
    assert found(one, policy, {"west": objects}) == Findings()
    named = changed(objects, name="http", targetPort="web")
    by_name = "port 9080 of the Service in west leads to a port by name"
    assert by_name in only(one, policy, {"west": named}).message
    assert by_name in only(one, {**TIMEOUT, "global": True}, {"west": named}).message
    assert only(one, policy, {"west": named}).hint == "targetPort by number, not web"
    open_ = [objects[0], {**objects[1], "spec": {**objects[1]["spec"], "selector": None}}]
    assert "selects no pods" in only(one, policy, {"west": open_}).message
    udp = changed(objects, name="dns", protocol="UDP")
    breaker = {"service": "reviews.shop.global", "breaker": {"errors": 5}}
    assert "has no TCP port" in only(one, breaker, {"west": udp}).message
    assert found(one, TIMEOUT, {"west": named}) == Findings()
