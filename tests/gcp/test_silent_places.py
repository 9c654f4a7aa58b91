# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A region or zone that does not answer: nothing in it counts as missing, and nothing is made twice."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import connections as reach
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import inventory_hosts as places
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.memberships import Memberships
from ansible_collections.mesh.fleet.plugins.module_utils._kube.connect import AbsentCluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

from .caller import Caller
from .standin.server import StandIn

PROJECT = "shop-prod"
ZONE = "us-west1-a"


@pytest.fixture
def fleet(google_cloud: StandIn, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """One cluster, which exists and is a member; its zone and region do not answer."""
    for name, value in google_cloud.environment.items():
        monkeypatch.setenv(name, value)
    google_cloud.cloud.duration = 0.01
    ask = Caller(google_cloud)
    ask.done(
        "POST",
        f"/v1/projects/{PROJECT}/locations/{ZONE}/clusters",
        {"cluster": {"name": "west", "initialNodeCount": 1}},
    )
    shared = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": PROJECT, "gke_network": "default"}
    west = {**shared, "cluster_region": "us-west1", "cluster_zone": ZONE}
    found = read_fleet({"west": west}, environment())
    Memberships(Google(Settings.from_args({"project": PROJECT})), "shop", timeout=60).register(
        list(members(found).values())
    )
    google_cloud.cloud.unreachable |= {ZONE, "us-west1"}
    google_cloud.cloud.log.clear()
    return found


def writes(standin: StandIn) -> list[str]:
    return [entry["method"] for entry in standin.cloud.log if entry["verb"] != "GET"]


def google() -> Google:
    return Google(Settings.from_args({"project": PROJECT}), patience=0.5)


CALLERS: dict[str, t.Callable[[Fleet], t.Any]] = {
    "clusters": lambda _fleet: Clusters(google(), {}, "x", timeout=60).read(),
    "memberships": lambda fleet: Memberships(google(), "shop").register(list(members(fleet).values())),
    "leaving": lambda fleet: Memberships(google(), "shop").unregister(list(members(fleet).values())),
    "network": lambda _fleet: google().pages("compute", "subnetworks.aggregatedList", "items", project=PROJECT),
    "inventory": lambda _fleet: places.read_projects(lambda _project: google(), [PROJECT]),
    "connection": lambda fleet: reach.with_connections(fleet).clusters["west"].connection.resolved(),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_every_reader_fails_and_nothing_is_made(fleet: Fleet, google_cloud: StandIn, caller: str) -> None:
    with pytest.raises(FleetError) as caught:
        CALLERS[caller](fleet)
    assert not isinstance(caught.value, AbsentCluster)
    assert "us-west1" in str(caught.value)
    assert caught.value.next_step
    assert writes(google_cloud) == []


def test_the_inventory_without_memberships_stops_too(fleet: Fleet) -> None:
    with pytest.raises(FleetError) as caught:
        places.read_projects(lambda _project: google(), [PROJECT], memberships=False)
    assert ZONE in str(caught.value)


def test_a_cluster_elsewhere_is_reached_nevertheless(fleet: Fleet, google_cloud: StandIn) -> None:
    google_cloud.cloud.unreachable = {"europe-north1"}
    server = reach.with_connections(fleet).clusters["west"].connection.resolved().server
    assert server.startswith("https://")
