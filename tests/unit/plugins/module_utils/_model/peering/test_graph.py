# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who watches whom where Google runs some of the control planes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import (
    count_edges,
    edges,
    may_call,
    summary,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import scopes
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.fleets import fleet

MANAGED = {"cluster_provider": "gke", "mesh_control_plane": "managed"}


def test_managed_clusters_have_no_edges_and_call_each_other() -> None:
    lone = {**MANAGED, "mesh_peers": []}
    made = fleet({"west": MANAGED, "north": MANAGED, "lone": lone, "fra": {}, "oslo": {}})
    assert edges(made) == [("fra", "oslo"), ("oslo", "fra")]
    assert count_edges(made) == 2
    assert may_call(made, "west", "north")
    assert may_call(made, "lone", "lone")
    assert not may_call(made, "west", "lone")
    assert not may_call(made, "lone", "west")
    assert not may_call(made, "west", "fra")
    assert not may_call(made, "fra", "west")
    found = {scope.watcher: scope for scope in scopes(made, made.clusters)}
    assert (found["west"].wanted, found["west"].required) == ((), False)
    assert "fra" in found["west"].unwanted  # a secret from the time before goes


def test_networks_of_their_own_are_joined_by_gateways() -> None:
    fleet = read_fleet({name: {"mesh_network": "per_cluster"} for name in ("west", "east", "fra")})
    assert summary(fleet) == "3 clusters, 6 directed peers, 3 networks joined by gateways"
    two = read_fleet({name: {"mesh_network": "per_cluster"} for name in ("west", "east")})
    assert summary(two) == "2 clusters, 2 directed peers, 2 networks joined by gateways"


def test_one_network_needs_no_gateways() -> None:
    assert summary(read_fleet({"west": {}, "east": {}})) == "2 clusters, 2 directed peers, 1 network"


def test_the_line_counts_what_google_runs() -> None:
    project = {**MANAGED, "gke_project": "p"}
    one, two = read_fleet({"west": project}), read_fleet({"west": project, "east": project})
    assert "; Google runs 1 control plane, trust domain " in summary(one)
    assert "; Google runs 2 control planes, trust domain " in summary(two)


NAMES = ("a", "b", "c", "d", "e")
PEERS = st.one_of(st.none(), st.lists(st.sampled_from(NAMES), max_size=5))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(NAMES), PEERS), min_size=1, max_size=5))
def test_edges_are_counted_without_making_them(rows: list[tuple[bool, str, list[str] | None]]) -> None:
    hosts = {
        name: {"mesh_role": "remote" if remote else "primary", "mesh_primary": primary, "mesh_peers": peers}
        for name, (remote, primary, peers) in zip(NAMES, rows, strict=False)
    }
    fleet = read_fleet(hosts)
    assert count_edges(fleet) == len(edges(fleet))
    watched = set(edges(fleet))
    for caller in fleet.clusters.values():
        for callee in fleet.clusters:
            served = callee in (caller.name, caller.primary) or (caller.primary, callee) in watched
            assert may_call(fleet, caller.name, callee) == served
