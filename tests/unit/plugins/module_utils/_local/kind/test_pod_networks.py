# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pods reach which: what the script in the node receives."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.pod_networks import (
    Node,
    _environment,
)

WEST = Node("west", 0, "flat", "10.10.0.0/16")
EAST = Node("east", 1, "flat", "10.11.0.0/16")
FAR = Node("far", 2, "own", "10.12.0.0/24")
ADDRESSES = {"west": "10.90.0.2", "east": "10.90.0.3", "far": "10.90.0.4"}


def test_one_network_has_routes_and_another_is_refused() -> None:
    env = _environment(WEST, [WEST, EAST, FAR], ADDRESSES, "10.90.2.0/29")
    assert env == {
        "POD_CIDR": "10.10.0.0/16",
        "NODE_CIDR": "10.10.0.0/24",
        "BLOCK": "10.90.2.0/29",
        "PEERS": "10.11.0.0/16=10.90.0.3",
        "UNREACHABLE": "10.12.0.0/24",
    }


def test_a_small_range_is_the_nodes_whole() -> None:
    assert _environment(FAR, [FAR], ADDRESSES, "b")["NODE_CIDR"] == "10.12.0.0/24"


def test_a_cluster_that_is_not_up_is_left_out() -> None:
    env = _environment(WEST, [WEST], ADDRESSES, "b")
    assert env["PEERS"] == env["UNREACHABLE"] == ""
