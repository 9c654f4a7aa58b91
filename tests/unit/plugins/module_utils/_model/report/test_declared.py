# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report takes from the inventory."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.report.declared import declared
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

HOST = {"cluster_provider": "kubeconfig", "cluster_region": "here", "mesh_network": "per_cluster"}
SAID = {
    "mesh_exports": [{"service": "orders.shop", "to": ["east"]}, {"service": "wrong"}],
    "mesh_traffic": [{"service": "orders.shop", "timeout": "2s", "from": ["west"]}],
}


def test_clusters_edges_services_and_policies() -> None:
    found = declared(read_fleet({"west": {**HOST, **SAID}, "east": {**HOST, **SAID}}))
    assert found["edges"] == [("west", "east"), ("east", "west")]
    assert found["clusters"]["east"]["region"] == "here"
    assert found["clusters"]["east"]["network"] == "east"
    assert found["exports"] == [{"service": "orders.shop", "to": ["east"]}]
    assert [one["service"] for one in found["policies"]] == ["orders.shop"]


def test_a_region_that_cannot_be_looked_up_is_left_empty() -> None:
    fleet = read_fleet({"west": HOST})

    def refused() -> t.Any:
        raise FleetError("the vault does not answer")

    cluster = fleet.clusters["west"]
    vars(cluster)["region"] = refused
    found = declared(dataclasses.replace(fleet, clusters={"west": cluster}))
    assert found["clusters"]["west"]["region"] == ""
