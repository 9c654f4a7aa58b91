# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters need NAT."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import needing_nat

from .shared_clusters import shared_clusters


def test_who_needs_nat() -> None:
    found = shared_clusters(north={"gke_private_nodes": False})
    assert needing_nat(found.values(), []) == [found["west"]]
    assert needing_nat(found.values(), ["west"]) == []
    own = shared_clusters(west={"gke_network_project": ""})["west"]
    assert needing_nat([own], ["west"]) == [own]
