# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE clusters against the stand-in: made, unchanged, changed in place, refused, adopted, deleted."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.differences import body, compare
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .cluster_runs import HOSTS, WEST, Run, Vars, actions, failure, fleet_of, make, wanted_of
from .held import going, held
from .standin.discovery import services
from .standin.server import StandIn


def with_west(**more: t.Any) -> Fleet:
    return fleet_of({**HOSTS, "west": {**HOSTS["west"], **more}})


@pytest.fixture
def run(options: dict[str, t.Any], google_cloud: StandIn) -> Run:
    return Run(options)


@pytest.fixture
def made(run: Run, google_cloud: StandIn) -> Run:
    return make(run, google_cloud)


# Make, and leave alone.


def test_made_side_by_side_then_left_alone_with_one_request(made: Run, google_cloud: StandIn) -> None:
    assert set(google_cloud.cloud.resources) == {
        WEST,
        "container/projects/shop-prod/locations/europe-north1/clusters/north",
    }
    assert set(actions(made()).values()) == {"unchanged"}
    assert made.google.requests == 1


def test_check_mode_reports_the_changes_and_makes_none(run: Run, google_cloud: StandIn) -> None:
    planned = run(dry=True)
    assert google_cloud.cloud.resources == {}
    assert planned == run()


def test_what_google_and_others_add_is_no_change(made: Run, google_cloud: StandIn) -> None:
    west = google_cloud.cloud.resources[WEST]
    west["addonsConfig"] = {"dnsCacheConfig": {"enabled": True}}
    west["resourceLabels"]["cost-centre"] = "42"
    west["nodePools"].append({"name": "theirs", "config": {"machineType": "a3"}, "initialNodeCount": 9})
    assert actions(made())["west"] == "unchanged"


# Change in place.

GENTLE: Vars = {"gke_recreate_nodes": True}

CHANGES: dict[str, tuple[Vars, t.Callable[[dict[str, t.Any]], t.Any], t.Any]] = {
    "gke_release_channel": (
        {"gke_release_channel": "rapid"},
        lambda c: c["releaseChannel"]["channel"],
        "RAPID",
    ),
    "gke_endpoint": (
        {"gke_endpoint": "dns"},
        lambda c: c["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["allowExternalTraffic"],
        True,
    ),
    "gke_authorized_networks": (
        {"gke_authorized_networks": ["198.51.100.7/32"]},
        lambda c: (
            {"cidrBlock": "198.51.100.7/32"}
            in c["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["authorizedNetworksConfig"]["cidrBlocks"]
        ),
        True,
    ),
    "gke_labels": ({"gke_labels": {"team": "core"}}, lambda c: c["resourceLabels"]["team"], "core"),
    "gke_node_count": ({"gke_node_count": 3}, lambda c: c["nodePools"][0]["initialNodeCount"], 3),
    "gke_node_count_max": ({"gke_node_count_max": 5}, lambda c: c["nodePools"][0]["autoscaling"]["maxNodeCount"], 5),
    "gke_node_total_max": (
        {"gke_node_total_max": 5},
        lambda c: c["nodePools"][0]["autoscaling"]["totalMaxNodeCount"],
        5,
    ),
    "gke_node_total_min": (
        {"gke_node_total_max": 5, "gke_node_total_min": 2, "gke_node_location_policy": "any"},
        lambda c: c["nodePools"][0]["autoscaling"],
        {"enabled": True, "totalMinNodeCount": 2, "totalMaxNodeCount": 5, "locationPolicy": "ANY"},
    ),
    "gke_machine_type": (
        {"gke_machine_type": "n2-standard-8", **GENTLE},
        lambda c: c["nodePools"][0]["config"]["machineType"],
        "n2-standard-8",
    ),
    "gke_disk_size": ({"gke_disk_size": 200, **GENTLE}, lambda c: c["nodePools"][0]["config"]["diskSizeGb"], 200),
    "gke_node_labels": (
        {"gke_node_labels": {"tier": "web"}},
        lambda c: c["nodePools"][0]["config"]["labels"],
        {"tier": "web"},
    ),
    "gke_private_nodes": (
        {"gke_private_nodes": False, **GENTLE},
        lambda c: (
            c["networkConfig"]["defaultEnablePrivateNodes"],
            c["nodePools"][0]["networkConfig"]["enablePrivateNodes"],
        ),
        (False, False),
    ),
}


@pytest.mark.parametrize("variable", CHANGES)
def test_changed_in_place(made: Run, google_cloud: StandIn, variable: str) -> None:
    more, read, value = CHANGES[variable]
    fleet = fleet_of({**HOSTS, "west": {**HOSTS["west"], **more}})
    planned = made(fleet, dry=True)
    assert actions(planned) == {"west": "changed", "north": "unchanged"}
    assert made(fleet) == planned
    assert read(google_cloud.cloud.resources[WEST]) == value
    assert set(actions(made(fleet)).values()) == {"unchanged"}
    # And back, which is a change as well; labels of others stay, and ours of yesterday are then others'.
    back = made(with_west(**GENTLE))
    assert actions(back)["west"] == ("unchanged" if variable == "gke_labels" else "changed")


def test_changes_of_one_cluster_are_made_one_by_one(made: Run, google_cloud: StandIn) -> None:
    more = {name: value for changes, _read, _value in CHANGES.values() for name, value in changes.items()}
    more |= {"gke_node_total_max": 0, "gke_node_total_min": 0}  # Google takes one of the two kinds of limits
    fleet = fleet_of({**HOSTS, "west": {**HOSTS["west"], **more, "gke_node_count": 3}})
    assert actions(made(fleet))["west"] == "changed"
    assert actions(made(fleet))["west"] == "unchanged"


def test_workload_identity_is_switched_on(made: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.resources[WEST].pop("workloadIdentityConfig")
    assert actions(made())["west"] == "changed"
    assert google_cloud.cloud.resources[WEST]["workloadIdentityConfig"] == {"workloadPool": "shop-prod.svc.id.goog"}


def test_a_missing_node_pool_is_made(made: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.resources[WEST]["nodePools"].clear()
    assert actions(made())["west"] == "changed"
    assert [p["name"] for p in google_cloud.cloud.resources[WEST]["nodePools"]] == ["nodes"]
    assert actions(made())["west"] == "unchanged"


# New nodes.


@pytest.mark.parametrize("variable", ["gke_machine_type", "gke_disk_size", "gke_private_nodes"])
def test_new_nodes_need_consent(made: Run, google_cloud: StandIn, variable: str) -> None:
    more, read, _value = CHANGES[variable]
    before = read(google_cloud.cloud.resources[WEST]) if variable != "gke_private_nodes" else None
    for dry in (True, False):
        error = failure(made(with_west(**{**more, "gke_recreate_nodes": False}), dry=dry))
        assert error.what == f"{variable} cannot be changed without new nodes"
        assert "gke_recreate_nodes: true" in error.next_step
    if variable != "gke_private_nodes":
        assert read(google_cloud.cloud.resources[WEST]) == before


def test_new_nodes_come_before_old_ones_go(made: Run, google_cloud: StandIn) -> None:
    pool = google_cloud.cloud.resources[WEST]["nodePools"][0]
    pool["upgradeSettings"] = {"strategy": "SURGE", "maxUnavailable": 1}
    bigger = {"gke_machine_type": "n2-standard-8", **GENTLE}
    error = failure(made(with_west(**bigger)))
    assert "pool nodes loses old ones first" in error.what
    assert pool["config"]["machineType"] == "e2-standard-4"
    # The settings come first: the nodes are replaced by them.
    assert actions(made(with_west(**bigger, gke_upgrade={"max_surge": 1})))["west"] == "changed"
    log = [entry["body"] for entry in google_cloud.cloud.log if entry["method"].endswith("nodePools.update")]
    assert [sorted(body) for body in log] == [["upgradeSettings"], ["machineType"]]


# Refuse.


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("gke_spot", True),
        ("gke_dataplane_v2", False),
        ("gke_subnetwork", "other"),
        ("gke_network", "other"),
        ("cluster_pod_cidr", "10.200.0.0/16"),
        ("cluster_service_cidr", "10.201.0.0/16"),
        ("gke_control_plane_cidr", "172.16.0.0/28"),
    ],
)
def test_what_needs_a_new_cluster_is_refused_by_name(
    made: Run, google_cloud: StandIn, variable: str, value: t.Any
) -> None:
    before = dict(google_cloud.cloud.resources[WEST])
    found = made(fleet_of({**HOSTS, "west": {**HOSTS["west"], variable: value}}))
    error = failure(found)
    assert variable in error.what
    assert "cannot be changed in place" in error.what
    assert google_cloud.cloud.resources[WEST] == before
    if not variable.startswith("cluster_"):  # a range of west changes the assigned one of north
        assert actions(found)["north"] == "unchanged"


def test_the_range_of_a_control_plane_stays_what_it_was(run: Run, google_cloud: StandIn) -> None:
    named = {"gke_control_plane_cidr": "172.16.0.0/28"}
    make(run, google_cloud, fleet_of({"west": {**HOSTS["west"], **named}}))
    assert actions(run(fleet_of({"west": {**HOSTS["west"], **named}}))) == {"west": "unchanged"}
    assert actions(run(fleet_of({"west": HOSTS["west"]}))) == {"west": "unchanged"}
    error = failure(run(fleet_of({"west": {**HOSTS["west"], "gke_control_plane_cidr": "172.16.0.16/28"}})))
    assert error.what == "gke_control_plane_cidr cannot be changed in place"


def test_what_google_does_not_heed_is_named(run: Run, google_cloud: StandIn) -> None:
    """Google accepts some requests and ignores a part of them."""
    google_cloud.cloud.on_cluster.append(lambda cluster: cluster.pop("privateClusterConfig", None))
    error = failure(run(fleet_of({"west": {**HOSTS["west"], "gke_control_plane_cidr": "172.16.0.0/28"}})))
    assert error.what == "Google made it without gke_control_plane_cidr"
    google_cloud.cloud.on_cluster[:] = [lambda cluster: cluster["networkConfig"].pop("enableIntraNodeVisibility")]
    found = run(fleet_of({"north": {**HOSTS["north"], "gke_intranode_visibility": True}}))
    # What can be changed in place is changed at once.
    assert actions(found) == {"north": "created"}
    north = google_cloud.cloud.resources["container/projects/shop-prod/locations/europe-north1/clusters/north"]
    assert north["networkConfig"]["enableIntraNodeVisibility"] is True


def test_another_mode_or_place_is_refused(made: Run) -> None:
    moved = made(fleet_of({**HOSTS, "west": {"cluster_region": "us-west1"}}))
    assert "cluster_zone" in failure(moved).what
    other = made(fleet_of({**HOSTS, "north": {**HOSTS["north"], "gke_mode": "autopilot"}}))
    assert "gke_mode" in failure(other, "north").what


def test_a_cluster_of_others_is_adopted_only_on_request(made: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.resources[WEST] |= {"resourceLabels": {"team": "theirs"}, "description": "by hand"}
    error = failure(made())
    assert "did not make" in error.what
    assert "gke_adopt: true" in error.next_step
    fleet = fleet_of({**HOSTS, "west": {**HOSTS["west"], "gke_adopt": True}})
    assert actions(made(fleet))["west"] == "changed"
    assert google_cloud.cloud.resources[WEST]["resourceLabels"]["team"] == "theirs"
    assert actions(made())["west"] == "unchanged"
    # Taken over is not made: it is never deleted.
    assert "not deleted" in failure(made(absent=True)).what
    assert WEST in google_cloud.cloud.resources


# Delete.


def test_a_protected_cluster_is_not_deleted(made: Run, google_cloud: StandIn) -> None:
    fleet = with_west(gke_deletion_protection=True)
    for dry in (True, False):
        found = made(fleet, absent=True, dry=dry)
        assert failure(found).what == "it is protected, so it is not deleted"
        assert actions(found)["north"] == "removed"
    assert WEST in google_cloud.cloud.resources
    assert actions(made(absent=True))["west"] == "removed"


def test_deleted_and_gone(made: Run, google_cloud: StandIn) -> None:
    assert set(actions(made(absent=True, dry=True)).values()) == {"removed"}
    assert len(google_cloud.cloud.resources) == 2
    assert set(actions(made(absent=True)).values()) == {"removed"}
    assert google_cloud.cloud.resources == {}
    assert set(actions(made(absent=True)).values()) == {"unchanged"}


# Bodies: whatever the inventory says, they are valid by Google's own document.


@pytest.mark.parametrize("zone", ["us-west1-a", ""])
@pytest.mark.parametrize("mode", ["standard", "autopilot"])
@pytest.mark.parametrize("endpoint", ["public", "private", "dns"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"gke_spot": True, "gke_node_count_max": 4, "gke_node_labels": {"tier": "web"}},
        {"gke_private_nodes": False, "gke_dataplane_v2": False, "gke_authorized_networks": ["198.51.100.0/24"]},
        {"gke_control_plane_cidr": "172.16.0.0/28", "gke_release_channel": "extended", "gke_labels": {"team": "x"}},
    ],
)
def test_create_bodies_match_the_discovery_document(zone: str, mode: str, endpoint: str, more: Vars) -> None:
    hosts = {"west": {"cluster_region": "us-west1", "cluster_zone": zone, "gke_mode": mode, "gke_endpoint": endpoint}}
    fleet = fleet_of({**hosts, "north": HOSTS["north"]}, **more)
    if mode == "autopilot" and zone:
        with pytest.raises(FleetError) as caught:
            wanted_of(fleet)
        assert "gke_mode" in str(caught.value)
        return
    for w in wanted_of(fleet).values():
        container = next(s for s in services() if s.name == "container")
        container.check_schema("CreateClusterRequest", body(w, "x"), "")
        for difference in compare(w, {"name": "x", "nodePools": [{"name": "nodes"}]}):
            if difference.step and difference.step.method == "update":
                container.check_schema("UpdateClusterRequest", difference.step.body, "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("gke_mode", "auto"),
        ("gke_endpoint", "both"),
        ("gke_release_channel", "weekly"),
        ("gke_node_count", "many"),
        ("gke_spot", "perhaps"),
        ("gke_authorized_networks", ["home"]),
        ("gke_labels", {"Team": "x"}),
        ("gke_name", "9lives"),
        ("gke_node_count_max", 1),
    ],
)
def test_bad_values_name_their_variable(variable: str, value: t.Any) -> None:
    with pytest.raises(FleetError) as caught:
        wanted_of(fleet_of(**{"gke_node_count": 2, variable: value}))
    assert variable in str(caught.value)
    assert caught.value.cluster == "west"


def test_fifty_clusters_are_made_side_by_side(options: dict[str, t.Any], google_cloud: StandIn) -> None:
    hosts = {f"c{n:02d}": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"} for n in range(50)}
    fleet = fleet_of(hosts, fleet_pod_range="10.0.0.0/10", fleet_service_range="10.64.0.0/10")
    # The bench measures what that costs; here none of them is done before all of them have begun.
    with held(google_cloud, lambda: going(google_cloud) == len(hosts)):
        assert set(actions(Run(options)(fleet)).values()) == {"created"}
