# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google says about the control planes that it runs, in words."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.mesh_status import in_words


def test_codes_become_words() -> None:
    assert in_words("CLUSTER_HAS_ZERO_NODES") == "the cluster has no nodes"
    assert in_words("QUOTA_EXCEEDED_BACKEND_SERVICES") == "the project's quota of backend services is used up"
    assert in_words("SOMETHING_QUITE_NEW") == "something quite new"
