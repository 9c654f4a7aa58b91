# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a policy of the organisation allows resources."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.policies import allows_place


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ({}, True),
        ({"allValues": "ALLOW"}, True),
        ({"allValues": "DENY"}, False),
        ({"allowedValues": ["us-west1"]}, True),
        ({"allowedValues": ["is:us-west1-a"]}, True),
        ({"allowedValues": ["in:us-west1-locations"]}, True),
        ({"allowedValues": ["in:us-locations"]}, True),
        ({"allowedValues": ["in:europe-locations", "us-east1"]}, False),
        ({"allowedValues": ["in:europe-north1-locations"]}, False),
        ({"allowedValues": ["in:low-carbon-locations"]}, None),
        ({"allowedValues": ["in:low-carbon-locations", "us-west1"]}, True),
        ({"deniedValues": ["in:us-locations"]}, False),
        ({"deniedValues": ["in:low-carbon-locations"]}, True),
    ],
)
def test_a_place_is_allowed_by_its_name_or_group(rules: dict[str, object], allowed: bool | None) -> None:
    assert allows_place({"listPolicy": rules}, "us-west1") is allowed
