# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run reports, and who fails for what."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ADD,
    ADOPT,
    KEEP,
    PROVIDED,
    REMOVE,
    RENEW,
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
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.static_tokens import TOKEN_SECRET
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import Life
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

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
    assert list(map(str, one.missing["a"])) == ["a to c, 5 other edges are in place"], "told once"
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


Plans = dict[str, list[KeyPlan]]
AFTER_A_YEAR = Life(1_800_000_000, 365 * 86400)


def told(plans: Plans, play: str = "abc", faults: Faults | None = None, **more: t.Any) -> PeeringReport:
    """The report of a run with these plans, by watcher."""
    every = more.pop("scopes", None) or scopes(THREE, play, absent=more.get("absent", False))
    options: dict[str, t.Any] = {"changes": [], "warnings": [], "dry_run": False, "play": play, **more}
    return make_report(THREE, every, plans, faults or Faults(), **options)


def all_kept(**more: t.Any) -> Plans:
    return {a: [KeyPlan(b, KEEP, **more) for b in "abc" if b != a] for a in "abc"}


def test_every_edge_is_told_with_what_happened_to_it() -> None:
    plans = {
        "a": [KeyPlan("b", RENEW, "its token ends", life=AFTER_A_YEAR), KeyPlan("c", ADD, "new edge")],
        "b": [KeyPlan("x", REMOVE, "the graph has no such edge any more", life=AFTER_A_YEAR)],
    }
    faults = Faults(failed_edges={("b", "a"): FleetError("no")}, withheld={("b", "c"): FleetError("two roots")})
    found = {e["watcher"] + e["watched"]: list(e.values())[2:] for e in told(plans, "ab", faults).edges}
    assert list(found) == ["ab", "ac", "ba", "bc", "bx", "ca", "cb"]
    ends = "2027-01-15 08:00 UTC"
    assert found == {
        "ab": ["renew", "its token ends", True, ends],
        "ac": ["add", "new edge", True, ""],
        "ba": ["failed", "", False, ""],
        "bc": ["withheld", "", False, ""],
        "bx": ["remove", "the graph has no such edge any more", False, ""],
        "ca": ["failed", "", True, ""],
        "cb": ["failed", "", True, ""],
    }
    assert set(told(plans).edges[0]) == {"watcher", "watched", "action", "why", "in_place", "token_ends"}


def test_secrets_of_others_are_told_and_left() -> None:
    theirs = KeyPlan("b", PROVIDED, "held by Secret mine, not ours", "mine", life=Life(1_700_000_000, 86400))
    plans = {**all_kept(), "a": [theirs, KeyPlan("c", KEEP)]}
    found = told(plans, warnings=["first"])
    assert found.warnings == ["first", "a → b: held by Secret mine, not ours; it was not changed"]
    assert found.summary.endswith("first token ends 2023-11-14 22:13 UTC")
    # How long its token lives is its owner's business: but one of ours is told of.
    mine = {**plans, "c": [KeyPlan("b", KEEP, life=theirs.life)]}
    assert len(told(mine).warnings) == 2


def test_who_is_forgotten_is_told_before_the_schedule() -> None:
    plans = {**all_kept(life=Life(1_700_000_000, 86400)), "a": [KeyPlan("x", REMOVE)]}
    first, second = told(plans, forget=["x"]).warnings
    assert first.startswith("x is forgotten: edges removed in a") and "peering is to run every" in second


def test_the_line_counts_what_was_done() -> None:
    plans = {
        "a": [KeyPlan("b", ADD), KeyPlan("c", RENEW)],
        "b": [KeyPlan("a", RENEW), KeyPlan("c", ADOPT)],
        "c": [KeyPlan("a", KEEP), KeyPlan("b", KEEP), KeyPlan("x", REMOVE), KeyPlan("y", REMOVE)],
    }
    line = "6 edges: 1 added, 2 renewed, 1 adopted, 2 removed"
    assert told(plans).summary == f"{line} · all synced"
    assert told(plans, waited=False).summary == f"{line} · not waited for"
    assert told(plans, dry_run=True).summary == told(plans, dry_run=True, waited=False).summary == f"{line} · planned"
    failed = Faults(failed_edges={("a", "b"): FleetError("no")})
    assert told(plans, faults=failed).summary == "6 edges: 0 added, 2 renewed, 1 adopted, 2 removed · 1 failed"
    assert told(plans, faults=failed, dry_run=True).summary.endswith("· 1 failed")
    gone = [Change("a", "Secret", name, "removed") for name in (TOKEN_SECRET, TOKEN_SECRET, "cacerts", "other")]
    kept = Change("a", "Secret", TOKEN_SECRET, "unchanged")
    removed = ", 2 static tokens removed, 1 intermediate CA removed · all synced"
    found = told(plans, changes=[*gone, kept])
    assert found.summary == line + removed and found.changes == [*gone, kept]
    assert ", 1 static token removed ·" in told(plans, changes=gone[1:2]).summary
    assert ", 2 intermediate CAs removed ·" in told(plans, changes=gone[2:3] * 2).summary


def test_the_line_of_few_edges() -> None:
    nothing = told({}, absent=True)
    assert (nothing.summary, nothing.edges, nothing.missing) == ("0 edges: 0 added, 0 renewed, 0 removed", [], {})
    (one, *_others) = scopes(THREE, "abc")
    alone = dataclasses.replace(one, wanted=("b",))
    assert told({"a": [KeyPlan("b", KEEP)]}, scopes=[alone]).summary == (
        "1 edge: 0 added, 0 renewed, 0 removed · all synced"
    )
    hangs = Faults(blocked_istiods={"a": FleetError("it hangs")})
    assert told({}, faults=hangs, absent=True).summary.endswith("0 removed · 1 failed")
    assert told(all_kept(), faults=hangs).summary.endswith("· 1 failed"), "what it has read before it still has"


def test_an_edge_out_of_scope_that_fails_is_counted() -> None:
    """One that was to be removed, for instance: it was not tried, and it is not in order."""
    faults = Faults(failed_edges={("a", "x"): FleetError("it stays")})
    found = told(all_kept(), faults=faults)
    assert found.summary.endswith("· 1 failed")
    assert str(found.missing["a"][0]).startswith("it stays, 6 other edges are in place")


def test_a_single_edge_in_place_is_one() -> None:
    (one, *_others) = scopes(THREE, "abc")
    scope = dataclasses.replace(one, wanted=("b", "c"))
    faults = Faults(failed_edges={("a", "c"): FleetError("no")})
    plans = {"a": [KeyPlan("b", KEEP), KeyPlan("c", ADD)]}
    found = told(plans, faults=faults, scopes=[scope])
    assert str(found.failures["c"][0]).startswith("no, 1 other edge is in place")


def test_who_is_missing_where_a_watched_cluster_is_at_fault() -> None:
    """Its watchers go on without it; who is not in the play is told nothing."""
    faults = Faults(failed_edges={("a", "c"): FleetError("a to c"), ("b", "c"): FleetError("b to c")})
    found = told({a: [KeyPlan(b, ADD) for b in "abc" if b != a] for a in "abc"}, "ac", faults)
    assert sorted(found.failures) == ["c"] and [str(e).partition(",")[0] for e in found.failures["c"]] == [
        "a to c",
        "b to c",
    ]
    assert sorted(found.missing) == ["a"]


def test_a_cluster_that_this_run_does_not_need_may_be_silent() -> None:
    """One that is only read to find edges that must go."""
    faults = Faults(unreachable={"c": FleetError("no answer", cluster="c")})
    off = [dataclasses.replace(s, required=False, wanted=()) for s in scopes(THREE, "ab")]
    found = told({}, "ab", faults, scopes=off)
    assert (found.failures, found.missing) == ({}, {})
    # One that a watcher needs is no watcher itself, perhaps.
    watched = [s for s in scopes(THREE, "ab") if s.watcher != "c"]
    assert sorted(told({}, "ab", faults, scopes=watched).missing) == ["a", "b"]
    required = [dataclasses.replace(s, wanted=(), required=s.watcher == "c") for s in scopes(THREE, "ab")]
    assert sorted(told({}, "ab", faults, scopes=required).missing) == ["a", "b"]


def test_advice_about_a_silent_peer_ends_with_its_name() -> None:
    def text(next_step: str = "", *, seen: str = "", absent: bool = False) -> FleetError:
        error = FleetError("no answer", cluster="c", seen=seen, means="it is down", next_step=next_step)
        return told({}, "ab", Faults(unreachable={"c": error}), absent=absent).missing["a"][0]

    again = "then run playbooks/peering.yml with --limit c"
    assert (text().seen, text().means, text().next_step) == ("c: no answer", "it is down", again)
    assert text("start it", seen="503").seen == "c: no answer: 503"
    assert text("start it").next_step == f"start it; {again}"
    later = "if c still exists, run playbooks/peering.yml with --limit c once it answers"
    assert text(absent=True).next_step == text("start it", absent=True).next_step == later


def test_only_who_is_silent_is_gone_when_it_leaves() -> None:
    answers = Faults(blocked_istiods={"c": FleetError("it hangs")})
    (error,) = told({}, "c", answers, absent=True).failures["c"]
    assert error.what.startswith("it hangs") and "take c out" not in str(error)
    stays = told({}, "c", Faults(unreachable={"c": FleetError("no answer", cluster="c")})).failures["c"][0]
    assert stays.what == "no answer"


def test_a_silent_end_puts_its_edges_out_of_place() -> None:
    """Whether it watches or is watched; an istiod that hangs, only for what was written for it in this run."""
    silent = told(all_kept(), faults=Faults(unreachable={"c": FleetError("no answer", cluster="c")}))
    assert {e["watcher"] + e["watched"] for e in silent.edges if e["in_place"]} == {"ab", "ba"}
    plans = {**all_kept(), "a": [KeyPlan("b", RENEW), KeyPlan("c", KEEP)]}
    hangs = told(plans, faults=Faults(blocked_istiods={"a": FleetError("it hangs")}))
    assert {e["watcher"] + e["watched"] for e in hangs.edges if not e["in_place"]} == {"ab"}
    unplanned = told({"b": plans["b"], "c": plans["c"]}, faults=Faults(blocked_istiods={"a": FleetError("it hangs")}))
    assert {e["watcher"] + e["watched"] for e in unplanned.edges if not e["in_place"]} == {"ab", "ac"}


def test_an_edge_that_was_withheld_is_told_beside_others() -> None:
    faults = Faults(withheld={("a", "b"): FleetError("one"), ("a", "c"): FleetError("two")})
    assert list(map(str, told({}, faults=faults).missing["a"])) == ["one", "two"]


def test_unnamed_clusters_are_told_to_their_watchers_in_the_play() -> None:
    plans = {"a": [KeyPlan("x", UNNAMED)], "b": [KeyPlan("a", KEEP)], "c": [KeyPlan("x", UNNAMED)]}
    assert sorted(told(plans, "ab").missing) == ["a"]
    beside = told(plans, "ab", Faults(withheld={("a", "b"): FleetError("one")})).missing["a"]
    assert [error.what[:3] for error in beside] == ["one", "the"]


def test_only_who_has_an_edge_with_a_silent_cluster_misses_it() -> None:
    graph = {"a": ("b", "c"), "b": ("a",), "c": ()}
    some = [dataclasses.replace(s, wanted=graph[s.watcher], required=False) for s in scopes(THREE, "ab")]
    silent = {name: FleetError("no answer", cluster=name) for name in ("x", "c")}
    found = told({}, "ab", Faults(unreachable=silent), scopes=some)
    assert sorted(found.missing) == ["a"], "x, which nobody needs, ends nothing"
