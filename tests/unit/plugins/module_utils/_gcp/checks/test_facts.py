# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which project a service account is of."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.facts import project_of_account


@pytest.mark.parametrize(
    ("email", "project"),
    [
        ("nodes@shop-prod.iam.gserviceaccount.com", "shop-prod"),
        ("nodes@shop.example.com.iam.gserviceaccount.com", "example.com:shop"),
        ("123456-compute@developer.gserviceaccount.com", "123456"),
        ("shop-prod@appspot.gserviceaccount.com", "shop-prod"),
        ("somebody@example.com", "own"),
    ],
)
def test_an_address_names_its_project(email: str, project: str) -> None:
    assert project_of_account(email, "own") == project
