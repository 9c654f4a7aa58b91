# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with ``mesh_federation``, before anything is touched."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    GKE,
    OWN,
    problems_with,
)

BOTH = {"west": OWN, "east": OWN}
PEERS: dict[str, t.Any] = {"peers": [{"trust_domain": "east.mesh", "bundle": "east.json"}]}


def test_a_federation_needs_a_domain_of_its_own() -> None:
    assert problems_with(BOTH, mesh_federation=PEERS, mesh_trust_domain="west.mesh") == []
    (problem,) = problems_with(BOTH, mesh_federation=PEERS)
    assert "needs a trust domain that no other mesh has, not cluster.local" in problem
    (problem,) = problems_with(BOTH, mesh_federation=PEERS, mesh_trust_domain="east.mesh")
    assert "is our own trust domain" in problem


def test_a_federation_needs_istiods_of_ours() -> None:
    google = {"west": {**GKE, "mesh_control_plane": "managed", "mesh_trust_domain": "a.b"}}
    assert any(
        "needs istiods of ours, and west have Google's" in one for one in problems_with(google, mesh_federation=PEERS)
    )


def test_its_names_need_a_range_that_nothing_else_uses() -> None:
    hosts = {"west": {**OWN, "cluster_pod_cidr": "240.0.0.0/8"}, "east": OWN}
    assert problems_with(hosts, mesh_trust_domain="west.mesh") == []
    (problem,) = problems_with(hosts, mesh_federation=PEERS, mesh_trust_domain="west.mesh")
    assert "mesh_global_range 240.241.0.0/16 overlaps west's pod range" in problem
