# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes time to hold: an API just enabled, a role just granted, an account that Google just made."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import enable_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api import settling
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.settling import note_change
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.memberships import Memberships
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members

from .cluster_runs import HOSTS, WEST, Run, actions, fleet_of, make
from .standin.server import StandIn

COMPUTE = "compute.googleapis.com"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SECONDS", 60.0)


@pytest.fixture
def google(options: dict[str, t.Any]) -> Google:
    return Google(Settings.from_args(options), patience=5)


def insert(google: Google) -> dict[str, t.Any]:
    return google.call("compute", "networks.insert", project="shop-prod", body={"name": "mesh"})


def refusals(standin: StandIn, method: str) -> int:
    return sum(e["method"] == method and e.get("status") == 403 for e in standin.cloud.log)


def test_an_api_that_was_just_enabled_is_waited_for(google: Google, google_cloud: StandIn) -> None:
    said: list[str] = []
    google.say = said.append
    google_cloud.cloud.disabled.add(COMPUTE)
    google_cloud.cloud.slow_apis = 2
    enable_apis(google, [COMPUTE], allowed=True, timeout=30, dry_run=False)
    assert google.call("compute", "networks.list", project="shop-prod")["kind"]
    assert insert(google)["operationType"] == "insert"
    assert refusals(google_cloud, "compute.networks.insert") == 2
    assert said == [
        f"  project shop-prod: {COMPUTE} is on, and does not answer everywhere yet; waiting for at most 60 s"
    ]


def test_an_api_that_somebody_else_enabled_is_waited_for_too(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.unsettled[f"shop-prod {COMPUTE}"] = 2
    assert insert(google)["operationType"] == "insert"


def test_an_api_that_is_off_is_not_waited_for(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled.add(COMPUTE)
    note_change("shop-prod")
    with pytest.raises(GoogleError, match=f"API {COMPUTE} is disabled"):
        insert(google)
    assert refusals(google_cloud, "compute.networks.insert") == 1


def test_the_wait_has_an_end(google: Google, google_cloud: StandIn) -> None:
    google.settle_seconds = 0.5
    google_cloud.cloud.unsettled[f"shop-prod {COMPUTE}"] = 10**6
    with pytest.raises(GoogleError, match=f"API {COMPUTE} is disabled"):
        insert(google)
    google.settle_seconds = 0
    google_cloud.cloud.log.clear()
    with pytest.raises(GoogleError):
        insert(google)
    assert len(google_cloud.cloud.log) == 1


def test_a_permission_that_was_just_granted_is_waited_for(google: Google, google_cloud: StandIn) -> None:
    words = "Required 'compute.networks.create' permission for 'projects/shop-prod/global/networks/mesh'"
    google_cloud.cloud.fail("compute.networks.insert", 403, words, times=2)
    assert insert(google)["operationType"] == "insert"
    assert refusals(google_cloud, "compute.networks.insert") == 2


def test_a_permission_that_is_missing_is_not_waited_for(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("compute.networks.create", method="compute.networks.insert")
    with pytest.raises(GoogleError, match=r"permission compute\.networks\.create is missing"):
        insert(google)
    assert refusals(google_cloud, "compute.networks.insert") == 1


def test_a_permission_in_ones_own_project_says_nothing_of_others(google: Google, google_cloud: StandIn) -> None:
    method, permission = "projects.getIamPolicy", "resourcemanager.projects.getIamPolicy"
    google_cloud.cloud.deny(permission, method=f"cloudresourcemanager.{method}", path="projects/other-team")
    with pytest.raises(GoogleError, match=r"getIamPolicy is missing"):
        google.call("cloudresourcemanager", method, resource="other-team", body={})
    assert refusals(google_cloud, f"cloudresourcemanager.{method}") == 1


def test_a_success_elsewhere_proves_nothing(google_cloud: StandIn, options: dict[str, t.Any]) -> None:
    """A node pool is refused after its cluster was made: GKE's account does not have its role everywhere yet."""
    run = make(Run(options), google_cloud)
    words = (
        "Kubernetes Engine Service Agent is missing required permissions on this project. See "
        "https://cloud.google.com/kubernetes-engine/docs/troubleshooting#gke_service_account_deleted for more info: "
        'required "compute.instances.create" permission(s) for "projects/shop-prod".'
    )
    google_cloud.cloud.fail("container.*.nodePools.create", 403, words, times=1)
    note_change("shop-prod")
    pools = [{"name": "nodes"}, {"name": "edge"}]
    west = fleet_of({"west": {**HOSTS["west"], "gke_node_pools": pools}})
    assert actions(run(west)) == {"west": "changed"}
    assert [pool["name"] for pool in google_cloud.cloud.resources[WEST]["nodePools"]] == ["nodes", "edge"]


def test_the_accounts_of_the_google_fleet_need_a_moment(
    google: Google, google_cloud: StandIn, options: dict[str, t.Any]
) -> None:
    make(Run(options), google_cloud)
    google_cloud.cloud.unsettled["shop-prod agent of hub"] = 2
    hub = Memberships(google, "shop", timeout=30, interval=0.1)
    changes, _names, failed = hub.register(list(members(fleet_of()).values()))
    assert (failed, {change.action for change in changes}) == ({}, {"created"})
    assert refusals(google_cloud, "gkehub.projects.locations.memberships.create") == 2


def test_work_of_google_on_a_network_is_waited_for(google: Google, google_cloud: StandIn) -> None:
    words = "The resource 'projects/shop-prod/global/networks/mesh' is not ready"
    google_cloud.cloud.fail("compute.subnetworks.list", 400, words, reason="resourceNotReady", times=2)
    assert "items" not in google.call("compute", "subnetworks.list", project="shop-prod", region="us-west1")
