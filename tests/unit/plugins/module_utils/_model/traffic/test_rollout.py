# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order clusters get objects: whatever fails, no route names a subset that is not there."""

from __future__ import annotations

import copy
import typing as t

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import objects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.hosts import hosts_of, named_by, subsets_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import CLUSTER_LABEL, Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import read_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.rollout import Kept, Rollout, differs, identity
from ansible_collections.mesh.fleet.tests.policies import fleets, raw_policies

from ..fleets import SERVED, TWO, fleet

Object = dict[str, t.Any]
State = dict[str, dict[tuple[str, str, str], Object]]
VARIED = settings(
    max_examples=60,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def policies(of: Fleet, *given_: t.Any) -> list[Policy]:
    read, problems = read_policies(list(given_), of.clusters)
    assert problems == []
    return read


def split(*parts: tuple[int, str], **more: t.Any) -> dict[str, t.Any]:
    return {"service": "reviews.shop", "split": [{"weight": w, "labels": {"version": v}} for w, v in parts], **more}


class World:
    """Clusters to which steps of a rollout are applied, object by object."""

    def __init__(self, of: Fleet, state: State | None = None) -> None:
        self.fleet, self.paths = of, Paths(of)
        self.state: State = state or {name: {} for name in of.clusters}
        self.behind: dict[str, list[Object]] = {name: [] for name in of.clusters}
        """Routes that proxies still have, though the objects changed or went."""
        self.former: dict[str, dict[str, set[str]]] = {name: {} for name in of.clusters}

    def rollout(self, wanted: list[Policy], play: t.Iterable[str] = (), unread: t.Collection[str] = ()) -> Rollout:
        self.wanted = objects_of(self.fleet, wanted)
        return Rollout(
            self.paths,
            self.wanted,
            {name: copy.deepcopy(list(own.values())) for name, own in self.state.items() if name not in unread},
            lambda obj: has_our_labels(obj, self.fleet.name),
            list(play or self.fleet.clusters),
        )

    def apply(self, cluster: str, objects: t.Iterable[Object]) -> None:
        for obj in objects:
            self.keep_behind(cluster, identity(obj))
            self.state[cluster][identity(obj)] = copy.deepcopy(obj)
            self.check()

    def remove(self, cluster: str, objects: t.Iterable[Object]) -> None:
        for obj in objects:
            self.keep_behind(cluster, identity(obj))
            del self.state[cluster][identity(obj)]
            self.check()

    def keep_behind(self, cluster: str, key: tuple[str, str, str]) -> None:
        if key[0] == "VirtualService" and key in self.state[cluster]:
            self.behind[cluster].append(self.state[cluster][key])

    def subsets(self, cluster: str, host: str) -> dict[str, Object]:
        rules = [obj for obj in self.state[cluster].values() if obj["kind"] == "DestinationRule"]
        return {name: one for rule in rules if host in hosts_of(rule) for name, one in subsets_of(rule).items()}

    def check(self) -> None:
        """Every subset that a route names is in its own cluster, and where calls pass a gateway that ever knew it."""
        for cluster, objects in self.state.items():
            for service in [*objects.values(), *self.behind[cluster]]:
                for route in service["spec"].get("http", ()) if service["kind"] == "VirtualService" else ():
                    one = {**service, "spec": {"http": [route]}}
                    sources = {m["sourceLabels"][CLUSTER_LABEL] for m in route.get("match", ()) if "sourceLabels" in m}
                    callers = frozenset(sources or self.paths.served[cluster])
                    for host, name in named_by(one):
                        if name:
                            self.check_subset(cluster, callers, host, name)

    def check_subset(self, cluster: str, callers: frozenset[str], host: str, name: str) -> None:
        assert name in self.subsets(cluster, host), (cluster, host, name)
        meant = self.subsets(cluster, host)[name].get("labels", {}).get(CLUSTER_LABEL, "")
        for other, served in self.paths.served.items():
            networks = {self.fleet.clusters[one].network for one in served}
            if other == cluster or not any(self.paths.crosses(callers, network, meant) for network in networks):
                continue
            if name in self.former[other].get(host, ()) or any(
                name in subsets_of(obj) for obj in self.wanted[other] if host in hosts_of(obj)
            ):
                assert name in self.subsets(other, host), (cluster, other, host, name)

    def run(
        self,
        wanted: list[Policy],
        fails: t.Callable[[str, str], bool] = lambda step, cluster: False,
        play: t.Iterable[str] = (),
        unread: t.Collection[str] = (),
        proxies: t.Callable[[str, str], bool] = lambda step, cluster: True,
    ) -> bool:
        """A run; whether it ended without failure."""
        rollout = self.rollout(wanted, play, unread)
        working, whole = rollout.play, True

        def stop(cluster: str) -> None:
            working.remove(cluster)
            rollout.stopped(cluster)

        def goes_on(step: str, cluster: str) -> bool:
            if not fails(step, cluster):
                return True
            stop(cluster)
            return False

        for cluster in list(working):
            if goes_on("first", cluster):
                self.apply(cluster, rollout.first(cluster))
                if proxies("first", cluster):
                    rollout.there(cluster)
                else:
                    rollout.not_there(cluster)
                    stop(cluster)
        for cluster in list(working):
            ready, held = rollout.routes(cluster)
            away = rollout.away(cluster)
            whole &= not held
            doubtful = rollout.doubtful(cluster) - {host for one in held for host in hosts_of(one.service)}
            rollout.sending(cluster, ready)
            if fails("some", cluster):
                # The API server fails half-way: one object was applied, one was removed.
                self.apply(cluster, ready[:1])
                self.remove(cluster, away[:1])
                stop(cluster)
            elif goes_on("routes", cluster):
                self.apply(cluster, ready)
                self.remove(cluster, away)
                there = rollout.services(cluster, doubtful - {host for obj in ready for host in hosts_of(obj)})
                asked = doubtful | {host for obj in [*ready, *away] for host in hosts_of(obj)}
                if proxies("routes", cluster):
                    self.behind[cluster] = [obj for obj in self.behind[cluster] if not asked & set(hosts_of(obj))]
                    rollout.routed(cluster, [*ready, *there], away, doubtful)
                else:
                    stop(cluster)
        for cluster in list(working):
            if goes_on("last", cluster):
                applied, gone = rollout.last(cluster)
                self.apply(cluster, applied)
                self.remove(cluster, gone)
        return whole and len(working) == len(rollout.play) == len(self.fleet.clusters)

    def remember(self) -> None:
        """What the clusters hold now is what their proxies know."""
        for name, objects in self.state.items():
            for obj in objects.values():
                if obj["kind"] == "DestinationRule":
                    self.former[name].setdefault(hosts_of(obj)[0], set()).update(subsets_of(obj))

    def holds(self) -> bool:
        return all(
            {identity(obj) for obj in self.wanted[name]} == set(own)
            and not any(differs(own[identity(obj)], obj) for obj in self.wanted[name])
            for name, own in self.state.items()
        )


# By example.


def test_subsets_come_before_routes_and_go_after_them() -> None:
    of = fleet(TWO)
    world = World(of)
    assert world.run(policies(of, split((50, "v1"), (50, "v2"))))
    rollout = world.rollout(policies(of, split((50, "v2"), (50, "v3"))))
    (rule,) = rollout.first("west")
    assert list(subsets_of(rule)) == ["v1", "v2", "v3"]
    assert rollout.expected("west") == {("reviews.shop.svc.cluster.local", v) for v in ("v2", "v3")}
    assert rollout.coming("west") == {("reviews.shop.svc.cluster.local", "v3")}
    rollout.there("west")
    (routes,), held = rollout.routes("west")
    assert held == []
    rollout.sending("west", [routes])
    assert rollout.last("west") == ([], []), "proxies may still have the old routes"
    rollout.routed("west", [routes], [])
    ((final,), gone) = rollout.last("west")
    assert list(subsets_of(final)) == ["v2", "v3"]
    assert gone == []


def test_a_policy_that_goes_takes_its_routes_first() -> None:
    of = fleet(TWO)
    world = World(of)
    world.run(policies(of, split((50, "v1"), (50, "v2"))))
    rollout = world.rollout([])
    assert rollout.first("west") == []
    away = rollout.away("west")
    assert [obj["kind"] for obj in away] == ["VirtualService"]
    assert rollout.last("west") == ([], []), "the routes still name its subsets"
    rollout.routed("west", [], away)
    applied, gone = rollout.last("west")
    assert applied == []
    assert [obj["kind"] for obj in gone] == ["DestinationRule"]


def test_nothing_is_done_where_everything_is_as_wanted() -> None:
    of = fleet(TWO)
    world = World(of)
    wanted = policies(of, split((50, "v1"), (50, "v2")))
    assert not world.rollout(wanted).is_idle
    world.run(wanted)
    assert world.rollout(wanted).is_idle
    assert world.rollout(wanted).expected("west") == set()
    world.state["west"].clear()
    assert world.rollout(wanted, ["east"]).is_idle, "west is no part of that run"


APART = {"west": {"mesh_network": "one"}, "east": {"mesh_network": "two"}}


def test_a_route_waits_for_the_gateway_that_its_calls_pass() -> None:
    of = fleet(APART)
    world = World(of)
    wanted = policies(of, split((50, "v1"), (50, "v2"), **{"from": ["west"]}))
    assert not world.run(wanted, lambda step, cluster: (step, cluster) == ("first", "east"))
    assert [key[0] for key in world.state["west"]] == ["DestinationRule"]
    rollout = world.rollout(wanted)
    rollout.there("west")
    ready, (held,) = rollout.routes("west")
    assert ready == []
    assert held.clusters == ("east",)
    assert world.run(wanted), "a further run completes it"
    assert world.holds()


def test_one_network_waits_for_nobody_else() -> None:
    of = fleet(TWO)
    world = World(of)
    wanted = policies(of, split((50, "v1"), (50, "v2")))
    world.run(wanted, lambda step, cluster: (step, cluster) == ("first", "east"))
    assert sorted(key[0] for key in world.state["west"]) == ["DestinationRule", "VirtualService"]
    assert world.state["east"] == {}


def test_a_gateway_keeps_subsets_for_a_cluster_that_fails() -> None:
    of = fleet(APART)
    world = World(of)
    world.run(policies(of, split((50, "v1"), (50, "v2"), **{"from": ["west"]})))
    assert not world.run([], lambda step, cluster: (step, cluster) == ("routes", "west"))
    assert [key[0] for key in world.state["east"]] == ["DestinationRule"]
    assert world.run([])
    assert world.state == {"west": {}, "east": {}}


def test_a_gateway_keeps_subsets_for_a_cluster_that_was_not_read() -> None:
    of = fleet(APART)
    world = World(of)
    world.run(policies(of, split((50, "v1"), (50, "v2"), **{"from": ["west"]})))
    rollout = world.rollout([], unread=["west"])
    assert rollout.last("east") == ([], [])
    assert rollout.waiting("east") == ["west"]
    flat = World(fleet(TWO))
    flat.run(policies(flat.fleet, split((50, "v1"), (50, "v2"))))
    lone = flat.rollout([], unread=["west"])
    lone.routed("east", [], lone.away("east"))
    assert len(lone.last("east")[1]) == 1, "on one network a cluster needs its own routes alone"
    assert lone.waiting("east") == []


def test_what_stays_for_others_is_told_with_them() -> None:
    of = fleet(APART)
    world = World(of)
    host = "reviews.shop.svc.cluster.local"
    both = ((host, "v1"), (host, "v2"))
    wanted = policies(of, split((50, "v1"), (50, "v2"), **{"from": ["west"]}))
    world.run(wanted)
    assert world.rollout(wanted).kept("east") is None
    assert world.rollout([], ["east"]).kept("east") == Kept(both, ("west",), ())
    assert world.rollout([], ["east"], unread=["west"]).kept("east") == Kept(both, (), ("west",))
    rollout = world.rollout([])
    rollout.goes_well()
    assert rollout.kept("east") is None, "west's routes go in the same run"
    assert [obj["kind"] for obj in rollout.planned("east")[1]] == ["DestinationRule"]
    alone = world.rollout([], ["east"])
    alone.goes_well()
    assert alone.planned("east") == ([], []), "a plan says what the run will do"
    flat = World(fleet(TWO))
    flat.run(policies(flat.fleet, split((50, "v1"), (50, "v2"))))
    assert flat.rollout([], ["east"]).kept("east") is None


def test_a_global_name_stays_where_calls_of_others_pass() -> None:
    of = fleet(APART)
    host = "reviews.shop.global"
    spec = {"hosts": [host]}
    labels = owner_labels("traffic", of.name)
    meta = {"name": "reviews.global-traffic", "namespace": "shop", "labels": labels}
    entry = {"apiVersion": "n/v1", "kind": "ServiceEntry", "metadata": meta, "spec": spec}

    def rollout(
        play: list[str], live: t.Mapping[str, list[Object]], of: Fleet = of, *, leaves: bool = False
    ) -> Rollout:
        return Rollout(Paths(of), {}, live, lambda obj: has_our_labels(obj, of.name, "traffic"), play, leaves=leaves)

    alone = rollout(["east"], {"west": [entry], "east": [entry]})
    assert alone.last("east") == ([], [])
    assert alone.kept("east") == Kept(((host, ""),), ("west",), ())
    assert alone.keeps_names("east")
    unread = rollout(["east"], {"east": [entry]})
    assert unread.last("east") == ([], [])
    assert unread.kept("east") == Kept(((host, ""),), (), ("west",))
    both = rollout(["west", "east"], {"west": [entry], "east": [entry]})
    assert both.last("east") == ([], [entry]), "all let go of the name"
    assert not both.keeps_names("east")
    both.stopped("west")
    assert both.last("east") == ([], []), "west has it still"
    assert rollout(["east"], {"west": [], "east": [entry]}).last("east") == ([], [entry])
    flat = rollout(["east"], {"west": [entry], "east": [entry]}, fleet(TWO))
    assert flat.last("east") == ([], [entry])
    left = rollout(["east"], {"west": [entry], "east": [entry]}, leaves=True)
    assert left.last("east") == ([], [entry]), "nobody calls it any more"
    assert left.kept("east") is None


def test_proxies_that_do_not_have_a_subset_get_no_route_to_it() -> None:
    of = fleet(TWO)
    world = World(of)
    wanted = policies(of, split((50, "v1"), (50, "v2")))
    world.run(wanted, proxies=lambda step, cluster: cluster != "west")
    assert [key[0] for key in world.state["west"]] == ["DestinationRule"]
    # The subsets are there now, but a further run waits for the proxies again.
    assert world.rollout(wanted).expected("west")


def test_a_further_run_asks_the_proxies_that_were_late() -> None:
    """Whose objects are as wanted, after a run that was killed or that waited in vain."""
    of = fleet(TWO)
    world = World(of)
    world.run(policies(of, split((50, "v1"), (50, "v2"))))
    wanted = policies(of, split((100, "v2")))
    assert not world.run(wanted, proxies=lambda step, cluster: step != "routes")
    rollout = world.rollout(wanted)
    assert rollout.routes("west") == ([], [])
    assert rollout.doubtful("west") == {"reviews.shop.svc.cluster.local"}
    assert rollout.last("west") == ([], [])
    rollout.routed("west", [], [], rollout.doubtful("west"))
    assert len(rollout.last("west")[0]) == 1
    assert world.run(wanted)
    assert world.rollout(wanted).doubtful("west") == set()


def test_of_what_others_made_everything_stays() -> None:
    of = fleet(APART)
    world = World(of)
    wanted = policies(of, split((50, "v1"), (50, "v2")))
    world.wanted = objects_of(of, wanted)
    host = "reviews.shop.svc.cluster.local"
    rollout = Rollout(
        world.paths, world.wanted, {"west": [], "east": []}, lambda obj: True, list(of.clusters), {"east": [host]}
    )
    assert rollout.first("east") == [] == rollout.routes("east")[0]
    for cluster in of.clusters:
        rollout.first(cluster)
        rollout.there(cluster)
    ready, (held,) = rollout.routes("west")
    assert ready == []
    assert held.clusters == ("east",), "its gateway gets none of our subsets"


def test_a_cluster_that_is_not_written_is_asked_for_subsets() -> None:
    of = fleet(APART)
    world = World(of)
    wanted = policies(of, split((50, "v1"), (50, "v2"), **{"from": ["west"]}))
    assert not world.run(wanted, proxies=lambda step, cluster: cluster != "east")
    rollout = world.rollout(wanted, ["west"])
    assert rollout.beside == ["east"]
    assert rollout.expected("east"), "its rule is there, and its proxies may lack it"
    rollout.there("west")
    assert len(rollout.routes("west")[0]) == 1
    rollout.not_there("east")
    ready, (held,) = rollout.routes("west")
    assert (ready, held.clusters) == ([], ("east",))


def test_a_cluster_that_is_not_written_is_asked_for_old_routes() -> None:
    of = fleet(APART)
    world = World(of)
    world.run(policies(of, split((50, "v1"), (50, "v2"))))
    wanted = policies(of, split((100, "v2")))
    assert not world.run(wanted, proxies=lambda step, cluster: (step, cluster) != ("routes", "west"))
    rollout = world.rollout(wanted, ["east"])
    rollout.routed("east", rollout.standing("east"), [], rollout.doubtful("east"))
    assert rollout.last("east") == ([], []), "west's proxies may still call the old subset through its gateway"
    assert rollout.doubtful("west") == {"reviews.shop.svc.cluster.local"}
    assert [obj["kind"] for obj in rollout.standing("west")] == ["VirtualService"]
    rollout.asked("west")
    (rule,) = rollout.last("east")[0]
    assert list(subsets_of(rule)) == ["v2"]


def test_a_rule_of_theirs_stays_while_routes_may_name_it() -> None:
    of = fleet(APART)
    world = World(of)
    host = "reviews.shop.svc.cluster.local"
    meta = {"name": "by-hand", "namespace": "shop", "labels": {}}
    rule = {"kind": "DestinationRule", "metadata": meta, "spec": {"host": host, "subsets": [{"name": "mine"}]}}
    way = {"destination": {"host": host, "subset": "mine"}}
    service = {"kind": "VirtualService", "metadata": meta, "spec": {"hosts": [host], "http": [{"route": [way]}]}}
    world.state["west"][identity(service)] = service
    world.state["east"][identity(rule)] = rule
    wanted = policies(of, split((50, "v1"), (50, "v2")))
    rollout = world.rollout(wanted)
    assert rollout.needed_of("east", rule) == ["mine"], "west's calls pass its gateway"
    rollout.routed("west", [], [service])
    assert rollout.needed_of("east", rule) == []
    assert world.rollout(wanted, unread=["west"]).needed_of("east", rule) == ["mine"], "nobody knows"
    rule["spec"]["subsets"] = [{"name": "v1"}]
    assert world.rollout(wanted, unread=["west"]).needed_of("east", rule) == [], "ours has it too"


def test_a_remote_holds_no_rules_of_its_own() -> None:
    of = fleet(SERVED)
    world = World(of)
    assert world.run(policies(of, split((50, "v1"), (50, "v2"))))
    assert world.state["edge"] == {}
    assert len(world.state["fra"]) == 2


def test_what_the_api_server_adds_is_no_difference() -> None:
    ports = [{"port": 80, "protocol": "TCP", "name": "http"}]
    meta = {"name": "a", "namespace": "b", "labels": {"x": "y"}}
    wanted = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}}
    live = copy.deepcopy(wanted)
    live["spec"] = {"clusterIP": "10.0.0.1", "ports": [{**ports[0], "targetPort": 80}]}
    live["metadata"]["labels"]["more"] = "theirs"
    assert not differs(live, wanted)
    assert differs(None, wanted)
    assert differs({**live, "spec": {"ports": [*ports, *ports]}}, wanted)
    live["metadata"]["labels"] = {"x": "z"}
    assert differs(live, wanted)


def test_a_field_that_somebody_added_to_a_rule_is_a_difference() -> None:
    meta = {"name": "a", "namespace": "b"}
    wanted = {"kind": "DestinationRule", "metadata": meta, "spec": {"host": "a"}}
    assert differs({**wanted, "spec": {"host": "a", "exportTo": ["."]}}, wanted)
    assert not differs(copy.deepcopy(wanted), wanted)


# By everything that can be drawn.

STEPS = ("first", "some", "routes", "last")


@st.composite
def changes(draw: st.DrawFn) -> tuple[Fleet, list[list[Policy]], list[set[tuple[str, str]]], set[tuple[str, str]]]:
    """A fleet, policies that follow each other, what fails in each run, and which proxies are late."""
    of = draw(fleets())
    every = []
    for _number in range(3):
        read, _problems = read_policies(draw(raw_policies(of)), of.clusters)
        every.append([policy for policy in read if not lint(of, [policy]).problems])
    faults = st.tuples(st.sampled_from(STEPS), st.sampled_from(list(of.clusters)))
    failed = [draw(st.sets(faults, max_size=2)) for _number in range(3)]
    late = draw(
        st.sets(st.tuples(st.sampled_from(("first", "routes")), st.sampled_from(list(of.clusters))), max_size=1)
    )
    return of, every, failed, late


@given(case=changes())
@VARIED
def test_no_route_ever_names_a_subset_that_is_not_there(
    case: tuple[Fleet, list[list[Policy]], list[set[tuple[str, str]]], set[tuple[str, str]]],
) -> None:
    of, every, failed, late = case
    world = World(of)
    for wanted, faults in zip(every, failed, strict=True):
        world.run(
            wanted,
            lambda step, cluster, faults=faults: (step, cluster) in faults,  # type: ignore[misc]
            proxies=lambda step, cluster: (step, cluster) not in late,
        )
        world.remember()
    assert world.run(every[-1])
    assert world.holds()
    assert world.rollout(every[-1]).is_idle
