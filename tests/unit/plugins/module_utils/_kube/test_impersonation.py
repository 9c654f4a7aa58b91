# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a kubeconfig says about impersonation, and what is sent."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.impersonation import (
    impersonation,
    impersonation_headers,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


def test_every_value_is_a_header() -> None:
    user = {
        "token": "x",
        "as": "ann",
        "as-uid": 7,
        "as-groups": ["ops", "dev"],
        "as-user-extra": {"example.com/reason s": ["a", "b"]},
    }
    found = impersonation(user, "kubeconfig", "west")
    assert found == {**{key: user[key] for key in user if key != "token"}, "as-uid": "7"}
    assert impersonation_headers(found) == [
        ("Impersonate-User", "ann"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Extra-example.com%2Freason%20s", "a"),
        ("Impersonate-Extra-example.com%2Freason%20s", "b"),
    ]
    assert impersonation({"token": "x", "as-groups": []}, "kubeconfig", "west") == {}
    assert impersonation_headers({}) == []


@pytest.mark.parametrize(
    "user",
    [
        {"as-groups": ["ops"]},
        {"as": "ann", "as-groups": "ops"},
        {"as": "ann", "as-user-extra": ["a"]},
        {"as": "ann", "as-user-extra": {"a": "b"}},
        {"as": "ann\nx: y"},
    ],
)
def test_what_cannot_be_used_is_refused(user: dict[str, t.Any]) -> None:
    with pytest.raises(FleetError, match="as whom to act") as refused:
        impersonation(user, "kubeconfig", "west")
    assert refused.value.cluster == "west"
    assert refused.value.next_step
