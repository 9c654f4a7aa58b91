# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google's refusals mean: each as somebody met it and published it."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError, explain
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.meanings import (
    AGENT,
    API_OFF,
    BUSY,
    OTHER,
    PERMISSION,
    UNKNOWN_ACCOUNT,
    failed_operation,
    permission_in,
)

Json = dict[str, t.Any]


def said(
    status: int, message: str, *details: Json, reason: str = "", method: str = "container.x.create"
) -> GoogleError:
    info = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    body = {"error": {"code": status, "message": message, "details": [*info, *details]}}
    return explain(status, json.dumps(body).encode(), method, "shop-prod", cluster="west")


QUOTA_PROJECT = (
    "Your application is authenticating by using local Application Default Credentials. The gkehub.googleapis.com API "
    "requires a quota project, which is not set by default. To learn how to set your quota project, see "
    "https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds ."
)
"""https://github.com/GoogleCloudPlatform/dlp-pdf-redaction/issues/25"""


def test_a_login_without_quota_project_is_no_disabled_api() -> None:
    for metadata, message in (
        ({"consumer": "projects/764086051850", "service": "gkehub.googleapis.com"}, QUOTA_PROJECT),
        (
            {"consumer": "projects/764086051850", "service": "gkehub.googleapis.com"},
            "GKE Hub API has not been used in project 764086051850 before or it is disabled. Enable it by visiting "
            "https://console.developers.google.com/apis/api/gkehub.googleapis.com/overview?project=764086051850 then "
            "retry.",
        ),
    ):
        found = said(403, message, {"metadata": metadata}, reason="SERVICE_DISABLED")
        assert found.what == "the login has no quota project"
        assert "gcloud auth application-default set-quota-project shop-prod" in found.next_step
        assert (found.kind, found.reason) == (OTHER, "")
    own = said(
        403,
        "x has not been used in project 5 before",
        {"metadata": {"consumer": "projects/5"}},
        reason="SERVICE_DISABLED",
    )
    assert (own.kind, own.reason) == (API_OFF, "SERVICE_DISABLED")
    denied = said(
        403, "Caller does not have required permission to use project shop-prod.", reason="USER_PROJECT_DENIED"
    )
    assert "roles/serviceusage.serviceUsageConsumer" in denied.next_step


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        # https://github.com/GoogleCloudPlatform/php-docs-samples/issues/1235
        (
            403,
            "This API method requires billing to be enabled. Please enable billing on project #1051023892108 by "
            "visiting https://console.developers.google.com/billing/enable?project=1051023892108 then retry.",
            "BILLING_DISABLED",
        ),
        # https://github.com/kyegomez/zeta/issues/71
        (
            400,
            "Billing account for project '522837608576' is not found. Billing must be enabled for activation of "
            "service(s) 'compute.googleapis.com' to proceed.",
            "UREQ_PROJECT_BILLING_NOT_FOUND",
        ),
        # https://github.com/GoogleCloudPlatform/java-docs-samples/issues/276
        (403, "Project charming-module-137923 (#808448574146) has billing disabled. Please enable it.", ""),
    ],
)
def test_billing_that_is_off_is_named(status: int, message: str, reason: str) -> None:
    found = said(status, message, reason=reason)
    assert found.what == "billing is off in project shop-prod"
    assert "gcloud billing projects link shop-prod" in found.next_step


def test_a_service_agent_is_not_the_caller() -> None:
    # https://github.com/terraform-google-modules/terraform-google-kubernetes-engine/issues/616
    robot = said(
        403,
        "Kubernetes Engine Service Agent is missing required permissions on this project. See "
        "https://cloud.google.com/kubernetes-engine/docs/troubleshooting#gke_service_account_deleted for more info: "
        'required "container.hostServiceAgent.use" permission(s) for "projects/ops-2655263591"., forbidden',
    )
    assert robot.what == "Google's own account lacks container.hostServiceAgent.use"
    assert "--role=roles/container.serviceAgent" in robot.next_step
    # https://github.com/hashicorp/terraform-provider-google/issues/16560
    acting = said(
        403,
        "Required 'compute.subnetworks.use' permission for 'projects/p/regions/r/subnetworks/s' (when acting as "
        "'123@cloudservices.gserviceaccount.com')",
    )
    assert acting.what == "Google's own account lacks compute.subnetworks.use"
    assert "--member=serviceAccount:123@cloudservices.gserviceaccount.com --role=roles/editor" in acting.next_step
    # https://github.com/terraform-google-modules/terraform-google-kubernetes-engine/issues/1398
    link = "//container.googleapis.com/projects/ss-pp-core-sb/locations/us-central1-a/clusters/uat-01"
    hub = said(403, f'hub default service account does not have access to the GKE cluster project for "{link}"')
    assert "roles/gkehub.serviceAgent" in hub.next_step
    assert {robot.kind, acting.kind, hub.kind} == {AGENT}
    mine = said(403, 'Required "container.clusters.create" permission(s) for "projects/shop-prod".')
    assert (mine.what, mine.kind) == ("permission container.clusters.create is missing", PERMISSION)


def test_a_service_perimeter_is_no_missing_permission() -> None:
    # https://github.com/cloudquery/cloudquery/issues/1062
    found = said(
        403,
        "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: "
        "eYhDkfYCu-dOCjuj8X4Am9-spkxs0-kX5YnhAJmc3PZ7pmNNfSsqtQ",
        reason="SECURITY_POLICY_VIOLATED",
    )
    assert found.what == "VPC Service Controls keep this machine out of project shop-prod"
    assert "eYhDkfYCu" in found.seen
    assert found.kind == OTHER


@pytest.mark.parametrize(
    "message",
    [
        "See https://cloud.google.com/kubernetes-engine/docs/troubleshooting for more info",
        "visit console.developers.google.com/apis/library or compute.googleapis.com",
        "service-1@container-engine-robot.iam.gserviceaccount.com may not",
        "The caller does not have permission",
    ],
)
def test_an_address_is_no_permission(message: str) -> None:
    assert permission_in(message) == ""


def test_a_permission_beside_an_address_is_found() -> None:
    # https://github.com/jenkinsci/google-kubernetes-engine-plugin/issues/95
    words = (
        'See https://cloud.google.com/kubernetes-engine/docs. Required "container.clusters.list" permission(s) for '
        '"projects/p".'
    )
    assert permission_in(words) == "container.clusters.list"


@pytest.mark.parametrize(
    ("constraint", "mend"),
    [
        ("compute.requireShieldedVm", "gke_secure_boot: true"),
        ("compute.vmExternalIpAccess", "gke_private_nodes: true"),
        ("gcp.restrictNonCmekServices", "gke_disk_key"),
        ("gcp.resourceLocations", "cluster_region"),
        ("compute.somethingNew", "change what it names"),
    ],
)
def test_a_policy_of_the_organisation_is_named(constraint: str, mend: str) -> None:
    # https://github.com/hashicorp-education/learn-terraform-provision-gke-cluster/issues/8
    words = (
        "Not all instances running in IGM after 32.25s. Expected 1, running 0, transitioning 1. Current errors: "
        f"[CONDITION_NOT_MET]: Instance 'gke-a' creation failed: Constraint constraints/{constraint} violated for "
        "project projects/shop-prod."
    )
    for found in (said(412, words), failed_operation(words, project="shop-prod")):
        assert found.what == f"a policy of the organisation forbids it: {constraint}"
        assert mend in found.next_step


@pytest.mark.parametrize(
    "message",
    [
        # https://github.com/hashicorp/terraform-provider-google/issues/1643 and 3650
        "Operation operation-1529169867630-be1e5cf3 is currently upgrading cluster west. Please wait and try again "
        "once it is done.",
        "Operation operation-1 is currently creating cluster west. Please wait and try again once it is done.",
        "Operation operation-1 is currently operating on cluster west. Please wait and try again once it is done.",
        "Cluster is running incompatible operation operation-1529169867630-be1e5cf3.",
        "The resource 'projects/shop-prod/global/networks/mesh' is not ready",
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
    ],
)
def test_work_of_google_is_known_in_every_wording(message: str) -> None:
    assert said(400, message).kind == BUSY


@pytest.mark.parametrize(
    ("status", "message"),
    [
        # https://github.com/gruntwork-io/terraform-google-gke/pull/56
        (400, 'Service account "00000000-compute@developer.gserviceaccount.com" does not exist.'),
        # https://github.com/terraform-google-modules/terraform-google-kubernetes-engine/issues/1418
        (404, "Generic::not_found: Not found; Gaia id not found for email 2674-compute@developer.gserviceaccount.com."),
    ],
)
def test_a_lost_account_of_nodes_is_named(status: int, message: str) -> None:
    found = said(status, message)
    assert "-compute@developer.gserviceaccount.com does not exist, or is disabled" in found.what
    assert found.kind == UNKNOWN_ACCOUNT


def test_who_may_not_use_the_nodes_account_is_told_the_role() -> None:
    # https://github.com/rancher/rancher/issues/10553
    found = said(400, 'The user does not have access to service account "default".')
    assert found.what == "permission iam.serviceAccounts.actAs is missing"
    assert "roles/iam.serviceAccountUser" in found.next_step


def test_an_unknown_refusal_is_shown_whole() -> None:
    long = "Something that nobody here has met. " * 40
    found = said(400, long, {"@type": "x", "violations": [{"type": "NEW", "description": "because"}]})
    assert long.strip() in found.seen
    assert '"description": "because"' in found.seen
    assert found.what == "Google refuses the request"
    assert explain(502, b"upstream " * 60, "container.x.get", "p").seen.count("upstream") == 60


def test_a_rate_is_no_quota_that_is_used_up() -> None:
    rate = said(403, "Quota exceeded for quota metric 'Read requests'", reason="RATE_LIMIT_EXCEEDED")
    assert rate.what == "Google asks for fewer requests"
    used = said(
        403, "Insufficient regional quota to satisfy request: resource \"SSD_TOTAL_GB\": request requires '300.0'"
    )
    assert used.what == "a quota of the project is used up"
