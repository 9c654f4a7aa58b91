# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google's mesh asks of the clusters that it serves: their label, and its API in their project."""

from __future__ import annotations

import functools
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.action.gke_access import ActionModule
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.roles import project_number
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import marker, our_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import Part, with_mesh_label
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.fleet import Scope

from .cluster_runs import HOSTS, WEST, Run, actions, fleet_of, make, wanted_of
from .standin.server import StandIn

MESH = "mesh.googleapis.com"


@pytest.fixture
def google(options: dict[str, t.Any]) -> Google:
    return Google(Settings.from_args(options), patience=5)


def part_of(google: Google, **more: t.Any) -> Part:
    wanted = list(wanted_of(fleet_of(**more)).values())
    found = Part("shop-prod", wanted, wanted, google)
    return with_mesh_label(found, functools.partial(project_number, google))


def test_clusters_that_google_serves_carry_its_label(
    google: Google, google_cloud: StandIn, options: dict[str, t.Any]
) -> None:
    make(Run(options), google_cloud)
    assert google_cloud.cloud.resources[WEST]["resourceLabels"]["mesh_id"] == "shop"
    part = part_of(google, mesh_control_plane="managed")
    fleet = fleet_of(mesh_control_plane="managed")
    clusters = Clusters(google, our_labels(fleet), marker(fleet), timeout=60, interval=0.1)
    clusters.read()
    assert set(actions(clusters.present(part.play)).values()) == {"changed"}
    number = google_cloud.cloud.number("shop-prod")
    assert google_cloud.cloud.resources[WEST]["resourceLabels"]["mesh_id"] == f"proj-{number}"
    clusters.read()
    assert set(actions(clusters.present(part.play)).values()) == {"unchanged"}


def test_a_projects_number_is_known_while_its_api_is_off(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled.add("cloudresourcemanager.googleapis.com")
    assert project_number(google) == google_cloud.cloud.number("shop-prod")
    assert project_number(google, "team-a") == google_cloud.cloud.number("team-a")


def test_a_label_that_the_inventory_gives_stays(google: Google) -> None:
    part = part_of(google, mesh_control_plane="managed", gke_labels={"mesh_id": "proj-1"})
    assert {w.labels["mesh_id"] for w in part.play} == {"proj-1"}
    assert google.requests == 0


def test_clusters_with_an_istiod_of_ours_cost_no_request(google: Google) -> None:
    assert {w.labels["mesh_id"] for w in part_of(google).play} == {"shop"}
    assert google.requests == 0


def test_the_api_of_the_mesh_is_on_in_each_clusters_project(google: Google, google_cloud: StandIn) -> None:
    hosts = {"west": {**HOSTS["west"], "gke_project": "team-a"}, "north": HOSTS["north"]}
    fleet = fleet_of(hosts, mesh_control_plane="managed", gke_fleet_project="shop-prod")
    every = members(fleet)
    scope = Scope(fleet, every, every, "shop-prod")
    google_cloud.cloud.disabled_in["team-a"] = {MESH}
    action = t.cast("ActionModule", types.SimpleNamespace(check_mode=False))
    with pytest.raises(FleetError, match=f"API {MESH} is disabled") as caught:
        ActionModule._mesh_apis(action, {"enable_apis": False, "timeout": 60}, scope, google)
    assert caught.value.obj == "project team-a"
    ActionModule._mesh_apis(action, {"enable_apis": True, "timeout": 60}, scope, google)
    assert google_cloud.cloud.disabled_in["team-a"] == set()
