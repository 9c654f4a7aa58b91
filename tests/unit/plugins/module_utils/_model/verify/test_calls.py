# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How calls are judged, and by which path they go."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import (
    Answer,
    expected_identity,
    judge_call,
    judge_forbidden_call,
    path_of,
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


def test_a_forbidden_call() -> None:
    answered = judge_forbidden_call(("west", "east"), GOOD)
    assert (answered.ok, answered.expected) == (False, False)
    assert "remote secret" in answered.means and "peering stage" in answered.next_step
    refused = judge_forbidden_call(("west", "east"), Answer.from_probe(None, ""))
    assert (refused.ok, refused.means, refused.seen) == (True, "", "0, as declared")
