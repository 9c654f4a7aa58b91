# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of routes into the mesh."""

from __future__ import annotations

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import GKE, problems_with

WEST = {"cluster_region": "us-west1"}


def test_a_mistake_is_found_before_anything_is_touched() -> None:
    found = problems_with({"west": WEST, "east": WEST}, ingress_routes=[{"service": "web.shop", "clusters": ["wst"]}])
    assert found == ['(fleet) ingress_routes[0].clusters "wst" names no cluster of this fleet | did you mean "west"?']


def test_the_gateway_api_is_not_for_what_google_runs() -> None:
    hosts = {"west": WEST, "prod": {**GKE, "mesh_control_plane": "managed"}}
    routes = [{"host": "a.example", "service": "web.shop", "api": "gateway"}]
    found = [one for one in problems_with(hosts, ingress_routes=routes) if "ingress" in one]
    assert found == [
        "(fleet) ingress_routes of a.example/ has api: gateway in prod, whose control plane is not ours | "
        "api: istio; or name the other clusters in clusters"
    ]
    routes[0]["clusters"] = ["west"]
    assert not [one for one in problems_with(hosts, ingress_routes=routes) if "ingress" in one]
