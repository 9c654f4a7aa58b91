# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a call of a front door on a machine of the user's means, and which files that machine has."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.machine_calls import (
    Machine,
    judge_machine,
    not_by_pods,
    unreached,
    version_check,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import CONTROLLER, NameCall

MACHINE = Machine("192.0.2.4", "/state/front_door", ("west",))
CALL = NameCall("front door", CONTROLLER, "http://192.0.2.4/", "shop.example/", "web.shop", ("west",), by="files")
BY_PODS = dataclasses.replace(CALL, caller="west")


def said(text: str) -> Answer:
    return Answer(True, 200, 1.0, "", "", said=text)


def test_a_call_that_is_answered_says_who_did() -> None:
    ended = judge_machine(CALL, Answer(True, 200, 3.0, "west", ""), MACHINE)
    assert (ended.ok, ended.callee, ended.means) == (True, "west", "")


@pytest.mark.parametrize(
    ("answer", "means", "step"),
    [
        (Answer(False, 404, 3.0, "", ""), "has no route for it", "copy /state/front_door to /etc/front-door"),
        (Answer(False, 503, 3.0, "", "", said="no healthy upstream"), "does not reach them", "clusters.yaml"),
        (Answer(False, 500, 3.0, "", "", said="oops"), "web.shop itself", "log of web.shop"),
        (Answer(False, 0, 3.0, "", "", "certificate verify failed"), "shows a certificate", "copy"),
        (Answer(True, 200, 3.0, "east", ""), "leads to east", "front_door stage"),
    ],
)
def test_a_call_that_fails_says_what_to_do_on_the_machine(answer: Answer, means: str, step: str) -> None:
    ended = judge_machine(CALL, answer, MACHINE)
    assert not ended.ok and means in ended.means and step in ended.next_step
    assert ended.as_check().clusters == ("west",), "a cluster of the play fails"
    old = judge_machine(CALL, answer, dataclasses.replace(MACHINE, stale=True))
    assert "files of an earlier run" in old.means and "copy" in old.next_step


def test_a_machine_without_a_connection_is_named() -> None:
    check = unreached(MACHINE, 443, "Connection refused")
    assert (check.state, check.name, check.clusters) == ("failed", "192.0.2.4 port 443", ("west",))
    assert "Connection refused" in check.seen and "front_door_addresses" in check.next_step


def test_pods_need_not_reach_the_machine() -> None:
    nothing, blocked = Answer(False, 0, 0, "", "", "timed out"), Answer(False, 502, 1.0, "", "")
    for answer in (nothing, blocked):
        check = not_by_pods(BY_PODS, answer, MACHINE)
        assert check is not None and check.state == "skipped" and "pods of west" in check.seen
        assert not_by_pods(CALL, answer, MACHINE) is None, "this machine has to"
    assert not_by_pods(BY_PODS, Answer(False, 503, 1.0, "", ""), MACHINE) is None


def test_old_files_are_told_of_by_their_version() -> None:
    text = "mesh.fleet front door front-door 0123456789ab\n"
    assert version_check(MACHINE, "0123456789ab", said(text)).state == "ok"
    old = version_check(MACHINE, "ffffffffffff", said(text))
    assert (old.state, old.clusters) == ("failed", ("west",))
    assert "serves version 0123456789ab, the files are ffffffffffff" in old.seen
    assert "copy /state/front_door to /etc/front-door of 192.0.2.4" in old.next_step
    unknown = version_check(MACHINE, "", said(text))
    assert (unknown.state, unknown.seen) == ("skipped", "the files are not on this machine")
    for answer, why in ((Answer(True, 301, 1.0, "", ""), "redirects"), (said("welcome"), "status 200")):
        other = version_check(MACHINE, "ffffffffffff", answer)
        assert other.state == "skipped" and why in other.seen
