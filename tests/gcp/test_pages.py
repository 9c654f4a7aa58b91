# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists in pages of one: every reader reads all pages. test_check_mode.py does so for the actions."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import inventory_hosts as places
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.features import Features

from .standin.server import StandIn

PROJECT = "shop-prod"
PLACES = ("us-west1", "europe-north1", "us-east1")
FEATURES = ("servicemesh", "multiclusterservicediscovery")


@pytest.fixture
def google(google_cloud: StandIn, options: dict[str, t.Any]) -> Google:
    cloud = google_cloud.cloud
    cloud.page = 1
    for place in PLACES:
        name = f"projects/{PROJECT}/locations/{place}/memberships/{place}"
        cloud.resources[f"gkehub/{name}"] = {"name": name}
        subnet = f"projects/{PROJECT}/regions/{place}/subnetworks/nodes"
        cloud.resources[f"compute/{subnet}"] = {"name": "nodes", "network": "x"}
        cloud.resources[f"compute/projects/{PROJECT}/global/networks/{place}"] = {"name": place}
    for feature in FEATURES:
        name = f"projects/{PROJECT}/locations/global/features/{feature}"
        cloud.resources[f"gkehub/{name}"] = {"name": name}
    return Google(Settings.from_args(options))


def test_memberships_and_features(google: Google) -> None:
    hub = Features(google, "shop")
    assert {m["name"].rsplit("/", 1)[-1] for m in hub.memberships()} == set(PLACES)
    assert set(hub.features()) == set(FEATURES)


def test_the_inventory(google: Google) -> None:
    found, _failed = places.read_projects(lambda _project: google, [PROJECT], follow=False)
    assert {m["name"].rsplit("/", 1)[-1] for m in found[PROJECT]["memberships"]} == set(PLACES)


def test_compute(google: Google) -> None:
    found = google.pages("compute", "networks.list", "items", project=PROJECT)
    assert {n["name"] for n in found} == set(PLACES)
    pairs = google.pages("compute", "subnetworks.aggregatedList", "items", project=PROJECT)
    # A place comes back on every page, with what it has there; on most pages with nothing.
    assert sorted(place for place, inner in pairs if inner.get("subnetworks")) == sorted(f"regions/{p}" for p in PLACES)
