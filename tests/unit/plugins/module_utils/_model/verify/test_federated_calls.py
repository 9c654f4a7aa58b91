# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of what peer meshes export, and their bundles."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import (
    Bundle,
    Gateway,
    Offer,
    OfferedPort,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import Peer
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, OK, SKIPPED
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.federated_calls import (
    FEDERATED,
    Knock,
    Knocked,
    PeerCall,
    bundle_check,
    judge_knock,
    judge_peer,
    knocks,
    not_written,
    peer_calls,
    unread,
)

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
WHO = "spiffe://east.mesh/ns/shop/sa/till"
TILL = Offer("till.shop.global", (OfferedPort(9000, "raw", "TCP"), OfferedPort(80, "http", "HTTP")), (WHO,), ("net",))
RAW = Offer("raw.shop.global", (OfferedPort(9000, "raw", "TCP"),), (WHO,), ("net",))
BUNDLE = Bundle("east.mesh", "west.mesh", "istio-system", NOW, NOW, (), services=(TILL, RAW))
CALL = PeerCall("west", "east.mesh", "till.shop.global", 80, (WHO,), "till.shop.global")
EAST = Peer("east.mesh", "east.json")


def test_each_cluster_calls_what_speaks_http() -> None:
    calls, skipped = peer_calls([(EAST, BUNDLE)], ["west", "north"])
    assert [(call.caller, call.url) for call in calls] == [
        ("west", "http://till.shop.global:80/"),
        ("north", "http://till.shop.global:80/"),
    ]
    assert [(check.name, check.state) for check in skipped] == [
        ("west → raw.shop.global", SKIPPED),
        ("north → raw.shop.global", SKIPPED),
    ]


def test_calls_go_to_the_names_that_the_inventory_chose() -> None:
    (call,), (skipped,) = peer_calls([(dataclasses.replace(EAST, names="own"), BUNDLE)], ["west"])
    assert (call.url, call.offered) == ("http://till.shop.east.mesh:80/", "till.shop.global")
    assert skipped.name == "west → raw.shop.east.mesh"
    judged = judge_peer(call, answer(503, "upstream connect error"))
    assert judged.service == "till.shop.east.mesh"
    assert "does not know till.shop.global" in judged.means, "the peer's people know no other"


def answer(status: int, said: str = "", cluster: str = "", made: bool = True) -> Answer:
    what = f"status {status}: {said}" if said else ""
    return Answer(status == 200, status, 12.0, cluster, "", what, said=said, made=made)


def test_an_identity_answers_only_where_it_is_proven() -> None:
    # A cluster of the peer's may be called as one of ours is.
    call = judge_peer(CALL, answer(200, cluster="west"))
    assert (call.ok, call.callee, call.service, call.path) == (True, "east.mesh", "till.shop.global", FEDERATED)
    assert call.seen == f"200 in 12 ms: who answered is not shown; the bundle names {WHO}"
    assert "from" not in judge_peer(CALL, answer(404, "not found")).seen, "a sidecar's own answer"
    denied = judge_peer(CALL, answer(403, "RBAC: access denied"))
    assert denied.ok, "the peer's proxy knew who called, and ours who answered"
    assert denied.seen == f"403 from {WHO} in 12 ms: the probe is none of the callers that the peer permits"


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (answer(503, "TLS_error:CERTIFICATE_VERIFY_FAILED"), "does not trust the other"),
        (answer(0, "the name could not be resolved"), "does not know the name"),
        (answer(503, "upstream connect error"), "gateway of east.mesh does not answer"),
        (answer(0, made=False), "could not be made"),
    ],
)
def test_a_call_that_fails_says_why(said: Answer, means: str) -> None:
    call = judge_peer(CALL, said)
    assert not call.ok
    assert means in call.means
    assert call.next_step


def test_bundles_are_warned_of_before_they_end() -> None:
    states = [bundle_check("east.mesh", days, ["west"]).state for days in (7, 6, -1, None)]
    assert states == [OK, FAILED, FAILED, SKIPPED]
    assert "29 days" in bundle_check("east.mesh", 29, ["west"]).seen
    assert unread("it has expired", "ask", ["west"]).state == FAILED


gate = ("192.0.2.7", 15443)
GATES = (Gateway("net", "192.0.2.7", 15443), Gateway("other", "192.0.2.8", 15443))


def test_what_is_exported_is_knocked_at_where_its_pods_are() -> None:
    own = dataclasses.replace(BUNDLE, gateways=GATES)
    found = knocks({"west.mesh": own, "north.mesh": own})
    assert found == [Knock("till.shop.global", 9000, *gate), Knock("raw.shop.global", 9000, *gate)]
    assert found[0].sni == "outbound_.9000_._.till.shop.global"
    assert knocks({"west.mesh": dataclasses.replace(own, services=())}) == []


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        (Knocked(True, "TLSV13_ALERT_CERTIFICATE_REQUIRED"), OK),
        (Knocked(False, "HTTP/1.1 200 OK"), FAILED),
        (Knocked(None, "this machine does not reach it: timed out"), SKIPPED),
    ],
)
def test_only_a_refusal_for_want_of_a_certificate_proves_it(ended: Knocked, state: str) -> None:
    check = judge_knock(Knock("till.shop.global", 80, *gate), ended, ["west"])
    assert (check.state, check.clusters) == (state, ("west",))
    assert bool(check.next_step) == (state == FAILED)
    assert state == OK or ended.seen in check.seen
    assert not_written("west.mesh", "/x.json", ["west"]).state == SKIPPED
