# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Types of Service of which other networks learn no address."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.action.gateways import NODES_OF, _hidden_from_others
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet

ANNOTATED = {"service": {"annotations": {NODES_OF: "{}"}}}


@pytest.mark.parametrize(
    ("network", "kind", "values", "warned"),
    [
        ("per_cluster", "ClusterIP", {}, "LoadBalancer"),
        ("per_cluster", "ClusterIP", ANNOTATED, "LoadBalancer"),
        ("per_cluster", "None", {}, "LoadBalancer"),
        ("per_cluster", "NodePort", {}, NODES_OF),
        ("per_cluster", "NodePort", ANNOTATED, ""),
        ("per_cluster", "LoadBalancer", {}, ""),
        ("flat", "ClusterIP", {}, ""),
    ],
)
def test_what_other_networks_do_not_learn(network: str, kind: str, values: dict[str, t.Any], warned: str) -> None:
    host = {"cluster_provider": "kubeconfig", "mesh_network": network}
    fleet = read_fleet({"west": host, "east": host}, Environment())
    found = _hidden_from_others(fleet, fleet.clusters["west"], kind, values)
    assert bool(found) is bool(warned)
    assert all(warned in text and f"of type {kind}" in text for text in found)
