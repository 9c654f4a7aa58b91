# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who calls whom, and which control plane reads what."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths

from ..fleets import SERVED, TWO, fleet


def test_a_primary_reads_for_its_remotes() -> None:
    paths = Paths(fleet({**SERVED, "west": {}}))
    assert paths.served == {"fra": ("fra", "edge"), "west": ("west",)}
    assert [paths.read_in(name) for name in ("fra", "edge", "west")] == ["fra", "fra", "west"]


def test_calls_cross_from_one_network_to_another() -> None:
    paths = Paths(fleet({"west": {}, "east": {"mesh_network": "two"}, "alone": {"mesh_peers": []}}))
    west, flat = frozenset(["west"]), paths.fleet.clusters["west"].network
    assert paths.crosses(west, "two")
    assert paths.crosses(None, "two", "east")
    assert not paths.crosses(west, flat)
    assert paths.crosses(frozenset(["east"]), flat, "west")
    assert not paths.crosses(frozenset(["alone"]), "two")
    assert not paths.crosses(west, flat, "east"), "east is not there"
    assert not Paths(fleet(TWO)).crosses(None, Paths(fleet(TWO)).fleet.clusters["west"].network)


def test_control_planes_are_apart_by_any_network_that_they_serve() -> None:
    assert not Paths(fleet(TWO)).are_apart("west", "east")
    assert Paths(fleet({"west": {}, "east": {"mesh_network": "two"}})).are_apart("west", "east")
    remote = {"mesh_role": "remote", "mesh_primary": "west", "mesh_network": "two"}
    assert Paths(fleet({"west": {}, "east": {}, "far": remote})).are_apart("east", "west")


def test_callers_who_see_the_same_have_one_view() -> None:
    paths = Paths(fleet({"a": {"cluster_region": "r"}, "b": {"cluster_region": "r"}, "c": {"mesh_peers": []}}))
    assert paths.view(("a",)) == paths.view(("b",))
    assert paths.view(("a",)) != paths.view(("c",))
    assert [cluster.name for cluster in paths.callees(("c",))] == ["c"]


def test_why_callers_do_not_reach_a_cluster() -> None:
    paths = Paths(fleet({"west": {"mesh_peers": []}, "east": {"mesh_network": "two"}}))
    assert paths.why_not("west", "west") == ""
    assert paths.why_not("east", "west") == ""
    assert paths.why_not("west", "east") == "west has no peering with east"
