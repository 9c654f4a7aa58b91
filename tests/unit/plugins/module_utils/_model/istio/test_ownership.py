# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is ours, and what only looks like it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    CREATED,
    has_our_labels,
    is_created,
    is_former,
    is_published_root,
    owner_labels,
    owner_of,
    users_of,
)


def test_an_object_of_one_role_is_ours_and_that_roles() -> None:
    obj = {"metadata": {"labels": owner_labels("trust", "prod")}}
    assert has_our_labels(obj, "prod")
    assert has_our_labels(obj, "prod", "trust")
    assert not has_our_labels(obj, "prod", "gateways")
    assert not has_our_labels(obj, "staging")


@pytest.mark.parametrize(
    "obj",
    [
        None,
        {},
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm", "mesh.fleet/part-of": "trust"}}},
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": "mesh.fleet", "mesh.fleet/part-of": "trust"}}},
    ],
)
def test_what_others_manage_is_not_ours(obj: dict[str, t.Any] | None) -> None:
    assert not has_our_labels(obj, "prod")
    assert not has_our_labels(obj, "prod", "trust")


def test_a_namespace_is_ours_to_delete_only_with_the_annotation() -> None:
    assert is_created(None)
    assert is_created({"metadata": {"annotations": {CREATED: "true"}}})
    assert not is_created({"metadata": {"labels": owner_labels("apps", "prod")}})


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"labels": {"mesh.fleet/fleet": "staging"}, "managedFields": [{"manager": "mesh.fleet"}]}, "fleet staging"),
        ({"ownerReferences": [{"kind": "Certificate", "name": "mesh"}]}, "Certificate mesh"),
        ({"managedFields": [{"manager": "kubectl"}, {"manager": "Go-http-client"}]}, "Go-http-client, kubectl"),
        ({}, "somebody else"),
    ],
)
def test_whose_it_is_is_said(metadata: dict[str, t.Any], owner: str) -> None:
    assert owner_of({"metadata": metadata}) == owner
    assert owner_of(None) == ""


def test_what_an_earlier_version_made_is_known_by_its_label() -> None:
    assert is_former({"metadata": {"labels": {"app.kubernetes.io/managed-by": "mesh.fleet"}}})
    assert not is_former({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})
    assert not is_former({"metadata": {"labels": owner_labels("apps", "prod")}})
    assert not is_former(
        {"metadata": {"labels": {**owner_labels("x", "a"), "app.kubernetes.io/managed-by": "mesh.fleet"}}}
    )
    assert not is_former(None)


def test_who_uses_a_namespace() -> None:
    owner, marks = (
        owner_labels("apps", "prod"),
        {"users.mesh.fleet/b": "apps", "users.mesh.fleet/a": "trust", "x/c": ""},
    )
    assert users_of({"metadata": {"labels": {**marks, **owner}}}) == ["a", "b", "prod"]
    assert users_of({"metadata": {"labels": marks}}) == ["a", "b"]
    assert users_of({"metadata": {"labels": {**owner, "users.mesh.fleet/prod": "apps"}}}) == ["prod"]
    assert users_of(None) == users_of({}) == []


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("ConfigMap", "istio-ca-root-cert", True),
        ("ConfigMap", "istio-ca-crl", True),
        ("ConfigMap", "settings", False),
        ("Secret", "istio-ca-root-cert", False),
    ],
)
def test_istiods_own_root_certificates_are_known(kind: str, name: str, expected: bool) -> None:
    assert is_published_root({"kind": kind, "metadata": {"name": name}}) is expected
