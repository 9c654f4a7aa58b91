# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verdicts: what is expected passes, each other outcome is named, and every number is one that was measured."""

from __future__ import annotations

import dataclasses
import re
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.calling import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import Cast, cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import (
    SCENES,
    Gone,
    Verdict,
    callers_of_trial,
    judge_ejection,
    judge_gone,
    judge_header,
    judge_start,
    judge_timeout,
    scene_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies

from ..fleets import SERVED, TWO, fleet

THREE: dict[str, dict[str, t.Any]] = {
    "west": {"mesh_network": "one", "cluster_region": "us"},
    "east": {"mesh_network": "two", "cluster_region": "eu"},
    "far": {"mesh_network": "one", "mesh_role": "remote", "mesh_primary": "west", "cluster_region": "us"},
}
PLACES = {"west": [("us", "a")], "east": [("eu", "a")], "far": [("us", "b")]}


@pytest.fixture
def cast() -> Cast:
    return cast_of(fleet(THREE), list(THREE)).placed(("us", "a"), PLACES)


def call(at: float, cluster: str = "west", status: int = 200, seconds: float = 0.01, **more: str) -> Call:
    return Call(at, seconds, status, cluster, more.get("version", "v1"), more.get("problem", ""), more.get("user", ""))


def said(verdict: Verdict) -> str:
    return "\n".join(verdict.lines)


@pytest.mark.parametrize("hosts", [TWO, SERVED, THREE], ids=["flat", "remote", "networks"])
@pytest.mark.parametrize("key", SCENES)
def test_the_policies_are_sound_on_every_fleet(key: str, hosts: dict[str, t.Any]) -> None:
    of = fleet(hosts)
    scene = scene_of(key, cast_of(of, list(hosts)))
    findings = lint(of, parse_policies([scene.policy], of.clusters))
    assert findings.problems == []


def test_the_texts_name_the_parts(cast: Cast) -> None:
    scenes = {key: scene_of(key, cast) for key in SCENES}
    assert "west" in scenes["ejection"].done and "far answers" in scenes["ejection"].expected
    assert "far answers, the nearest (in the callers' region)" in scenes["failover"].expected
    assert "v2, which runs in east only" in scenes["header"].expected
    assert callers_of_trial(cast) == ("west", "east", "far")


def test_at_the_start_everybody_answers(cast: Cast) -> None:
    found = {"west": [call(0, "west"), call(1, "east"), call(2, "far"), call(3, "far")]}
    verdict = judge_start(found, cast)
    assert verdict.ok
    assert re.findall(r"(\w+) [█ ▏▎▍▌▋▊▉]* +(\d+) %", said(verdict)) == [("west", "25"), ("east", "25"), ("far", "50")]


def test_a_silent_cluster_is_named_with_what_came_instead(cast: Cast) -> None:
    verdict = judge_start({"west": [call(0, "west"), call(1, "", 503, problem="no healthy upstream")]}, cast)
    assert not verdict.ok
    assert "no answer from east and far (2 calls; errors: 503: no healthy upstream (once))" in verdict.because


def test_of_clusters_behind_one_gateway_one_is_enough(cast: Cast) -> None:
    verdict = judge_start({"east": [call(0, "east"), call(1, "west")]}, cast)
    assert verdict.ok
    assert "share connections" in said(verdict)


def test_the_timeout_is_met() -> None:
    verdict = judge_timeout({"west": [call(0, "", 504, 1.0), call(0, "", 504, 1.02)], "east": [call(0, "", 504, 1.0)]})
    assert verdict.ok
    assert "2 of 2 calls: 504 after 1.00 to 1.02 s" in said(verdict)
    assert verdict.figures["west"]["seconds"] == [1.0, 1.02]


@pytest.mark.parametrize(
    ("other", "because"),
    [
        (call(0, "west", 200, 3.01), "200 after 3.01 s"),
        (call(0, "", 504, 3.0), "504 after 3.00 s"),
        (call(0, "", 504, 0.2), "504 after 0.20 s"),
        (call(0, "", 0, 15.0), "no answer after 15.00 s"),
    ],
)
def test_another_end_of_a_slow_call_is_named(other: Call, because: str) -> None:
    verdict = judge_timeout({"west": [call(0, "", 504, 1.0), other]})
    assert not verdict.ok
    assert verdict.because == f"west: 1 call otherwise: {because}"
    assert "1 of 2 calls" in said(verdict)


ERRORS = [call(float(at), "west", 500) for at in range(3)]
OTHERS = [call(3.0 + at, "far") for at in range(5)]
BACK = [call(10.0, "far"), call(13.5, "west")]


def eject(cast: Cast, **changed: t.Any) -> Verdict:
    given: dict[str, t.Any] = {
        "pods": 1, "broken": [*ERRORS, *OTHERS], "mended": BACK, "ended": True, "left_out": ["west's 10.0.0.1:8080"],
    }  # fmt: skip
    return judge_ejection(cast, **{**given, **changed})


def test_a_broken_producer_is_ejected_and_comes_back(cast: Cast) -> None:
    verdict = eject(cast)
    assert verdict.ok, verdict.because
    assert "3 of 8 calls: 500 from west (3 times)" in said(verdict)
    assert "left out west's 10.0.0.1:8080" in said(verdict)
    assert "west after 11.5 s" in said(verdict)
    assert verdict.figures["seconds_until_back"] == 11.5


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"broken": OTHERS}, "0 errors, not 3"),
        ({"broken": [*ERRORS, *ERRORS, *ERRORS[:1], *OTHERS]}, "7 errors, not 3"),
        ({"broken": [*ERRORS[:2], call(2, "far", 500), *OTHERS]}, "errors that are not west's"),
        ({"broken": [*ERRORS, call(3, "east"), *OTHERS]}, "east answered, though nearer ones were well"),
        ({"mended": [call(9, "far", 503), *BACK]}, "errors after it was left out: 503 from far (once)"),
        ({"left_out": []}, "names no pod that it left out"),
        ({"ended": False}, "did not come to where they were expected"),
    ],
)
def test_another_course_of_an_ejection_is_named(cast: Cast, changed: dict[str, t.Any], because: str) -> None:
    verdict = eject(cast, **changed)
    assert not verdict.ok
    assert because in verdict.because


GONE = Gone(
    before=[call(0.0, "west"), call(1.0, "west")],
    going=[call(2.0, "west"), call(2.5, "far"), call(3.0, "far", seconds=0.3)],
    back=[call(5.0, "far"), call(6.0, "west")],
    ended=True,
)


def test_the_nearest_takes_over_without_an_error(cast: Cast) -> None:
    verdict = judge_gone(cast, GONE)
    assert verdict.ok, verdict.because
    assert "7, 0 failed" in said(verdict)
    assert "far answered 0.50 s after the last answer of west" in said(verdict)
    assert "a call took 0.30 s" in said(verdict)
    assert verdict.figures["answered"] == {"west": 4, "far": 3}


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"going": [*GONE.going, call(4, "", 503)]}, "1 call failed"),
        ({"going": [*GONE.going, call(4, "east")]}, "east answered, though far is nearer"),
        ({"ended": False}, "did not come to where they were expected"),
    ],
)
def test_another_course_of_a_failover_is_named(cast: Cast, changed: dict[str, t.Any], because: str) -> None:
    verdict = judge_gone(cast, dataclasses.replace(GONE, **changed))
    assert not verdict.ok
    assert because in verdict.because


def by_header(**versions: str) -> list[Call]:
    found = {"ann": "v2", "bob": "v1", "": "v1", **versions}
    return [call(0, version=version, user=user) for user, version in found.items() for _number in range(2)]


def test_one_user_gets_version_2(cast: Cast) -> None:
    verdict = judge_header(cast, {"west": by_header(), "east": by_header()})
    assert verdict.ok
    assert verdict.lines[0] == "west  ann: v2 2 of 2   bob: v1 2 of 2   others: v1 2 of 2"


@pytest.mark.parametrize(
    ("versions", "because"),
    [({"ann": "v1"}, "west: ann not by v2 alone"), ({"bob": "v2"}, "west: bob not by v1 alone")],
)
def test_another_version_is_named(cast: Cast, versions: dict[str, str], because: str) -> None:
    verdict = judge_header(cast, {"west": by_header(**versions)})
    assert (verdict.ok, verdict.because) == (False, because)


def test_a_call_of_the_user_that_failed_is_named(cast: Cast) -> None:
    made = [*by_header(), call(0, "", 503, user="ann")]
    verdict = judge_header(cast, {"west": made})
    assert not verdict.ok
    assert "ann: v2 2 of 3, 503 1 of 3" in said(verdict)


def test_no_callers_prove_nothing(cast: Cast) -> None:
    assert not judge_header(cast, {}).ok
