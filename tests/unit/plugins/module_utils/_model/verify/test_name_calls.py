# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which cluster may answer the front door and exported names, and what it means when none or another one does."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import OK, SKIPPED
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import (
    CONTROLLER,
    EXPORTED,
    FRONT_DOOR,
    MESH_TLS,
    NameCall,
    Offered,
    door_calls,
    export_calls,
    judge_name,
    nearest,
    not_from_here,
    redirected,
)
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.fleets import fleet

REGIONS = {"west": "us-west1", "coast": "us-west1", "north": "europe-north1", "bare": ""}
FLEET = fleet({name: {"cluster_region": region} for name, region in REGIONS.items()})
HTTP = (Port(5432, "tcp-db"), Port(8080, "http"))
IDENTITY = "spiffe://shop.example/ns/mesh-verify/sa/verify-probe"


@given(st.sampled_from([*REGIONS, CONTROLLER]), st.lists(st.sampled_from(list(REGIONS)), unique=True))
def test_the_nearest_are_those_that_serve(caller: str, serving: list[str]) -> None:
    found = nearest(FLEET, caller, serving)
    assert set(found) <= set(serving)
    assert bool(found) is bool(serving)
    if caller in serving:
        assert caller in found
        assert {REGIONS[name] for name in found} == {REGIONS[caller]}
    more = nearest(FLEET, caller, [*serving, caller]) if caller in REGIONS else found
    # A cluster of the caller's own that begins to serve takes the place of those elsewhere.
    assert set(more) <= {*found, caller}


def test_the_nearest_by_region() -> None:
    assert nearest(FLEET, "west", ["west", "north"]) == ("west",)
    assert nearest(FLEET, "west", ["west", "coast", "north"]) == ("west", "coast")
    assert nearest(FLEET, "west", ["coast", "north"]) == ("coast",)
    assert nearest(FLEET, "north", ["west", "coast"]) == ("west", "coast")
    assert nearest(FLEET, "bare", ["bare", "north"]) == ("bare",)
    assert nearest(FLEET, CONTROLLER, ["west", "north"]) == ("west", "north")


def door(*routes: dict[str, t.Any]) -> t.Any:
    made, problems = read_front_door("front-door", routes, list(REGIONS))
    assert problems == []
    return made


def test_every_route_is_called_from_every_cluster_and_from_here() -> None:
    routes = (
        {"service": "web.shop"},
        {"host": "*.pay.example", "path": "/pay", "service": "pay.shop", "clusters": ["north"]},
    )
    offered = {"web.shop": Offered(("west", "north")), "pay.shop": Offered(("west", "north"))}
    made = door_calls(FLEET, door(*routes), "203.0.113.7", offered, ["west", CONTROLLER])
    web, pay, here, _here = made
    assert (web.url, web.host, web.key, web.may_answer) == ("http://203.0.113.7/", "", "http://203.0.113.7/", ("west",))
    assert pay.key == "http://203.0.113.7/pay mesh-verify.pay.example"
    assert (pay.may_answer, pay.name) == (("north",), "mesh-verify.pay.example/pay at 203.0.113.7")
    assert (here.caller, here.may_answer) == (CONTROLLER, ("west", "north"))
    (six,) = door_calls(FLEET, door(routes[0]), "2001:db8::7", offered, ["west"])
    assert six.url == "http://[2001:db8::7]/"


def test_names_with_a_certificate_are_called_by_https_too() -> None:
    routes = ({"host": "shop.example", "service": "web.shop"}, {"service": "pay.shop", "path": "/pay"})
    made = door_calls(FLEET, door(*routes), "10.0.0.7", {}, ["west", CONTROLLER], by="engine", https=["shop.example"])
    urls = [(call.caller, call.url) for call in made if call.host]
    assert urls == [
        ("west", "http://10.0.0.7/"),
        ("west", "https://10.0.0.7/"),
        (CONTROLLER, "http://10.0.0.7/"),
        (CONTROLLER, "https://10.0.0.7/"),
    ]
    made = door_calls(FLEET, door(*routes), "10.0.0.7", {}, ["west", CONTROLLER], by="files", https=["shop.example"])
    assert [call.caller for call in made if call.by_https] == [CONTROLLER], "pods may not reach a machine of the user's"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(True, 404, 3.0, "", "", ""), "has no route for it"),
        (Answer(True, 503, 3.0, "", "", "no healthy upstream"), "takes statuses 200 to 399"),
        (Answer(True, 0, 3.0, "", "", "refused"), "nothing answers"),
        (Answer(True, 200, 3.0, "north", "", ""), "past west"),
    ],
)
def test_a_front_door_of_ours_that_fails_says_why(answer: Answer, says: str) -> None:
    offered = {"web.shop": Offered(("west", "north"))}
    (call,) = door_calls(FLEET, door({"service": "web.shop"}), "10.0.0.7", offered, ["west"], by="engine")
    judged = judge_name(call, answer)
    assert not judged.ok and says in judged.means and "Google" not in judged.means + judged.next_step


@pytest.mark.parametrize(("caller", "said"), [("west", True), (CONTROLLER, False)])
def test_by_https_a_sidecar_that_holds_calls_back_may_be_why(caller: str, said: bool) -> None:
    """By HTTP it answers 502 itself; a TLS connection it only ends."""
    judged = judge_name(shop_call("https", caller=caller), answer(0, what="closed the connection"))
    assert not judged.ok and ("sidecar does not let" in judged.means) == said


def test_an_exported_service_is_called_from_where_it_is_for() -> None:
    offered = {"orders.shop": Offered(("north", "coast"), ("north",), HTTP)}
    export = Export("orders", "shop", ("west",))
    (call,), skipped = export_calls(FLEET, [export], offered, ["west", "north"])
    assert skipped == []
    assert (call.caller, call.url) == ("west", "http://orders.shop.svc.clusterset.local:8080/")
    assert (call.kind, call.may_answer, call.identity) == (EXPORTED, ("north",), "")
    (secured,), _none = export_calls(FLEET, [Export("orders", "shop", ("west",), mtls=True)], offered, ["west"])
    assert (secured.kind, secured.may_answer, secured.identity) == (MESH_TLS, ("north", "coast"), IDENTITY)


def test_with_mutual_tls_the_peers_may_answer() -> None:
    apart = fleet({"west": {"mesh_peers": ["north"]}, "north": {}, "coast": {}})
    offered = {"orders.shop": Offered(("north", "coast"), ("north", "coast"), HTTP)}
    (call,), _none = export_calls(apart, [Export("orders", "shop", mtls=True)], offered, ["west"])
    assert call.may_answer == ("north",)
    only = {"orders.shop": Offered(("coast",), ("coast",), HTTP)}
    calls, (skipped,) = export_calls(apart, [Export("orders", "shop", mtls=True)], only, ["west"])
    assert (calls, skipped.seen) == ([], "west may call no cluster that has a ready pod of it")


def test_the_mesh_makes_names_with_certificates_for_some() -> None:
    offered = {"orders.shop": Offered(("north",), ("north",), HTTP)}
    export = Export("orders", "shop", ("west",))
    calls, skipped = export_calls(FLEET, [export], offered, ["west", "north", "coast"], list(REGIONS))
    assert skipped == []
    found = {call.caller: (call.kind, call.allowed, call.identity) for call in calls}
    # North runs it, so it has the name too.
    assert found == {
        "west": (MESH_TLS, True, IDENTITY),
        "north": (MESH_TLS, True, IDENTITY),
        "coast": (EXPORTED, False, ""),
    }
    assert {call.reads for call in calls} == {None}, "nothing keeps services in their clusters"
    confined, _none = export_calls(FLEET, [export], offered, ["west", "north"], list(REGIONS), {"west": False})
    assert [(call.caller, call.reads, call.primary) for call in confined] == [
        ("west", False, "west"),
        ("north", None, "north"),
    ]
    (forbidden,) = [call for call in calls if not call.allowed]
    assert judge_name(forbidden, answer(0, what="could not be resolved")).ok
    bad = judge_name(forbidden, answer(200, "north"))
    assert not bad.ok and not bad.expected and "mesh_exports" in bad.means
    # Clusters of a provider with a set of its own are no part of it.
    _calls, (check,) = export_calls(FLEET, [Export("orders", "shop")], offered, ["west"], ["west"])
    assert check.seen == "no cluster of this run exports it"


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        (Offered(("north",), (), HTTP), "no cluster of this run exports it"),
        (Offered(("west",), ("north",), HTTP), "no pod of it is ready in north"),
        (Offered(("north",), ("north",), HTTP[:1]), "set appProtocol: http"),
    ],
)
def test_what_cannot_be_called_is_named(offered: Offered, why: str) -> None:
    calls, (check,) = export_calls(FLEET, [Export("orders", "shop")], {"orders.shop": offered}, ["west"])
    assert (calls, check.state, check.clusters) == ([], SKIPPED, ("west",))
    assert why in check.seen


def door_call(**more: t.Any) -> NameCall:
    base = {"kind": FRONT_DOOR, "caller": "west", "url": "http://203.0.113.7/", "name": "http://203.0.113.7/"}
    return NameCall(**{**base, "service": "web.shop", "may_answer": ("west",), **more})


EXPORT = door_call(kind=EXPORTED, name="web.shop.svc.clusterset.local", may_answer=("north",))
SECURED = door_call(kind=MESH_TLS, may_answer=("north",), identity=IDENTITY)


def answer(status: int, cluster: str = "", *, what: str = "", said: str = "", identity: str = "") -> Answer:
    return Answer(0 < status < 400, status, 12.0, cluster, identity, what, said=said)


@pytest.mark.parametrize(
    ("call", "given", "callee"),
    [
        (door_call(), answer(200, "west"), "west"),
        (door_call(), answer(301), "web.shop"),
        (door_call(), answer(404, said="not my page"), "web.shop"),
        (EXPORT, answer(200, "north"), "north"),
        (SECURED, answer(200, "north", identity=IDENTITY), "north"),
    ],
)
def test_who_answered_is_told(call: NameCall, given: Answer, callee: str) -> None:
    judged = judge_name(call, given)
    assert judged.ok and judged.expected and not judged.means
    assert (judged.caller, judged.callee, judged.service, judged.path) == ("west", callee, call.name, call.kind)


@pytest.mark.parametrize(
    ("call", "given", "means", "step"),
    [
        (door_call(), answer(200, "north"), "past west", "health in front_door_routes"),
        (door_call(may_answer=()), answer(200, "north"), "no pod of it is ready", "other exports"),
        (door_call(), answer(404, said="default backend - 404"), "has not got the routes yet", "up to ten minutes"),
        (door_call(), answer(404, said="That\u2019s all we know."), "has not got the routes yet", "up to ten minutes"),
        (door_call(), answer(502, said="Server Error"), "no healthy pod of web.shop", "130.211.0.0/22"),
        (door_call(), answer(502), "REGISTRY_ONLY", "ServiceEntry"),
        (door_call(), answer(500, said="oh"), "itself answers with an error", "log of web.shop"),
        (door_call(), answer(0, what="no answer within 3 s"), "not there yet", "verify_front_door_timeout"),
        (EXPORT, answer(0, what="web could not be resolved: no Service"), "DNS of west", "serviceimports.net.gke.io"),
        (EXPORT, answer(0, what="web refused the connection"), "nothing is behind it", "pods of web.shop in north"),
        (EXPORT, answer(503, said="no healthy upstream"), "nothing is behind it", "firewall"),
        (EXPORT, answer(503, said="reset reason: connection termination"), "STRICT", "mtls: true"),
        (EXPORT, answer(0, what="web closed the connection before a complete answer"), "STRICT", "mtls: true"),
        (SECURED, answer(503, said="no healthy upstream"), "knows the name", "--limit west,north"),
        (
            door_call(kind=MESH_TLS, by_mesh=True),
            answer(0, what="web could not be resolved"),
            "no ServiceEntry names it",
            "serviceentries,serviceimports in west",
        ),
        (
            door_call(kind=MESH_TLS, by_mesh=True, reads=False, primary="north"),
            answer(0, what="web could not be resolved"),
            "istiod of north does not read ServiceExports",
            "run the control_plane stage with --limit north, uninstall",
        ),
        (
            door_call(kind=MESH_TLS, by_mesh=True, reads=True),
            answer(0, what="web could not be resolved"),
            "has no ServiceImport of it",
            "serviceimports,serviceentries in west",
        ),
        (SECURED, answer(503, said="reset reason: connection termination"), "knows the name", "peering stage"),
        (EXPORT, answer(500, said="oh"), "itself answers with an error", "log of web.shop"),
        (EXPORT, answer(0, what="no answer within 3 s"), "get no answer", "one network"),
        (EXPORT, answer(200, "west"), "pods of west answer", "other exports"),
        (SECURED, answer(200, "north"), "not mutual TLS", "services stage with --limit west"),
        (SECURED, answer(200, "north", identity="spiffe://other/x"), "not mutual TLS", "services stage"),
    ],
)
def test_a_failed_call_has_its_cause(call: NameCall, given: Answer, means: str, step: str) -> None:
    judged = judge_name(call, given)
    assert not judged.ok
    assert means in judged.means
    assert step in judged.next_step
    assert judged.callee == "web.shop", "a failure is the caller's, whoever answered"


def test_a_call_that_was_not_made_proves_nothing() -> None:
    judged = judge_name(EXPORT, Answer.from_probe(None, "the program ended with 137: "))
    assert not judged.ok
    assert "could not be made" in judged.means


def moved(location: str, status: int = 301) -> Answer:
    return dataclasses.replace(answer(status), location=location)


def shop_call(scheme: str = "http", **more: t.Any) -> NameCall:
    base = {"url": f"{scheme}://10.0.0.7/pay", "host": "shop.example", "by": "engine", "redirects": True}
    return door_call(**{**base, "certified": True, **more})


@pytest.mark.parametrize(
    ("call", "location", "state", "says"),
    [
        (shop_call(), "https://shop.example/pay", OK, "every cluster calls that"),
        (shop_call(by="files"), "https://shop.example/pay", OK, "controller alone calls that"),
        (shop_call(by="google"), "https://shop.example:443/pay", OK, "every cluster calls that"),
        (shop_call(certified=False), "https://shop.example/pay", OK, "nobody calls that: no certificate"),
        (shop_call(host="", by="google", certified=False), "https://10.0.0.7/pay", OK, "its route has no host"),
        (shop_call(redirects=False, by="files"), "https://shop.example/pay", SKIPPED, "is not set"),
    ],
)
def test_a_redirect_to_https_is_told_and_who_goes_there(call: NameCall, location: str, state: str, says: str) -> None:
    check = redirected(call, moved(location))
    assert check and check.state == state and says in check.seen and location in check.seen
    assert judge_name(call, moved(location)).ok


@pytest.mark.parametrize(
    ("call", "given", "means"),
    [
        # By HTTPS, the same page again: callers go round in a circle, whoever asked for it.
        (shop_call("https"), moved("https://shop.example/pay"), "sends callers on to HTTPS"),
        (shop_call("https", redirects=False), moved("https://shop.example/pay", 308), "sends callers on to HTTPS"),
        (shop_call("https", by="", redirects=False), moved("https://shop.example/pay"), "sends callers on to HTTPS"),
        (shop_call(redirects=False, certified=False), moved("https://shop.example/pay"), "sends callers on to HTTPS"),
        # Elsewhere than to the same page of the same host.
        (shop_call(), moved("https://other.example/pay"), "not led to the same page"),
        (shop_call(), moved("https://shop.example/"), "not led to the same page"),
        (shop_call(), moved("http://shop.example/pay"), "not led to the same page"),
        (shop_call(by="google"), moved("https://shop.example:x/pay"), "not led to the same page"),
        (shop_call(by="files"), moved(""), "not led to the same page"),
        (shop_call(), answer(200, "west"), "not led to the same page"),
    ],
)
def test_a_redirect_that_leads_nowhere_fails(call: NameCall, given: Answer, means: str) -> None:
    judged = judge_name(call, given)
    assert not judged.ok and means in judged.means and judged.next_step
    assert call.by_https or given.status == 200 or not call.redirects or redirected(call, given) is None


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (shop_call("https"), True),
        (shop_call("https", by="files"), True),
        (shop_call("https", by="google"), False),
        (shop_call(redirects=False, certified=False), False),
    ],
)
def test_a_circle_behind_gateways_may_be_by_a_header(call: NameCall, told: bool) -> None:
    judged = judge_name(call, moved("https://shop.example/pay"))
    assert not judged.ok
    for words in ("X-Forwarded-Proto", "numTrustedProxies: 1"):
        assert (words in judged.next_step) is told


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (shop_call("https"), moved("https://shop.example/login")),
        (shop_call(redirects=False), moved("/login", 302)),
        # Google sends callers on some time after it has the route.
        (shop_call(by="google"), answer(200, "west")),
        (dataclasses.replace(EXPORT, redirects=True), moved("https://web.shop.svc.clusterset.local/")),
    ],
)
def test_a_redirect_of_the_service_is_an_answer_of_it(call: NameCall, given: Answer) -> None:
    assert judge_name(call, given).ok and redirected(call, given) is None


def test_what_is_sent_on_is_known_of_each_call() -> None:
    routes = ({"host": "shop.example", "service": "web.shop"}, {"service": "pay.shop", "path": "/pay"})
    for by, https in (("engine", ["shop.example"]), ("google", [])):
        made = dataclasses.replace(door(*routes), certificates=("shop",), https_redirect=True)
        calls = [c for c in door_calls(FLEET, made, "10.0.0.7", {}, ["west"], by=by, https=https) if not c.by_https]
        assert [(c.secured, c.redirects, c.certified) for c in calls] == [
            ("https://shop.example/", True, True),
            ("https://10.0.0.7/pay", True, False),
        ]
    without = dataclasses.replace(door(*routes), https_redirect=True)
    assert not any(c.redirects for c in door_calls(FLEET, without, "10.0.0.7", {}, ["west"], by="engine"))


def test_what_this_machine_does_not_reach_is_no_failure() -> None:
    check = not_from_here(judge_name(door_call(caller=CONTROLLER), answer(0, what="no route to host")))
    assert (check.state, check.clusters) == (SKIPPED, ())
    assert "no route to host" in check.seen
