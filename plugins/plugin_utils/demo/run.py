# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The walk-through: build, play the scenes, and leave everything as it was, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.calling import Call, Order
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import Cast
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.objects import (
    CALLER,
    NAMESPACE,
    POLICIES,
    PRODUCER,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import (
    CALLS,
    DELAY,
    HEADER,
    USERS,
    Gone,
    Scene,
    Verdict,
    callers_of_trial,
    judge_ejection,
    judge_gone,
    judge_header,
    judge_start,
    judge_timeout,
    scene_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.text import (
    ending,
    opening,
    scene_begin,
    scene_end,
    start_lines,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.demo.stage import Stage
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import checked_policies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.run import TrafficRun

__all__ = ["DemoRun", "Options"]

_T = t.TypeVar("_T")
_LONG, _SHORT = 20, 10
"""Calls in a row after which it counts that others answer."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What a run plays, and with what; times in seconds."""

    program: t.Mapping[str, str]
    image: str
    scenes: tuple[str, ...]
    timeout: float = 120


class Failed(Exception):
    """Some clusters failed, so that no further scene can be played."""

    def __init__(self, errors: t.Mapping[str, FleetError]) -> None:
        super().__init__()
        self.errors = dict(errors)


class DemoRun:
    """One run of the walk-through.

    Args:
        clusters: those of the run.
        cast: their parts; None to remove only.
        say: prints a line at once.
    """

    def __init__(
        self,
        fleet: Fleet,
        clusters: t.Sequence[Cluster],
        cast: Cast | None,
        options: Options,
        *,
        say: t.Callable[[str], None],
    ) -> None:
        self.fleet, self.clusters, self.options, self.say = fleet, clusters, options, say
        self._cast = cast
        self.stages: dict[str, Stage] = {}
        self.verdicts: dict[str, tuple[Scene | None, Verdict]] = {}
        """By key of each scene that was played, and "start"."""
        self.errors: dict[str, list[FleetError]] = {}
        self.kept: dict[str, list[str]] = {}
        """By cluster what others put into the namespace, so that it stayed."""
        self.unclear: list[str] | None = None
        """The clusters in which not all is known to be removed; None if it did not come to that."""
        self.changes: list[Change] = []
        """What :meth:`remove` removed."""

    @property
    def cast(self) -> Cast:
        """The parts of the clusters. Raises ValueError in a run that only removes."""
        if self._cast is None:
            raise ValueError("no parts were given out")
        return self._cast

    async def run(self) -> None:
        """Play all scenes; ``errors`` has what failed, ``verdicts`` what was measured."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self._connect(stack)
                self._must(await on_each(self.stages, lambda name: self.stages[name].refuse_others()))
                try:
                    await self._play()
                finally:
                    await self._leave()
            except Failed as failed:
                self._note(failed.errors)
            except FleetError as error:
                self._note({error.cluster or self.cast.home: error})
        self.say("")
        for line in ending([verdict for _scene, verdict in self.verdicts.values()], self.kept, bool(self.errors)):
            self.say(line)

    async def remove(self, *, dry_run: bool, absent_ok: t.Container[str] = ()) -> None:
        """Remove what an earlier run left because it was killed; ``absent_ok``: clusters that may not exist."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self._connect(stack, absent_ok)
            except Failed as failed:
                self._note(failed.errors)
            await self._clear(dry_run=dry_run)

    def stage_of(self, name: str, kube: Kube) -> Stage:
        """A cluster's part, by its client."""
        options = self.options
        return Stage(
            kube,
            self.fleet,
            self.fleet.clusters[name],
            program=options.program,
            image=options.image,
            timeout=options.timeout,
        )

    def _note(self, errors: t.Mapping[str, FleetError]) -> None:
        for name, error in errors.items():
            self.errors.setdefault(name, []).append(error)

    @staticmethod
    def _must(outcome: tuple[dict[str, _T], dict[str, FleetError]]) -> dict[str, _T]:
        done, failed = outcome
        if failed:
            raise Failed(failed)
        return done

    async def _connect(self, stack: contextlib.AsyncExitStack, absent_ok: t.Container[str] = ()) -> None:
        kubes: dict[str, Kube] = {}
        failed: dict[str, FleetError] = {}
        for may_be_absent in (True, False):
            some = [one for one in self.clusters if (one.name in absent_ok) is may_be_absent]
            found, silent = await connect_each(stack, some, absent_ok=may_be_absent)
            kubes, failed = {**kubes, **found}, {**failed, **silent}
        self.stages = {name: self.stage_of(name, kube) for name, kube in kubes.items()}
        if failed:
            raise Failed(failed)

    async def _leave(self) -> None:
        """Clear, also if the run was cancelled, and whatever is asked meanwhile."""
        clearing = asyncio.ensure_future(self._clear())
        while not clearing.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(clearing)

    async def _clear(self, *, dry_run: bool = False) -> None:
        done, failed = await on_each(self.stages, lambda name: self.stages[name].clear(dry_run=dry_run))
        self.unclear = [one.name for one in self.clusters if one.name not in done]
        self.kept = {name: kept for name, (_changes, kept) in done.items() if kept}
        self.changes = [change for changes, _kept in done.values() for change in changes]
        self._note(failed)

    async def _play(self) -> None:
        # What is left of a run that was killed may be broken, or scaled to nothing.
        self._must(await on_each(self.stages, lambda name: self.stages[name].clear()))
        for line in opening(self.fleet.name, self.cast):
            self.say(line)
        self._must(await on_each(self.stages, lambda name: self.stages[name].build(self.cast)))
        places = self._must(await on_each(self.stages, lambda name: self.stages[name].places(PRODUCER)))
        callers = await self._home(lambda stage: stage.places(CALLER))
        reached = {name: found for name, found in places.items() if name in self.cast.reach[self.cast.home]}
        self._cast = self.cast.placed(callers[0], reached)
        if not await self._start():
            return
        played = {
            "timeout": self._timeout,
            "ejection": self._ejection,
            "failover": self._failover,
            "header": self._header,
        }
        for number, key in enumerate(self.options.scenes, 1):
            scene = scene_of(key, self.cast)
            for line in scene_begin(number, scene):
                self.say(line)
            await self._apply([scene.policy])
            verdict = await played[key]()
            self.verdicts[key] = scene, verdict
            for line in scene_end(verdict):
                self.say(line)
            if not verdict.ok:
                self._note({self.cast.home: self._otherwise(scene, verdict)})

    @staticmethod
    def _otherwise(scene: Scene, verdict: Verdict) -> FleetError:
        return FleetError(
            f"the scene {scene.key} did not come as expected",
            obj=f"Service {NAMESPACE}/{PRODUCER}",
            seen=verdict.because,
            means=f"expected was: {scene.expected}",
            next_step=f"play it alone: -e '{{demo_scenes: [{scene.key}]}}'; run mesh.fleet.verify for the mesh itself",
        )

    async def _home(self, work: t.Callable[[Stage], t.Awaitable[_T]]) -> _T:
        home = self.cast.home
        return self._must(await on_each([home], lambda name: work(self.stages[name])))[home]

    async def _apply(self, given: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        """Put policies in the place of those of the scene before, and wait until the callers' proxies have them."""
        seconds, play = self.options.timeout, self.cast.clusters
        # Of the cast alone: elsewhere there is no producer, and what has no namespace is refused.
        fleet = dataclasses.replace(self.fleet, clusters={name: self.fleet.clusters[name] for name in play})
        policies, _warnings = checked_policies(fleet, given, "demo")
        run = TrafficRun(fleet, play, policies, part=POLICIES, diff=False, timeout=seconds, say=self.say)
        await run.run()
        if run.failures:
            raise Failed({name: errors[0] for name, errors in run.failures.items()})

    async def _calls(self, callers: t.Iterable[str], order: t.Callable[[str], Order]) -> dict[str, list[Call]]:
        found = self._must(await on_each(callers, lambda name: self.stages[name].call(order(name))))
        return {name: made for name, (made, _ended) in found.items()}

    def _order(self, last: int, by: tuple[str, ...], seen: str = "") -> Order:
        """Calls one after the other, until so many in a row were answered by these, and one by ``seen``."""
        return Order(last=last, by=by, seen=((seen,),) if seen else (), most=self.options.timeout)

    async def _until(self, last: int, by: tuple[str, ...], seen: str = "") -> tuple[list[Call], bool]:
        """Calls from home as :meth:`_order` says."""
        return await self._home(lambda stage: stage.call(self._order(last, by, seen)))

    # -- scenes --------------------------------------------------------------------------------

    async def _start(self) -> bool:
        def order(name: str) -> Order:
            by, groups = self.cast.reach[name], self.cast.apart[name]
            return Order(every=0.01, last=4 * _SHORT, by=by, seen=groups, most=self.options.timeout)

        verdict = judge_start(await self._calls(self.cast.clusters, order), self.cast)
        self.verdicts["start"] = None, verdict
        for line in start_lines(verdict):
            self.say(line)
        if not verdict.ok:
            self._note(
                {
                    self.cast.home: FleetError(
                        "not every cluster answers the callers, so no scene was played",
                        obj=f"Service {NAMESPACE}/{PRODUCER}",
                        seen=verdict.because,
                        means="the mesh does not lead all calls, or a policy of your own denies these",
                        next_step="run mesh.fleet.verify: it says why",
                    )
                }
            )
        return verdict.ok

    async def _timeout(self) -> Verdict:
        return judge_timeout(await self._calls(self.cast.clusters, lambda name: Order(count=CALLS, delay=DELAY)))

    async def _ejection(self) -> Verdict:
        cast, stage = self.cast, self.stages[self.cast.failing]
        _before, settled = await self._until(_SHORT, cast.nearest(), cast.failing)
        pods = self._must(await on_each([cast.failing], lambda _name: stage.producers()))[cast.failing]
        self._must(await on_each([cast.failing], lambda _name: stage.send(pods, "SIGUSR1")))
        broken, gone = await self._until(_LONG, cast.others())
        found = await self._home(lambda home: home.ejected())
        addresses = set(pods.values())
        left_out = [
            f"{cast.failing}'s {one}" if one.rpartition(":")[0].strip("[]") in addresses else one for one in found
        ]
        self._must(await on_each([cast.failing], lambda _name: stage.send(pods, "SIGUSR2")))
        mended, back = await self._until(1, cast.reach[cast.home], cast.failing)
        return judge_ejection(cast, len(pods), broken, mended, settled and gone and back, left_out)

    async def _failover(self) -> Verdict:
        cast, stage = self.cast, self.stages[self.cast.failing]
        before, settled = await self._until(_SHORT, cast.nearest(), cast.failing)

        async def go() -> None:
            await stage.await_calls()
            await stage.scale(cast, 0)

        going, gone = await self._while(self._order(_LONG, cast.nearest(without=cast.failing)), go)
        back, again = await self._while(self._order(_LONG, cast.nearest(), cast.failing), lambda: stage.scale(cast, 1))
        return judge_gone(cast, Gone(before, going, back, settled and gone and again))

    async def _while(self, order: Order, work: t.Callable[[], t.Awaitable[None]]) -> tuple[list[Call], bool]:
        """What comes of calls from home while something is done in the cluster that fails."""
        home = self.cast.home
        called, done = await asyncio.gather(
            on_each([home], lambda name: self.stages[name].call(order)),
            on_each([self.cast.failing], lambda _name: work()),
        )
        self._must(done)
        return self._must(called)[home]

    async def _header(self) -> Verdict:
        headers = tuple({HEADER: user} if user else {} for user in USERS)
        callers = callers_of_trial(self.cast)
        return judge_header(self.cast, await self._calls(callers, lambda name: Order(count=CALLS, headers=headers)))
