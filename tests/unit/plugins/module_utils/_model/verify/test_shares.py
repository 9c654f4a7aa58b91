# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a sidecar's counts say of a policy."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import (
    Counts,
    Endpoint,
    Faults,
    ProxyRoute,
    upstream,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_plans import Series
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.shares import (
    Measurement,
    Retried,
    Seen,
    are_copies_due,
    is_settled,
    measure,
    route_of,
)
from tests.policies import REVIEWS

from .series import ALL, HOST, PODS, V1, V2, V3, Values, answers, only, planned


def counted(series: Series, v3: int, v1: int, v2: int, **more: t.Any) -> Measurement:
    counts = {V3: Counts(v3), V1: Counts(v1), V2: Counts(v2)}
    shown: Values = {"answers": (answers(v3 + v1 + v2),), "counts": counts, "endpoints": PODS}
    return measure(series, Seen(**{**shown, **more}))


def test_a_split_is_counted_by_its_subsets() -> None:
    series = only()
    assert (series.url, series.headers, series.count) == ("http://reviews.shop:8080/", (), 400)
    assert [(part.words, part.share, part.upstream) for part in series.parts] == [
        ("to east version=v3", 0.75, V3),
        ("to west version=v1", 0.15, V1),
        ("to west version=v2", 0.10, V2),
    ]
    found = counted(series, 301, 59, 40)
    assert [(share.count, share.of) for share in found.shares] == [(301, 400), (59, 400), (40, 400)]
    assert all(share.p > 0.1 and share.is_drawn for share in found.shares)
    other = counted(series, 240, 120, 40)
    assert [share.p < 1e-6 for share in other.shares] == [True, True, False]


def test_calls_to_anything_else_are_never_as_declared() -> None:
    found = counted(only(), 300, 60, 40, counts={V3: Counts(300), V1: Counts(60), V2: Counts(39), ALL: Counts(1)})
    assert (found.shares[-1].words, found.shares[-1].count, found.shares[-1].p) == ("to other pods", 1, 0.0)


def test_calls_that_no_pod_answered_count_where_they_were_to_go() -> None:
    down = answers(300, 503, False, text="no healthy upstream")
    found = counted(only(), 300, 60, 40, answers=(answers(100), down), endpoints={**PODS, V3: []})
    assert [share.count for share in found.shares] == [300, 60, 40]
    assert (found.failed, found.failure) == (300, "503 no healthy upstream")
    assert found.endpoints["to east version=v3"] == ()


def test_faults_and_copies_are_what_the_sidecar_counted() -> None:
    copied = {"labels": {"version": "v3"}, "share": 50}
    series = only(
        split=[{"weight": 100, "cluster": "west", "labels": {"version": "v1"}}],
        mirror=copied,
        fault={"abort": 503, "delay": "200ms", "share": 20},
    )
    mirror = series.parts[1].upstream
    assert mirror == upstream(8080, "v3", HOST)
    aborted = answers(80, 503, False, text="fault filter abort")
    found = measure(
        series,
        Seen(
            answers=(answers(320), aborted),
            counts={V1: Counts(320), mirror: Counts(160, copies=160)},
            faults=Faults(80, 90),
            endpoints=PODS,
        ),
    )
    assert [(share.words, share.count, share.of) for share in found.shares] == [
        ("to west version=v1", 320, 320),
        ("copied to version=v3", 160, 320),
        ("aborted with 503", 80, 400),
        ("delayed by 200ms", 90, 400),
    ]
    assert not found.failed, "what a fault aborts is no failed call"


def test_a_mirror_that_gets_a_part_of_the_calls_too() -> None:
    series = only(mirror={"cluster": "west", "labels": {"version": "v1"}})
    found = counted(series, 300, 0, 40, counts={V3: Counts(300), V1: Counts(460, copies=400), V2: Counts(40)})
    assert [share.count for share in found.shares] == [300, 60, 40, 400]
    assert found.shares[-1].p == 1.0


@pytest.mark.parametrize(
    ("share", "counts", "said"),
    [
        (100, Counts(399, 399, active=1), (399, 1, True)),
        (100, Counts(399, 399), (399, 0, False)),
        (100, Counts(401, 401, earlier=1), (400, 1, True)),
        (100, Counts(401, 401), (400, 0, True)),
        (100, Counts(0, 0, pending=3), (0, 3, False)),
        (50, Counts(140, 140, active=60), (140, 60, True)),
        (50, Counts(260, 260, earlier=60), (260, 60, True)),
        (50, Counts(140, 140, active=1), (140, 1, False)),
    ],
)
def test_a_copy_that_is_late_speaks_for_no_share(share: int, counts: Counts, said: tuple[int, int, bool]) -> None:
    series = only(split=None, mirror={"labels": {"version": "v3"}, "share": share})
    mirror = series.parts[0].upstream
    shown = Seen(answers=(answers(400),), counts={ALL: Counts(400), mirror: counts}, endpoints=PODS)
    (found,) = measure(series, shown).shares
    assert (found.count, found.late, max(found.p, found.p_late) > 0.1) == said
    assert found.of == 400


def test_copies_are_due_while_any_may_come() -> None:
    whole, half = (only(split=None, mirror={"labels": {"version": "v3"}, "share": share}) for share in (100, 50))
    for series, counts, due in (
        (whole, Counts(399, 399), True),
        (whole, Counts(400, 400), False),
        (whole, Counts(400, 400, active=1), True),
        (half, Counts(190, 190, pending=1), True),
        (half, Counts(190, 190), False),
    ):
        assert are_copies_due(series, {ALL: Counts(400), series.parts[0].upstream: counts}) is due
    assert not are_copies_due(only(), {V3: Counts(300, active=1)}), "nothing is copied"


def test_shares_of_regions_and_zones() -> None:
    series = only(split=None, localities={"us-west1/a": 30, "europe": 70})
    assert series.count == 400
    assert {part.upstream for part in series.parts} == {ALL}
    tries = {("us-west1", "a"): 119, ("europe", "x"): 200, ("europe", "y"): 80, ("us-west1", "b"): 1}
    found = counted(series, 0, 0, 0, answers=(answers(400),), counts={ALL: Counts(400)}, tries=tries)
    assert {share.words: share.count for share in found.shares} == {
        "to us-west1/a": 119,
        "to europe": 280,
        "to other regions": 1,
    }


def route(name: str = "all", **more: t.Any) -> ProxyRoute:
    return ProxyRoute(name, **{"timeout": 2000, "weights": ((V3, 75), (V1, 15), (V2, 10)), **more})


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ([route()], ()),
        ([route("from-west-all"), route("route-1", timeout=1)], ()),
        ([], ("no route of this policy",)),
        ([route("default")], ("no route of this policy",)),
        ([route(timeout=15_000)], ("timeout 15s, not 2s",)),
        ([route(weights=((V3, 60), (V1, 30), (V2, 10)))], ("the weights east-v3 60, west-v1 30, west-v2 10",)),
        ([route(weights=((ALL, 100),))], ("the weights all pods 100",)),
    ],
)
def test_the_route_is_compared(routes: list[ProxyRoute], said: tuple[str, ...]) -> None:
    series = only(timeout="2s")
    assert counted(series, 300, 60, 40, routes=tuple(routes)).differences == said
    assert is_settled(series, Seen(routes=tuple(routes), endpoints=PODS)) == (said == ())


def test_it_has_not_settled_before_each_part_has_a_pod() -> None:
    series = only(timeout="2s")
    ejected = {**PODS, V1: [Endpoint("10.0.0.1:80", "/failed_outlier_check")]}
    assert not is_settled(series, Seen(routes=(route(),), endpoints=ejected))
    assert not is_settled(series, Seen(routes=(route(),), endpoints={}))


def test_retries_are_compared_and_counted() -> None:
    series = only(split=None, retries={"attempts": 2, "per_try": "1s", "retry_on": ["reset", "5xx"]})
    with_them = ProxyRoute("all", attempts=2, per_try=1000, retry_on=frozenset({"5xx", "reset", "connect-failure"}))
    shown = {"answers": (answers(20),), "counts": {ALL: Counts(20, retries=3)}, "endpoints": PODS}
    found = measure(series, Seen(**shown, routes=(with_them,)))
    assert (found.differences, found.retries) == ((), Retried(2, 2, 3))
    other = dataclasses.replace(with_them, attempts=1, per_try=500, retry_on=frozenset({"reset"}))
    found = measure(series, Seen(**shown, routes=(other,)))
    assert found.differences == ("1 retries, not 2", "500ms for one try, not 1s", "no retries on 5xx")
    assert measure(series, Seen(**shown)).retries == Retried(2, None, 3)
    assert measure(only(), Seen(**shown)).retries == Retried(None, None, 3)
    assert counted(only(), 300, 60, 40).retries is None


def test_the_timeout_is_compared_with_the_slowest_call() -> None:
    series = only(timeout="2s")
    slow, ended = answers(3, ms=3100), answers(2, 504, False, ms=2003, text="upstream request timeout")
    found = counted(series, 300, 60, 45, answers=(answers(400), slow, ended))
    assert (found.timeout, found.timed_out, found.late, found.slowest, found.failed) == (2000, 2, 3, 3100, 0)
    assert counted(only(), 300, 60, 40, answers=(slow, ended)).failed == 2, "no timeout of ours ended them"
    held = only(timeout="2s", fault={"delay": "5s"})
    assert counted(held, 300, 60, 40, answers=(answers(400, ms=6900),)).late == 0


def test_an_answer_of_the_service_is_an_answer_whatever_it_says() -> None:
    found = counted(only(), 300, 60, 40, answers=(answers(200, 500), answers(100, 404), answers(100, 503)))
    assert found.failed == 0
    assert found.statuses == {"404": 100, "500": 200, "503": 100}
    mixed = counted(only(), 0, 0, 0, answers=(answers(2, 503), answers(3, 503, False), answers(1, 0, False)))
    assert mixed.statuses == {"503": 5, "no answer": 1} and mixed.failed == 4
    assert counted(only(), 0, 0, 0, answers=(answers(3, 0, False, text="refused"),)).failure == "no answer refused"


def test_a_sidecar_that_counts_nothing_proves_nothing() -> None:
    found = counted(only(), 0, 0, 0, answers=(answers(400),))
    assert (found.counted, found.shares) == (False, ())


def test_a_remotes_routes_are_named_by_their_callers() -> None:
    (base, first) = planned({**REVIEWS, "routes": [{"path": "/api/", "timeout": "1s"}]})[0]
    routes = [ProxyRoute("from-west-route-1"), ProxyRoute("from-west-route-11"), ProxyRoute("from-west-all")]
    assert [getattr(route_of(one, routes), "name", None) for one in (base, first)] == [
        "from-west-all",
        "from-west-route-1",
    ]
