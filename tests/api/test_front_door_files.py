# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door of clusters that exist already, on two real API servers with Istio's kinds: objects, Envoy's files."""

from __future__ import annotations

import asyncio
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.local_front_door import LocalFrontDoor

from . import control_plane
from .gke_clusters import actions, on, put
from .loop import in_loop
from .manifests import namespace_of
from .plays import role_play, run_plays
from .test_ingress import istio_crds, service, tls

Values = dict[str, t.Any]

SHOP: Values = {"host": "shop.example", "service": "web.shop"}
REGIONS = {"west": "us-west1", "east": "europe-north1"}
MADE = [
    "Gateway front-door created",
    "Service web-front-door-{} created",
    "VirtualService front-door-shop.example created",
]


@pytest.fixture(scope="module")
def hosts(new_plane: control_plane.Start) -> dict[str, Values]:
    planes = {name: new_plane(name) for name in REGIONS}
    return {
        name: {
            "fleet_name": "shop",
            "cluster_provider": "kubeconfig",
            "cluster_region": REGIONS[name],
            "cluster_api_url": plane.server,
            "cluster_api_token": control_plane.ADMIN_TOKEN,
            "cluster_api_ca": plane.ca_pem,
        }
        for name, plane in planes.items()
    }


def ready(pods: int) -> Values:
    meta = {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}
    endpoints = [{"addresses": ["10.1.0.9"], "conditions": {"ready": bool(pods)}}]
    slice_of = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta}
    return {**slice_of, "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http-80", "port": 8080}]}


@pytest.fixture
def fleet(hosts: dict[str, Values], tmp_path: Path) -> t.Iterator[Fleet]:
    made = read_fleet(hosts, environment())

    async def prepare() -> None:
        for number, name in enumerate(REGIONS):
            gateway = service("istio-ingressgateway", "istio-system", 80)
            gateway["spec"]["externalIPs"] = [f"198.51.100.{number}"]
            spaces = [namespace_of(space) for space in ("istio-system", "shop")]
            await put(made, name, *istio_crds(), *spaces, gateway, service("web", "shop", 80), ready(1))
        await put(
            made,
            "east",
            {**(secret := tls("shop-tls", "shop.example")), "metadata": {**secret["metadata"], "namespace": "shop"}},
        )

    asyncio.run(prepare())
    yield made
    asyncio.run(run_of(made, tmp_path / "none").absent())


def run_of(fleet: Fleet, folder: Path, *routes: Values, dry_run: bool = False, **more: t.Any) -> LocalFrontDoor:
    door, wrong = read_front_door("front-door", list(routes), fleet.clusters, **more)
    assert wrong == []
    return LocalFrontDoor(fleet, list(REGIONS), list(REGIONS), FrontDoorFolder(folder), None, door, dry_run=dry_run)


def made(found: t.Iterable[t.Any], cluster: str) -> list[str]:
    return sorted(one.removeprefix(f"{cluster} ") for one in actions(found) if one.startswith(f"{cluster} "))


@in_loop
async def test_objects_and_files_come_once_and_go(fleet: Fleet, tmp_path: Path) -> None:
    planned = await run_of(fleet, tmp_path, SHOP, dry_run=True).present()
    assert not (tmp_path / "front_door").exists()
    run = run_of(fleet, tmp_path, SHOP, certificates=["shop-tls"], https_redirect=True)
    changes = await run.present()
    for cluster in REGIONS:
        assert made(planned, cluster) == made(changes, cluster) == [text.format(cluster) for text in MADE]
    assert run.served == {"web.shop": ["west", "east"]}
    assert [warning.partition(" on ")[0] for warning in run.warnings] == ["the front door's certificate shop-tls ends"]
    folder = run.folder
    addresses = [
        e["lb_endpoints"][0] for e in folder.read("clusters.yaml")["resources"][0]["load_assignment"]["endpoints"]
    ]
    assert ["198.51.100.0" in str(addresses[0]), "198.51.100.1" in str(addresses[1])] == [True, True]
    assert "PRIVATE KEY" not in "".join(f"{change.before}{change.after}" for change in changes)
    assert {oct(p.stat().st_mode & 0o777) for p in folder.path.rglob("*") if p.is_file()} == {"0o600"}
    again = await run_of(fleet, tmp_path, SHOP, certificates=["shop-tls"], https_redirect=True).present()
    assert actions(again) == []
    less = await run_of(fleet, tmp_path, {**SHOP, "host": "other.example"}).present()
    assert made(less, "west") == [
        "Gateway front-door changed",
        "VirtualService front-door-other.example created",
        "VirtualService front-door-shop.example removed",
    ]
    assert folder.certificates() == [] and "secret-shop-tls.yaml" not in folder.names()
    await run_of(fleet, tmp_path).absent()
    assert not folder.exists()
    async with on(fleet, "west") as kube:
        assert [one["metadata"]["name"] for one in await kube.list("v1", "Service", "shop")] == ["web"]


@in_loop
async def test_nothing_is_changed_for_what_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    theirs = service("web-front-door-west", "shop", 80)
    async with on(fleet, "west") as kube:
        await kube.apply([theirs], manager="somebody-else")
    with pytest.raises(FleetError, match="this fleet did not make them") as foreign:
        await run_of(fleet, tmp_path, SHOP).present()
    assert "Service shop/web-front-door-west in west" in foreign.value.seen
    await run_of(fleet, tmp_path).absent()
    async with on(fleet, "west") as kube:
        assert await kube.get("v1", "Service", "web-front-door-west", "shop"), "it is not ours to remove"
        await kube.delete("v1", "Service", "web-front-door-west", "shop")
    for name in REGIONS:
        await put(fleet, name, ready(0))
    with pytest.raises(FleetError, match="without ready pods"):
        await run_of(fleet, tmp_path, SHOP).present()
    await put(fleet, "west", ready(1))
    with pytest.raises(FleetError, match="certificate of the front door does not exist"):
        await run_of(fleet, tmp_path, SHOP, certificates=["none"]).present()
    for name in REGIONS:
        async with on(fleet, name) as kube:
            assert await kube.list("networking.istio.io/v1", "Gateway") == []
    assert not (tmp_path / "front_door").exists()


def test_the_role_says_where_the_files_are(fleet: Fleet, hosts: dict[str, Values], tmp_path: Path) -> None:
    inventory = {"hosts": hosts, "vars": {"front_door_routes": [SHOP]}}
    ran = run_plays(tmp_path, inventory, role_play("front_door"))
    assert ran.code == 0, ran.output
    assert "front_door: 1 route" in ran.output and "(1 changed)" in ran.output
    assert list(tmp_path.rglob("front_door/bootstrap.yaml"))
    ran = run_plays(tmp_path, inventory, role_play("front_door"))
    assert "front_door: 1 route" in ran.output and "changed)" not in ran.output
    assert run_plays(tmp_path, inventory, role_play("front_door", tasks="absent")).code == 0
    assert not list(tmp_path.rglob("front_door/bootstrap.yaml"))
