# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run reports."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.report import attribute_failures


def test_a_failed_edge_is_attributed_to_one_cluster() -> None:
    tried = [("a", "b"), ("b", "a"), ("c", "a"), ("c", "b")]
    assert attribute_failures([("b", "a"), ("c", "a")], tried, "abc") == {("b", "a"): "a", ("c", "a"): "a"}
    assert attribute_failures([("c", "a")], tried, "abc") == {("c", "a"): "c"}
    assert attribute_failures([("c", "a")], tried, "a") == {("c", "a"): "a"}
