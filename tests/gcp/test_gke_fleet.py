# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memberships, features, APIs and roles against the stand-in, which refuses what Google's documents do not allow."""

from __future__ import annotations

import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import api_states, enable_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.bindings import Binding, apis_for, bindings_for
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.roles import grant, project_number, revoke
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.features import Features
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.memberships import Memberships
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.resources import FEATURES
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.reserved_address import (
    note_addresses,
    release_address,
    reserve_address,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import Member, members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import list_by_region

from .held import going, held
from .standin.cloud import DEFAULT_TOKEN
from .standin.server import StandIn

PROJECT = "shop-prod"


@pytest.fixture
def standin(tmp_path: Path) -> t.Iterator[StandIn]:
    with StandIn(tmp_path / "standin") as running:
        yield running


def google(standin: StandIn, project: str = PROJECT, patience: float = 60) -> Google:
    settings = Settings(project, auth_kind="accesstoken", access_token=DEFAULT_TOKEN, endpoint=standin.endpoint)
    return Quick(settings, timeout=60, patience=patience)


class Quick(Google):
    """Polls often: operations end at once here."""

    def wait(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        return super().wait(*args, **{"interval": 0.1, **kwargs})


class Hub(Memberships, Features):
    """Both clients in one: most tests register members before they switch features on."""


def hub(standin: StandIn, **more: t.Any) -> Hub:
    return Hub(google(standin), "shop", **{"timeout": 60, "interval": 0.1, **more})


def fleet(**hosts: dict[str, t.Any]) -> Fleet:
    shared = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": PROJECT}
    wanted = hosts or {
        "west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"},
        "north": {"cluster_region": "europe-north1", "mesh_control_plane": "managed"},
    }
    return read_fleet({name: {**shared, **v} for name, v in wanted.items()}, environment())


@pytest.fixture
def two(standin: StandIn) -> dict[str, Member]:
    found = members(fleet())
    for member in found.values():
        exist(standin, member)
    return found


def exist(standin: StandIn, member: Member) -> None:
    """The cluster exists."""
    path = member.resource_link.removeprefix("//container.googleapis.com/")
    standin.cloud.resources[f"container/{path}"] = {"name": member.cluster, "status": "RUNNING"}


def actions(changes: t.Iterable[Change]) -> list[tuple[str, str]]:
    return [(change.name, change.action) for change in changes]


def writes(standin: StandIn) -> list[str]:
    """Methods that were called and change something."""
    return [e["method"] for e in standin.cloud.log if e["verb"] != "GET" and not e["method"].endswith("getIamPolicy")]


# -- memberships -------------------------------------------------------------------------------


def test_registered_once_with_one_request_afterwards(standin: StandIn, two: dict[str, Member]) -> None:
    planned, _names, _failed = hub(standin, dry_run=True).register(list(two.values()))
    assert writes(standin) == []
    changes, names, failed = hub(standin).register(list(two.values()))
    assert actions(planned) == actions(changes) == [("west", "created"), ("north", "created")]
    assert failed == {}
    assert names["west"] == f"projects/{PROJECT}/locations/us-west1/memberships/west"
    held = standin.cloud.resources["gkehub/" + names["west"]]
    assert held["endpoint"]["gkeCluster"]["resourceLink"].endswith(f"/{PROJECT}/locations/us-west1-a/clusters/west")
    assert held["labels"] == {"mesh-fleet": "shop"}
    standin.cloud.log.clear()
    again, same, _failed = hub(standin).register(list(two.values()))
    assert {action for _name, action in actions(again)} == {"unchanged"}
    assert same == names
    assert len(standin.cloud.log) == 1


def test_a_membership_of_another_name_is_the_clusters_own(standin: StandIn, two: dict[str, Member]) -> None:
    name = f"projects/{PROJECT}/locations/global/memberships/made-by-gcloud"
    link = two["west"].resource_link.replace("/locations/", "/zones/")
    standin.cloud.resources[f"gkehub/{name}"] = {
        "name": name.replace(PROJECT, standin.cloud.number(PROJECT)),
        "endpoint": {"gkeCluster": {"resourceLink": link}},
        "state": {"code": "READY"},
    }
    # A place of "-" must find memberships everywhere.
    changes, names, failed = hub(standin).register([two["west"]])
    assert (actions(changes), failed) == ([("west", "unchanged")], {})
    assert names == {"west": name}
    removed, kept, _failed = hub(standin).unregister([two["west"]])
    assert actions(removed) == [("west", "unchanged")]
    assert "was not made by this inventory" in kept[0]


def test_a_used_name_is_refused_and_the_others_finish(standin: StandIn, two: dict[str, Member]) -> None:
    name = two["west"].name
    standin.cloud.resources[f"gkehub/{name}"] = {
        "name": name,
        "endpoint": {"gkeCluster": {"resourceLink": two["west"].resource_link.replace("us-west1-a", "us-west1-b")}},
    }
    changes, names, failed = hub(standin).register(list(two.values()))
    assert actions(changes) == [("north", "created")]
    assert list(names) == ["north"]
    assert "another cluster has a membership of this name" in str(failed["west"])
    assert "gke_membership" in str(failed["west"])


def test_a_failed_registration_is_reported_and_rerun(standin: StandIn, two: dict[str, Member]) -> None:
    standin.cloud.fail("gkehub.*.memberships.create", 0, "the cluster is not reachable", path="us-west1/")
    changes, _names, failed = hub(standin).register(list(two.values()))
    assert actions(changes) == [("north", "created")]
    assert "the cluster is not reachable" in str(failed["west"])
    assert str(failed["west"]).startswith("west")
    changes, _names, failed = hub(standin).register(list(two.values()))
    assert (actions(changes), failed) == ([("west", "created"), ("north", "unchanged")], {})


def test_an_endless_operation_is_reported_and_continued(standin: StandIn, two: dict[str, Member]) -> None:
    standin.cloud.fail("gkehub.*.memberships.create", 0, never=True)
    _changes, _names, failed = hub(standin, timeout=0.3).register([two["west"]])
    assert "is not done after 0.3 s" in str(failed["west"])
    _changes, _names, failed = hub(standin, timeout=0.3).register([two["west"]])
    assert "CREATING" in str(failed["west"])
    standin.cloud.resources["gkehub/" + two["west"].name]["state"] = {"code": "READY"}
    changes, _names, failed = hub(standin).register([two["west"]])
    assert (actions(changes), failed) == ([("west", "unchanged")], {})


def test_a_disabled_api_and_a_missing_permission_are_named(standin: StandIn, two: dict[str, Member]) -> None:
    standin.cloud.disabled.add("gkehub.googleapis.com")
    with pytest.raises(FleetError) as off:
        hub(standin).register([two["west"]])
    assert "gkehub.googleapis.com is disabled" in str(off.value)
    assert "gke_enable_apis" in str(off.value)
    standin.cloud.disabled.clear()
    standin.cloud.deny("gkehub.memberships.create", "gkehub.*.memberships.create")
    _changes, _names, failed = hub(standin).register([two["west"]])
    assert "permission gkehub.memberships.create is missing" in str(failed["west"])
    assert not any("memberships/west" in key for key in standin.cloud.resources)


def test_only_ours_are_unregistered(standin: StandIn, two: dict[str, Member]) -> None:
    hub(standin).register(list(two.values()))
    planned, _kept, _failed = hub(standin, dry_run=True).unregister([two["west"]])
    removed, kept, failed = hub(standin).unregister([two["west"]])
    assert actions(planned) == actions(removed) == [("west", "removed")]
    assert (kept, failed) == ([], {})
    assert [m["name"] for m in hub(standin).memberships()] == [two["north"].name]
    again, _kept, _failed = hub(standin).unregister([two["west"]])
    assert actions(again) == [("west", "unchanged")]


def test_fifty_are_registered_side_by_side(standin: StandIn) -> None:
    room = {"fleet_pod_range": "10.0.0.0/8", "fleet_service_range": "100.64.0.0/10", "cluster_region": "us-west1"}
    many = members(fleet(**{f"c{i}": room for i in range(50)}))
    for member in many.values():
        exist(standin, member)
    with held(standin, lambda: going(standin) >= 10):
        changes, _names, failed = hub(standin, timeout=120).register(list(many.values()))
    assert (len(changes), failed) == (50, {})


# -- features ----------------------------------------------------------------------------------


def numbered(standin: StandIn, name: str) -> str:
    """A membership's name as features have it: always with the project's number."""
    return name.replace(f"/{PROJECT}/", f"/{standin.cloud.number(PROJECT)}/")


def test_features_are_switched_on_once(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    wanted: dict[str, t.Any] = {"managed": [names["north"]], "config_membership": names["west"]}
    planned, _seen = hub(standin, dry_run=True).enable(FEATURES, **wanted)
    changes, _seen = hub(standin).enable(FEATURES, **wanted)
    assert actions(planned) == actions(changes) == [(feature, "created") for feature in FEATURES]
    live = hub(standin).features()
    north = numbered(standin, names["north"])
    assert live["servicemesh"]["membershipSpecs"] == {north: {"mesh": {"management": "MANAGEMENT_AUTOMATIC"}}}
    assert live["multiclusteringress"]["spec"]["multiclusteringress"]["configMembership"] == names["west"]
    standin.cloud.log.clear()
    again, seen = hub(standin).enable(FEATURES, **wanted)
    states = hub(standin).await_features(FEATURES, seen, 60)
    assert {action for _name, action in actions(again)} == {"unchanged"}
    assert states == dict.fromkeys(FEATURES, "active")
    assert len(standin.cloud.log) == 1


def test_a_members_mesh_is_added_beside_those_of_others(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable(["servicemesh"], managed=[names["west"]])
    changes, _seen = hub(standin).enable(["servicemesh"], managed=[names["north"]])
    assert actions(changes) == [("servicemesh", "changed")]
    specs = hub(standin).features()["servicemesh"]["membershipSpecs"]
    assert {spec["mesh"]["management"] for spec in specs.values()} == {"MANAGEMENT_AUTOMATIC"}
    assert set(specs) == {numbered(standin, name) for name in names.values()}


def test_a_config_cluster_of_others_is_not_replaced(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable(["multiclusteringress"], config_membership=names["west"])
    with pytest.raises(FleetError) as refused:
        hub(standin).enable(["multiclusteringress"], config_membership=names["north"])
    assert "gke_config_cluster" in str(refused.value)
    assert "memberships/west" in str(refused.value)


def test_a_feature_that_does_not_become_ready_says_why(standin: StandIn, two: dict[str, Member]) -> None:
    hub(standin).register(list(two.values()))
    hub(standin).enable(["multiclusterservicediscovery"])
    key = f"gkehub/projects/{PROJECT}/locations/global/features/multiclusterservicediscovery"
    standin.cloud.resources[key]["state"] = {"state": {"code": "ERROR", "description": "no network"}}
    with pytest.raises(FleetError) as late:
        hub(standin).await_features(["multiclusterservicediscovery"], {}, 0.3)
    assert "no network" in str(late.value)
    assert "after 0.3 s" in str(late.value)


def test_features_without_members_are_deleted(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable(FEATURES, managed=list(names.values()), config_membership=names["west"])
    changes, kept = hub(standin).disable(FEATURES, [names["north"]])
    assert len(kept) == 3
    assert actions(changes)[0] == ("servicemesh", "changed")
    changes, kept = hub(standin).disable(FEATURES, list(names.values()))
    assert (kept, {action for _name, action in actions(changes)}) == ([], {"removed"})
    assert hub(standin).features() == {}


# -- the managed mesh --------------------------------------------------------------------------


def test_the_control_plane_is_awaited_with_its_implementation(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable(["servicemesh"], managed=[names["north"]])
    item = standin.cloud.resources[f"gkehub/projects/{PROJECT}/locations/global/features/servicemesh"]
    key = next(name for name in item["membershipStates"] if name.endswith("/north"))
    assert key.startswith(f"projects/{standin.cloud.number(PROJECT)}/")
    mesh = item["membershipStates"][key]["servicemesh"]
    mesh["controlPlaneManagement"] = {"state": "PROVISIONING"}

    def provisioned() -> None:
        mesh["controlPlaneManagement"] = {"state": "ACTIVE", "implementation": "TRAFFIC_DIRECTOR"}

    timer = threading.Timer(0.2, provisioned)
    timer.start()
    states, failed = hub(standin).await_mesh({"north": names["north"]}, 60)
    timer.join()
    assert failed == {}
    assert (states["north"].state, states["north"].implementation) == ("ACTIVE", "TRAFFIC_DIRECTOR")


def test_no_request_is_sent_when_all_were_read_as_active(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable(["servicemesh"], managed=list(names.values()))
    seen = hub(standin).feature("servicemesh")
    before = len(standin.cloud.log)
    states, _failed = hub(standin).await_mesh(names, 60, seen)
    assert {host: state.active for host, state in states.items()} == {"west": True, "north": True}
    assert len(standin.cloud.log) == before
    key = next(name for name in seen["membershipStates"] if name.endswith("/north"))
    seen["membershipStates"][key]["servicemesh"]["controlPlaneManagement"]["state"] = "PROVISIONING"
    states, failed = hub(standin).await_mesh(names, 60, seen)
    assert (len(states), failed, len(standin.cloud.log)) == (2, {}, before + 1)


def test_conditions_are_reported_in_words(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable(["servicemesh"], managed=list(names.values()))
    item = standin.cloud.resources[f"gkehub/projects/{PROJECT}/locations/global/features/servicemesh"]
    key = next(name for name in item["membershipStates"] if name.endswith("/north"))
    item["membershipStates"][key]["servicemesh"] = {
        "controlPlaneManagement": {"state": "STALLED"},
        "conditions": [
            {"code": "VPCSC_GA_SUPPORTED", "severity": "INFO"},
            {"code": "LEGACY_MC_SECRETS", "severity": "WARNING"},
            {"code": "CLUSTER_HAS_ZERO_NODES", "severity": "ERROR", "details": "add a node pool"},
        ],
    }
    began = time.monotonic()
    states, failed = hub(standin).await_mesh(names, 3600)
    assert time.monotonic() - began < 600  # it says itself that waiting does not help
    assert list(states) == ["west"]
    text = str(failed["north"])
    assert "stalled; the cluster has no nodes (add a node pool); remote secrets of istioctl" in text
    assert "VPC" not in text


# -- access ------------------------------------------------------------------------------------


def test_apis_are_named_or_switched_on(standin: StandIn) -> None:
    standin.cloud.disabled |= {"gkehub.googleapis.com", "mesh.googleapis.com"}
    apis = apis_for(["servicemesh"])
    with pytest.raises(FleetError) as off:
        enable_apis(google(standin), apis, allowed=False, timeout=60, dry_run=False)
    assert "gkehub.googleapis.com, mesh.googleapis.com" in str(off.value)
    assert "gke_enable_apis: true" in str(off.value)
    planned = enable_apis(google(standin), apis, allowed=True, timeout=60, dry_run=True)
    done = enable_apis(google(standin), apis, allowed=True, timeout=60, dry_run=False)
    assert actions(planned) == actions(done)
    assert sum(change.action == "created" for change in done) == 2
    assert standin.cloud.disabled == set()
    again = enable_apis(google(standin), apis, allowed=False, timeout=60, dry_run=False)
    assert {change.action for change in again} == {"unchanged"}
    assert api_states(google(standin), apis).number == project_number(google(standin))


def test_roles_are_granted_beside_those_of_others_and_revoked(standin: StandIn, two: dict[str, Member]) -> None:
    theirs = {"role": "roles/container.admin", "members": ["user:ann@shop.example"]}
    conditional = {
        "role": "roles/compute.networkViewer",
        "members": ["user:bob@shop.example"],
        "condition": {"title": "until May", "expression": "request.time < timestamp('2027-05-01T00:00:00Z')"},
    }
    standin.cloud.policies[PROJECT] = {"version": 3, "etag": "BwX=", "bindings": [theirs, conditional]}
    number = project_number(google(standin))
    wanted = bindings_for(FEATURES, [PROJECT], PROJECT, number)
    assert (
        Binding(
            PROJECT, "roles/compute.networkViewer", f"serviceAccount:{PROJECT}.svc.id.goog[gke-mcs/gke-mcs-importer]"
        )
        in wanted
    )
    agent = f"serviceAccount:service-{number}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
    assert Binding(PROJECT, "roles/container.admin", agent) in wanted
    planned = grant(google(standin), wanted, dry_run=True)
    assert writes(standin) == []
    assert actions(planned) == actions(grant(google(standin), wanted, dry_run=False))
    held = standin.cloud.policies[PROJECT]["bindings"]
    assert conditional in held
    assert {"role": "roles/container.admin", "members": ["user:ann@shop.example", agent]} in held
    standin.cloud.log.clear()
    assert {change.action for change in grant(google(standin), wanted, dry_run=False)} == {"unchanged"}
    assert len(standin.cloud.log) == 1
    revoke(google(standin), wanted, dry_run=False)
    assert standin.cloud.policies[PROJECT]["bindings"] == [theirs, conditional]


def test_a_policy_that_changes_meanwhile_is_read_again(standin: StandIn) -> None:
    standin.cloud.fail("cloudresourcemanager.projects.setIamPolicy", 409, "concurrent policy changes", times=2)
    wanted = [Binding(PROJECT, "roles/viewer", "user:ann@shop.example")]
    assert [change.action for change in grant(google(standin), wanted, dry_run=False)] == ["changed"]
    assert sum(entry["method"].endswith("getIamPolicy") for entry in standin.cloud.log) == 3


def test_clusters_of_another_project_get_googles_agents(standin: StandIn) -> None:
    wanted = bindings_for(["servicemesh"], ["team-a"], PROJECT, "42")
    assert {(b.project, b.role) for b in wanted} == {
        ("team-a", "roles/gkehub.serviceAgent"),
        ("team-a", "roles/anthosservicemesh.serviceAgent"),
    }


# -- the front door's address ------------------------------------------------------------------


def test_an_address_is_reserved_once_and_given_back_if_ours(standin: StandIn) -> None:
    client = google(standin)
    ip, planned = reserve_address(client, "shop", "shop", dry_run=True, timeout=60)
    assert (ip, planned.action) == ("", "created")
    ip, change = reserve_address(client, "shop", "shop", dry_run=False, timeout=60)
    assert change.action == "created"
    assert ip
    same, change = reserve_address(client, "shop", "shop", dry_run=False, timeout=60)
    assert (same, change.action) == (ip, "unchanged")
    kept = release_address(client, "shop", "another-fleet", dry_run=False, timeout=60)
    assert kept[0].action == "unchanged"
    gone = release_address(client, "shop", "shop", dry_run=False, timeout=60)
    assert gone[0].action == "removed"
    assert release_address(client, "shop", "shop", dry_run=False, timeout=60)[0].action == "unchanged"


def test_an_address_that_a_run_has_listed_costs_no_request(standin: StandIn) -> None:
    client = google(standin)
    reserve_address(client, "shop", "shop", dry_run=False, timeout=60)
    note_addresses(client, list_by_region(client, "addresses"))
    sent = client.requests
    ip, change = reserve_address(client, "shop", "shop", dry_run=False, timeout=60)
    assert (ip != "", change.action, client.requests) == (True, "unchanged", sent)
    assert reserve_address(client, "other", "shop", dry_run=True, timeout=60)[1].action == "created"
