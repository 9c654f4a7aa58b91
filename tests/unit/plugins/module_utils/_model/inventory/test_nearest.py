# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name nearest to a mistyped one."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.nearest import Nearest


@pytest.mark.parametrize(
    ("word", "name"), [("fr", "fra"), ("wset", "west"), ("WEST", "west"), ("wist", "west"), ("zzzz", "")]
)
def test_nearest(word: str, name: str) -> None:
    assert Nearest(["west", "east", "fra"]).find(word) == name
