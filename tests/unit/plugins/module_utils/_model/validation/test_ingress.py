# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of routes into the mesh."""

from __future__ import annotations

import typing as t

import pytest

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


@pytest.mark.parametrize(
    ("door", "route", "is_endless"),
    [
        ({"host": "a.example"}, {"host": "a.example"}, True),
        ({}, {"host": "a.example"}, True),
        ({"host": "b.a.example"}, {"host": "*.a.example"}, True),
        ({"host": "a.example"}, {"host": "a.example", "https_redirect": False}, False),
        ({"host": "b.example"}, {"host": "a.example"}, False),
        ({"host": "a.example", "clusters": ["west"]}, {"host": "a.example", "clusters": ["east"]}, False),
    ],
)
def test_a_front_door_leads_to_no_redirect(door: dict[str, t.Any], route: dict[str, t.Any], is_endless: bool) -> None:
    """The gateway sends its call to HTTPS, which is the front door, which calls the gateway."""
    given = {"service": "web.shop", "certificate_secret": "a-tls", "https_redirect": True, **route}
    found = problems_with(
        {"west": WEST, "east": WEST},
        ingress_routes=[given],
        front_door_routes=[{"service": "web.shop", **door}],
    )
    assert found == (
        [
            f"(fleet) ingress_routes of {route['host']}/ has https_redirect, and a front door calls that host there "
            f"by HTTP | take https_redirect from {route['host']}; front_door_https_redirect redirects all its callers"
        ]
        if is_endless
        else []
    )


def test_googles_front_door_calls_no_gateway() -> None:
    route = {"service": "web.shop", "certificate_secret": "a-tls", "https_redirect": True, "host": "a.example"}
    door = [{"service": "web.shop", "host": "a.example"}]
    found = problems_with({"prod": GKE}, ingress_routes=[route], front_door_routes=door)
    assert not [one for one in found if "https_redirect" in one]
