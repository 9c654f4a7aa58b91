# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Subsets: what they select, and names that mean one thing in the whole fleet."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import (
    EVERYWHERE,
    Breaker,
    Failover,
    Match,
    Policy,
    Route,
    Rules,
    Share,
    Subset,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.targets import (
    Target,
    is_apart,
    names_of,
    target_of,
    targets_of,
)

from ..fleets import TWO, fleet

V3 = Subset("east", (("version", "v3"),))
BREAKS = Rules(breaker=Breaker(errors=5))


def test_a_subset_is_a_cluster_and_labels() -> None:
    assert Target(V3).labels == {"topology.istio.io/cluster": "east", "version": "v3"}
    assert Target(EVERYWHERE, "west").labels == {}
    assert Target(EVERYWHERE).is_whole
    assert not Target(EVERYWHERE, "west").is_whole


def test_names_are_those_that_a_person_knows() -> None:
    named = names_of([Target(V3), Target(V3, "west"), Target(V3, "west", 2), Target(EVERYWHERE, "west")])
    assert list(named.values()) == ["east-v3", "east-v3-for-west", "east-v3-for-west-route-2", "all-for-west"]


def test_names_that_would_mean_two_things_have_a_hash() -> None:
    version, track = Target(Subset("", (("version", "v2"),))), Target(Subset("", (("track", "v2"),)))
    both = names_of([version, track])
    assert both == names_of([track, version])
    assert len(set(both.values())) == 2
    assert all(re.fullmatch(r"v2-[0-9a-f]{8}", name) for name in both.values())


def test_a_name_is_never_too_long() -> None:
    (name,) = names_of([Target(Subset("c" * 40, (("version", "v" * 40),)))]).values()
    assert len(name) == 63
    assert re.fullmatch(r"c{40}-v{13}-[0-9a-f]{8}", name)


labels = st.dictionaries(st.text("abcXYZ.-_/", min_size=1, max_size=40), st.text("abcXYZ.-_9", max_size=63), max_size=3)


@given(st.lists(st.tuples(st.sampled_from(["", "west", "east"]), labels), max_size=5))
def test_every_name_is_one_that_istio_takes(parts: list[tuple[str, dict[str, str]]]) -> None:
    targets = {Target(Subset(cluster, tuple(sorted(own.items())))) for cluster, own in parts}
    named = names_of(targets)
    assert len(set(named.values())) == len(targets)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in named.values())


def test_rules_of_a_policy_for_some_callers_are_apart() -> None:
    policy = Policy("p[0]", "reviews", "shop", callers=("west",), rules=BREAKS)
    assert targets_of(policy, apart=False) == []
    assert targets_of(policy, apart=True) == [Target(EVERYWHERE, "west")]
    silent = Policy("p[0]", "reviews", "shop", callers=("west",), rules=Rules(split=(Share(V3, 100),)))
    assert targets_of(silent, apart=True) == [Target(V3)]


def test_a_route_has_rules_of_its_own() -> None:
    routes = (Route(Match(path="/a"), BREAKS), Route(Match(path="/b"), Rules(split=(Share(V3, 100),))))
    policy = Policy("p[0]", "reviews", "shop", rules=BREAKS, routes=routes)
    paths = Paths(fleet(TWO))
    assert is_apart(policy, paths)
    assert not is_apart(Policy("p[0]", "reviews", "shop", rules=BREAKS, routes=routes[:1]), paths)
    assert target_of(policy, 1, EVERYWHERE, apart=True) == Target(EVERYWHERE, "all")
    assert target_of(policy, 2, V3, apart=True) == Target(V3)
    other = Policy("p[0]", "reviews", "shop", routes=routes[:1])
    assert target_of(other, 1, EVERYWHERE, apart=True) == Target(EVERYWHERE, "all", 1)
    assert target_of(other, 0, EVERYWHERE, apart=True).is_whole


def test_gateways_apply_no_rules_of_others() -> None:
    def apart(hosts: dict[str, dict[str, str]], rules: Rules, *callers: str) -> bool:
        return is_apart(Policy("p[0]", "reviews", "shop", callers=callers or None, rules=rules), Paths(fleet(hosts)))

    nearest = Rules(breaker=Breaker(errors=5), failover=Failover("nearest"))
    apiece = {"west": {}, "east": {"mesh_network": "two"}}
    assert apart(apiece, BREAKS, "west"), "west's gateway forwards calls of east"
    assert not apart(apiece, Rules(timeout=5), "west")
    assert not apart(apiece, BREAKS)
    assert not apart(apiece, BREAKS, "west", "east")
    assert not apart(TWO, nearest, "west")
    shared = {"west": {"mesh_peers": []}, "east": {"mesh_network": "two"}, "south": {"mesh_network": "two"}}
    assert apart(shared, nearest, "west", "east", "south") is False, "west calls nobody"
    shared["west"] = {}
    assert apart(shared, nearest, "west", "east", "south"), "a gateway of network two chooses for west"
    assert not apart(shared, BREAKS, "west", "east", "south")
    assert not apart(shared, nearest), "each gateway has the rules of the whole service"
