# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of clusters."""

from __future__ import annotations

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import PLACE, problems_of


def test_names() -> None:
    found = problems_of({"west": PLACE, "West": PLACE, "a" * 64: PLACE, "b" * 50: PLACE})
    assert found[0] == "West the name differs from west's only by case | choose another name"
    assert "West the name is not a DNS-1123 label" in found[1]
    assert "is 64 characters long | at most 63" in found[2]
    assert "7 characters too long for a host name" in found[3]
