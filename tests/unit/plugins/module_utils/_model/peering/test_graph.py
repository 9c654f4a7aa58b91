# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who watches whom where Google runs some of the control planes."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import count_edges, edges, may_call
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import scopes
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
