# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE clusters as members of a Google fleet, by the inventory."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    config_cluster,
    fleet_project,
    members,
    needed_features,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


def fleet(**hosts: dict[str, t.Any]) -> Fleet:
    shared = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "us-west1"}
    return read_fleet({name: {**shared, **v} for name, v in hosts.items()})


def test_members_are_named_by_the_inventory() -> None:
    made = fleet(west={"cluster_zone": "us-west1-a", "gke_name": "shop-west"}, fra={"cluster_provider": "kubeconfig"})
    west = next(iter(members(made).values()))
    assert west.resource_link == "//container.googleapis.com/projects/shop-prod/locations/us-west1-a/clusters/shop-west"
    assert west.name == "projects/shop-prod/locations/us-west1/memberships/shop-west"
    assert west.link == "us-west1-a/shop-west"
    with pytest.raises(FleetError, match="project is not named"):
        members(fleet(west={"gke_project": ""}))
    two = members(fleet(west={"gke_project": "a"}, north={"gke_project": "b"}))
    with pytest.raises(FleetError, match="several Google fleets"):
        fleet_project(two)
    together = {"gke_fleet_project": "host"}
    made = fleet(west={"gke_project": "a", **together}, north={"gke_project": "b", **together})
    assert fleet_project(members(made)) == "host"


def test_the_config_cluster_is_one_of_them() -> None:
    made = fleet(west={"gke_config_cluster": "north"}, north={"gke_config_cluster": "north"})
    assert config_cluster(made, members(made)) == "north"
    plain = fleet(west={}, north={})
    assert config_cluster(plain, members(plain)) == "west"
    lost = fleet(west={"gke_config_cluster": "nrth"})
    with pytest.raises(FleetError, match="is not a GKE cluster"):
        config_cluster(lost, members(lost))


def test_features_follow_from_the_inventory() -> None:
    assert needed_features(fleet(west={})) == []
    managed = fleet(west={"mesh_control_plane": "managed", "mesh_exports": [{"service": "a.x"}]})
    assert needed_features(managed, front_door=True) == [
        "servicemesh",
        "multiclusterservicediscovery",
        "multiclusteringress",
    ]
