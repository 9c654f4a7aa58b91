# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How policies are measured: what the probe and its sidecar are asked for, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import json
import time
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import COUNTED
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, OK, SKIPPED, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_checks import share_table
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.shares import Limits, Shares
from tests.policies import REVIEWS

FLEET = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})
HOST = "reviews.shop.svc.cluster.local"
SERVICE = {
    "kind": "Service",
    "metadata": {"name": "reviews", "namespace": "shop"},
    "spec": {"selector": {"app": "reviews"}, "ports": [{"name": "http", "port": 8080}]},
}
SPLIT = (("east-v3", 75), ("west-v1", 15), ("west-v2", 10))


class Pod:
    """A cluster with a probe, whose sidecar spreads calls by ``weights`` exactly, and has a route only after a time."""

    absent = False

    def __init__(
        self, weights: t.Sequence[tuple[str, int]] = SPLIT, later: int = 0, services: t.Sequence[t.Any] = (SERVICE,)
    ) -> None:
        self.weights, self.later, self.services = weights, later, services
        self.counts = dict.fromkeys((name for name, _weight in weights), 7)
        self.series: list[dict[str, t.Any]] = []
        self.pages: list[str] = []
        self.broken = ""

    async def list(self, _api: str, kind: str, namespace: str) -> t.Sequence[t.Any]:
        assert (kind, namespace) == ("Service", "shop")
        return self.services

    async def exec(self, namespace: str, pod: str, container: str, command: list[str], *, timeout: float) -> t.Any:
        assert (namespace, pod, timeout >= 30) == ("mesh-verify", "probe-x", True)
        if container == "istio-proxy":
            assert command[:3] == ["pilot-agent", "request", "GET"]
            return self.answer(self.page(command[3]))
        assert command[0] == "python3"
        given = json.loads(command[-1])
        self.series.append(given)
        for name, weight in self.weights:
            self.counts[name] += given["count"] * weight // 100
        return self.answer(json.dumps([{"status": 200, "answered": True, "text": "", "ms": [4.0] * given["count"]}]))

    def answer(self, text: str) -> t.Any:
        return types.SimpleNamespace(code=0, stdout=text, stderr="") if not self.broken else self.failed()

    def failed(self) -> t.Any:
        return types.SimpleNamespace(code=1, stdout="", stderr=self.broken)

    def page(self, path: str) -> str:
        self.pages.append(path)
        names = {name: f"outbound|8080|{name}|{HOST}" for name in self.counts}
        if path.startswith("stats"):
            return "".join(f"cluster.{names[n]};.upstream_rq_completed: {count}\n" for n, count in self.counts.items())
        if path == "clusters":
            return "".join(f"{name}::10.0.0.1:8080::health_flags::healthy\n" for name in names.values())
        self.later -= 1
        if self.later >= 0:
            return '{"configs": []}'
        several = [{"name": names[name], "weight": weight} for name, weight in self.weights]
        routes = [{"name": "all", "route": {"weighted_clusters": {"clusters": several}}}]
        hosts = [{"name": f"{HOST}:8080", "routes": routes}]
        return json.dumps({"configs": [{"route_config": {"virtual_hosts": hosts}}]})


def facts() -> dict[str, Facts]:
    return {name: Facts(name, probe="probe-x", sidecar=True) for name in FLEET.clusters}


def run(kubes: dict[str, Pod], *given: dict[str, t.Any], seconds: float = 5, **limits: t.Any) -> Shares:
    policies = parse_policies(list(given) or [REVIEWS], FLEET.clusters)
    until = time.monotonic() + seconds
    shares = Shares(
        FLEET, ["west", "east"], t.cast("t.Any", kubes), facts(), policies, limits=Limits(**limits), deadline=until
    )
    asyncio.run(shares.run())
    return shares


def test_a_policy_is_measured_from_its_callers() -> None:
    west, east = Pod(), Pod()
    shares = run({"west": west, "east": east})
    (found,) = shares.measured
    assert [(share.count, share.of) for share in found.shares] == [(300, 400), (60, 400), (40, 400)]
    assert {check.state for check in shares.checks} == {OK}
    assert (east.series, east.pages) == ([], [])
    (series,) = west.series
    assert series == {
        "url": "http://reviews.shop:8080/",
        "headers": {},
        "count": 400,
        "rate": 100.0,
        "side_by_side": 8,
        "timeout_ms": 10_000,
        "seconds": pytest.approx(60, abs=1),
    }
    assert share_table(shares.measured)[1].split()[:4] == ["reviews.shop", "west", "to", "east"]


def test_another_split_is_a_failed_check() -> None:
    shares = run({"west": Pod((("east-v3", 60), ("west-v1", 30), ("west-v2", 10))), "east": Pod()}, seconds=0)
    failed = {check.group: check for check in shares.checks if check.state == FAILED}
    assert set(failed) == {"policy", "policy's shares"}
    assert "--limit west" in failed["policy's shares"].next_step


def test_it_waits_for_the_route_and_measures_once() -> None:
    west = Pod(later=2)
    shares = run({"west": west, "east": Pod()})
    assert {check.state for check in shares.checks} == {OK}
    assert len(west.series) == 1
    assert sum(page.startswith("config_dump") for page in west.pages) == 3


def test_only_what_is_needed_is_asked_for() -> None:
    west = Pod()
    run({"west": west, "east": Pod()})
    stats = [page for page in west.pages if page.startswith("stats")]
    assert len(stats) == 2
    assert all(page.startswith("stats?usedonly&filter=") and "%5E" in page for page in stats)
    assert "config_dump?resource=dynamic_route_configs&name_regex=" in west.pages[0]
    assert COUNTED.startswith("^")


def test_a_service_gets_no_more_from_many_clusters() -> None:
    west, east = Pod(), Pod()
    run({"west": west, "east": east}, {**REVIEWS, "from": None}, rate=30, requests=100)
    assert [series["rate"] for pod in (west, east) for series in pod.series] == [15, 15]
    assert [series["count"] for pod in (west, east) for series in pod.series] == [100, 100]


def test_policies_of_one_service_share_its_rate() -> None:
    west, east = Pod(), Pod()
    others = [{**REVIEWS, "from": ["east"]}, {**REVIEWS, "service": "orders.shop", "from": None}]
    run({"west": west, "east": east}, REVIEWS, *others, rate=1, seconds=0)
    rates = [(series["url"], series["rate"]) for pod in (west, east) for series in pod.series]
    assert rates == [("http://reviews.shop:8080/", 0.5)] * 2
    west = Pod()
    copied = {**REVIEWS, "mirror": {"cluster": "west", "labels": {"version": "v1"}, "share": 25}}
    run({"west": west, "east": Pod()}, {**copied, "timeout": "100ms"}, rate=100, seconds=0)
    assert [series["rate"] for series in west.series] == [80], "copies are requests too"


class Serving(Pod):
    """Its sidecar has the routes, and no pod to send calls to: each call ends with 503."""

    async def exec(self, namespace: str, pod: str, container: str, command: list[str], *, timeout: float) -> t.Any:
        done = await super().exec(namespace, pod, container, command, timeout=timeout)
        if container == "istio-proxy":
            return done
        ended = {"status": 503, "answered": False, "text": "no healthy upstream", "ms": [1.0]}
        return self.answer(json.dumps([ended]))

    def page(self, path: str) -> str:
        return "" if path == "clusters" else super().page(path)


def test_only_policies_that_were_measured_count() -> None:
    orders = {**REVIEWS, "service": "orders.shop"}
    shares = run({"west": Pod(), "east": Pod()}, REVIEWS, orders)
    assert (shares.policies, shares.left) == (1, {"orders.shop from west": "no cluster has the service"})
    shares = run({"west": Serving(), "east": Pod()}, seconds=0)
    assert [check.state for check in shares.checks] == [SKIPPED]
    assert (shares.policies, shares.left) == (0, {"reviews.shop from west": "no pod serves it yet"})
    shares = run({"west": Serving(), "east": Pod()}, {**REVIEWS, "from": None}, seconds=0)
    assert (shares.policies, list(shares.left)) == (1, ["reviews.shop from west"]), "it was measured from east"


class Copying(Pod):
    """Each call is copied, and of the copies ``slow`` end only when the counters were read ``reads`` times after."""

    def __init__(self, slow: int, reads: int) -> None:
        super().__init__((("", 100),))
        self.slow, self.reads = slow, reads

    def page(self, path: str) -> str:
        if not (path.startswith("stats") and self.series):
            return super().page(path)
        self.reads -= 1
        under_way = self.slow if self.reads >= 0 else 0
        copies, name = self.series[0]["count"] - under_way, f"cluster.outbound|8080|v3|{HOST};."
        lines = (f"internal.upstream_rq_completed: {copies}", f"upstream_rq_completed: {copies}")
        more = "".join(f"{name}{line}\n" for line in (*lines, f"upstream_rq_active: {under_way}"))
        return super().page(path) + more


COPIED = {"service": "reviews.shop", "from": ["west"], "mirror": {"labels": {"version": "v3"}}}


def test_slow_copies_are_waited_for() -> None:
    shares = run({"west": Copying(slow=3, reads=4), "east": Pod()}, COPIED, seconds=0)
    (copied,) = shares.measured[0].shares
    assert (copied.count, copied.of, copied.late) == (20, 20, 0)
    assert [check.state for check in shares.checks if check.group == "policy's shares"] == [OK]


def test_copies_that_outlast_a_call_are_skipped() -> None:
    west = Copying(slow=3, reads=10**6)
    shares = run({"west": west, "east": Pod()}, {**COPIED, "timeout": "300ms"}, seconds=0)
    (copied,) = shares.measured[0].shares
    assert (copied.count, copied.of, copied.late) == (17, 20, 3)
    assert [check.state for check in shares.checks if check.group == "policy's shares"] == [SKIPPED]


def test_no_policies_ask_for_nothing() -> None:
    shares = Shares(FLEET, ["west"], {}, facts(), [], limits=Limits(), deadline=0)
    asyncio.run(shares.run())
    assert (shares.measured, shares.left, shares.checks) == ([], {}, [])


def test_what_there_is_no_time_for_is_named() -> None:
    west = Pod()
    policies = parse_policies([REVIEWS], FLEET.clusters)
    shares = Shares(
        FLEET, ["west"], t.cast("t.Any", {"west": west}), facts(), policies, limits=Limits(seconds=0), deadline=0
    )
    asyncio.run(shares.run())
    assert west.series == []
    assert shares.left == {"reviews.shop from west": "0 s were over (verify_requests_seconds)"}
    assert [(check.group, check.state) for check in shares.checks] == [("policy", "skipped")]


def test_the_ports_of_a_service_that_only_another_cluster_has() -> None:
    west = Pod(services=())
    assert len(run({"west": west, "east": Pod()}).measured) == 1
    shares = run({"west": Pod(services=()), "east": Pod(services=())})
    assert shares.left == {"reviews.shop from west": "no cluster has the service"}


def test_a_cluster_whose_probe_fails_leaves_the_others() -> None:
    west, east = Pod(), Pod()
    west.broken = "OCI runtime exec failed"
    shares = run({"west": west, "east": east}, {**REVIEWS, "from": None})
    assert [one.caller for one in shares.measured] == ["east"]
    (failed,) = [check for check in shares.checks if check.state == FAILED]
    assert (failed.name, failed.clusters) == ("west", ("west",))
    assert "OCI runtime exec failed" in failed.seen


def test_a_program_that_prints_no_json() -> None:
    class Silent(Pod):
        def answer(self, text: str) -> t.Any:
            return super().answer("" if text.startswith("[{") else text)

    shares = run({"west": Silent(), "east": Pod()})
    (failed,) = [check for check in shares.checks if check.state == FAILED]
    assert "the probe made no calls" in failed.seen
