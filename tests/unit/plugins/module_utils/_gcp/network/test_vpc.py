# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a VPC lacks."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.firewall import rules
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import (
    ExistingNetwork,
    networks_by_rules,
    plan_network,
)

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


@pytest.mark.parametrize("ours", [True, False])
def test_rules_of_ours_tell_whose_vpc_they_are_in(ours: bool) -> None:
    clusters = list(shared_clusters().values())
    link = f"x/projects/{HOST}/global/networks/corp"
    made = rules("corp", clusters, MARK, ours=ours, load_balancers=False)
    live = [{"name": rule["name"], "description": MARK, "network": link} for rule in made]
    assert networks_by_rules(clusters, live, MARK) == {"corp": {"name": "corp", "description": MARK if ours else ""}}
    assert networks_by_rules(clusters, [{**rule, "description": "of others"} for rule in live], MARK) is None
    assert networks_by_rules(clusters, [{**rule, "network": f"{link}-2"} for rule in live], MARK) is None
    assert networks_by_rules(clusters, [], MARK) is None
    other = rules("corp", clusters, MARK, ours=not ours, load_balancers=False)
    both = live + [{"name": rule["name"], "description": MARK, "network": link} for rule in other]
    assert networks_by_rules(clusters, both, MARK) is None
