# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door on two real API servers that know Google's kinds; the test plays Google's controller."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import refuse
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    read_front_door,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import API
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import front_door as run_module
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door import FrontDoorRun

from .gke_clusters import CRD, CRDS, HOSTS, SECONDS, SHOP, actions, fleet, on, put, service
from .loop import in_loop

__all__ = ["fleet"]


def door(fleet: Fleet, *routes: dict[str, t.Any], **more: t.Any) -> FrontDoor:
    return front_door(fleet, "front-door", *routes, **more)


def front_door(fleet: Fleet, name: str, *routes: dict[str, t.Any], **more: t.Any) -> FrontDoor:
    found, problems = read_front_door(name, list(routes), fleet.clusters, **more)
    refuse(problems)
    return found


async def place(fleet: Fleet, wanted: FrontDoor, address: str = "", **more: t.Any) -> tuple[list[t.Any], FrontDoorRun]:
    async with on(fleet, "west") as kube:
        run = FrontDoorRun(fleet, members(fleet), kube, wanted, **more)
        return await run.place(address), run


@in_loop
async def test_a_front_door_is_made_changed_and_removed(fleet: Fleet) -> None:
    for name in HOSTS:
        await put(fleet, name, service("web"))
    await put(fleet, "west", service("pay", 9090))
    wanted = door(
        fleet,
        {"host": "shop.example", "service": "web.shop", "health": {"path": "/healthz"}},
        {"host": "shop.example", "path": "/pay", "service": "pay.shop", "clusters": ["west"]},
        certificates=["shop-2026"],
        https_redirect=True,
    )
    planned, _run = await place(fleet, wanted, "203.0.113.7", dry_run=True)
    changes, run = await place(fleet, wanted, "203.0.113.7")
    assert actions(planned) == actions(changes)
    assert [line.split()[1] for line in actions(changes)] == [
        "BackendConfig",
        "FrontendConfig",
        "MultiClusterIngress",
        "MultiClusterService",
        "MultiClusterService",
    ]
    assert run.served == {"web": ["north", "west"], "pay": ["west"]}
    async with on(fleet, "west") as kube:
        ingress = await kube.get(API, "MultiClusterIngress", "front-door", SHOP)
        pay = await kube.get(API, "MultiClusterService", "pay", SHOP)
        web = await kube.get(API, "MultiClusterService", "web", SHOP)
    assert ingress is not None and pay is not None and web is not None
    assert ingress["metadata"]["annotations"] == {
        "networking.gke.io/static-ip": "203.0.113.7",
        "networking.gke.io/pre-shared-certs": "shop-2026",
        "networking.gke.io/frontend-config": "front-door",
    }
    paths = ingress["spec"]["template"]["spec"]["rules"][0]["http"]["paths"]
    assert [p["path"] for p in paths] == ["/*", "/pay", "/pay/*"]
    assert pay["spec"]["clusters"] == [{"link": "us-west1-a/west"}]
    assert pay["spec"]["template"]["spec"]["ports"][0] == {
        "name": "http",
        "protocol": "TCP",
        "port": 9090,
        "targetPort": 80,
    }
    assert "clusters" not in web["spec"]
    again, _run = await place(fleet, wanted, "203.0.113.7")
    assert actions(again) == []
    fewer, _run = await place(fleet, door(fleet, {"service": "web.shop"}))
    assert "west MultiClusterService pay removed" in actions(fewer)
    gone, _run = await place(fleet, door(fleet))
    assert [line.split()[-1] for line in actions(gone)] == ["removed"] * 2


@in_loop
async def test_a_route_without_service_is_refused_before_any_change(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    with pytest.raises(FleetError) as refused:
        await place(fleet, door(fleet, {"service": "web.shop", "clusters": ["west", "north"]}))
    assert "not in north" in str(refused.value)
    _plan, planned = await place(fleet, door(fleet, {"service": "none.shop"}), dry_run=True)
    assert planned.warnings == [
        "Service shop/none does not exist yet: the selector and ports that check mode shows for it are not the ones "
        "that a run will write"
    ]
    async with on(fleet, "west") as kube:
        assert await kube.list(API, "MultiClusterService") == []


@in_loop
async def test_a_config_cluster_that_is_not_ready_is_refused_first(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_CRD_SECONDS", 0.5)
    await put(fleet, "west", service("web"))
    wanted = door(fleet, {"service": "web.shop", "clusters": ["west"]})
    crd = next(c for c in CRDS if c["metadata"]["name"] == "multiclusteringresses.networking.gke.io")
    async with on(fleet, "west") as kube:
        await kube.delete(*CRD, crd["metadata"]["name"], wait=SECONDS)
        with pytest.raises(FleetError) as early:
            await place(fleet, wanted)
        assert "multi-cluster ingress is not installed" in str(early.value)
        assert "gke_config_cluster" in early.value.next_step
        assert await kube.list(API, "MultiClusterService") == []
        monkeypatch.setattr(run_module, "_CRD_SECONDS", 120.0)
        placed, _none = await asyncio.gather(place(fleet, wanted), kube.apply([crd]))  # it is awaited
        assert len(actions(placed[0])) == 2
    async with on(fleet, "north") as kube:
        elsewhere = door(fleet, {"service": "web.bank", "clusters": ["west"]})
        run = FrontDoorRun(fleet, members(fleet), kube, elsewhere)
        run.services = {"web": service("web")}
        with pytest.raises(FleetError) as homeless:
            await run._await_kinds()
    assert "the front door's namespace is missing in the config cluster" in str(homeless.value)


@in_loop
async def test_objects_of_others_are_not_overwritten(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    wanted = door(fleet, {"service": "web.shop", "clusters": ["west"]})
    theirs = {
        "apiVersion": API,
        "kind": "MultiClusterIngress",
        "metadata": {"name": "front-door", "namespace": SHOP},
        "spec": {"template": {"spec": {"backend": {"serviceName": "old", "servicePort": 80}}}},
    }
    await put(fleet, "west", theirs)
    for dry_run in (True, False):
        with pytest.raises(FleetError) as refused:
            await place(fleet, wanted, dry_run=dry_run)
        assert "MultiClusterIngress shop/front-door" in str(refused.value)
        assert "choose another front_door_name" in refused.value.next_step
    async with on(fleet, "west") as kube:
        assert await kube.list(API, "MultiClusterService") == []
    gone, _run = await place(fleet, door(fleet))
    assert actions(gone) == []
    # With the consent that the message names, it is ours.
    assert "mesh_take_over: true" in refused.value.next_step
    async with on(fleet, "west") as kube:
        kube.take_over = True
        run = FrontDoorRun(fleet, members(fleet), kube, wanted)
        await run.prepare()


@in_loop
async def test_fleets_that_share_a_config_cluster_have_their_own(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"), service("pay"))
    ours = door(fleet, {"service": "web.shop", "clusters": ["west"]})
    await place(fleet, ours)
    other = dataclasses.replace(fleet, name="staging")
    theirs = front_door(fleet, "staging", {"service": "pay.shop", "clusters": ["west"]})
    await place(other, theirs)
    again, _run = await place(fleet, ours)
    assert actions(again) == []
    with pytest.raises(FleetError) as refused:
        await place(other, ours)
    assert "MultiClusterIngress shop/front-door of fleet api" in str(refused.value)
    gone, _run = await place(other, front_door(fleet, "staging"))
    assert [line.split()[2] for line in actions(gone)] == ["staging", "pay"]
    again, _run = await place(fleet, ours)
    assert actions(again) == []


@in_loop
async def test_a_move_leaves_nothing_in_the_old_config_cluster(fleet: Fleet) -> None:
    for name in HOSTS:
        await put(fleet, name, service("web"))
    wanted = door(fleet, {"service": "web.shop"}, certificates=["shop"], https_redirect=True, address="shop")
    await place(fleet, wanted, "203.0.113.7")
    stuck = {"metadata": {"finalizers": ["mci.finalizer.networking.gke.io"]}}
    async with on(fleet, "west") as old:
        path = f"/apis/networking.gke.io/v1/namespaces/{SHOP}/multiclusteringresses/front-door"
        await old.transport.request("PATCH", path, body=stuck, content_type="application/merge-patch+json")
    async with on(fleet, "north") as kube:
        run = FrontDoorRun(fleet, members(fleet), kube, wanted)
        await run.place("203.0.113.7")
        planned = FrontDoorRun(fleet, members(fleet), kube, wanted, dry_run=True)
        assert len(actions(await planned.clean_up(["west"]))) == 3
        nobody = dataclasses.replace(fleet.clusters["west"].connection, server="https://127.0.0.1:1")
        lost = dataclasses.replace(fleet.clusters["west"], name="lost", connection=nobody)
        run.fleet = dataclasses.replace(fleet, clusters={**fleet.clusters, "lost": lost})
        async with asyncio.timeout(SECONDS):  # Google does not read the old one any more: nobody would answer
            changes = await run.clean_up(["west", "fra", "lost"])
    assert [line.split()[1] for line in actions(changes)] == [
        "FrontendConfig",
        "MultiClusterIngress",
        "MultiClusterService",
    ]
    (warning,) = run.warnings
    assert warning.startswith("lost may still hold objects of an earlier front door")
    async with on(fleet, "west") as old:
        await old.transport.request(
            "PATCH", path, body={"metadata": {"finalizers": []}}, content_type="application/merge-patch+json"
        )


@in_loop
async def test_a_reserved_address_is_known_from_the_served_ingress(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    wanted = door(fleet, {"service": "web.shop", "clusters": ["west"]}, address="shop")
    url = "https://www.googleapis.com/compute/v1/projects/shop-prod/global/addresses/shop"
    async with on(fleet, "west") as kube:
        run = FrontDoorRun(fleet, members(fleet), kube, wanted)
        await run.place(url, "203.0.113.7")
        path = f"/apis/networking.gke.io/v1/namespaces/{SHOP}/multiclusteringresses/front-door/status"
        for vip, served in (("203.0.113.1", ""), ("203.0.113.7", "203.0.113.7")):
            body = {"status": {"VIP": vip}}
            await kube.transport.request("PATCH", path, body=body, content_type="application/merge-patch+json")
            assert await run.served_address(url) == served
        assert await run.served_address(url.replace("/shop", "/other")) == ""
