# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fields of a cluster whose change replaces the nodes of its pools: asked for first, and gently."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.methods import document
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.differences import not_taken
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.passed import _HARMLESS, is_harmless
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet

from .cluster_runs import HOSTS, WEST, Run, Vars, actions, failure, fleet_of, make, wanted_of
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


STREAMED: Vars = {"nodePoolDefaults": {"nodeConfigDefaults": {"gcfsConfig": {"enabled": True}}}}
UNSTREAMED: Vars = {"nodePoolDefaults": {"nodeConfigDefaults": {"gcfsConfig": {"enabled": False}}}}


def test_a_passed_field_that_may_make_new_nodes_needs_consent(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, west(gke_cluster_fields=UNSTREAMED, **POOLS))
    sent = len(google_cloud.cloud.log)
    for dry in (True, False):
        error = failure(run(west(gke_cluster_fields=STREAMED, **POOLS), dry=dry))
        name = "gke_cluster_fields.nodePoolDefaults.nodeConfigDefaults.gcfsConfig.enabled"
        assert error.what == f"{name} cannot be changed without new nodes"
        assert "Google may replace each node of nodes, edge" in error.means
        assert "gke_recreate_nodes: true" in error.next_step
    assert [e for e in google_cloud.cloud.log[sent:] if "list" not in e["method"].lower()] == []
    assert actions(run(west(gke_cluster_fields=STREAMED, **POOLS, **GENTLE))) == {"west": "changed"}
    assert actions(run(west(gke_cluster_fields=STREAMED, **POOLS))) == {"west": "unchanged"}


def test_fields_that_are_said_to_be_harmless_are_googles() -> None:
    """Each is one that Google knows, and that a call changes."""
    schemas = document("container")["schemas"]
    for path in _HARMLESS:
        schema = schemas["Cluster"]
        for part in path.split("."):
            assert part in schema["properties"], path
            schema = schemas.get(schema["properties"][part].get("$ref") or "") or {"properties": {}}
    assert not is_harmless("nodePoolDefaults.nodeConfigDefaults.gcfsConfig")
    assert not is_harmless("addonsConfig.aNewOne")


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


# Zones.

EUROPE = "europe-north1"
NORTH = f"container/projects/shop-prod/locations/{EUROPE}/clusters/north"


def zones(letters: str) -> list[str]:
    return [f"{EUROPE}-{letter}" for letter in letters]


def north(letters: str, edge: str = "", **more: t.Any) -> Fleet:
    pools = [{"name": "nodes"}, {"name": "edge", **({"locations": zones(edge)} if edge else {})}]
    return fleet_of(
        {"north": {**HOSTS["north"], "gke_node_locations": zones(letters), "gke_node_pools": pools, **more}}
    )


def zones_of_pools(google_cloud: StandIn) -> dict[str, list[str]]:
    return {pool["name"]: pool["locations"] for pool in google_cloud.cloud.resources[NORTH]["nodePools"]}


def test_pools_keep_their_zones_when_the_clusters_grow(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, north("ab", "a"))
    pools = google_cloud.cloud.resources[NORTH]["nodePools"]
    pools.append({**pools[0], "name": "theirs", "locations": zones("b")})
    said = north("abc", "a")
    planned = run(said, dry=True)
    sent = len(google_cloud.cloud.log)
    assert actions(planned) == {"north": "changed"}
    assert run(said) == planned
    assert zones_of_pools(google_cloud) == {"nodes": zones("abc"), "edge": zones("a"), "theirs": zones("b")}
    methods = [e["method"].rpartition("clusters.")[2] for e in google_cloud.cloud.log[sent:]]
    assert [name for name in methods if "pdate" in name] == ["update", "nodePools.update", "nodePools.update"]
    assert actions(run(said)) == {"north": "unchanged"}


def test_said_zones_of_a_pool_outlast_the_clusters(run: Run, google_cloud: StandIn) -> None:
    # The pool's are the cluster's today, and the inventory says them.
    make(run, google_cloud, north("a", "a"))
    assert actions(run(north("ab", "a"))) == {"north": "changed"}
    assert zones_of_pools(google_cloud) == {"nodes": zones("ab"), "edge": zones("a")}
    # Also where Google has made the cluster in other zones than it was asked for.
    live = {**google_cloud.cloud.resources[NORTH], "locations": zones("abc")}
    found = not_taken(wanted_of(north("ab", "a"))["north"], live)
    assert [d.variable for d in found] == ["gke_node_locations", "gke_node_pools.edge.locations"]


def test_zones_that_leave_a_cluster_need_consent(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, north("ab"))
    for dry in (True, False):
        error = failure(run(north("a"), dry=dry), "north")
        assert error.what == "gke_node_locations cannot be changed without ending nodes"
        assert f"nodes in {EUROPE}-b, edge in {EUROPE}-b" in error.means
    assert zones_of_pools(google_cloud) == {"nodes": zones("ab"), "edge": zones("ab")}
    assert actions(run(north("a", **GENTLE))) == {"north": "changed"}
    assert actions(run(north("a"))) == {"north": "unchanged"}


def test_zones_that_a_pool_has_alone_need_consent(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, north("a", "c"))
    assert f"edge in {EUROPE}-c," in failure(run(north("ab", "c")), "north").means
    assert actions(run(north("ab", "c", **GENTLE))) == {"north": "changed"}
    assert zones_of_pools(google_cloud) == {"nodes": zones("ab"), "edge": zones("c")}


def test_zones_that_leave_a_pool_need_consent(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, north("abc", "ab"))
    error = failure(run(north("abc", "b")), "north")
    assert error.what == "gke_node_pools.edge.locations cannot be changed without ending nodes"
    assert f"edge in {EUROPE}-a," in error.means
    assert zones_of_pools(google_cloud)["edge"] == zones("ab")
    assert actions(run(north("abc", "b", **GENTLE))) == {"north": "changed"}
    assert actions(run(north("abc", "abc"))) == {"north": "changed"}
