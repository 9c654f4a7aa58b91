# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report shows of a whole fleet, of one with faults, and of one that is only half known."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.report.view import view
from tests.report_data import NOW, fleet_data, run_records, verified


def shown(count: int, *, faults: bool = False, proof: bool = True, run: bool = True) -> dict[str, t.Any]:
    document = verified(count, faults=faults) if proof else None
    return view(fleet_data(count), document, run_records(count, faults=faults) if run else [], NOW)


def test_a_whole_fleet() -> None:
    found = shown(2)
    assert found["verdict"] == ("ok", "One mesh: every check passed")
    assert [(e["watcher"], e["watched"], e["state"]) for e in found["edges"]] == [
        ("fra", "iad", "ok"),
        ("iad", "fra", "ok"),
    ]
    assert (found["edges_ok"], found["edges_declared"], found["calls_ok"]) == (2, 2, 2)
    assert found["is_graph"] and not found["stale"]
    assert [row["state"] for row in found["clusters"]] == ["ok", "ok"]
    assert [(row["tokens"]["left"], row["state"]) for row in found["lifetimes"]] == [
        ("24 days", "ok"),
        ("27 days", "ok"),
    ]
    assert len(found["roots"]) == 1


def test_a_run_that_failed_says_where() -> None:
    found = shown(3, faults=True)
    assert found["verdict"] == ("bad", "The last run did not end well in fra")
    assert found["run"]["last"] == "peering"
    assert [one["stage"] for one in found["run"]["failures"]] == ["peering"]
    assert [row["state"] for row in found["clusters"]] == ["bad", "bad", "ok"]
    assert found["edges"][0]["words"] == "syncing"
    assert [c["state"] for c in found["calls"]] == ["bad", *["ok"] * 5], "what is not well comes first"


def test_a_run_that_never_came_to_verify_is_half_of_the_picture() -> None:
    found = shown(2, faults=True, proof=False)
    assert found["verified"] == "" and found["verdict"][0] == "bad"
    assert {e["state"] for e in found["edges"]} == {"unknown"}
    assert found["calls"] == [] and found["certificates"] == []
    assert shown(2, proof=False, run=False)["verdict"] == ("unknown", "Nothing is proven yet: verify has not run")


def test_results_older_than_the_last_run_are_called_so() -> None:
    records = [one for one in run_records(2) if one["stage"] != "verify"]
    document = {**verified(2), "started": "2026-11-26T09:00:00+00:00"}
    found = view(fleet_data(2), document, records, NOW)
    assert found["stale"] and found["verdict"] == ("unknown", "Proven before the last run, and not again since")
    assert not view(fleet_data(2), document, run_records(2), NOW)["stale"], "that run came to verify"


def test_failed_checks_name_their_clusters() -> None:
    found = view(fleet_data(2), verified(2, faults=True), [], NOW)
    assert found["verdict"] == ("bad", "1 check failed, in fra, iad")


def test_many_clusters_have_a_matrix() -> None:
    found = shown(50, faults=True)
    assert not found["is_graph"]
    assert len(found["watching"]) == 50 and len(found["watching"][0]["cells"]) == 50
    assert found["watching"][0]["cells"][:3] == [("none", ""), ("bad", "syncing"), ("ok", "")]
    assert [c["state"] for c in found["calls_shown"]] == ["bad"], "the rest is a number"
    assert len(found["calls"]) == 2450


@pytest.mark.parametrize(("days", "state"), [(6, "ok"), (1.9, "soon"), (-1, "bad")])
def test_revocation_lists_are_shown_where_there_are_any(days: float, state: str) -> None:
    document = verified(2)
    assert view(fleet_data(2), document, [], NOW)["lists"] == []
    document["mesh"]["fra"]["certificates"]["revocation lists"] = (NOW + datetime.timedelta(days=days)).isoformat()
    found = view(fleet_data(2), document, [], NOW)
    assert found["lists"] == ["revocation lists"]
    assert found["lifetimes"][0]["revocation lists"]["state"] == found["lifetimes"][0]["state"] == state


@pytest.mark.parametrize(
    ("days", "state", "note"),
    [(30, "ok", ""), (6.9, "soon", "ends soon"), (-1, "bad", "ended")],
)
def test_days_left_have_a_state(days: float, state: str, note: str) -> None:
    document = verified(2)
    ends = (NOW + datetime.timedelta(days=days)).isoformat()
    document["mesh"]["fra"]["certificates"]["intermediate CA"] = ends
    found = view(fleet_data(2), document, [], NOW)
    (row,) = (c for c in found["certificates"] if (c["cluster"], c["kind"]) == ("fra", "intermediate CA"))
    assert (row["state"], row["note"]) == (state, note)
    assert found["lifetimes"][0]["state"] == state


def test_a_refused_token_is_bad_however_long_it_lives() -> None:
    document = verified(2)
    document["mesh"]["fra"]["tokens"][0]["refused"] = True
    row = view(fleet_data(2), document, [], NOW)["lifetimes"][0]
    assert (row["state"], row["notes"]) == ("bad", ["tokens: refused by iad"])


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({"secret": False}, "bad", "no remote secret"),
        ({"state": "unknown"}, "unknown", "istiod says nothing"),
        ({"state": "not listed"}, "bad", "not listed"),
    ],
)
def test_an_edge_has_a_state_and_words(change: dict[str, t.Any], state: str, words: str) -> None:
    document = verified(2)
    document["mesh"]["fra"]["watches"]["iad"].update(change)
    edge = view(fleet_data(2), document, [], NOW)["edges"][0]
    assert (edge["state"], edge["words"]) == (state, words)


def test_an_edge_that_nobody_declared_is_bad() -> None:
    said = {**fleet_data(2), "edges": [("fra", "iad")]}
    edge = view(said, verified(2), [], NOW)["edges"][-1]
    assert (edge["watcher"], edge["state"], edge["declared"]) == ("iad", "bad", False)


def test_a_policy_that_was_not_measured_is_named() -> None:
    said = {**fleet_data(2), "policies": [{"service": "stock.shop", "callers": ["iad"]}]}
    row = view(said, verified(2), [], NOW)["policies"][-1]
    assert (row["policy"], row["from"], row["seen"], row["state"]) == (
        "stock.shop",
        "iad",
        "not measured yet",
        "unknown",
    )
    off = verified(2)
    off["traffic"]["measured"][0]["shares"][0].update(p=0.00001, p_late=0.0)
    assert view(said, off, [], NOW)["policies"][0]["state"] == "bad"
