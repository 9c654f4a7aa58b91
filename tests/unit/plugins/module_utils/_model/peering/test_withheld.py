# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which edges a run must not make."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.withheld import withheld_edge
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet

HOSTS: dict[str, dict[str, t.Any]] = {
    "west": {},
    "east": {},
    "south": {"mesh_role": "remote", "mesh_primary": "east"},
}
FLEET = read_fleet({name: {"cluster_provider": "kubeconfig", **more} for name, more in HOSTS.items()})
ONE, OTHER = frozenset({"AA:11"}), frozenset({"BB:22"})


def why(watcher: str, watched: str, **more: t.Any) -> str:
    return str(withheld_edge(FLEET, watcher, watched, **{"failed": (), "roots": {}, "held": False, **more}) or "")


def test_what_failed_earlier_gets_no_new_edge_either_way() -> None:
    for edge in (("west", "east"), ("east", "west")):
        assert "no new edge to or from east" in why(*edge, failed={"east"})
        assert why(*edge, failed={"east"}, held=True) == "", "an edge that is there stays"
        assert why(*edge, failed={"south"}) == ""


def test_no_edge_between_two_roots_whether_it_is_there_or_not() -> None:
    for held in (False, True):
        text = why("west", "east", roots={"west": ONE, "east": OTHER}, held=held)
        assert "different roots" in text and "AA:11" in text and "BB:22" in text
    assert "different roots" in why("west", "south", roots={"west": ONE, "east": OTHER}), "a remote has its primary's"
    assert why("west", "south", roots={"west": ONE, "east": ONE, "south": OTHER}) == "", "left from another time"


def test_a_common_root_or_an_unknown_one_is_no_reason() -> None:
    assert why("west", "east", roots={"west": ONE | OTHER, "east": OTHER}) == "", "while a root is exchanged"
    assert why("west", "east", roots={"west": ONE}) == "", "check mode of a first run"
    assert why("west", "east", roots={"east": ONE}) == ""
    assert why("west", "east", roots={"west": ONE, "east": frozenset()}) == ""
