# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fields of a cluster whose change replaces the nodes of its pools: asked for first, and gently."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet

from .cluster_runs import HOSTS, WEST, Run, Vars, actions, failure, fleet_of, make
from .standin.server import StandIn

LEGACY: Vars = {"gke_dataplane_v2": False}
POOLS: Vars = {"gke_node_pools": [{"name": "nodes"}, {"name": "edge"}]}
GENTLE: Vars = {"gke_recreate_nodes": True}


def west(**more: t.Any) -> Fleet:
    return fleet_of({"west": {**HOSTS["west"], **more}})


@pytest.fixture
def run(options: dict[str, t.Any], google_cloud: StandIn) -> Run:
    return Run(options)


@pytest.mark.parametrize(
    "said",
    [
        {"gke_network_policy": True, **LEGACY},
        {"gke_network_policy": False, **LEGACY},
        {"gke_node_local_dns": True},
        {"gke_intranode_visibility": True},
        {"gke_shielded_nodes": False},
    ],
    ids=lambda said: f"{next(iter(said))} {next(iter(said.values()))}",
)
def test_new_nodes_of_all_pools_need_consent(run: Run, google_cloud: StandIn, said: Vars) -> None:
    (variable, value) = next(iter(said.items()))
    other = LEGACY if "gke_dataplane_v2" in said else {}
    make(run, google_cloud, west(**{variable: not value}, **other, **POOLS))
    sent = len(google_cloud.cloud.log)
    for dry in (True, False):
        error = failure(run(west(**said, **POOLS), dry=dry))
        assert error.what == f"{variable} cannot be changed without new nodes"
        assert "each node of nodes, edge" in error.means
        assert "gke_recreate_nodes: true" in error.next_step
    assert [e for e in google_cloud.cloud.log[sent:] if "list" not in e["method"].lower()] == []
    assert actions(run(west(**said, **POOLS, **GENTLE))) == {"west": "changed"}
    assert actions(run(west(**said, **POOLS))) == {"west": "unchanged"}


def test_pools_that_lose_nodes_first_are_named(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, west(**POOLS))
    cluster = google_cloud.cloud.resources[WEST]
    hasty = {"strategy": "SURGE", "maxUnavailable": 1}
    theirs = {**cluster["nodePools"][0], "name": "theirs", "upgradeSettings": dict(hasty)}
    cluster["nodePools"].append(theirs)
    cluster["nodePools"][1]["upgradeSettings"] = dict(hasty)
    said = west(gke_intranode_visibility=True, **POOLS, **GENTLE)
    error = failure(run(said))
    assert error.what.endswith("and pools edge, theirs lose old ones first")
    assert "gcloud container node-pools update" in error.next_step
    # What the inventory says of its pool comes before; of that of others it says nothing.
    said = west(gke_intranode_visibility=True, gke_upgrade={"max_surge": 1}, **POOLS, **GENTLE)
    assert failure(run(said)).what.endswith("and pool theirs loses old ones first")
    theirs["upgradeSettings"] = {"strategy": "BLUE_GREEN"}
    sent = len(google_cloud.cloud.log)
    assert actions(run(said)) == {"west": "changed"}
    methods = [e["method"].rpartition("clusters.")[2] for e in google_cloud.cloud.log[sent:]]
    assert [name for name in methods if "pdate" in name] == ["nodePools.update", "update"]
