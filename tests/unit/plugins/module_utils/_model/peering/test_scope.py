# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which edges a run changes."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import scopes
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet


def fleet(**hosts: dict[str, t.Any]) -> Fleet:
    return read_fleet({name: {"cluster_provider": "kubeconfig", **v} for name, v in hosts.items()})


FOUR = {
    "a": {},
    "b": {},
    "c": {"mesh_peers": ["a"]},
    "r": {"mesh_role": "remote", "mesh_primary": "a"},
}


def test_the_whole_fleet() -> None:
    found = {s.watcher: s for s in scopes(fleet(**FOUR), FOUR)}
    wanted = {"a": ("b", "c", "r"), "b": ("a", "c", "r"), "c": ("a",), "r": ()}
    assert {name: s.wanted for name, s in found.items()} == wanted
    assert "b" in found["c"].unwanted
    assert {name for name, s in found.items() if "left-the-inventory" in s.unnamed} == {"a", "b", "c"}


def test_an_edge_to_an_unnamed_cluster_stays_until_forgotten() -> None:
    for play in (list(FOUR), ["a"]):
        kept = {s.watcher: s for s in scopes(fleet(**FOUR), play)}["a"]
        assert "gone" not in kept.unwanted and "gone" in kept.unnamed
        assert "b" not in kept.unnamed, "the inventory names it"
        forgotten = {s.watcher: s for s in scopes(fleet(**FOUR), play, forget=["gone"])}["a"]
        assert "gone" in forgotten.unwanted and "gone" not in forgotten.unnamed
        assert "another" not in forgotten.unwanted and "another" in forgotten.unnamed


def test_a_cluster_whose_istiod_is_gone_keeps_no_edge() -> None:
    managed = fleet(a={"cluster_provider": "gke", "mesh_control_plane": "managed"}, b={})
    found = {s.watcher: s for s in scopes(managed, "ab")}
    assert "left-the-inventory" in found["a"].unwanted and "left-the-inventory" not in found["a"].unnamed


def test_a_limited_run_touches_the_edges_of_its_clusters_only() -> None:
    found = {s.watcher: s for s in scopes(fleet(**FOUR), ["b"])}
    assert {name: s.wanted for name, s in found.items()} == {"a": ("b",), "b": ("a", "c", "r"), "c": (), "r": ()}
    assert "b" in found["c"].unwanted and "left-the-inventory" not in found["c"].unwanted
    assert (found["a"].required, found["c"].required) == (True, False)


def test_who_has_to_answer_when_a_cluster_leaves() -> None:
    found = {s.watcher: s for s in scopes(fleet(**FOUR), ["b"], absent=True)}
    assert {name: s.required for name, s in found.items()} == {"a": True, "b": True, "c": False, "r": False}
    alone = {s.watcher: s for s in scopes(fleet(a={"mesh_peers": []}, b={"mesh_peers": []}), ["a"], absent=True)}
    assert {name: s.required for name, s in alone.items()} == {"a": True, "b": False}


def test_an_edge_that_is_wanted_is_never_unwanted() -> None:
    for play in (list(FOUR), ["b"]):
        for scope in scopes(fleet(**FOUR), play):
            assert not any(name in scope.unwanted for name in scope.wanted)


def test_a_leaving_cluster_goes_in_both_directions() -> None:
    found = {s.watcher: s for s in scopes(fleet(**FOUR), ["b"], absent=True)}
    assert all(s.wanted == () for s in found.values())
    assert "a" in found["b"].unwanted
    assert "b" in found["a"].unwanted and "c" not in found["a"].unwanted


def test_a_cluster_that_watches_nobody_any_more_keeps_no_edge() -> None:
    """It may have been a primary, whose edges are those of an istiod that is gone."""
    google = {"cluster_provider": "gke", "mesh_control_plane": "managed", "gke_project": "p"}
    made = read_fleet({**{n: {"cluster_provider": "kubeconfig", **v} for n, v in FOUR.items()}, "g": google})
    found = {s.watcher: s for s in scopes(made, made.clusters)}
    for former in ("r", "g"):
        assert not found[former].required and found[former].wanted == ()
        assert "a" in found[former].unwanted and "left-the-inventory" in found[former].unwanted
    limited = {s.watcher: s for s in scopes(made, ["b"])}
    assert "b" in limited["r"].unwanted and "a" not in limited["r"].unwanted
    leaving = {s.watcher: s for s in scopes(made, ["r"], absent=True)}
    assert "a" in leaving["r"].unwanted
