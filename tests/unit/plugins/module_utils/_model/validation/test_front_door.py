# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door's variables."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.front_door import DOOR_VARIABLES
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import problems_with

WEST = {"cluster_region": "us-west1"}
FRA = {"cluster_region": "eu-de", "cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/fra"}
GKE = {"cluster_region": "us-west1", "cluster_provider": "gke", "gke_project": "shop-prod"}


def test_every_mistake_of_a_front_door_is_reported_at_once() -> None:
    routes = [
        {"service": "web.shop", "host": "https://shop.example", "path": "pay", "port": 99999},
        {"service": "web", "clusters": ["wst"], "helth": "/"},
        {"service": "web.shop", "health": {"path": "healthz"}},
    ]
    found = problems_with(
        {"west": WEST, "fra": FRA},
        front_door_routes=routes,
        front_door_https_redirect=True,
        front_door_address="Shop",
        front_door_timout=5,
    )
    assert found == [
        "(fleet) front_door_timout is not a variable of this collection | did you mean front_door_timeout?",
        '(fleet) front_door_routes[0].host "https://shop.example" is no host name | '
        "a name without scheme, port and path, for example shop.example or *.shop.example",
        '(fleet) front_door_routes[0].path "pay" is no path | '
        "it begins with / and holds no *, ? or #; paths below it are included",
        "(fleet) front_door_routes[0].port 99999 is no port | a number from 1 to 65535",
        "(fleet) front_door_routes[1].helth is unknown | did you mean health?",
        '(fleet) front_door_routes[1].service "web" is not name.namespace | for example orders.shop',
        '(fleet) front_door_routes[1].clusters "wst" names no cluster of this fleet | did you mean "west"?',
        '(fleet) front_door_routes[2].health {"path": "healthz"} is no health check | {path: /healthz, port: 8080}',
        '(fleet) front_door_address "Shop" is neither a name nor an IP | '
        "lower-case letters, digits and -, for example shop; or an IP",
        "(fleet) front_door_https_redirect is set without front_door_certificates: there is no HTTPS to redirect to | "
        "name the certificates, or remove the redirect",
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"front_door_routes": "web.shop"}, 'front_door_routes "web.shop" is text, not a list'),
        ({"front_door_routes": [{"service": "a.x"}], "front_door_address": "shop"}, "is a name, which only Google"),
        ({"front_door_regions": {"eu": ["10.0.0"]}}, "front_door_regions.eu 10.0.0 is no range of addresses"),
        ({"front_door_regions": {"eu": ["10.0.0.1/8"]}}, "is no range of addresses"),
        ({"front_door_regions": {"eu": ["10.0.0.0/8"], "us": ["10.0.0.0/8"]}}, "is a range of eu too"),
        ({"front_door_region_header": "x-region"}, "from nobody would it count"),
        ({"front_door_routes": [{"service": "a.x"}, {"service": "b.x"}]}, "any host/ goes to a.x already"),
        ({"front_door_certificates": ["Shop 2026"]}, 'front_door_certificates[0] "Shop 2026" is no name'),
        ({"front_door_https_redirect": "maybe"}, "is not true or false"),
        ({"front_door_name": "Front Door"}, "is not a DNS-1123 label"),
        ({"front_door_addresses": ["192.0.2.4"]}, "is for Envoy on machines of yours"),
    ],
)
def test_a_wrong_front_door_is_refused(values: dict[str, t.Any], problem: str) -> None:
    found = problems_with({"west": WEST}, **values)
    assert len(found) == 1, found
    assert problem in found[0]


def test_what_multicluster_ingress_cannot_do_is_refused() -> None:
    hosts = {"west": GKE, "fra": FRA}
    routes = [{"service": "web.shop"}, {"service": "web.shop", "path": "/x"}]
    assert (
        problems_with(hosts, front_door_routes=routes, front_door_certificates=["shop"], front_door_address="shop")
        == []
    )
    (found,) = problems_with(hosts, front_door_routes=routes, front_door_certificates=["shop"])
    assert "front_door_certificates needs front_door_address" in found
    spaces = [{"service": "a.x"}, {"service": "b.y", "path": "/b"}]
    (found,) = problems_with(hosts, front_door_routes=spaces)
    assert "names services of several namespaces" in found
    (found,) = problems_with(hosts, front_door_routes=routes, front_door_regions={"eu": ["192.0.2.0/24"]})
    assert "Google's load balancer knows by itself where callers are" in found

    (found,) = problems_with(hosts, front_door_routes=[{"service": "web.shop", "clusters": ["west", "fra"]}])
    assert "front_door_routes[0].clusters names fra, of provider kubeconfig" in found
    many = [{"service": f"s{i}.shop", "path": f"/{i}"} for i in range(101)]
    (found,) = problems_with(hosts, front_door_routes=many)
    assert "lead to 101 services: Google allows 100" in found
    assert problems_with({"west": WEST, "fra": FRA}, front_door_routes=many, front_door_certificates=["shop"]) == []


def test_before_clusters_of_this_machine_others_are_refused() -> None:
    spaces = [{"service": "a.x"}, {"service": "b.y", "path": "/b"}]
    assert problems_with({"west": WEST}, front_door_routes=spaces) == []
    routes = [{"service": "a.x", "clusters": ["fra"]}]
    (found,) = problems_with({"west": WEST, "fra": FRA}, front_door_routes=routes)
    assert "names fra, of provider kubeconfig: a front door has clusters of one provider" in found


@pytest.mark.parametrize("west", [WEST, GKE])
def test_a_route_has_its_place_of_the_inventory(west: dict[str, t.Any]) -> None:
    """Also when one before it cannot be read."""
    routes = [{"host": "", "service": "a.x"}, {"service": "b.x", "clusters": ["fra"]}]
    found = problems_with({"west": west, "fra": FRA}, front_door_routes=routes)
    assert ["[0].host" in found[0], "[1].clusters names fra" in found[1]] == [True, True], found


def test_a_front_door_that_differs_between_clusters() -> None:
    hosts = {"west": {**WEST, "front_door_name": "a"}, "east": {**WEST, "front_door_name": "b"}}
    (found,) = problems_with(hosts)
    assert 'east front_door_name "b" differs from west\'s' in found


def test_the_variables_are_those_of_the_role(root: Path) -> None:
    spec = yaml.safe_load((root / "roles/front_door/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert {n: o["type"] for n, o in spec["options"].items()} == {n: v.type for n, v in DOOR_VARIABLES.items()}
