# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exported services."""

from __future__ import annotations

import time

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import problems_with

WEST = {"cluster_region": "us-west1"}
FRA = {"cluster_region": "eu-de", "cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/fra"}


def test_every_mistake_of_the_exports_is_reported_at_once() -> None:
    exports = [
        {"service": "orders"},
        {"service": "orders.shop", "to": ["wst", "west", "west"]},
        {"service": "orders.shop", "too": "all", "to": "west"},
        "ledger.bank",
        {"service": "ledger.bank", "to": []},
    ]
    assert problems_with({"west": WEST, "fra": FRA}, mesh_exports=exports) == [
        '(fleet) mesh_exports[0].service "orders" is not name.namespace | for example orders.shop',
        '(fleet) mesh_exports[1].to "wst" names no cluster of this fleet | did you mean "west"?',
        '(fleet) mesh_exports[1].to "west" is named twice | name it once',
        "(fleet) mesh_exports[2].too is unknown | did you mean to?",
        '(fleet) mesh_exports[2].to "west" is neither all nor a list of clusters | [west]',
        "(fleet) mesh_exports[2].service orders.shop is exported twice | list it once",
        '(fleet) mesh_exports[3] "ledger.bank" is not a dictionary | {service: orders.shop, to: all}',
        "(fleet) mesh_exports[4].to names no cluster | all, or remove the service from the list",
    ]
    assert problems_with({"west": WEST, "fra": FRA}, mesh_exports=[{"service": "orders.shop", "to": ["fra"]}]) == []


def test_a_large_fleet_with_many_exports_is_checked_quickly() -> None:
    exports = [{"service": f"s{i}.shop", "to": "all"} for i in range(500)]
    routes = [{"service": "web.shop", "path": f"/{i}"} for i in range(500)]
    hosts = {f"c{i}": {**FRA, "mesh_exports": exports, "front_door_routes": routes} for i in range(2000)}
    began = time.process_time()
    assert check(hosts) == []
    assert time.process_time() - began < 5


def test_google_has_no_setting_that_confines_services() -> None:
    managed = {**WEST, "cluster_provider": "gke", "gke_project": "shop-prod", "mesh_control_plane": "managed"}
    (problem,) = [
        one for one in problems_with({"west": managed}, mesh_unexported_services="own_cluster") if "mesh_un" in one
    ]
    assert "Google runs the control plane" in problem
