# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which 404 says that something is not there. tests/api/test_absent.py asks a real API server."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.absence import (
    Asked,
    asked_by,
    is_foreign,
    is_proof_of_absence,
)

SECRET = "/api/v1/namespaces/a/secrets/cacerts"
PLAIN = "404 page not found\n"


def not_found(**details: str) -> dict[str, t.Any]:
    return {"kind": "Status", "reason": "NotFound", "details": details}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/api/v1", Asked("v1", "")),
        ("/api/v1/nodes?limit=1", Asked("v1", "nodes")),
        ("/api/v1/namespaces", Asked("v1", "namespaces")),
        ("/api/v1/namespaces/a", Asked("v1", "namespaces", "a")),
        ("/api/v1/nodes/n%3A1", Asked("v1", "nodes", "n:1")),
        ("/api/v1/nodes/n/proxy/configz", Asked("v1", "nodes")),
        (SECRET, Asked("v1", "secrets", "cacerts")),
        ("/api/v1/namespaces/a/pods/p/log", Asked("v1", "pods")),
        ("/apis/apps/v1", Asked("apps/v1", "")),
        ("/apis/apps/v1/namespaces/a/deployments", Asked("apps/v1", "deployments")),
        ("/apis/apps", None),
        ("/apis", None),
        ("/api", None),
        ("/version", None),
        ("", None),
    ],
)
def test_what_a_path_asks_for(path: str, asked: Asked | None) -> None:
    assert asked_by(path) == asked


@pytest.mark.parametrize("audited", [True, False])
def test_a_status_that_names_the_object_is_proof(audited: bool) -> None:
    assert is_proof_of_absence(not_found(name="cacerts"), SECRET, audited=audited)
    assert is_proof_of_absence(not_found(name="a", kind="namespaces"), SECRET, audited=audited)
    assert is_proof_of_absence(not_found(name="a/cacerts"), SECRET, audited=audited)
    assert is_proof_of_absence(not_found(name="a:b"), "/api/v1/secrets/a%3Ab?x=y", audited=audited)
    assert not is_proof_of_absence(not_found(name="west"), SECRET, audited=audited)
    assert not is_proof_of_absence(not_found(name="a/west"), SECRET, audited=audited)


def test_a_write_may_miss_what_its_object_refers_to() -> None:
    binding = "/apis/rbac.authorization.k8s.io/v1/namespaces/a/rolebindings/b"
    assert is_proof_of_absence(not_found(name="role"), binding, audited=True, writes=True)
    assert not is_proof_of_absence(not_found(name="role"), binding, audited=True)
    assert not is_proof_of_absence(not_found(name="role"), binding, audited=False, writes=True)
    assert not is_proof_of_absence("<html>", binding, audited=True, writes=True)


@pytest.mark.parametrize("body", [not_found(), {"kind": "Status", "reason": "NotFound", "details": None}, PLAIN])
def test_what_names_nothing_is_proof_of_an_api_server(body: t.Any) -> None:
    assert is_proof_of_absence(body, SECRET, audited=True)
    assert not is_proof_of_absence(body, SECRET, audited=False)


@pytest.mark.parametrize(
    "body",
    [
        "<html>404 page not found</html>",
        "",
        {},
        {"kind": "Status"},
        {"reason": "NotFound"},
        {**not_found(), "kind": "x"},
    ],
)
def test_what_is_no_proof_whoever_passed_it_on(body: t.Any) -> None:
    assert not is_proof_of_absence(body, SECRET, audited=True)


@pytest.mark.parametrize("status", [399, 400, 401, 403, 404, 405, 409, 413, 422, 429, 499, 500, 503])
def test_whose_refusal_it_is(status: int) -> None:
    foreign = status in (400, 403, 404, 405, 409, 422, 499)
    assert is_foreign(status, "a page", audited=False) is foreign
    assert is_foreign(status, {"message": "no"}, audited=False) is foreign
    assert not is_foreign(status, {"kind": "Status"}, audited=False)
    assert not is_foreign(status, "a page", audited=True)


GROUPS = {"kind": "APIGroupList", "groups": [{"versions": [{"groupVersion": "apps/v1"}]}, {}]}


@pytest.mark.parametrize(
    ("asked", "listing", "unserved"),
    [
        (Asked("apps/v1", ""), GROUPS, False),
        (Asked("apps/v2", ""), GROUPS, True),
        (Asked("x/v1", ""), {"kind": "APIGroupList", "groups": []}, True),
        (Asked("v1", ""), {"kind": "APIVersions", "versions": ["v1"]}, False),
        (Asked("v2", ""), {"kind": "APIVersions", "versions": ["v1"]}, True),
        (Asked("x/v1", ""), {"kind": "APIGroupList"}, None),
        (Asked("x/v1", ""), {"groups": []}, None),
        (Asked("v1", ""), {"kind": "APIVersions"}, None),
        (Asked("v1", ""), [], None),
        (Asked("v1", ""), None, None),
    ],
)
def test_whether_a_group_is_unserved(asked: Asked, listing: t.Any, unserved: bool | None) -> None:
    assert asked.is_unserved(listing) is unserved


def test_whether_a_kind_is_unknown() -> None:
    listing = {"kind": "APIResourceList", "resources": [{"name": "deployments"}]}
    assert Asked("apps/v1", "gadgets").is_unknown(listing)
    assert Asked("apps/v1", "gadgets").is_unknown({"kind": "APIResourceList", "resources": None})
    assert not Asked("apps/v1", "deployments").is_unknown(listing)
    assert not Asked("apps/v1", "").is_unknown(listing)
    assert not Asked("apps/v1", "gadgets").is_unknown({"resources": []})
    assert not Asked("apps/v1", "gadgets").is_unknown(None)


def test_where_an_api_server_lists_what_it_serves() -> None:
    assert (Asked("v1", "").listing, Asked("v1", "").prefix) == ("/api", "/api/v1")
    assert (Asked("apps/v1", "").listing, Asked("apps/v1", "").prefix) == ("/apis", "/apis/apps/v1")
