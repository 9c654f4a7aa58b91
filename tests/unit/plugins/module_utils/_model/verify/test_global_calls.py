# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Global names: who must answer a caller, who must not, and what proves it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import read_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import SKIPPED, Check
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.global_calls import (
    GLOBAL,
    GlobalCall,
    Served,
    global_calls,
    judge_global,
)

HOSTS: dict[str, dict[str, t.Any]] = {
    "west": {"cluster_region": "us-west1", "mesh_peers": ["east"]},
    "east": {"cluster_region": "us-east1", "mesh_peers": ["west"]},
    "north": {"cluster_region": "europe-north1", "mesh_peers": ["west"]},
}
FLEET = read_fleet(HOSTS)
HTTP = (Port(9000, "tcp"), Port(8080, "http"))
WEB = ("web", "shop")


def planned(
    *ready: str, ports: tuple[Port, ...] = HTTP, unread: t.Sequence[str] = (), **policy: t.Any
) -> tuple[list[GlobalCall], list[Check]]:
    policies, problems = read_policies([{"service": "web.shop", "global": True, **policy}], FLEET.clusters)
    assert problems == []
    return global_calls(FLEET, policies, {WEB: Served(ready, ports)}, list(HOSTS), unread)


def test_each_cluster_is_answered_by_those_that_it_may_call() -> None:
    calls, skipped = planned("east", "north")
    assert skipped == []
    assert {call.caller: call.may_answer for call in calls} == {
        "west": ("east",),
        "east": ("east",),
        "north": ("north",),
    }
    assert {call.url for call in calls} == {"http://web.shop.global:8080/"}


def test_where_a_caller_may_call_none_of_them_nobody_may_answer() -> None:
    calls, skipped = planned("north")
    assert {call.caller: call.may_answer for call in calls} == {"west": (), "east": (), "north": ("north",)}
    assert skipped == []
    # What runs in a cluster that was not read might be what they may call.
    calls, skipped = planned("north", unread=["east"])
    assert [call.caller for call in calls] == ["north"]
    assert [(check.name, check.state) for check in skipped] == [
        (f"{name} → web.shop.global", SKIPPED) for name in ("west", "east")
    ]
    assert "east could not be read" in skipped[0].seen


@pytest.mark.parametrize(
    ("ready", "more", "why"),
    [
        ((), {}, "no pod of it is ready"),
        (("west",), {"ports": HTTP[:1]}, "none of its ports says that it speaks HTTP"),
        (("west",), {"fault": {"abort": 503}}, "a fault of its policy answers calls itself"),
    ],
)
def test_what_is_not_called_is_named(ready: tuple[str, ...], more: dict[str, t.Any], why: str) -> None:
    _calls, skipped = planned(*ready, **more)
    assert why in {check.name: check.seen for check in skipped}["west → web.shop.global"]


def test_path_and_port_are_those_by_which_a_policy_is_measured() -> None:
    calls, _skipped = planned("west", verify={"path": "/health", "port": 9000})
    assert calls[0].url == "http://web.shop.global:9000/health"


MAY = GlobalCall("west", "web.shop.global", "http://web.shop.global:8080/", ("east",))
MAY_NOT = GlobalCall("west", "web.shop.global", "http://web.shop.global:8080/", ())
NOWHERE = "no healthy upstream"


def answer(status: int, cluster: str = "", said: str = "", *, made: bool = True) -> Answer:
    ok = 200 <= status < 400
    return Answer(ok, status, 12.0, cluster, "", "" if ok else f"status {status}: {said}", said=said, made=made)


def test_an_answer_says_which_cluster_gave_it() -> None:
    call = judge_global(MAY, answer(200, "east"))
    assert (call.ok, call.expected, call.callee, call.service, call.path) == (
        True, True, "east", "web.shop.global", GLOBAL,
    )  # fmt: skip
    assert call.seen == "200 from east in 12 ms"
    for status in (404, 500, 503):
        assert judge_global(MAY, answer(status, said="our database is away")).ok, "what it answers is its own affair"
    foreign = judge_global(MAY, answer(200, "north"))
    assert not foreign.ok and "expected east" in foreign.seen and "may not call north" in foreign.means


@pytest.mark.parametrize(
    ("found", "means"),
    [
        (answer(503, said=NOWHERE), "no pod of east"),
        (answer(0, said="web.shop.global could not be resolved"), "does not know the name"),
        (answer(503, said="upstream connect error or disconnect/reset before headers"), "answered in time"),
        (answer(504, said="upstream request timeout"), "answered in time"),
        (answer(0, said="no answer in 3 s"), "answered in time"),
        (answer(0, made=False), "could not be made"),
    ],
)
def test_without_an_answer_the_cause_is_named(found: Answer, means: str) -> None:
    call = judge_global(MAY, found)
    assert not call.ok and means in call.means and call.next_step


@pytest.mark.parametrize(
    ("found", "proves"),
    [
        (answer(503, said=NOWHERE), True),
        (answer(0, said="web.shop.global could not be resolved"), True),
        (answer(200, "north"), False),
        (answer(200), False),
        (answer(500, "north", "a pod answered"), False),
        # A pod that is known and not reached; a service's own error; a broken network; a command that did not run.
        (answer(503, said="upstream connect error: connection timeout"), False),
        (answer(404, said="not here"), False),
        (answer(0, said="no answer in 3 s"), False),
        (answer(0, made=False), False),
    ],
)
def test_only_the_sidecars_word_proves_that_nobody_answers(found: Answer, proves: bool) -> None:
    call = judge_global(MAY_NOT, found)
    assert (call.ok, call.expected) == (proves, False)
    assert bool(call.next_step) is not proves
    assert ("one answered all the same" in call.means) == (found.ok or bool(found.cluster))
    assert call.as_check().group == "no call"
