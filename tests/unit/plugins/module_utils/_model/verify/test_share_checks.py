# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What measured policies prove, and how it is told."""

from __future__ import annotations

import dataclasses
import json

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import Endpoint
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.binomial import p_value
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, OK, SKIPPED, Check
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_checks import (
    number_of_tests,
    share_checks,
    share_table,
    shares_document,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.shares import Measurement, Retried, Share

POD, EJECTED = Endpoint("10.0.0.1:8080"), Endpoint("10.0.0.2:8080", "/failed_outlier_check")


def share(words: str, declared: float, count: int, of: int = 400, kind: str = "split") -> Share:
    return Share(kind, words, declared, count, of, p_value(count, of, declared))


GOOD = Measurement(
    policy="reviews.shop from west",
    entry="mesh_traffic[0]",
    route=0,
    caller="west",
    name="reviews.shop from west",
    calls=400,
    shares=(share("to east", 0.75, 301), share("to west", 0.25, 99)),
    timeout=2000,
    proxy_timeout=2000,
    slowest=31.2,
    retries=Retried(2, 2, 0),
    endpoints={"to east": (POD,), "to west": (POD, EJECTED)},
)
OTHER = dataclasses.replace(GOOD, shares=(share("to east", 0.75, 240), share("to west", 0.25, 160)))


def only(checks: list[Check], state: str) -> list[tuple[str, str]]:
    return [(check.group, check.seen) for check in checks if check.state == state]


def test_a_policy_that_holds() -> None:
    checks = share_checks([GOOD], {})
    assert {check.state for check in checks} == {OK}
    assert {check.name for check in checks} == {"reviews.shop from west"}
    assert {check.group: check.seen for check in checks} == {
        "policy": "as declared",
        "policy's answers": "all of 400 calls",
        "policy's pods": "to east: 1 healthy; to west: 1 healthy, 1 ejected",
        "policy's shares": "to east 301 of 400 calls (75.2 %), declared 75 %; to west 99 of 400 calls (24.8 %), "
        "declared 25 % (exact binomial test, two-sided, with Bonferroni's correction, α 0.001 over 2 tests)",
        "policy's timeout": "2s; the slowest call took 31 ms",
    }


def test_another_split_fails_its_callers_cluster() -> None:
    (failed,) = [check for check in share_checks([OTHER], {"west": "hub"}) if check.state == FAILED]
    assert (failed.group, failed.clusters) == ("policy's shares", ("west",))
    assert failed.seen.startswith("to east 240 of 400 calls (60 %), declared 75 %, p ")
    assert failed.means == "calls from west are not spread as the policy says"
    assert failed.next_step.startswith("run the traffic stage with --limit hub, then verify again")


def test_the_level_is_of_all_tests_of_the_run() -> None:
    # One of 2,000 right shares is that far out by chance.
    odd = dataclasses.replace(GOOD, shares=(share("to east", 0.75, 266),))
    assert 0.00005 < odd.shares[0].p < 0.0005
    assert only(share_checks([odd], {}), FAILED)
    many = [dataclasses.replace(GOOD, name=f"p{n}") for n in range(20)]
    assert number_of_tests([odd, *many]) == 41
    assert not only(share_checks([odd, *many], {}), FAILED)
    certain = dataclasses.replace(GOOD, shares=(share("to east", 1.0, 400),))
    assert number_of_tests([certain]) == 0


def test_what_else_fails() -> None:
    def failed(**changes: object) -> list[tuple[str, str]]:
        return only(share_checks([dataclasses.replace(GOOD, **changes)], {}), FAILED)  # type: ignore[arg-type]

    assert failed(differences=("no route of this policy",)) == [("policy", "no route of this policy")]
    assert failed(failed=3, failure="503 no healthy upstream") == [
        ("policy's answers", "3 of 400 calls got no answer of the service: 503 no healthy upstream")
    ]
    assert failed(endpoints={"to east": (POD,), "to west": (EJECTED,)}) == [("policy's pods", "to west: 1 ejected")]
    assert failed(endpoints={"to east": (POD,), "to west": ()}) == [("policy's pods", "to west: none")]
    assert failed(late=5, slowest=9000.0) == [("policy's timeout", "5 of 400 calls took longer than 2s, up to 9000 ms")]
    assert failed(late=4) == [], "a caller that was busy for a moment"
    copied = share("copied to v3", 0.5, 10, kind="mirror")
    checks = share_checks([dataclasses.replace(GOOD, shares=(copied,))], {})
    assert [check.means for check in checks if check.state == FAILED] == [
        "not as many calls are copied, delayed or aborted as the policy says"
    ]


def test_what_proves_nothing_is_skipped() -> None:
    uncounted = dataclasses.replace(GOOD, counted=False, shares=())
    assert only(share_checks([uncounted], {}), SKIPPED) == [
        ("policy's shares", "the probe's sidecar does not count its calls")
    ]
    before = dataclasses.replace(GOOD, shares=(), failed=400, endpoints={"to east": (), "to west": ()})
    assert [(check.group, check.state) for check in share_checks([before], {})] == [("policy", SKIPPED)]
    wrong = dataclasses.replace(before, differences=("no route of this policy",))
    assert ("policy", "no route of this policy") in only(share_checks([wrong], {}), FAILED)


def test_a_service_that_answers_errors_alone_is_shown() -> None:
    broken = dataclasses.replace(GOOD, statuses={"503": 400})
    seen = {check.group: check.seen for check in share_checks([broken], {})}
    assert seen["policy's answers"] == "all of 400 calls (503: 400)"
    (row,) = [" ".join(line.split()) for line in share_table([broken]) if "2xx" in line]
    assert row == "status 2xx 0 % 503: 400"
    assert shares_document([broken], {})["measured"][0]["statuses"] == {"503": 400}
    fine = dataclasses.replace(GOOD, statuses={"200": 399, "204": 1})
    assert "2xx" not in "".join(share_table([fine]))
    failing = dataclasses.replace(GOOD, failed=1, failure="no answer", statuses={"200": 399, "no answer": 1})
    (failed,) = only(share_checks([failing], {}), FAILED)
    assert failed[1] == "1 of 400 calls got no answer of the service: no answer (200: 399, no answer: 1)"


def test_copies_under_way_are_skipped_and_never_fail() -> None:
    copied = dataclasses.replace(share("copied to v3", 1.0, 399, kind="mirror"), late=1, p_late=1.0)
    waiting = dataclasses.replace(GOOD, shares=(copied,))
    checks = share_checks([waiting], {})
    assert only(checks, FAILED) == []
    assert only(checks, SKIPPED) == [
        ("policy's shares", "copies not answered yet: copied to v3 399 of 400 calls, 1 under way")
    ]
    assert "399 of 400 calls, copies not answered yet" in share_table([waiting])[1]
    lost = dataclasses.replace(GOOD, shares=(dataclasses.replace(copied, p_late=0.0),))
    assert [group for group, _seen in only(share_checks([lost], {}), FAILED)] == ["policy's shares"]


def test_nothing_of_nothing_proves_nothing() -> None:
    none = dataclasses.replace(GOOD, calls=0, shares=(share("to east", 0.75, 0, 0),), statuses={})
    checks = {check.group: (check.state, check.seen) for check in share_checks([none], {})}
    assert checks["policy's answers"] == (SKIPPED, "no call was made")
    assert {group for group, (state, _seen) in checks.items() if state == OK} == {"policy", "policy's pods"}
    wrong = dataclasses.replace(none, endpoints={}, differences=("no route of this policy",))
    assert ("policy", "no route of this policy") in only(share_checks([wrong], {}), FAILED)
    aborted = share("aborted with 503", 1.0, 400, kind="abort")
    partly = dataclasses.replace(GOOD, shares=(share("to east", 0.75, 0, 0), share("to west", 0.25, 0, 0), aborted))
    shares = [(c.state, c.seen) for c in share_checks([partly], {}) if c.group == "policy's shares"]
    assert shares[0][0] == OK and shares[0][1].startswith("aborted with 503 400 of 400 calls (100 %), declared 100 % (")
    assert shares[1:] == [(SKIPPED, "no call came so far that it is counted: to east, to west")]


def test_the_table() -> None:
    first = dataclasses.replace(
        GOOD, route=1, name="reviews.shop route 1 from west", shares=(), calls=20, failed=1, retries=None, timed_out=2
    )
    lines = share_table([OTHER, first])
    plain = [" ".join(line.split()) for line in lines]
    assert plain[0] == "policy from calls declared measured"
    assert plain[1] == "reviews.shop west to east 75 % 60 % 240 of 400 calls, not as declared"
    assert plain[2] == "to west 25 % 40 % 160 of 400 calls, not as declared"
    assert plain[3] == "timeout 2s 2s slowest 31 ms, 0 ended by it"
    assert plain[4] == "retries 2 2 0 seen"
    assert plain[5] == "pods 1 healthy, 1 ejected"
    assert plain[6] == "reviews.shop route 1 west answered 100 % 95 % 19 of 20 calls"
    assert plain[7] == "timeout 2s 2s slowest 31 ms, 2 ended by it"
    assert lines[-1] == "exact binomial test, two-sided, with Bonferroni's correction: α 0.001 over 2 tests"
    assert share_table([]) == []


def test_the_document() -> None:
    document = shares_document([GOOD], {"orders.shop from west": "no cluster has the service"})
    assert json.loads(json.dumps(document)) == document | json.loads(json.dumps(document))
    assert (document["alpha"], document["tests"], document["level"]) == (0.001, 2, 0.0005)
    (one,) = document["measured"]
    assert [(s["words"], s["declared"], s["count"], s["of"]) for s in one["shares"]] == [
        ("to east", 0.75, 301, 400),
        ("to west", 0.25, 99, 400),
    ]
    assert one["endpoints"]["to west"][1]["health"] == "/failed_outlier_check"
    assert document["not_measured"] == {"orders.shop from west": "no cluster has the service"}
