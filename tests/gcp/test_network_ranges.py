# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refused ranges: the cluster keeps its own, and no other cluster is affected."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import ExistingNetwork, plan_network

from .test_gke_network import MARK, NORTH, SOUTH, WEST, after, everybody, nothing, planned


def test_a_range_that_is_refused_changes_no_rule_of_the_others() -> None:
    north = {**NORTH, "cluster_pod_cidr": "10.17.0.0/16"}
    two = everybody({"west": WEST, "north": north})
    live = after(planned(two, nothing()), nothing())
    wrong = everybody({"west": {**WEST, "cluster_pod_cidr": "10.60.0.0/16"}, "north": north})
    for play in ({"west", "north"}, {"north"}):
        plan, failed = plan_network(wrong, play, live, MARK)
        # West's pods still reach north's, from the range that they have.
        assert (plan.count, set(failed)) == (0, {"west"} & play)
    _plan, failed = plan_network(wrong, {"west"}, live, MARK)
    assert f"set cluster_pod_cidr: {two[0].pod_cidr} for west" in str(failed["west"])


def test_a_range_that_overlaps_others_is_let_through_nowhere() -> None:
    network = {"name": "mesh-shop", "description": MARK}
    office = {"network": "mesh-shop", "ipCidrRange": "10.60.0.0/20"}
    live = ExistingNetwork({"mesh-shop": network}, {("us-east1", "office"): office}, {})
    clusters = everybody({"north": NORTH, "west": {**WEST, "cluster_pod_cidr": "10.60.0.0/16"}})
    plan, failed = plan_network(clusters, {"west", "north"}, live, MARK)
    assert list(failed) == ["west"]
    assert [rule["source_ranges"] for rule in plan.firewalls] == [[clusters[0].pod_cidr], [clusters[0].node_cidr]]
    plan, _failed = plan_network(clusters[1:], {"west"}, live, MARK)
    assert plan.count == 0


def test_hosts_in_another_order_get_a_hint() -> None:
    two = everybody({"west": WEST, "north": NORTH})
    live = after(planned(two, nothing()), nothing())
    three = everybody({"east": SOUTH, "west": WEST, "north": NORTH})
    plan, failed = plan_network(three, {w.host for w in three}, live, MARK)
    assert plan.count == 0
    assert "overlaps" in failed["east"].what
    said = str(failed["west"])
    assert "put new hosts after the others" in said
    for name, cidr in (("gke_node_cidr", two[0].node_cidr), ("cluster_pod_cidr", two[0].pod_cidr)):
        assert f"{name}: {cidr}" in said
