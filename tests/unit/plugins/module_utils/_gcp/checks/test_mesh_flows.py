# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which nodes firewall rules tell apart."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.mesh_flows import Target, targets_of

Json = dict[str, t.Any]
AUTO: Json = {"networkTags": {"tags": ["ours"]}}


@pytest.mark.parametrize(
    ("cluster", "targets"),
    [
        ({"nodePools": [{"config": {"tags": ["a"], "serviceAccount": "x@y"}}]}, [Target(frozenset({"a"}), "x@y")]),
        # Compute Engine's default account has a number that is not known here.
        ({"nodePools": [{"config": {"serviceAccount": "default"}}]}, [Target(frozenset(), "")]),
        ({"nodePools": [{"config": {"tags": ["a"]}}, {"config": {"tags": ["a"]}}]}, [Target(frozenset({"a"}), "")]),
        ({"autopilot": {"enabled": True}, "nodePoolAutoConfig": AUTO}, [Target(frozenset({"ours"}), "")]),
        (
            {
                "nodePools": [{"config": {}}],
                "autoscaling": {
                    "enableNodeAutoprovisioning": True,
                    "autoprovisioningNodePoolDefaults": {"serviceAccount": "x@y"},
                },
                "nodePoolAutoConfig": AUTO,
            },
            [Target(frozenset(), ""), Target(frozenset({"ours"}), "x@y")],
        ),
        ({}, [Target(frozenset(), "")]),
    ],
)
def test_each_kind_of_nodes_is_a_target(cluster: Json, targets: list[Target]) -> None:
    assert targets_of(cluster) == targets
