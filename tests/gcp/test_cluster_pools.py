# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Node pools, Autopilot, and changes of others to a cluster: kept, changed in place, corrected, refused."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.differences import body, compare
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import ClusterSpec

from .cluster_runs import HOSTS, WEST, Run, Vars, actions, failure, fleet_of, make, wanted_of
from .standin.discovery import services
from .standin.server import StandIn

NORTH = "container/projects/shop-prod/locations/europe-north1/clusters/north"
EDGE: Vars = {"name": "edge", "machine_type": "c3-standard-4", "taints": [{"key": "edge", "value": "only"}]}
POOLS: list[Vars] = [{"name": "nodes"}, EDGE]


def with_west(**more: t.Any) -> Fleet:
    return fleet_of({**HOSTS, "west": {**HOSTS["west"], **more}})


@pytest.fixture
def run(options: dict[str, t.Any], google_cloud: StandIn) -> Run:
    return Run(options)


@pytest.fixture
def made(run: Run, google_cloud: StandIn) -> Run:
    """Two clusters, the first with two node pools."""
    return make(run, google_cloud, with_west(gke_node_pools=POOLS))


def live_pool(google_cloud: StandIn, name: str) -> dict[str, t.Any]:
    return next(p for p in google_cloud.cloud.resources[WEST]["nodePools"] if p["name"] == name)


def test_several_pools_are_made_and_left_alone(made: Run, google_cloud: StandIn) -> None:
    edge = live_pool(google_cloud, "edge")
    assert edge["config"]["machineType"] == "c3-standard-4"
    assert edge["config"]["taints"] == [{"key": "edge", "value": "only", "effect": "NO_SCHEDULE"}]
    assert live_pool(google_cloud, "nodes")["config"]["machineType"] == "e2-standard-4"
    assert all(p["config"]["tags"] == ["mesh-shop"] for p in google_cloud.cloud.resources[WEST]["nodePools"])
    assert set(actions(made(with_west(gke_node_pools=POOLS))).values()) == {"unchanged"}


@pytest.mark.parametrize(
    ("more", "read", "value"),
    [
        ({"node_count": 3}, lambda p: p["initialNodeCount"], 3),
        ({"node_count_max": 4}, lambda p: p["autoscaling"]["maxNodeCount"], 4),
        ({"machine_type": "c3-standard-8"}, lambda p: p["config"]["machineType"], "c3-standard-8"),
        ({"disk_size": 200}, lambda p: p["config"]["diskSizeGb"], 200),
        ({"node_labels": {"tier": "edge"}}, lambda p: p["config"]["labels"], {"tier": "edge"}),
        (
            {"taints": [{"key": "edge", "effect": "NoExecute"}]},
            lambda p: p["config"]["taints"][0]["effect"],
            "NO_EXECUTE",
        ),
    ],
)
def test_one_pool_of_several_is_changed_in_place(
    made: Run, google_cloud: StandIn, more: Vars, read: t.Callable[[t.Any], t.Any], value: t.Any
) -> None:
    before = dict(live_pool(google_cloud, "nodes"))
    fleet = with_west(gke_node_pools=[{"name": "nodes"}, {**EDGE, **more}], gke_recreate_nodes=True)
    planned = made(fleet, dry=True)
    assert actions(planned) == {"west": "changed", "north": "unchanged"}
    assert made(fleet) == planned
    assert read(live_pool(google_cloud, "edge")) == value
    assert live_pool(google_cloud, "nodes") == before
    assert set(actions(made(fleet)).values()) == {"unchanged"}


def test_what_a_pool_cannot_change_is_refused_by_name(made: Run) -> None:
    error = failure(made(with_west(gke_node_pools=[{"name": "nodes"}, {**EDGE, "spot": True}])))
    assert error.what == "gke_node_pools.edge.spot cannot be changed in place"
    assert "name a pool of another name" in error.next_step
    assert "delete the cluster" not in error.next_step


def test_a_new_pool_is_made_and_an_unlisted_one_stays(made: Run, google_cloud: StandIn) -> None:
    more = [*POOLS, {"name": "batch", "spot": True, "node_count_max": 9}]
    assert actions(made(with_west(gke_node_pools=more)))["west"] == "changed"
    assert live_pool(google_cloud, "batch")["config"]["spot"] is True
    assert actions(made(with_west(gke_node_pools=POOLS)))["west"] == "unchanged"
    assert live_pool(google_cloud, "batch")


def test_labels_and_taints_that_google_adds_are_no_change(made: Run, google_cloud: StandIn) -> None:
    config = live_pool(google_cloud, "edge")["config"]
    config["labels"] = {"cloud.google.com/gke-boot-disk": "pd-balanced"}
    config["taints"].append({"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"})
    assert actions(made(with_west(gke_node_pools=POOLS)))["west"] == "unchanged"


# What others changed, and what the mesh needs.


def ends(google_cloud: StandIn) -> dict[str, t.Any]:
    found: dict[str, t.Any] = google_cloud.cloud.resources[WEST]["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    return found


@pytest.mark.parametrize(
    "field",
    ["privateEndpointEnforcementEnabled", "gcpPublicCidrsAccessEnabled"],
)
def test_authorized_networks_hold_for_all(run: Run, google_cloud: StandIn, field: str) -> None:
    fleet = with_west(gke_authorized_networks=["198.51.100.7/32"])
    make(run, google_cloud, fleet)
    allowed = ends(google_cloud)["authorizedNetworksConfig"]
    assert (allowed["privateEndpointEnforcementEnabled"], allowed["gcpPublicCidrsAccessEnabled"]) == (True, False)
    allowed[field] = not allowed[field]
    assert actions(run(fleet))["west"] == "changed"
    assert ends(google_cloud)["authorizedNetworksConfig"][field] is (field == "privateEndpointEnforcementEnabled")
    assert actions(run(fleet))["west"] == "unchanged"


def test_the_private_endpoint_answers_in_all_regions(made: Run, google_cloud: StandIn) -> None:
    ends(google_cloud)["globalAccess"] = False
    assert actions(made(with_west(gke_node_pools=POOLS)))["west"] == "changed"
    assert ends(google_cloud)["globalAccess"] is True


def test_pods_of_a_pool_have_workload_identity_and_the_tag(made: Run, google_cloud: StandIn) -> None:
    config = live_pool(google_cloud, "edge")["config"]
    config["workloadMetadataConfig"] = {"mode": "GCE_METADATA"}
    config["tags"] = ["theirs"]
    error = failure(made(with_west(gke_node_pools=POOLS)))
    assert error.what == "workload identity of nodes cannot be changed without new nodes"
    assert actions(made(with_west(gke_node_pools=POOLS, gke_recreate_nodes=True)))["west"] == "changed"
    config = live_pool(google_cloud, "edge")["config"]
    assert (config["workloadMetadataConfig"], config["tags"]) == ({"mode": "GKE_METADATA"}, ["theirs", "mesh-shop"])


def theirs(google_cloud: StandIn) -> dict[str, t.Any]:
    """The cluster west as others would have made it."""
    west: dict[str, t.Any] = google_cloud.cloud.resources[WEST]
    west |= {"resourceLabels": {}, "description": "by hand", "releaseChannel": {"channel": "STABLE"}}
    west["networkConfig"] |= {"defaultEnablePrivateNodes": False, "datapathProvider": "LEGACY_DATAPATH"}
    networks = {"enabled": True, "cidrBlocks": [{"cidrBlock": "198.51.100.0/24"}]}
    ends(google_cloud).update(globalAccess=False, enablePublicEndpoint=True, authorizedNetworksConfig=networks)
    for pool in west["nodePools"]:
        pool["name"] = f"their-{pool['name']}"
    return west


def test_an_adopted_cluster_keeps_what_the_inventory_leaves_out(made: Run, google_cloud: StandIn) -> None:
    west = theirs(google_cloud)
    assert actions(made(with_west(gke_adopt=True)))["west"] == "changed"
    assert west["releaseChannel"] == {"channel": "STABLE"}
    assert west["networkConfig"]["defaultEnablePrivateNodes"] is False
    assert ends(google_cloud)["authorizedNetworksConfig"]["cidrBlocks"] == [{"cidrBlock": "198.51.100.0/24"}]
    assert ends(google_cloud)["enablePublicEndpoint"] is True
    assert [p["name"] for p in west["nodePools"]] == ["their-nodes", "their-edge"]
    # What a mesh needs.
    assert ends(google_cloud)["globalAccess"] is True
    assert west["resourceLabels"]["mesh_id"] == "shop"
    assert actions(made(with_west(gke_adopt=True)))["west"] == "unchanged"
    assert actions(made())["west"] == "unchanged"


def test_variables_of_an_adopted_cluster_are_applied(made: Run, google_cloud: StandIn) -> None:
    west = theirs(google_cloud)
    said = {
        "gke_adopt": True,
        "gke_release_channel": "rapid",
        "gke_authorized_networks": ["192.0.2.7/32"],
        "gke_node_pools": [{"name": "their-nodes", "node_count": 2}, {**EDGE, "name": "more"}],
    }
    assert actions(made(with_west(**said)))["west"] == "changed"
    assert west["releaseChannel"] == {"channel": "RAPID"}
    assert {"cidrBlock": "192.0.2.7/32"} in ends(google_cloud)["authorizedNetworksConfig"]["cidrBlocks"]
    assert [p["name"] for p in west["nodePools"]] == ["their-nodes", "their-edge", "more"]
    assert west["nodePools"][0]["initialNodeCount"] == 2
    assert west["networkConfig"]["defaultEnablePrivateNodes"] is False
    assert actions(made(with_west(**said)))["west"] == "unchanged"


# Autopilot.


@pytest.fixture
def autopilot(run: Run, google_cloud: StandIn) -> Run:
    return make(run, google_cloud, fleet_of({"north": {**HOSTS["north"], "gke_mode": "autopilot"}}))


@pytest.mark.parametrize(
    ("more", "read", "value"),
    [
        ({"gke_release_channel": "stable"}, lambda c: c["releaseChannel"]["channel"], "STABLE"),
        ({"gke_labels": {"team": "core"}}, lambda c: c["resourceLabels"]["team"], "core"),
        ({"gke_private_nodes": False}, lambda c: c["networkConfig"]["defaultEnablePrivateNodes"], False),
        (
            {"gke_endpoint": "dns"},
            lambda c: c["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["allowExternalTraffic"],
            True,
        ),
    ],
)
def test_autopilot_is_changed_in_place(
    autopilot: Run, google_cloud: StandIn, more: Vars, read: t.Callable[[t.Any], t.Any], value: t.Any
) -> None:
    north = {**HOSTS["north"], "gke_mode": "autopilot"}
    fleet = fleet_of({"north": {**north, **more}})
    planned = autopilot(fleet, dry=True)
    assert actions(planned) == {"north": "changed"}
    assert autopilot(fleet) == planned
    assert read(google_cloud.cloud.resources[NORTH]) == value
    assert actions(autopilot(fleet)) == {"north": "unchanged"}


def test_autopilot_nodes_are_given_the_tag(autopilot: Run, google_cloud: StandIn) -> None:
    north = google_cloud.cloud.resources[NORTH]
    assert north["nodePoolAutoConfig"]["networkTags"]["tags"] == ["mesh-shop"]
    north["nodePoolAutoConfig"]["networkTags"]["tags"] = ["theirs"]
    fleet = fleet_of({"north": {**HOSTS["north"], "gke_mode": "autopilot"}})
    assert actions(autopilot(fleet)) == {"north": "changed"}
    assert google_cloud.cloud.resources[NORTH]["nodePoolAutoConfig"]["networkTags"]["tags"] == ["theirs", "mesh-shop"]


def test_pods_of_autopilot_may_have_net_admin_for_our_istiod(autopilot: Run, google_cloud: StandIn) -> None:
    north = google_cloud.cloud.resources[NORTH]
    assert north["autopilot"] == {"enabled": True, "workloadPolicyConfig": {"allowNetAdmin": True}}
    # Also of a cluster that others made, where the inventory says nothing of it.
    north |= {"resourceLabels": {}, "description": "by hand", "autopilot": {"enabled": True}}
    fleet = fleet_of({"north": {**HOSTS["north"], "gke_mode": "autopilot", "gke_adopt": True}})
    planned = autopilot(fleet, dry=True)
    assert "gke_allow_net_admin" in t.cast("t.Any", planned["north"])[0].after
    assert autopilot(fleet) == planned
    assert north["autopilot"]["workloadPolicyConfig"] == {"allowNetAdmin": True}
    assert actions(autopilot(fleet)) == {"north": "unchanged"}


def test_pods_of_autopilot_have_none_for_googles_istiod(autopilot: Run, google_cloud: StandIn) -> None:
    north = google_cloud.cloud.resources[NORTH]
    north["autopilot"] = {"enabled": True}
    managed = {**HOSTS["north"], "gke_mode": "autopilot", "mesh_control_plane": "managed"}
    assert actions(autopilot(fleet_of({"north": managed}))) == {"north": "unchanged"}
    assert north["autopilot"] == {"enabled": True}


def test_autopilot_is_not_made_of_a_standard_cluster(autopilot: Run) -> None:
    error = failure(autopilot(fleet_of({"north": HOSTS["north"]})), "north")
    assert error.what == "gke_mode cannot be changed in place"
    assert error.seen == "gke_mode is autopilot, wanted standard"


# Bodies.


def test_every_pool_body_is_valid_by_googles_document() -> None:
    container = next(s for s in services() if s.name == "container")
    requests = {
        "update": "UpdateClusterRequest",
        "setResourceLabels": "SetLabelsRequest",
        "nodePools.create": "CreateNodePoolRequest",
        "nodePools.update": "UpdateNodePoolRequest",
        "nodePools.setSize": "SetNodePoolSizeRequest",
        "nodePools.setAutoscaling": "SetNodePoolAutoscalingRequest",
    }
    west: ClusterSpec = wanted_of(with_west(gke_node_pools=[*POOLS, {"name": "batch", "node_count_max": 9}]))["west"]
    container.check_schema("CreateClusterRequest", body(west, "x"), "")
    used = set()
    for live in ({}, {"nodePools": [{"name": "nodes"}, {"name": "edge"}, {"name": "batch"}]}):
        for difference in compare(west, live):
            if difference.step and difference.step.method:
                used.add(difference.step.method)
                container.check_schema(requests[difference.step.method], difference.step.body, "")
    assert used == set(requests)
