# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a VPC lacks."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.firewall import rules
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import ExistingNetwork, plan_network

from .shared_clusters import HOST, MARK, shared_clusters


def test_a_stale_rule_of_ours_does_not_cover_the_new_one() -> None:
    clusters = list(shared_clusters().values())
    (pods, _webhooks) = rules("corp", clusters, MARK, ours=False, load_balancers=False)
    # As it was with an adopted cluster: for all machines of the VPC.
    old = {
        "name": pods["name"].removesuffix("-nodes"),
        "description": MARK,
        "network": f"x/projects/{HOST}/global/networks/corp",
        "sourceRanges": ["10.0.0.0/8"],
        "allowed": [{"IPProtocol": "all"}],
    }
    live = ExistingNetwork({"corp": {"description": "of others"}}, {}, {old["name"]: old})
    plan, _failed = plan_network(clusters, [w.host for w in clusters], live, MARK)
    assert [rule["name"] for rule in plan.stale] == [old["name"]]
    assert pods["name"] in [rule["name"] for rule in plan.firewalls]
    theirs = ExistingNetwork(live.networks, {}, {"inside": {**old, "name": "inside", "description": "of others"}})
    assert plan_network(clusters, [w.host for w in clusters], theirs, MARK)[0].firewalls == []
