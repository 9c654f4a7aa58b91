# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refusals that a first run in a real project meets: each has its own meaning and its own next step."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import enable_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError

from .cluster_runs import Run, failure
from .standin.server import StandIn

MEMBERS = ("gkehub", "projects.locations.memberships.list")


@pytest.fixture
def google(options: dict[str, t.Any]) -> Google:
    return Google(Settings.from_args(options), patience=5)


def refused(google: Google, service: str, method: str, **params: t.Any) -> GoogleError:
    with pytest.raises(GoogleError) as caught:
        google.call(service, method, **params)
    return caught.value


def test_a_login_without_quota_project(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.no_quota_project = True
    found = refused(google, *MEMBERS, parent="projects/shop-prod/locations/-")
    assert found.what == "the login has no quota project"
    assert "set-quota-project shop-prod" in found.next_step
    assert "gcloud services enable" not in found.next_step


def test_billing_that_is_off(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.unbilled.add("shop-prod")
    found = refused(google, "compute", "networks.list", project="shop-prod")
    assert found.what == "billing is off in project shop-prod"
    google_cloud.cloud.disabled.add("compute.googleapis.com")
    with pytest.raises(GoogleError, match="billing is off in project shop-prod"):
        enable_apis(google, ["compute.googleapis.com"], allowed=True, timeout=5, dry_run=False)


def test_a_service_perimeter(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.perimeters.add("shop-prod")
    found = refused(google, "container", "projects.locations.clusters.list", parent="projects/shop-prod/locations/-")
    assert found.what == "VPC Service Controls keep this machine out of project shop-prod"
    assert "vpcServiceControlsUniqueIdentifier" in found.seen


def test_a_service_agent_that_lost_its_role(options: dict[str, t.Any], google_cloud: StandIn) -> None:
    # https://github.com/terraform-google-modules/terraform-google-kubernetes-engine/issues/616
    words = (
        "Kubernetes Engine Service Agent is missing required permissions on this project. See "
        "https://cloud.google.com/kubernetes-engine/docs/troubleshooting#gke_service_account_deleted for more info: "
        'required "compute.subnetworks.get" permission(s) for "projects/shop-prod".'
    )
    google_cloud.cloud.fail("container.*.clusters.create", 403, words, path="us-west1-a")
    found = failure(Run(options)())
    assert found.what == "Google's own account lacks compute.subnetworks.get"
    assert "roles/container.serviceAgent" in found.next_step


def test_a_policy_of_the_organisation(options: dict[str, t.Any], google_cloud: StandIn) -> None:
    # https://github.com/hashicorp-education/learn-terraform-provision-gke-cluster/issues/8
    words = (
        "Not all instances running in IGM after 32.2s. Expected 1, running 0, transitioning 1. Current errors: "
        "[CONDITION_NOT_MET]: Instance 'gke-west' creation failed: Constraint constraints/compute.requireShieldedVm "
        "violated for project projects/shop-prod. Secure Boot is not enabled in the 'shielded_instance_config' field."
    )
    google_cloud.cloud.fail("container.*.clusters.create", 0, words, path="us-west1-a")
    found = failure(Run(options)())
    assert found.what == "a policy of the organisation forbids it: compute.requireShieldedVm"
    assert "gke_secure_boot" in found.next_step
