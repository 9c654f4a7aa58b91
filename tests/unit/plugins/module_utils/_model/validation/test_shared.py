# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables that all clusters must have in common."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.shared import together
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import PLACE, problems_of


def test_variables_that_differ_are_reported_where_they_differ() -> None:
    hosts = {"a": {**PLACE, "mesh_id": "shop"}, "b": {**PLACE, "mesh_id": "shop"}, "c": PLACE}
    assert problems_of(hosts) == [
        'c mesh_id is not set here, which means the value of fleet_name, and differs from a\'s "shop" '
        "| one value for the whole fleet: set it in the vars of the group"
    ]
    assert problems_of({h: {**PLACE, "mesh_exports": [{"service": "a.b"}]} for h in ("a", "b")}) == []
    assert problems_of({"a": {**PLACE, "mesh_revision": "default"}, "b": PLACE}) == []


def test_what_every_cluster_has_is_said_once() -> None:
    def of(host: str, value: str) -> Problem:
        return Problem(host, "mesh_hub", value, "is wrong")

    assert together([of("a", "x"), of("b", "x"), of("a", "x")], 2) == [of("", "x")]
    assert together([of("a", "x"), of("b", "y"), of("b", "y")], 2) == [of("a", "x"), of("b", "y")]
    assert together([of("", "x"), of("a", "x")], 2) == [of("", "x"), of("a", "x")]
