# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exports, the front door and the Google fleet in the check of the whole inventory."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.front_door import DOOR_VARIABLES

WEST = {"cluster_region": "us-west1"}
FRA = {"cluster_region": "eu-de", "cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/fra"}
GKE = {"cluster_region": "us-west1", "cluster_provider": "gke", "gke_project": "shop-prod"}


def said(hosts: t.Mapping[str, t.Mapping[str, t.Any]], **shared: t.Any) -> list[str]:
    found = check({host: {**variables, **shared} for host, variables in hosts.items()})
    return [f"{p.host or '(fleet)'} {p.statement} | {p.hint}" for p in found]


def test_every_mistake_of_the_exports_is_told_at_once() -> None:
    exports = [
        {"service": "orders"},
        {"service": "orders.shop", "to": ["wst", "west", "west"]},
        {"service": "orders.shop", "too": "all", "to": "west"},
        "ledger.bank",
        {"service": "ledger.bank", "to": []},
    ]
    assert said({"west": WEST, "fra": FRA}, mesh_exports=exports) == [
        '(fleet) mesh_exports[0].service "orders" is not name.namespace | for example orders.shop',
        '(fleet) mesh_exports[1].to "wst" names no cluster of this fleet | did you mean "west"?',
        '(fleet) mesh_exports[1].to "west" is named twice | name it once',
        "(fleet) mesh_exports[2].too is unknown | did you mean to?",
        '(fleet) mesh_exports[2].to "west" is neither all nor a list of clusters | [west]',
        "(fleet) mesh_exports[2].service orders.shop is exported twice | list it once",
        '(fleet) mesh_exports[3] "ledger.bank" is not a dictionary | {service: orders.shop, to: all}',
        "(fleet) mesh_exports[4].to names no cluster | all, or remove the service from the list",
    ]
    assert said({"west": WEST, "fra": FRA}, mesh_exports=[{"service": "orders.shop", "to": ["fra"]}]) == []


def test_every_mistake_of_the_front_door_is_told_at_once() -> None:
    routes = [
        {"service": "web.shop", "host": "https://shop.example", "path": "pay", "port": 99999},
        {"service": "web", "clusters": ["wst"], "helth": "/"},
        {"service": "web.shop", "health": {"path": "healthz"}},
    ]
    found = said(
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
        (
            {"front_door_routes": [{"service": "a.x"}, {"service": "b.y", "path": "/b"}]},
            "names services of several namespaces",
        ),
        ({"front_door_routes": [{"service": "a.x"}, {"service": "b.x"}]}, "any host/ goes to a.x already"),
        ({"front_door_certificates": ["Shop 2026"]}, 'front_door_certificates[0] "Shop 2026" is no name'),
        ({"front_door_https_redirect": "maybe"}, "is not true or false"),
        ({"front_door_name": "Front Door"}, "is not a DNS-1123 label"),
    ],
)
def test_a_wrong_front_door_is_refused(values: dict[str, t.Any], problem: str) -> None:
    found = said({"west": WEST}, **values)
    assert len(found) == 1, found
    assert problem in found[0]


def test_what_google_does_not_do_is_known_before() -> None:
    hosts = {"west": GKE, "fra": FRA}
    routes = [{"service": "web.shop"}, {"service": "web.shop", "path": "/x"}]
    assert said(hosts, front_door_routes=routes, front_door_certificates=["shop"], front_door_address="shop") == []
    (found,) = said(hosts, front_door_routes=routes, front_door_certificates=["shop"])
    assert "front_door_certificates needs front_door_address" in found
    (found,) = said(hosts, front_door_routes=[{"service": "web.shop", "clusters": ["west", "fra"]}])
    assert "front_door_routes[0].clusters names fra, of provider kubeconfig" in found
    many = [{"service": f"s{i}.shop", "path": f"/{i}"} for i in range(101)]
    (found,) = said(hosts, front_door_routes=many)
    assert "lead to 101 services: Google allows 100" in found
    assert said({"west": WEST, "fra": FRA}, front_door_routes=many, front_door_certificates=["shop"]) == []


def test_a_front_door_that_differs_between_clusters_is_told() -> None:
    hosts = {"west": {**WEST, "front_door_name": "a"}, "east": {**WEST, "front_door_name": "b"}}
    (found,) = said(hosts)
    assert 'east front_door_name "b" differs from west\'s' in found


def test_the_config_cluster_is_a_gke_cluster() -> None:
    hosts = {"west": GKE, "north": GKE, "fra": FRA}
    assert said(hosts, gke_config_cluster="north") == []
    (found,) = said(hosts, gke_config_cluster="nrth")
    assert 'gke_config_cluster "nrth" is not a cluster of this fleet | did you mean "north"?' in found
    (found,) = said(hosts, gke_config_cluster="fra")
    assert 'gke_config_cluster "fra" is no GKE cluster, and Google reads multi-cluster ingress in one' in found


def test_clusters_of_several_projects_name_one_google_fleet() -> None:
    hosts = {"west": GKE, "north": GKE, "data": {**GKE, "gke_project": "team-data"}}
    (found,) = said(hosts)
    assert found.startswith(
        "data gke_fleet_project would be team-data, and west's shop-prod: a mesh is one fleet | set"
    )
    assert said(hosts, gke_fleet_project="shop-prod") == []


SHARED = {"gke_network_project": "shop-net", "gke_fleet_project": "shop-prod"}


def test_a_front_door_on_a_shared_vpc_has_clusters_of_one_project() -> None:
    hosts = {"west": {**GKE, **SHARED}, "data": {**GKE, **SHARED, "gke_project": "team-data"}}
    assert said(hosts) == []
    (found,) = said(hosts, front_door_routes=[{"service": "web.shop"}])
    assert found.startswith("data gke_project is team-data, west's shop-prod: on a Shared VPC one front door has")
    assert said(hosts, front_door_routes=[{"service": "web.shop", "clusters": ["west"]}]) == []
    own = {host: {**v, "gke_network_project": ""} for host, v in hosts.items()}
    assert said(own, front_door_routes=[{"service": "web.shop"}]) == []


def test_exports_stay_on_one_shared_vpc() -> None:
    hosts = {"west": {**GKE, **SHARED}, "data": {**GKE, **SHARED, "gke_network": "corp"}}
    assert said(hosts) == []
    (found,) = said(hosts, mesh_exports=[{"service": "orders.shop", "to": "all"}])
    assert found.startswith("data gke_network_project leads to VPC shop-net/corp, west's to shop-net/mesh-")


def test_two_clusters_cannot_have_one_membership() -> None:
    hosts = {
        "west": {**GKE, "gke_name": "main"},
        "data": {**GKE, "gke_project": "team-data", "gke_name": "main"},
    }
    (found,) = said(hosts, gke_fleet_project="shop-prod")
    assert 'data gke_membership "main" would be west\'s too' in found
    hosts["data"] = {**hosts["data"], "gke_membership": "data"}
    assert said(hosts, gke_fleet_project="shop-prod") == []


def test_the_doors_variables_are_those_of_its_role(root: Path) -> None:
    spec = yaml.safe_load((root / "roles/front_door/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert {n: o["type"] for n, o in spec["options"].items()} == {n: v.type for n, v in DOOR_VARIABLES.items()}


def test_a_large_fleet_with_many_exports_is_checked_quickly() -> None:
    exports = [{"service": f"s{i}.shop", "to": "all"} for i in range(500)]
    routes = [{"service": "web.shop", "path": f"/{i}"} for i in range(500)]
    hosts = {f"c{i}": {**FRA, "mesh_exports": exports, "front_door_routes": routes} for i in range(2000)}
    began = time.process_time()
    assert check(hosts) == []
    assert time.process_time() - began < 5
