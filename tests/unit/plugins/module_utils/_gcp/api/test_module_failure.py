# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a failed task of google.cloud reports, in every form in which its modules return an answer."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.module_failure import is_temporary, module_failure

NETWORKS = "https://compute.googleapis.com/compute/v1/projects/shop-prod/global/networks"


def answered(code: int, message: str, url: str = NETWORKS, method: str = "POST", **more: t.Any) -> dict[str, t.Any]:
    body = {"error": {"code": code, "message": message, "errors": [{"message": message, "reason": "x"}]}}
    return {
        "failed": True,
        "msg": f"GCP returned error: {body}",
        "request": {"url": url, "body": '{"name": "mesh-shop"}', "method": method},
        "invocation": {"module_args": {"project": "shop-prod", "access_token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}},
        **more,
    }


def test_a_missing_permission_of_an_item_is_named() -> None:
    refused = answered(
        403,
        "Required 'compute.networks.create' permission for 'projects/shop-prod/global/networks/mesh-shop'",
        item={"name": "mesh-shop"},
    )
    loop = {"failed": True, "msg": "One or more items failed", "results": [{"failed": False, "item": {}}, refused]}
    said = str(module_failure(loop, "Make the VPC"))
    assert said.startswith("Make the VPC mesh-shop: permission compute.networks.create is missing\n")
    assert "no role in project shop-prod that allows compute.networks.insert" in said
    assert "grant a role with compute.networks.create" in said


def test_a_quota_of_an_operation_is_reported() -> None:
    errors = [{"code": "QUOTA_EXCEEDED", "message": "Quota 'NETWORKS' exceeded.  Limit: 5.0 globally."}]
    said = str(module_failure({"failed": True, "msg": str(errors)}, "Make the VPC"))
    assert said.splitlines()[0] == "Make the VPC: a quota of the project is used up"
    assert "seen   Quota 'NETWORKS' exceeded. Limit: 5.0 globally." in said
    assert "console: IAM & Admin, Quotas" in said


def test_all_errors_of_an_operation_are_reported() -> None:
    errors = [{"code": "A", "message": "first"}, {"code": "B"}]
    said = str(module_failure({"failed": True, "msg": errors}, "Make the subnets"))
    assert said.splitlines()[0] == "Make the subnets: Google could not do it"
    assert "first; B" in said


def test_a_vpc_with_things_of_others_in_it() -> None:
    kept = answered(
        400,
        "The network resource 'mesh-shop' is already being used by 'networkEndpointGroups/x'",
        url=f"{NETWORKS}/mesh-shop",
        method="DELETE",
        item={"name": "mesh-shop"},
    )
    said = str(module_failure(kept, "Remove the VPC"))
    assert said.startswith("Remove the VPC mesh-shop: the VPC could not be removed\n")
    assert "networkEndpointGroups/x" in said
    zonal = answered(400, "x is already being used by y", url=f"{NETWORKS}/mesh-shop", method="PATCH")
    assert "Google refuses the request" in str(module_failure(zonal, "x"))


def test_a_connection_that_fails() -> None:
    said = str(module_failure({"failed": True, "msg": "'SSLError' object has no attribute 'message'"}, "Make the VPC"))
    assert said.splitlines()[:2] == ["Make the VPC: Google does not answer", "  seen   SSLError"]


def test_an_unknown_message_is_reported_as_it_is() -> None:
    for msg in ("Please install  the google-auth library", "GCP returned error: {broken"):
        said = str(module_failure({"failed": True, "msg": msg}, "Make the VPC"))
        assert said.splitlines()[0] == "Make the VPC: google.cloud could not do it"
        assert " ".join(msg.split()) in said


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_what_passes_by_itself_is_worth_another_try(code: int) -> None:
    assert is_temporary(answered(code, "x"))
    assert is_temporary({"failed": True, "msg": "Invalid JSON response with error: <title>Error 502 (Server Error)!!1"})
    limited = answered(403, "Quota exceeded for quota metric 'Queries'")
    assert not is_temporary(limited)
    limited["msg"] = limited["msg"].replace("'reason': 'x'", "'reason': 'rateLimitExceeded'")
    assert is_temporary(limited)


@pytest.mark.parametrize(
    "result",
    [
        {"changed": True},
        {"failed": True, "msg": "Please install the google-auth library"},
        {"failed": True, "msg": str([{"code": "QUOTA_EXCEEDED", "message": "Quota 'NETWORKS' exceeded."}])},
        {"failed": True, "msg": "Invalid JSON response with error: <title>Error 404 (Not Found)!!1"},
        answered(400, "Invalid value"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(result: dict[str, t.Any]) -> None:
    assert not is_temporary(result)
