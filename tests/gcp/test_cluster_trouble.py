# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE clusters that fail: what is reported, that the other clusters finish, and that a rerun completes."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import CLUSTER_APIS, read_with_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import marker, our_labels
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .cluster_runs import HOSTS, WEST, Run, Vars, actions, failure, fleet_of, make, wanted_of
from .standin.server import StandIn


@pytest.fixture
def run(options: dict[str, t.Any], google_cloud: StandIn) -> Run:
    return Run(options)


@pytest.fixture
def made(run: Run, google_cloud: StandIn) -> Run:
    return make(run, google_cloud)


# Trouble.


def test_one_failure_leaves_the_others_and_a_rerun_completes(run: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.clusters.create", 403, "Insufficient regional quota", path="us-west1-a")
    found = run()
    assert "quota" in failure(found).what
    assert actions(found)["north"] == "created"
    assert set(google_cloud.cloud.resources) == {"container/projects/shop-prod/locations/europe-north1/clusters/north"}
    google_cloud.cloud.resources.clear()
    assert actions(run())["west"] == "created"


def test_a_failed_creation_says_why_and_the_cluster_in_error_too(run: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.clusters.create", 0, "no e2 left in us-west1-a", path="us-west1-a")
    assert "no e2 left" in str(failure(run()))
    error = failure(run(timeout=0.3))
    assert error.what == "it is in state ERROR"
    assert "no e2 left" in error.seen


def test_an_operation_that_never_ends_and_a_rerun_that_waits(run: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.clusters.create", 0, never=True, path="us-west1-a")
    assert "not done after 0.5 s" in failure(run(timeout=0.5)).what
    error = failure(run(timeout=0.5))
    assert "not ready after 0.5 s" in error.what
    assert "PROVISIONING" in error.seen


def test_a_cluster_being_changed_is_waited_for(made: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.duration = 0.5
    google = Google(Settings.from_args(made.options))
    name = WEST.partition("/")[2]
    google.call(
        "container",
        "projects.locations.clusters.update",
        name=name,
        body={"update": {"desiredReleaseChannel": {"channel": "STABLE"}}},
    )
    assert google_cloud.cloud.resources[WEST]["status"] == "RECONCILING"
    rapid = fleet_of({"west": {**HOSTS["west"], "gke_release_channel": "rapid"}})
    assert actions(made(rapid))["west"] == "changed"
    assert google_cloud.cloud.resources[WEST]["releaseChannel"] == {"channel": "RAPID"}


def test_a_lost_answer_to_a_creation_is_no_failure(run: Run, google_cloud: StandIn) -> None:
    fleet = fleet_of({"west": HOSTS["west"]})
    seen = run(fleet, dry=True)
    clusters = Clusters(run.google, our_labels(fleet), marker(fleet), timeout=120, interval=0.1)
    # Read before, made by the try whose answer was lost.
    assert actions(run(fleet))["west"] == "created"
    assert clusters.present(wanted_of(fleet).values()) == seen


# What Google refuses; with each, the other cluster is made, and a rerun completes.

REFUSALS: dict[str, tuple[Vars, str, str]] = {
    "quota": (
        {
            "status": 403,
            "message": "Insufficient regional quota to satisfy request: resource CPUS: it requires 8.",
        },
        "a quota of the project is used up",
        "ask for more",
    ),
    "permission": (
        {"status": 403, "permission": "container.clusters.create"},
        "permission container.clusters.create is missing",
        "roles/gke_cluster/README.md",
    ),
    "account of the nodes": (
        {"status": 403, "permission": "iam.serviceAccounts.actAs"},
        "permission iam.serviceAccounts.actAs is missing",
        "roles/gke_cluster/README.md",
    ),
    "another change": ({"status": 409, "message": "Already exists"}, "it exists already", "run again"),
    "an error of Google's": ({"status": 503, "times": -1}, "Google reports an error of its own", "run again"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_reported_and_a_rerun_completes(run: Run, google_cloud: StandIn, name: str) -> None:
    fault, what, next_step = REFUSALS[name]
    google_cloud.cloud.fail("container.*.clusters.create", path="us-west1-a", **fault)
    run.patience = 0.5
    found = run()
    error = failure(found)
    assert (error.cluster, error.what[: len(what)]) == ("west", what)
    assert next_step in error.next_step
    assert actions(found)["north"] == "created"
    google_cloud.cloud.faults.clear()
    assert actions(run())["west"] == "created"


def test_a_rate_that_is_too_high_is_waited_out(run: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.clusters.create", 429, "Quota of requests", retry_after=0.1, times=2)
    assert set(actions(run()).values()) == {"created"}


def test_a_quota_that_google_finds_while_it_works(run: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.clusters.create", 0, "Quota 'SSD_TOTAL_GB' exceeded", path="us-west1-a")
    error = failure(run())
    assert "SSD_TOTAL_GB" in error.seen
    # The rerun says how the cluster is, and how to get rid of it; then one is made.
    error = failure(run(timeout=0.3))
    assert error.what == "it is in state ERROR"
    assert "SSD_TOTAL_GB" in error.seen
    assert "gke_cluster_delete: true" in error.next_step
    assert actions(run(fleet_of({"west": HOSTS["west"]}), absent=True)) == {"west": "removed"}
    assert actions(run())["west"] == "created"


@pytest.mark.parametrize("state", ["ERROR", "DEGRADED"])
def test_a_cluster_that_google_calls_broken(made: Run, google_cloud: StandIn, state: str) -> None:
    google_cloud.cloud.resources[WEST] |= {
        "status": state,
        "conditions": [{"canonicalCode": "UNAVAILABLE", "message": "its nodes do not register"}],
    }
    found = made(timeout=0.3)
    assert failure(found).what == f"it is in state {state}"
    assert failure(found).seen == "UNAVAILABLE: its nodes do not register"
    assert actions(found)["north"] == "unchanged"
    google_cloud.cloud.resources[WEST]["status"] = "RUNNING"
    assert actions(made())["west"] == "unchanged"


def test_a_cluster_that_is_being_deleted(made: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.resources[WEST]["status"] = "STOPPING"
    assert failure(made()).what == "it is being deleted"
    del google_cloud.cloud.resources[WEST]
    assert actions(made())["west"] == "created"


def test_a_cluster_that_stays_reconciling_is_reported(made: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.resources[WEST]["status"] = "RECONCILING"
    rapid = fleet_of({**HOSTS, "west": {**HOSTS["west"], "gke_release_channel": "rapid"}})
    error = failure(made(rapid, timeout=0.3))
    assert error.what == "it is not ready after 0.3 s"
    assert error.seen == "status RECONCILING"
    assert "gke_cluster_timeout" in error.next_step
    # Check mode does not wait, and reports what would be done.
    assert actions(made(rapid, dry=True))["west"] == "changed"
    google_cloud.cloud.resources[WEST]["status"] = "RUNNING"
    assert actions(made())["west"] == "unchanged"


def test_nothing_to_change_is_nothing_to_wait_for(made: Run, google_cloud: StandIn) -> None:
    """Google upgrades nodes for hours."""
    google_cloud.cloud.resources[WEST]["status"] = "RECONCILING"
    google_cloud.cloud.log.clear()
    assert actions(made(timeout=0.3))["west"] == "unchanged"
    assert [entry["method"].rpartition(".")[2] for entry in google_cloud.cloud.log] == ["list"]


def test_a_degraded_cluster_can_be_repaired(made: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.resources[WEST]["status"] = "DEGRADED"
    rapid = fleet_of({**HOSTS, "west": {**HOSTS["west"], "gke_release_channel": "rapid"}})
    assert actions(made(rapid))["west"] == "changed"
    assert google_cloud.cloud.resources[WEST]["releaseChannel"] == {"channel": "RAPID"}
    google_cloud.cloud.resources[WEST]["status"] = "ERROR"
    assert failure(made(timeout=0.3)).what == "it is in state ERROR"


def of_clusters(google_cloud: StandIn, verb: str) -> list[int]:
    """Statuses of the requests of one kind about clusters."""
    return [
        e["status"] for e in google_cloud.cloud.log if e["method"] == f"container.projects.locations.clusters.{verb}"
    ]


def test_a_failed_creation_that_google_deletes_is_made_anew(run: Run, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    cloud.lingers = 1.0
    cloud.fail("container.*.clusters.create", 0, "no room", path="us-west1-a")
    assert failure(run()).what == "Google could not do it"
    assert cloud.resources[WEST]["status"] == "ERROR"
    assert actions(run())["west"] == "created"
    assert any("west is in state ERROR: waiting up to 120 s until Google has deleted it" in line for line in run.said)
    # None was deleted by us, and none was to be made beside it.
    assert (of_clusters(google_cloud, "delete"), set(of_clusters(google_cloud, "create"))) == ([], {200})
    assert cloud.resources[WEST]["status"] == "RUNNING"


def test_a_failed_cluster_that_stays_is_named_and_left(run: Run, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.clusters.create", 0, "no room", path="us-west1-a")
    run()
    made = len(of_clusters(google_cloud, "create"))
    error = failure(run(timeout=0.3))
    assert error.what == "it is in state ERROR"
    assert "it deletes such clusters by itself, and has not within 0.3 s" in error.means
    assert "gke_cluster_delete: true" in error.next_step
    # Check mode does not wait, nor does anybody for one that somebody else made.
    assert "by itself" not in failure(run(dry=True)).means
    google_cloud.cloud.resources[WEST]["description"] = "of others"
    assert "by itself" not in failure(run()).means
    assert (of_clusters(google_cloud, "delete"), len(of_clusters(google_cloud, "create"))) == ([], made)


def test_a_change_that_never_ends_and_a_rerun_that_completes_it(made: Run, google_cloud: StandIn) -> None:
    fleet = fleet_of({**HOSTS, "west": {**HOSTS["west"], "gke_release_channel": "rapid"}})
    google_cloud.cloud.fail("container.*.clusters.update", 0, never=True)
    error = failure(made(fleet, timeout=0.3))
    assert error.what == "Google is not done after 0.3 s"
    assert "run again" in error.next_step
    assert "RECONCILING" in failure(made(fleet, timeout=0.3)).seen
    # Google gives it up at last.
    for operation in google_cloud.cloud.operations.values():
        operation.end = min(operation.end, time.monotonic())
    assert actions(made(fleet))["west"] == "changed"
    assert google_cloud.cloud.resources[WEST]["releaseChannel"] == {"channel": "RAPID"}


def test_a_failed_change_is_made_by_the_next_run(made: Run, google_cloud: StandIn) -> None:
    fleet = fleet_of({**HOSTS, "west": {**HOSTS["west"], "gke_machine_type": "a9-giga", "gke_recreate_nodes": True}})
    google_cloud.cloud.fail("container.*.nodePools.update", 0, "machine type a9-giga is not available in us-west1-a")
    assert "a9-giga is not available" in failure(made(fleet)).seen
    assert google_cloud.cloud.resources[WEST]["nodePools"][0]["config"]["machineType"] == "e2-standard-4"
    assert actions(made(fleet))["west"] == "changed"


def test_a_zone_without_answer_is_no_missing_cluster(made: Run, google_cloud: StandIn) -> None:
    clusters = Clusters(made.google, our_labels(fleet_of()), marker(fleet_of()), timeout=60)
    clusters.google = t.cast("t.Any", Unreachable())
    with pytest.raises(FleetError) as caught:
        clusters.read()
    assert caught.value.seen == "us-west1-a"
    assert caught.value.next_step == "run again"


class Unreachable:
    """Google, while it cannot reach a zone."""

    project = "shop-prod"

    def call(self, *_: t.Any, **_more: t.Any) -> dict[str, t.Any]:
        return {"clusters": [], "missingZones": ["us-west1-a"]}


# Who asks.


def refusal(options: Vars, **more: t.Any) -> FleetError:
    with pytest.raises(FleetError) as caught:
        Run({**options, **more})()
    return caught.value


def test_no_credentials(options: Vars, monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    error = refusal(options, access_token="")
    assert error.what == "no credentials for Google Cloud were found"
    assert "gcloud auth application-default login" in error.next_step
    assert "GCP_SERVICE_ACCOUNT_FILE" in error.next_step


def test_a_token_that_has_ended_and_a_new_one(options: Vars, google_cloud: StandIn) -> None:
    error = refusal(options, access_token="ended0.0123456789abcdef")
    assert "access token" in str(error) or "credentials" in error.what
    assert "ended0" not in str(error)
    assert set(actions(Run(options)()).values()) == {"created"}


def test_an_account_that_may_not_look(options: Vars, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("container.clusters.list", "container.*.clusters.list", times=1)
    assert refusal(options).what == "permission container.clusters.list is missing"
    assert set(actions(Run(options)()).values()) == {"created"}


def test_an_api_that_is_off_is_named_with_the_variable(options: Vars, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled.add("container.googleapis.com")
    error = refusal(options)
    assert error.what == "API container.googleapis.com is disabled in project shop-prod"
    assert "gke_enable_apis: true" in error.next_step


def test_an_api_that_is_off_is_switched_on_when_allowed(options: Vars, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled |= set(CLUSTER_APIS)
    google = Google(Settings.from_args(options), patience=5)
    clusters = Clusters(google, our_labels(fleet_of()), marker(fleet_of()), timeout=120, interval=0.1)

    def read(dry: bool, allowed: bool = True) -> list[str]:
        _none, changes = read_with_apis(google, clusters.read, None, allowed=allowed, timeout=60, dry_run=dry)
        return [change.name for change in changes]

    with pytest.raises(FleetError, match="is disabled"):
        read(dry=False, allowed=False)
    assert read(dry=True) == list(CLUSTER_APIS)
    assert google_cloud.cloud.disabled == set(CLUSTER_APIS)
    assert read(dry=False) == list(CLUSTER_APIS)
    assert google_cloud.cloud.disabled == set()
    assert read(dry=False) == []
