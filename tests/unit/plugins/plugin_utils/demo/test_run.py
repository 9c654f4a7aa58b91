# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of a walk-through, with clusters that only note what is asked of them, and calls that are played."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.calling import Call, Order
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.objects import POLICIES
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import SCENES, TIMEOUT
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.demo import run as runs
from ansible_collections.mesh.fleet.plugins.plugin_utils.demo.run import DemoRun, Options

FLEET = read_fleet({name: {"cluster_provider": "kubeconfig", "fleet_name": "walks"} for name in ("west", "east")})


class World:
    """All that happens, in its order; ``fails`` raises where it is asked."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.broken = self.gone = self.mended = False
        self.at = 0.0
        self.fails = ""
        self.slow = TIMEOUT

    def note(self, what: str) -> None:
        self.happened.append(what)
        if what == self.fails:
            raise FleetError("it failed", cluster=what.split()[0])

    def call(self, cluster: str, status: int = 200, version: str = "v1", user: str = "", seconds: float = 0.1) -> Call:
        self.at += 1
        return Call(self.at, seconds, status, cluster, version, "", user)


class Played:
    """A cluster's part, as ``Stage``."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name

    async def refuse_others(self) -> None:
        self.world.note(f"{self.name} refuse_others")

    async def clear(self, *, dry_run: bool = False) -> tuple[list[t.Any], list[str]]:
        self.world.note(f"{self.name} clear")
        return [], []

    async def build(self, _cast: t.Any) -> None:
        self.world.note(f"{self.name} build")

    async def places(self, _app: str) -> list[tuple[str, str]]:
        return [(self.name, "a")]

    async def producers(self) -> dict[str, str]:
        return {"pod": "10.0.0.1"}

    async def ejected(self) -> list[str]:
        return ["10.0.0.1:8080"]

    async def send(self, pods: t.Iterable[str], name: str) -> None:
        self.world.note(f"{self.name} {name} {','.join(pods)}")
        self.world.broken, self.world.mended = name == "SIGUSR1", name == "SIGUSR2"

    async def await_calls(self) -> None:
        self.world.note(f"{self.name} gets calls")

    async def scale(self, _cast: t.Any, producers: int) -> None:
        self.world.note(f"{self.name} scale {producers}")
        self.world.gone = not producers

    async def call(self, order: Order) -> tuple[list[Call], bool]:
        world = self.world
        if order.delay:
            return [world.call("", 504, seconds=world.slow) for _number in range(order.count)], True
        if order.count:
            users = [headers.get("x-user", "") for headers in order.headers]
            return [world.call("west", version="v2" if u == "ann" else "v1", user=u) for u in users], True
        errors = [world.call("west", 500) for _number in range(3)] if world.broken else []
        first = [world.call("west")] if order.seen else []
        return [*errors, *first, *(world.call(name) for name in order.by)], True


class Applied:
    """What applies policies, as ``TrafficRun``."""

    world: World

    def __init__(self, fleet: t.Any, play: t.Sequence[str], policies: t.Sequence[t.Any], *, part: str, **_more: t.Any):
        assert list(fleet.clusters) == ["west", "east"], "no other is read or asked for what the policies need"
        assert (tuple(play), part) == (("west", "east"), POLICIES)
        self.failures: dict[str, list[FleetError]] = {}
        self.said = f"policy {policies[0].rules.timeout} {bool(policies[0].rules.breaker)}"

    async def run(self) -> None:
        self.world.note(self.said)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()

    async def connect(_stack: t.Any, clusters: t.Iterable[t.Any], *, absent_ok: bool) -> tuple[t.Any, t.Any]:
        return {cluster.name: None for cluster in clusters}, {}

    monkeypatch.setattr(runs, "connect_each", connect)
    monkeypatch.setattr(Applied, "world", found, raising=False)
    monkeypatch.setattr(runs, "TrafficRun", Applied)
    monkeypatch.setattr(DemoRun, "stage_of", lambda _self, name, _kube: Played(found, name))
    return found


def play(scenes: t.Iterable[str] = tuple(SCENES), fleet: t.Any = FLEET) -> tuple[DemoRun, list[str]]:
    said: list[str] = []
    cast = cast_of(fleet, list(FLEET.clusters))
    run = DemoRun(
        fleet,
        [fleet.clusters[name] for name in cast.clusters],
        cast,
        Options({}, "x", tuple(scenes), 1),
        say=said.append,
    )
    asyncio.run(run.run())
    return run, said


def test_all_scenes_are_played_in_their_order(world: World) -> None:
    run, said = play()
    assert run.errors == {}
    assert list(run.verdicts) == ["start", *SCENES]
    assert all(verdict.ok for _scene, verdict in run.verdicts.values())
    assert [one for one in world.happened if "policy" in one] == [
        "policy 1000 False",
        "policy 0 True",
        "policy 10000 True",
        "policy 0 False",
    ]
    assert "5 of 5 measured as expected" in "\n".join(said)


def test_a_cluster_that_limit_leaves_out_has_no_part(world: World) -> None:
    hosts = {name: {"cluster_provider": "kubeconfig", "fleet_name": "walks"} for name in ("west", "east", "far")}
    run, _said = play(fleet=read_fleet(hosts))
    assert run.errors == {}
    assert list(run.verdicts) == ["start", *SCENES]


def test_it_begins_and_ends_with_nothing(world: World) -> None:
    play(["timeout"])
    both = ["west clear", "east clear"]
    assert world.happened[:4] == ["west refuse_others", "east refuse_others", *both]
    assert world.happened[-2:] == both


def test_a_producer_breaks_after_the_policy_and_is_mended(world: World) -> None:
    play(["ejection"])
    scene = world.happened[world.happened.index("policy 0 True") :]
    assert scene[1:3] == ["west SIGUSR1 pod", "west SIGUSR2 pod"]


def test_pods_go_only_when_calls_are_under_way(world: World) -> None:
    play(["failover"])
    scene = world.happened[world.happened.index("policy 10000 True") :]
    assert scene[1:4] == ["west gets calls", "west scale 0", "west scale 1"]


def test_what_is_not_as_expected_stops_no_other_scene(world: World) -> None:
    world.slow = 3.0
    run, _said = play(["timeout", "header"])
    assert [verdict.ok for _scene, verdict in run.verdicts.values()] == [True, False, True]
    (error,) = run.errors["west"]
    assert "504 after 3.00 s" in error.seen
    assert "demo_scenes: [timeout]" in error.next_step
    assert world.happened[-1] == "east clear"


@pytest.mark.parametrize("fails", ["east build", "policy 0 True", "west SIGUSR1 pod", "west scale 0"])
def test_whatever_fails_nothing_is_left(world: World, fails: str) -> None:
    world.fails = fails
    run, said = play()
    assert [error.what for errors in run.errors.values() for error in errors] == ["it failed"]
    assert world.happened[-2:] == ["west clear", "east clear"]
    assert "nothing is left" not in "\n".join(said)


def test_what_could_not_be_removed_is_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _said = play(["timeout"])
    assert run.unclear == []

    async def fails(_self: Played, *, dry_run: bool = False) -> t.NoReturn:
        raise FleetError("it stays", cluster="east")

    monkeypatch.setattr(
        DemoRun,
        "stage_of",
        lambda _self, name, _kube: type("Kept", (Played,), {"clear": fails} if name == "east" else {})(world, name),
    )
    asyncio.run(run.remove(dry_run=False))
    assert run.unclear == ["east"]


def test_what_is_refused_is_not_cleared(world: World) -> None:
    world.fails = "east refuse_others"
    run, _said = play()
    assert run.unclear is None
    assert list(run.errors) == ["east"]
    assert world.happened == ["west refuse_others", "east refuse_others"]
