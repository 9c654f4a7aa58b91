# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several runs give addresses at once, in any order of their requests; some end half-way, some reach a few clusters."""

from __future__ import annotations

import asyncio
import copy
import datetime
import random
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import object_name, read_record
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic import address_copies as module
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.addresses import Allocated, allocated, forgotten

Values = dict[str, t.Any]
NAMES = ("one.shop.global", "two.shop.global", "three.shop.global")
NARROW = "240.241.0.0/29"
"""Six addresses: names often point at the same one."""


class Cluster:
    """What one API server holds; each write makes a new version."""

    def __init__(self, name: str, dual: bool = False) -> None:
        self.name = name
        self.version = 1
        self.record: Values | None = None
        self.entries: dict[str, Values] = {}
        self.dual = dual
        self.service_ip, self.pod_ip = "10.96.0.1", "10.244.0.7"
        self.node_ip = "192.0.2.1"

    def write(self, method: str, body: Values) -> Values:
        there = self.record["metadata"]["resourceVersion"] if self.record else None
        said = body["metadata"].get("resourceVersion")
        if (method == "POST" and there) or (method == "PUT" and said != there):
            raise ApiError("write failed", status=409 if there else 404, cluster=self.name)
        self.version += 1
        self.record = copy.deepcopy(body)
        self.record["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.record)


class Schedule:
    """Decides by chance which request comes next, and which run ends."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def turn(self, run: int) -> None:
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((run, future))
        await future

    async def drive(self, runs: t.Sequence[t.Coroutine[t.Any, t.Any, None]], kill: t.Collection[int]) -> None:
        tasks = [asyncio.ensure_future(run) for run in runs]
        while not all(task.done() for task in tasks):
            for _step in range(20):
                await asyncio.sleep(0)
            doomed = [n for n in kill if not tasks[n].done() and self.chance.random() < 0.1]
            for number in doomed:
                tasks[number].cancel()
                self.waiting = [one for one in self.waiting if one[0] != number]
            if self.waiting:
                _run, future = self.waiting.pop(self.chance.randrange(len(self.waiting)))
                if not future.done():
                    future.set_result(None)
        for task in tasks:
            if not task.cancelled() and task.exception():
                raise t.cast("BaseException", task.exception())


class Fake:
    """A client of one cluster for one run."""

    now = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)

    def __init__(
        self, cluster: Cluster, schedule: Schedule | None = None, run: int = 0, *, absent: bool = False
    ) -> None:
        self._there, self._schedule, self._run = cluster if not absent else Cluster(cluster.name), schedule, run
        self.cluster = cluster.name
        self.transport = self
        self.absent = absent
        """This machine has no kubeconfig of it: it reads as an empty one."""
        self.absence = FleetError("it is not known here", cluster=cluster.name) if absent else None
        self.listed: list[str] = []
        self.pages: dict[str, int] = {}
        """By kind how many objects an answer may have; 0 for the usual number."""
        self.fails = ""
        """"before" or "after": the next write fails, without or with its effect."""

    async def _turn(self) -> None:
        if self._schedule:
            await self._schedule.turn(self._run)

    async def get(self, _api: str, kind: str, _name: str, _namespace: str = "") -> Values | None:
        if kind == "Deployment":
            env = [{"name": "ISTIO_DUAL_STACK", "value": "true"}] if self._there.dual else []
            return {"spec": {"template": {"spec": {"containers": [{"env": env}]}}}}
        if kind == "Service":
            return {"spec": {"clusterIPs": [self._there.service_ip]}}
        await self._turn()
        return copy.deepcopy(self._there.record)

    async def list(self, _api: str, kind: str, _namespace: str = "", *, page: int = 0) -> list[Values]:
        self.listed.append(kind)
        self.pages[kind] = page
        if kind == "Pod":
            status = {"podIPs": [{"ip": self._there.pod_ip}], "hostIPs": [{"ip": self._there.node_ip}]}
            return [{"metadata": {"name": "istiod-x"}, "status": status}]
        return copy.deepcopy([*self._there.entries.values()])

    async def request(self, method: str, _path: str, *, body: Values, **_more: t.Any) -> Values:
        if self.absent:
            raise FleetError("it does not exist yet", cluster=self.cluster)
        await self._turn()
        broken = ApiError("the connection to the API server broke", cluster=self.cluster)
        if self.fails == "before":
            raise broken
        answer = self._there.write(method, body)
        if self.fails == "after":
            raise broken
        return answer

    async def wait(self, *_what: str, **_more: t.Any) -> None:
        await self._turn()
        raise NotInTime("not as expected")

    async def delete(self, _api: str, kind: str, name: str, namespace: str, **more: t.Any) -> module.Change:
        action = "removed" if self._there.record else "unchanged"
        if not more["dry_run"]:
            self._there.record = None
        return module.Change(self.cluster, kind, name, action, namespace)

    def server_time(self) -> datetime.datetime:
        return self.now

    async def apply(self, name: str, addresses: t.Sequence[str]) -> None:
        """What the stage does after."""
        if self.absent:
            return
        await self._turn()
        metadata = {"name": name, "namespace": "shop", "labels": owner_labels("traffic", "local")}
        self._there.entries[name] = {"metadata": metadata, "spec": {"hosts": [name], "addresses": list(addresses)}}


def fleet(*names: str, **variables: t.Any) -> Fleet:
    given = {"mesh_global_range": NARROW, "cluster_provider": "kubeconfig", **variables}
    return read_fleet(dict.fromkeys(names, given))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "connect_each", _connect_none)


async def _connect_none(_stack: t.Any, clusters: t.Any, **_more: t.Any) -> tuple[Values, dict[str, FleetError]]:
    return {}, {cluster.name: FleetError("no route", cluster=cluster.name) for cluster in clusters}


def give(clusters: t.Sequence[Cluster], of: Fleet, *names: str, **more: t.Any) -> Allocated:
    kubes = t.cast("t.Any", {one.name: Fake(one) for one in clusters})
    return asyncio.run(allocated(kubes, of, names, **more))


def clusters_of(count: int) -> list[Cluster]:
    return [Cluster(name) for name in ("west", "east", "north", "south", "edge")[:count]]


RUNS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
        st.sets(st.integers(0, 4), max_size=1),
        st.booleans(),
        st.sampled_from(["", "", "before", "after"]),
        st.booleans(),
    ),
    min_size=2,
    max_size=4,
)
"""Of each run the names, a cluster that it does not reach, whether it has no kubeconfig of that, how a write of it
fails, and whether it may end half-way."""


@given(st.integers(1, 5), RUNS, st.integers(0, 2**32))
@settings(max_examples=250, deadline=None)
def test_no_address_is_used_for_two_names(
    count: int, runs: list[tuple[list[str], set[int], bool, str, bool]], seed: int
) -> None:
    world, schedule, of = (
        clusters_of(count),
        Schedule(random.Random(seed)),
        fleet(*(c.name for c in clusters_of(count))),
    )
    used: dict[str, str] = {}
    given_: dict[str, tuple[str, ...]] = {}

    async def one(number: int, names: list[str], silent: set[int], absent: bool, fails: str) -> None:
        kubes = {
            c.name: Fake(c, schedule, number, absent=place in silent)
            for place, c in enumerate(world)
            if absent or place not in silent
        }
        if fails and kubes:
            schedule.chance.choice([*kubes.values()]).fails = fails
        # Every other run has read what is there before all others begin, and what it read is old.
        seen = {c.name: copy.deepcopy([*c.entries.values()]) for c in world if c.name in kubes and number % 2}
        found = await allocated(t.cast("t.Any", kubes), of, names, entries=seen)
        for name, addresses in found.addresses.items():
            for address in addresses:
                assert used.setdefault(address, name) == name
            assert given_.setdefault(name, addresses) == addresses
            for kube in kubes.values():
                await kube.apply(name, addresses)
        if not any(place < count for place in silent) and not fails:
            assert set(found.addresses) == set(names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "connect_each", _connect_none)
        jobs = [one(n, *run[:-1]) for n, run in enumerate(runs)]
        asyncio.run(schedule.drive(jobs, [n for n, run in enumerate(runs) if run[-1]]))
        # A later run that reaches all ends with the same addresses, and all copies say the same.
        last = give(world, of, *NAMES)
    assert {name: last.addresses[name] for name in given_} == given_
    copies = [read_record(one.record) for one in world]
    assert all(copy == copies[0] for copy in copies)
    assert len({address for addresses in last.addresses.values() for address in addresses}) == len(NAMES)


def test_what_is_recorded_needs_no_write() -> None:
    world, of = clusters_of(2), fleet("west", "east")
    first = give(world, of, NAMES[0])
    assert [(change.cluster, change.action) for change in first.changes] == [("west", "created"), ("east", "created")]
    versions = [one.version for one in world]
    again = give(world, of, NAMES[0])
    assert (again.addresses, again.changes) == (first.addresses, [])
    assert [one.version for one in world] == versions
    more = give(world, of, *NAMES[:2], diff=True)
    assert {change.action for change in more.changes} == {"changed"}
    assert NAMES[1] not in more.changes[0].before
    assert NAMES[1] in more.changes[0].after


def test_a_name_that_is_kept_has_what_it_had() -> None:
    """A run that does not see all may not know that the name is used."""
    world, of = clusters_of(2), fleet("west", "east")
    first = give(world, of, NAMES[0])
    again = give(world, of, kept=NAMES[:2])
    assert (again.addresses, again.changes, again.problems) == (first.addresses, [], [])
    assert read_record(world[0].record).table.names[NAMES[0]].unused_since == ""
    give(world, of)
    assert read_record(world[0].record).table.names[NAMES[0]].unused_since != ""


def test_without_names_nothing_is_recorded() -> None:
    world = clusters_of(2)
    assert give(world, fleet("west", "east")) == Allocated()
    assert world[0].record is None


def test_check_mode_writes_nothing() -> None:
    world, of = clusters_of(2), fleet("west", "east")
    planned = give(world, of, NAMES[0], dry_run=True, diff=True)
    assert [change.action for change in planned.changes] == ["created", "created"]
    assert NAMES[0] in planned.changes[0].after
    assert world[0].record is None
    assert give(world, of, NAMES[0]).addresses == planned.addresses


@pytest.mark.usefixtures("nowhere")
def test_less_than_half_of_the_clusters_give_no_address() -> None:
    world, of = clusters_of(3), fleet("west", "east", "north")
    first = give(world[:2], of, NAMES[0])
    assert set(first.addresses) == {NAMES[0]}
    assert set(first.failed) == {"north"}
    # West alone: another run may give anything by the other two.
    alone = give(world[:1], of, *NAMES[:2])
    assert alone.addresses == {}, "what one copy says may be a try that never came to its end"
    (problem,) = alone.problems
    assert problem.what == f"no address can be given to {NAMES[0]} and 1 more"
    assert problem.seen == "of 3 clusters that keep the record of addresses, east, north did not answer"
    # Once it is in use, it is what it is.
    asyncio.run(Fake(world[0]).apply(NAMES[0], first.addresses[NAMES[0]]))
    used = give(world[:1], of, *NAMES[:2])
    assert used.addresses == first.addresses
    assert [problem.what for problem in used.problems] == [f"no address can be given to {NAMES[1]}"]
    kept, world[0].record = world[0].record, None
    assert give(world[:1], of, *NAMES[:2]).addresses == first.addresses, "its copy is lost besides"
    world[0].record = kept
    # The third copy is brought up to date.
    assert give(world, of, NAMES[0]).addresses == first.addresses
    assert world[2].record
    assert read_record(world[2].record) == read_record(world[0].record)


def released(world: t.Sequence[Cluster], of: Fleet, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The address of a name that nothing has used for more than a day."""
    (addresses,) = give(world, of, NAMES[0]).addresses.values()
    give(world, of)
    monkeypatch.setattr(Fake, "now", Fake.now + datetime.timedelta(days=2))
    return addresses


ONE_ADDRESS = "240.241.0.9/32"


def test_an_absent_cluster_may_hold_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kubeconfig is missing on this machine; others know it."""
    world = clusters_of(3)
    of = fleet("west", "east", "north", mesh_global_range=ONE_ADDRESS)
    addresses = released(world, of, monkeypatch)
    asyncio.run(Fake(world[2]).apply(NAMES[0], addresses))
    connected: list[bool] = []

    async def connect(_stack: t.Any, clusters: t.Any, *, absent_ok: bool) -> tuple[Values, dict[str, FleetError]]:
        connected.append(absent_ok)
        names = [cluster.name for cluster in clusters]
        fakes = {name: Fake(Cluster(name), absent=True) for name in names}
        return (fakes, {}) if absent_ok else ({}, {name: t.cast("t.Any", fakes[name]).absence for name in names})

    monkeypatch.setattr(module, "connect_each", connect)
    for kubes in ([Fake(one) for one in world[:2]], [*map(Fake, world[:2]), Fake(world[2], absent=True)]):
        known = t.cast("t.Any", {kube.cluster: kube for kube in kubes})
        found = asyncio.run(allocated(known, of, NAMES[1:2]))
        assert found.addresses == {}
        assert {name: error.what for name, error in found.failed.items()} == {"north": "it is not known here"}
        assert [problem.obj for problem in found.problems] == ["mesh_global_range"]
    planned = asyncio.run(allocated(known, of, NAMES[1:2], dry_run=True))
    assert planned.failed == {}, "in check mode it is one that is to be made"
    assert connected == [False, False, True]
    assert NAMES[0] in read_record(world[0].record).table.names


def test_entries_of_the_caller_serve_to_find_nothing_to_do() -> None:
    world, of = clusters_of(2), fleet("west", "east")
    first = give(world, of, *NAMES[:2])
    kubes = {one.name: Fake(one) for one in world}
    entries: dict[str, list[Values]] = {"west": [], "east": []}
    again = asyncio.run(allocated(t.cast("t.Any", kubes), of, NAMES[:2], entries=entries))
    assert (again.addresses, again.changes) == (first.addresses, [])
    assert [kube.listed for kube in kubes.values()] == [["Pod"]] * 2


def test_entries_are_read_in_one_page() -> None:
    """A second one costs an API server more than the first, and there may be thousands."""
    world, of = clusters_of(2), fleet("west", "east")
    kubes = {one.name: Fake(one) for one in world}
    asyncio.run(allocated(t.cast("t.Any", kubes), of, NAMES[:2]))
    assert [kube.pages["ServiceEntry"] for kube in kubes.values()] == [module.LARGE_PAGE] * 2


def test_entries_are_read_anew_before_an_address_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller read was before another run applied the name again."""
    world = clusters_of(2)
    of = fleet("west", "east", mesh_global_range=ONE_ADDRESS)
    addresses = released(world, of, monkeypatch)
    asyncio.run(Fake(world[1]).apply(NAMES[0], addresses))
    found = give(world, of, NAMES[1], entries={"west": [], "east": []})
    assert found.addresses == {}
    assert [problem.obj for problem in found.problems] == ["mesh_global_range"]


@pytest.mark.parametrize("fails", ["before", "after"])
def test_what_was_decided_with_a_cluster_that_fails(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """It was read, and held nothing; between that and the decision it is out of reach."""
    world = clusters_of(3)
    of = fleet("west", "east", "north", mesh_global_range=ONE_ADDRESS)
    released(world, of, monkeypatch)
    kubes = {one.name: Fake(one) for one in world}
    kubes["north"].fails = fails
    found = asyncio.run(allocated(t.cast("t.Any", kubes), of, NAMES[1:2]))
    assert (found.addresses, set(found.failed)) == ({}, {"north"})
    assert NAMES[0] in read_record(world[0].record).table.names
    assert set(give(world, of, NAMES[1]).addresses) == {NAMES[1]}, "all answer"


def test_a_lost_record_is_made_anew() -> None:
    world, of = clusters_of(2), fleet("west", "east")
    first = give(world, of, *NAMES)
    world[0].record = None
    assert give(world, of, *NAMES).addresses == first.addresses
    assert world[0].record, "one copy is made of the other"
    # All are lost: what is in use stays.
    asyncio.run(Fake(world[1]).apply(NAMES[0], ["240.241.0.6"]))
    world[0].record = world[1].record = None
    assert give(world, of, *NAMES).addresses[NAMES[0]] == ("240.241.0.6",)
    world[0].record["data"]["names"] = "edited by hand"  # type: ignore[index]
    assert give(world, of, *NAMES).addresses[NAMES[0]] == ("240.241.0.6",)


def test_ipv6_where_istiod_serves_it() -> None:
    world, of = [Cluster("west"), Cluster("east", dual=True)], fleet("west", "east")
    found = give(world, of, NAMES[0])
    assert [":" in address for address in found.addresses[NAMES[0]]] == [False, True]
    assert found.ipv6 == {"east"}


def test_a_cluster_that_uses_the_range_itself() -> None:
    world, of = clusters_of(2), fleet("west", "east")
    first = give(world, of, NAMES[0])
    asyncio.run(Fake(world[0]).apply(NAMES[0], first.addresses[NAMES[0]]))
    world[1].pod_ip = "240.241.0.3"
    found = give(world, of, *NAMES[:2])
    assert found.addresses == first.addresses, "what is in use is not taken away"
    (problem,) = found.problems
    assert (problem.cluster, problem.seen) == (
        "east",
        f"Pod istio-system/istiod-x has 240.241.0.3, which is of {NARROW}",
    )
    said = fleet("west", "east", cluster_pod_cidr="10.1.0.0/16", cluster_service_cidr="10.2.0.0/16")
    assert set(give(world, said, *NAMES[:2]).addresses) == set(NAMES[:2]), "preflight compared what the inventory says"
    world[1].pod_ip, world[1].service_ip = "10.244.0.7", "240.241.0.5"
    (problem,) = give(world, of, *NAMES).problems
    assert problem.seen.startswith("Service default/kubernetes has 240.241.0.5")
    # The inventory does not say where nodes are.
    world[1].service_ip, world[1].node_ip = "10.96.0.1", "240.241.0.6"
    (problem,) = give(world, said, *NAMES[:2]).problems
    assert problem.seen == f"the node of Pod istio-system/istiod-x has 240.241.0.6, which is of {NARROW}"


def test_the_last_cluster_that_leaves_takes_the_record_along() -> None:
    world, of = clusters_of(3), fleet("west", "east", "north")
    kubes = t.cast("t.Any", {one.name: Fake(one) for one in world})
    first = give(world, of, NAMES[0])
    left = asyncio.run(forgotten(kubes, of, ["north"]))
    assert ("north", "removed") in [(change.cluster, change.action) for change in left.changes]
    assert [bool(one.record) for one in world] == [True, True, False]
    table = read_record(world[0].record).table
    assert table.members == ("east", "west")
    # Not only by the hash, which would point at the same one again: nobody else may get it meanwhile.
    assert {name: entry.addresses for name, entry in table.names.items()} == first.addresses
    assert table.names[NAMES[0]].parts == ("traffic",)
    assert give(world, of, NAMES[0]).addresses == first.addresses
    planned = asyncio.run(forgotten(kubes, of, ["west", "east", "north"], dry_run=True))
    assert len(planned.changes) == 3
    assert world[0].record
    asyncio.run(forgotten(kubes, of, ["west", "east", "north"]))
    assert [one.record for one in world] == [None, None, None]
    assert asyncio.run(forgotten(kubes, of, ["west", "east", "north"])).changes == []


def forget(kubes: t.Iterable[Fake], of: Fleet, *leaving: str, **more: t.Any) -> Allocated:
    known = t.cast("t.Any", {kube.cluster: kube for kube in kubes})
    return asyncio.run(forgotten(known, of, leaving, **more))


def test_clusters_that_leave_one_by_one_leave_nothing() -> None:
    world, of = clusters_of(4), fleet("west", "east", "north", "south")
    give(world, of, NAMES[0])
    for count, one in enumerate(world, 1):
        left = forget(map(Fake, world), of, one.name)
        assert (left.failed, one.record) == ({}, None)
        assert [bool(one.record) for one in world] == [False] * count + [True] * (4 - count)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_cluster_that_does_not_exist_has_left(dry_run: bool) -> None:
    world, of = clusters_of(2), fleet("west", "east")
    give(world, of, NAMES[0])
    left = forget([Fake(world[0]), Fake(world[1], absent=True)], of, "east", dry_run=dry_run)
    assert left.failed == {}
    assert [(change.cluster, change.action) for change in left.changes] == [("west", "changed")]
    assert read_record(world[0].record).table.members == (("east", "west") if dry_run else ("west",))


@pytest.mark.usefixtures("nowhere")
def test_a_cluster_that_cannot_be_forgotten_is_named() -> None:
    world, of = clusters_of(3), fleet("west", "east", "north")
    give(world, of, NAMES[0])
    left = forget([Fake(world[0])], of, "west")
    assert set(left.failed) == {"east", "north"}, "what goes is not held up"
    (warning,) = left.warnings
    assert warning.startswith("the record of addresses still says that west may hold some: east, north did not answer")
    assert warning.endswith("--limit west")
    assert world[0].record is None


def test_what_another_part_uses_stays() -> None:
    world, of = clusters_of(2), fleet("west", "east")
    kubes = t.cast("t.Any", {one.name: Fake(one) for one in world})
    give(world, of, NAMES[0])
    demo = give(world, of, NAMES[1], part="demo")
    asyncio.run(forgotten(kubes, of, ["west", "east"], part="traffic"))
    assert give(world, of, NAMES[1], part="demo").addresses == demo.addresses


def test_runs_that_never_end_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    world, of = clusters_of(1), fleet("west")

    def refuse(*_args: t.Any) -> Values:
        raise ApiError("write failed", status=409)

    monkeypatch.setattr(world[0], "write", refuse)
    with pytest.raises(FleetError, match="the record of addresses could not be written") as failed:
        give(world, of, NAMES[0], timeout=0)
    assert failed.value.obj == f"ConfigMap istio-system/{object_name('local')}"
    assert failed.value.seen == "other runs changed it again and again for 0 s"
