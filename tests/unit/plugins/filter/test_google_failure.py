# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter google_failure."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.filter.google_failure import google_failure


def test_the_filter_accepts_results_only() -> None:
    assert google_failure({"failed": True, "msg": "no"}, "Make the VPC").startswith("Make the VPC: ")
    with pytest.raises(AnsibleTypeError):
        google_failure("no", "Make the VPC")
