# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said about clusters that left the fleet, or seem to have."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.leaving import (
    deleted,
    forgotten,
    gone,
    unnamed,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    KEEP,
    REMOVE,
    UNNAMED,
    KeyPlan,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

FLEET = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})
REVOKE = "in each of west, east: kubectl -n istio-system delete serviceaccount istio-reader-service-account"


def test_an_unnamed_cluster_has_two_causes_and_each_its_way() -> None:
    assert unnamed(FLEET, {"west": [KeyPlan("east", KEEP)]}) is None
    text = str(unnamed(FLEET, {"west": [KeyPlan("south", UNNAMED)], "east": [KeyPlan("south", UNNAMED)]}))
    assert "the inventory does not name south, which the fleet still watches; its edges stay" in text
    assert "remote secrets of south in east, west" in text
    assert "a part of the inventory is missing, or it left the fleet; it still holds tokens" in text
    assert "bring the missing part of the inventory back" in text
    assert "playbooks/teardown.yml with --limit south" in text and "-e peering_forget=south" in text


def test_many_clusters_are_told_in_one_text() -> None:
    text = str(unnamed(FLEET, {"west": [KeyPlan(f"n{i}", UNNAMED) for i in range(8)]}))
    assert "n0, n1, n2, n3, n4 and 3 more, which the fleet still watches; their edges stay" in text
    assert "peering_forget=n0,n1,n2,n3,n4,n5,n6,n7" in text
    assert "or they left the fleet; they still hold tokens of the clusters that they watched, and read" in text
    two = str(unnamed(FLEET, {"west": [KeyPlan("n0", UNNAMED), KeyPlan("n1", UNNAMED)]}))
    assert "n0, n1, which the fleet still watches; their edges stay" in two


def test_a_text_counts_only_the_clusters_that_it_does_not_name() -> None:
    for count, listed in ((5, "n0, n1, n2, n3, n4, which"), (6, "n0, n1, n2, n3, n4 and 1 more, which")):
        assert listed in str(unnamed(FLEET, {"west": [KeyPlan(f"n{i}", UNNAMED) for i in range(count)]}))


def test_who_forgets_a_cluster_hears_what_it_still_holds() -> None:
    kept = KeyPlan("south", KEEP)
    plans = {"west": [KeyPlan("south", REMOVE)], "east": [KeyPlan("west", REMOVE)], "north": [kept]}
    gone_ones = forgotten(FLEET, ["south", "soth"], plans)
    assert gone_ones[0] == "peering_forget names soth, but no cluster of this run has an edge to it"
    assert "south is forgotten: edges removed in west; it still holds tokens" in gone_ones[1]
    assert REVOKE in gone_ones[1]
    managed = {"cluster_provider": "gke", "mesh_control_plane": "managed"}
    mixed = read_fleet({"google": managed, "west": {"cluster_provider": "kubeconfig"}})
    (text,) = forgotten(mixed, ["south"], {"west": [KeyPlan("south", REMOVE)]})
    assert "in west: kubectl" in text, "peering makes no account where Google runs the control plane"


def test_a_dead_cluster_that_is_torn_down_gets_advice_that_ends() -> None:
    error = gone(FLEET, "east", FleetError("cannot be reached", seen="connection refused", next_step="start it"))
    text = str(error)
    assert "nothing was removed on it" in text and "connection refused" in text
    assert "take east out of the inventory" in text and "start it" not in text
    assert "in west: kubectl -n istio-system delete serviceaccount" in text
    assert "playbooks/teardown.yml with --limit east once it answers" in text


def test_a_deleted_cluster_is_named_with_what_was_looked_for() -> None:
    error = FleetError("Google has no such cluster", cluster="east", obj="cluster e in r", seen="one of this name in x")
    assert deleted(error) == (
        "east: Google has no such cluster, so nothing was removed on it (cluster e in r: one of this name in x); if it "
        "is another one, correct its variables and run playbooks/teardown.yml with --limit east again"
    )
