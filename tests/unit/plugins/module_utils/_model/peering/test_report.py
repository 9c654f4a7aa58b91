# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run reports, and who fails for what."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ADD,
    KEEP,
    UNNAMED,
    KeyPlan,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.report import (
    Faults,
    PeeringReport,
    attribute_failures,
    make_report,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import scopes
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import Life
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

THREE = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in "abc"})


def report(faults: Faults, play: str, *, absent: bool = False) -> PeeringReport:
    every = scopes(THREE, play, absent=absent)
    plans = {s.watcher: [KeyPlan(name, ADD) for name in s.wanted] for s in every if s.watcher not in faults.unreachable}
    more: dict[str, t.Any] = {"changes": [], "warnings": [], "dry_run": False}
    return make_report(THREE, every, plans, faults, play=play, absent=absent, **more)


def test_a_failed_edge_is_attributed_to_one_cluster() -> None:
    tried = [("a", "b"), ("b", "a"), ("c", "a"), ("c", "b")]
    everybody = attribute_failures([("b", "a"), ("c", "a")], tried, "abc")
    assert everybody == {("b", "a"): ("a", True), ("c", "a"): ("a", True)}
    assert attribute_failures([("c", "a")], tried, "abc") == {("c", "a"): ("c", False)}
    assert attribute_failures([("c", "a")], tried, "a") == {("c", "a"): ("a", False)}
    assert attribute_failures([("b", "a"), ("c", "a")], tried, "bc")["c", "a"] == ("c", False)
    assert attribute_failures([("c", "a")], [], "a") == {("c", "a"): ("a", False)}, "a run that removes tries nothing"


def test_the_dead_cluster_alone_fails() -> None:
    faults = Faults(unreachable={"c": FleetError("no answer", cluster="c", next_step="start it")})
    found = report(faults, "abc")
    assert list(found.failures) == ["c"]
    assert sorted(found.missing) == ["a", "b"]
    text = str(found.missing["a"][0])
    assert text == str(found.missing["b"][0]), "the recap shows equal texts once"
    assert "the edges with c were neither made nor checked" in text
    assert "playbooks/peering.yml with --limit c" in text
    assert "4 failed" in found.summary


def test_who_fails_for_an_edge_that_does_not_sync() -> None:
    def failed(*edges: str, play: str = "abc") -> PeeringReport:
        return report(Faults(failed_edges={(a, b): FleetError(f"{a} to {b}") for a, b in edges}), play)

    # One of two watchers reaches it: the other goes on without the edge, and nobody is failed.
    one = failed("ac")
    assert one.failures == {} and list(one.missing) == ["a"]
    assert str(one.missing["a"][0]) == "a to c, 5 other edges are in place"
    assert {e["watcher"] + e["watched"] for e in one.edges if not e["in_place"]} == {"ac"}
    # Nobody reaches it: that is its own fault, and the watchers go on without it.
    none = failed("ac", "bc")
    assert list(none.failures) == ["c"] and sorted(none.missing) == ["a", "b"]
    # A watcher outside the play is not failed or told anything: the watched one is.
    assert list(failed("ac", play="c").missing) == ["c"]


def test_a_dead_cluster_outside_the_play_fails_nobody() -> None:
    found = report(Faults(unreachable={"c": FleetError("no answer", cluster="c")}), "ab")
    assert found.failures == {}
    assert sorted(found.missing) == ["a", "b"]


def test_a_dead_watcher_holds_back_no_cluster_that_leaves() -> None:
    found = report(Faults(unreachable={"c": FleetError("no answer", cluster="c")}), "ab", absent=True)
    assert found.failures == {}
    assert "c may still watch the clusters that leave" in str(found.missing["a"][0])
    blocked = report(Faults(blocked_istiods={"c": FleetError("it hangs")}), "ab", absent=True)
    assert blocked.failures == {} and sorted(blocked.missing) == ["a", "b"]


def test_edges_that_are_withheld_are_missing_and_not_synced() -> None:
    same = {("a", "c"): FleetError("no new edge"), ("c", "a"): FleetError("no new edge")}
    found = report(Faults(withheld=same), "ab")
    assert found.failures == {}
    assert list(map(str, found.missing["a"])) == ["no new edge"], "told once"
    assert "2 failed" in found.summary
    assert {e["in_place"] for e in found.edges if {e["watcher"], e["watched"]} == {"a", "c"}} == {False}


def test_edges_to_unnamed_clusters_stay_and_are_told_once() -> None:
    every = scopes(THREE, "ab")
    plans = {n: [KeyPlan("x", UNNAMED), KeyPlan("c", KEEP)] for n in "ab"}
    found = make_report(THREE, every, plans, Faults(), play="ab", changes=[], warnings=[], dry_run=False)
    assert found.failures == {} and sorted(found.missing) == ["a", "b"]
    assert str(found.missing["a"][0]) == str(found.missing["b"][0])
    assert found.summary.endswith("· all synced · 2 to clusters that the inventory does not name")
    assert {(e["action"], e["in_place"]) for e in found.edges if e["watched"] == "x"} == {("unnamed", True)}


def test_a_dead_cluster_that_leaves_fails_with_advice_that_ends() -> None:
    found = report(
        Faults(unreachable={"c": FleetError("no answer", cluster="c", next_step="start it")}), "c", absent=True
    )
    (error,) = found.failures["c"]
    assert "nothing was removed on it" in str(error) and "take c out of the inventory" in str(error)
    assert found.missing == {}, "who is not torn down goes on with nothing missing"


def test_the_first_end_of_a_token_is_told() -> None:
    every = scopes(THREE, "abc")
    lives = {"a": None, "b": Life(1_800_000_000, 30 * 86400), "c": Life(1_700_000_000, 86400)}
    plans = {s.watcher: [KeyPlan(name, ADD, life=lives[name]) for name in s.wanted] for s in every}
    more: dict[str, t.Any] = {"changes": [], "warnings": [], "dry_run": False}
    found = make_report(THREE, every, plans, Faults(), play="abc", asked=30 * 86400, **more)
    assert found.summary.endswith("all synced · first token ends 2023-11-14 22:13 UTC")
    assert {e["watched"]: e["token_ends"] for e in found.edges} == {
        "a": "",
        "b": "2027-01-15 08:00 UTC",
        "c": "2023-11-14 22:13 UTC",
    }
    (warning,) = found.warnings
    assert warning.startswith("c: a token lives 24 h (30 days were asked for")
    assert make_report(THREE, every, plans, Faults(), play="abc", run_every=3600, **more).warnings == []


def test_a_blocked_istiod_is_its_own_failure() -> None:
    found = report(Faults(blocked_istiods={"a": FleetError("it hangs")}), "abc")
    assert list(found.failures) == ["a"] and found.missing == {}
    assert str(found.failures["a"][0]) == "it hangs, 4 other edges are in place"
    not_used = {e["watcher"] + e["watched"] for e in found.edges if not e["in_place"]}
    assert not_used == {"ab", "ac"}, "what was written for it, it has not read"
    assert "2 failed" in found.summary
    outside = report(Faults(blocked_istiods={"c": FleetError("it hangs")}), "a")
    assert outside.failures == {} and list(outside.missing) == ["a"]


def test_a_withheld_edge_is_told_to_the_watcher_in_the_play() -> None:
    edge = {("a", "c"): FleetError("no new edge")}
    assert list(report(Faults(withheld=edge), "abc").missing) == ["a"]
    assert list(report(Faults(withheld=edge), "c").missing) == ["c"]
