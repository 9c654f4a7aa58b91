# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How calls are judged, and by which path they go."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import (
    Answer,
    Call,
    call_pairs,
    expected_identity,
    judge_call,
    judge_forbidden_call,
    path_of,
    sample_said,
    unconfined,
)

from .test_checks import FLEET, whole


def test_the_path_is_where_the_proxy_sends_calls() -> None:
    west, east = whole("west", "east"), whole("east", "west")
    assert path_of(west, east) == "gateway"
    west.proxy_endpoints["east"] = ["10.0.0.7:8080"]
    assert path_of(west, east) == "direct"
    west.proxy_endpoints = {}
    assert path_of(west, east) == ""
    assert path_of(west, west) == "local"


GOOD = Answer(True, 200, 12.0, "east", "spiffe://local.mesh/ns/mesh-verify/sa/verify-probe")


@pytest.mark.parametrize(
    ("answer", "ok", "means"),
    [
        (GOOD, True, ""),
        (Answer(False, 503, 3.0, "", "", "status 503: x", said="x"), False, "no endpoint"),
        (Answer(True, 200, 3.0, "south", GOOD.identity), False, "pods of another cluster answer"),
        (Answer(True, 200, 3.0, "east", ""), False, "not mutual TLS"),
    ],
)
def test_an_allowed_call(answer: Answer, ok: bool, means: str) -> None:
    identity = expected_identity(FLEET, "west")
    call = judge_call(
        FLEET, ("west", "east"), "probe-east", answer, identity=identity, clusters={"east"}, path="direct"
    )
    assert (call.ok, call.expected, call.path) == (ok, True, "direct")
    assert means in call.means
    assert bool(call.means) is bool(call.next_step) is not ok


def test_a_forbidden_call_that_is_answered() -> None:
    answered = judge_forbidden_call(("west", "east"), GOOD)
    assert (answered.ok, answered.expected) == (False, False)
    assert "remote secret" in answered.means and "peering stage" in answered.next_step
    of_program = Answer.from_probe({**NOWHERE, "status": 500, "cluster": "east"}, "")
    assert not judge_forbidden_call(("west", "east"), of_program).ok


NOWHERE = {
    "ok": False, "status": 503, "latency_ms": 1, "problem": None, "cluster": "", "identity": "",
    "text": "no healthy upstream",
}  # fmt: skip


def test_isolation_is_proven_by_the_sidecars_answer_alone() -> None:
    refused = judge_forbidden_call(("west", "east"), Answer.from_probe(NOWHERE, ""))
    assert (refused.ok, refused.means, refused.seen) == (True, "", "503, as declared")
    silent = {**NOWHERE, "status": 0, "text": "", "problem": {"what": "no answer within 3 s"}}
    for answer, means, seen in (
        (Answer.from_probe(None, "the program ended with 137: "), "could not be made", "the program ended with 137: "),
        (Answer.from_probe(None, ""), "could not be made", "no answer"),
        (Answer.from_probe(silent, ""), "nothing is proven", "no answer within 3 s"),
    ):
        call = judge_forbidden_call(("west", "east"), answer)
        assert (call.ok, call.seen) == (False, seen)
        assert means in call.means and "verify again" in call.next_step
    known = judge_forbidden_call(("west", "east"), Answer.from_probe(NOWHERE, ""), ["192.0.2.1:15443"])
    assert not known.ok and known.seen == "503, but the sidecar has 192.0.2.1:15443 for east"


@pytest.mark.parametrize(
    ("reads", "means", "step"),
    [
        (False, "istiod of west does not read ServiceExports", "run the control_plane stage with --limit west"),
        (None, "could not be read", "see what is said of west"),
        (True, "a ServiceExport names this one", "kubectl get serviceexports"),
    ],
)
def test_a_service_that_leaves_its_cluster(reads: bool | None, means: str, step: str) -> None:
    leaves = unconfined("west", "west", reads)
    nowhere = Answer.from_probe(NOWHERE, "")
    for call in (
        judge_forbidden_call(("west", "east"), GOOD, (), leaves),
        judge_forbidden_call(("west", "east"), nowhere, ["192.0.2.1:15443"], leaves),
    ):
        assert not call.ok and means in call.means and step in call.next_step
        assert "remote secret" not in call.means + call.next_step
    assert judge_forbidden_call(("west", "east"), nowhere, (), leaves).ok
    unmade = judge_forbidden_call(("west", "east"), Answer.from_probe(None, ""), ["192.0.2.1:15443"], leaves)
    assert not unmade.ok and "could not be made" in unmade.means


def test_a_cluster_that_may_call_no_other_calls_itself() -> None:
    assert call_pairs(FLEET, ["west", "east"]) == ([("west", "east"), ("east", "west")], [])
    assert call_pairs(FLEET, ["west"]) == ([("west", "west")], [])


def test_pairs_follow_the_peering_graph() -> None:
    hosts: dict[str, dict[str, t.Any]] = {"west": {"mesh_peers": ["east"]}, "east": {"mesh_peers": []}}
    fleet = read_fleet({name: {"cluster_provider": "kubeconfig", **more} for name, more in hosts.items()})
    assert call_pairs(fleet, hosts) == ([("west", "east"), ("east", "east")], [("east", "west")])


def test_probes_that_are_not_exported_stay_at_home_by_choice() -> None:
    variables = {"cluster_provider": "kubeconfig", "mesh_unexported_services": "own_cluster"}
    fleet = read_fleet({name: dict(variables) for name in ("west", "east")})
    own = [("west", "west"), ("east", "east")]
    assert call_pairs(fleet, ["west", "east"]) == (own, [("west", "east"), ("east", "west")])


def test_an_answer_without_a_cluster_is_an_answer() -> None:
    for ok in (True, False):
        answer = Answer(ok, 200, 1.0, "" if ok else "east", "")
        assert "answered 200" in judge_forbidden_call(("west", "east"), answer).seen


def test_what_was_measured_is_in_the_call() -> None:
    allowed = judge_call(
        FLEET, ("west", "east"), "probe-east", dataclasses.replace(GOOD, said="x"), identity="", clusters=(), path=""
    )
    assert allowed.said == "x"
    for call in (allowed, judge_forbidden_call(("west", "east"), GOOD)):
        assert (call.identity, call.status, call.latency_ms) == (GOOD.identity, 200, 12.0)


def test_the_programs_own_words_go_first() -> None:
    said = {"what": "a reset", "means": "a firewall", "next": "open it"}
    failed = Answer.from_probe({**NOWHERE, "problem": said}, "")
    call = judge_call(FLEET, ("west", "east"), "probe-east", failed, identity="", clusters=(), path="")
    assert (call.seen, call.means, call.next_step) == ("a reset", "a firewall", "open it")
    silent = Answer.from_probe({**NOWHERE, "text": ""}, "")
    assert (silent.said, silent.what, silent.made) == ("", "", True)
    call = judge_call(FLEET, ("west", "east"), "probe-east", silent, identity="", clusters=(), path="")
    assert call.seen == "status 503" and call.next_step == "run playbooks/site.yml with --limit west,east"
    proxys = Answer.from_probe(NOWHERE, "")
    assert (proxys.said, proxys.what) == ("no healthy upstream", "status 503: no healthy upstream")
    good = Answer.from_probe({**NOWHERE, "ok": True, "status": 200, "text": "hello"}, "")
    assert (good.said, good.what) == ("", "")
    unsaid = Answer.from_probe(None, "it ended")
    assert (unsaid.status, unsaid.made, unsaid.what) == (0, False, "it ended")


def test_identities_are_compared() -> None:
    other = dataclasses.replace(GOOD, identity="spiffe://other.mesh/ns/mesh-verify/sa/verify-probe")
    call = judge_call(
        FLEET, ("west", "east"), "probe-east", other, identity=GOOD.identity, clusters={"east"}, path="direct"
    )
    assert not call.ok
    assert call.seen.endswith(f"expected {GOOD.identity}")
    assert "trust domains differ" in call.means


def test_a_call_that_was_not_measured_has_no_status() -> None:
    call = Call("west", "east", "probe-east", True, False, "the program ended")
    assert (call.status, call.latency_ms, call.identity, call.path) == (0, 0.0, "", "")


def test_the_sample_says_who_it_is_in_one_object() -> None:
    assert sample_said('{"cluster": "west"}') == {"cluster": "west"}
    assert [sample_said(text) for text in ("", "no healthy upstream", '["west"]', "7")] == [None] * 4
