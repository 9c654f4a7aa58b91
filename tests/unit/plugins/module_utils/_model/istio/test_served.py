# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which remotes an istiod was started for, as its Deployment records it."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.served import is_served, serves
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet

HOSTS = {"west": {}, "rim": {"mesh_role": "remote", "mesh_primary": "west"}, "edge": {"mesh_role": "remote"}}
FLEET = read_fleet({name: {"cluster_provider": "kubeconfig", **variables} for name, variables in HOSTS.items()})


def test_what_is_recorded_is_read() -> None:
    west = FLEET.clusters["west"]
    recorded = serves(west, [FLEET.clusters["rim"], FLEET.clusters["edge"]])
    assert recorded == "west: edge,rim"
    assert is_served(west, "edge", recorded) and is_served(west, "rim", recorded)
    assert not is_served(west, "ri", recorded)
    assert not is_served(FLEET.clusters["rim"], "edge", recorded), "by another name it serves nobody"
    assert not is_served(west, "edge", "") and not is_served(west, "edge", serves(west, []))
