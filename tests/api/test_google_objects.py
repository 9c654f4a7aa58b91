# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exports, front door and managed peering on two real API servers that know Google's kinds.

Google's controllers are not there: the test does what they would do, when it is their turn.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.action.managed_mesh import ActionModule as ManagedMesh
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.exports import EXPORT_KIND, IMPORT_KIND, parse_exports
from ansible_collections.mesh.fleet.plugins.module_utils._model.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.front_door import Door
from ansible_collections.mesh.fleet.plugins.module_utils._model.front_door_reading import parse_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.gke_members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.google_door import API
from ansible_collections.mesh.fleet.plugins.module_utils._model.managed_mesh import NAMESPACE, OPTIONS
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils import door_run
from ansible_collections.mesh.fleet.plugins.plugin_utils.door_run import DoorRun
from ansible_collections.mesh.fleet.plugins.plugin_utils.export_run import ExportRun

from . import control_plane
from .loop import in_loop

KINDS = Path(__file__).resolve().parent.parent / "gcp" / "crds.yml"
CRDS: list[dict[str, t.Any]] = yaml.safe_load(KINDS.read_text(encoding="utf-8"))["items"]
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
SHOP = "shop"
HOSTS = ("west", "north")


@pytest.fixture(scope="module")
def planes(new_plane: control_plane.Start) -> dict[str, control_plane.ControlPlane]:
    return {name: new_plane(name) for name in HOSTS}


@pytest.fixture
def fleet(planes: dict[str, control_plane.ControlPlane]) -> Fleet:
    """West and north on GKE, both with Google's kinds and the namespace shop; fra elsewhere, which nobody reaches."""
    hosts: dict[str, dict[str, t.Any]] = {
        name: {
            "cluster_provider": "gke",
            "gke_project": "shop-prod",
            "cluster_region": "us-west1" if name == "west" else "europe-north1",
            "cluster_zone": "us-west1-a" if name == "west" else "",
            "cluster_api_url": plane.server,
            "cluster_api_token": control_plane.ADMIN_TOKEN,
            "cluster_api_ca": plane.ca_pem,
        }
        for name, plane in planes.items()
    }
    hosts["fra"] = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "/nowhere", "cluster_region": "eu-de"}
    made = Fleet.from_inventory({name: {"fleet_name": "api", **v} for name, v in hosts.items()})
    asyncio.run(prepare(made))
    return made


async def prepare(fleet: Fleet) -> None:
    for name in HOSTS:
        async with Kube.connect(fleet.clusters[name].connection, cluster=name) as kube:
            await kube.apply(CRDS)
            await kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}}])
            for crd in CRDS:
                spec = crd["spec"]
                api = f"{spec['group']}/{spec['versions'][0]['name']}"
                for left in await kube.list(api, spec["names"]["kind"]):
                    await kube.delete(api, spec["names"]["kind"], left["metadata"]["name"], SHOP)
            for left in await kube.list("v1", "Service", SHOP):
                await kube.delete("v1", "Service", left["metadata"]["name"], SHOP)
            await kube.delete("v1", "ConfigMap", OPTIONS, NAMESPACE)


def service(name: str, port: int = 8080, **more: t.Any) -> dict[str, t.Any]:
    ports = [{"name": "http", "port": port, "targetPort": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": SHOP},
        "spec": {"selector": {"app": name}, "ports": ports, **more},
    }


def imported(name: str, ip: str) -> dict[str, t.Any]:
    return {
        "apiVersion": IMPORT_KIND[0],
        "kind": IMPORT_KIND[1],
        "metadata": {"name": name, "namespace": SHOP},
        "spec": {"ips": [ip], "type": "ClusterSetIP", "ports": [{"port": 8080}]},
    }


def on(fleet: Fleet, name: str) -> Kube:
    return Kube.connect(fleet.clusters[name].connection, cluster=name)


async def put(fleet: Fleet, name: str, *objects: dict[str, t.Any]) -> None:
    async with on(fleet, name) as kube:
        await kube.apply(objects, manager="somebody-else")


def export_run(fleet: Fleet, given: t.Any, **more: t.Any) -> ExportRun:
    return ExportRun(fleet, list(fleet.clusters), parse_exports(given, fleet.clusters), **more)


def actions(changes: t.Iterable[t.Any]) -> list[str]:
    return sorted(f"{c.cluster} {c.kind} {c.name} {c.action}" for c in changes if c.action != "unchanged")


# -- exported services -------------------------------------------------------------------------

ORDERS = [{"service": "orders.shop", "to": "all"}]


@in_loop
async def test_exported_where_it_runs_and_awaited_where_it_may_be_called(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"))
    planned = export_run(fleet, ORDERS, dry_run=True)
    await planned.run()
    run = export_run(fleet, ORDERS, timeout=20)

    async def google() -> None:
        async with on(fleet, "west") as kube:
            await kube.wait(*EXPORT_KIND, "orders", SHOP, until=lambda obj: (obj is not None, ""), timeout=20)
        for name in HOSTS:
            await put(fleet, name, imported("orders", "10.9.8.7"))

    await asyncio.gather(run.run(), google())
    assert actions(planned.changes) == actions(run.changes) == ["west ServiceExport orders created"]
    assert run.failures == {}
    assert sorted(i["cluster"] for i in run.imports) == ["north", "west"]
    assert {i["address"] for i in run.imports} == {"10.9.8.7"}
    assert run.sources == {"orders.shop": ["west"]}
    assert "provider kubeconfig: exported services are served by another means" in run.not_served()["fra"]
    again = export_run(fleet, ORDERS, timeout=20)
    await again.run()
    assert actions(again.changes) == []
    gone = export_run(fleet, [], timeout=20)
    await gone.run()
    assert actions(gone.changes) == ["west ServiceExport orders removed"]


@in_loop
async def test_what_does_not_arrive_is_told_for_that_cluster_alone(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"), imported("orders", "10.9.8.7"))
    run = export_run(fleet, ORDERS, timeout=1)
    await run.run()
    assert list(run.failures) == ["north"]
    text = str(run.failures["north"][0])
    assert "orders.shop did not arrive within 1 s" in text
    assert "there is no ServiceImport yet" in text
    assert "roles/compute.networkViewer" in text
    here = export_run(fleet, [{"service": "orders.shop", "to": ["west"]}], timeout=1)
    await here.run()
    assert here.failures == {}


@in_loop
async def test_exports_of_somebody_else_are_left_alone(fleet: Fleet) -> None:
    theirs = {"apiVersion": EXPORT_KIND[0], "kind": EXPORT_KIND[1], "metadata": {"name": "orders", "namespace": SHOP}}
    await put(fleet, "west", service("orders"), theirs)
    run = export_run(fleet, ORDERS, timeout=0)
    await run.run()
    gone = export_run(fleet, [], timeout=0)
    await gone.run()
    assert actions([*run.changes, *gone.changes]) == []
    async with on(fleet, "west") as kube:
        live = await kube.get(*EXPORT_KIND, "orders", SHOP)
    assert live is not None
    assert not live["metadata"].get("labels")


@in_loop
async def test_a_stub_of_ours_is_no_service_to_export(fleet: Fleet) -> None:
    stub = service("orders")
    stub["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "mesh.fleet"}
    await put(fleet, "north", stub)
    await put(fleet, "west", service("orders"))
    run = export_run(fleet, ORDERS, timeout=0)
    await run.run()
    assert actions(run.changes) == ["west ServiceExport orders created"]


@in_loop
async def test_what_differs_between_exporting_clusters_is_said(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"))
    await put(fleet, "north", service("orders", 9090))
    run = export_run(fleet, ORDERS, timeout=0)
    await run.run()
    assert run.failures == {}
    assert sorted(run.sources["orders.shop"]) == ["north", "west"]
    (told,) = run.warnings
    assert "orders.shop differs between its clusters" in told
    assert "west port 8080 (http)" in told and "north port 9090 (http)" in told


@in_loop
async def test_a_service_without_pods_of_its_own_cannot_be_exported(fleet: Fleet) -> None:
    alias = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "orders", "namespace": SHOP},
        "spec": {"type": "ExternalName", "externalName": "orders.example"},
    }
    await put(fleet, "west", alias)
    await put(fleet, "north", service("orders"))
    run = export_run(fleet, ORDERS, timeout=0)
    await run.run()
    assert list(run.failures) == ["west"]
    assert "type ExternalName (orders.example)" in str(run.failures["west"][0])
    assert run.sources == {"orders.shop": ["north"]}


@in_loop
async def test_a_headless_service_arrives_without_an_address(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders", clusterIP="None"))
    for name in HOSTS:
        import_of = imported("orders", "")
        import_of["spec"] = {"type": "Headless", "ports": [{"port": 8080}]}
        await put(fleet, name, import_of)
    run = export_run(fleet, ORDERS, timeout=5)
    await run.run()
    assert run.failures == {}
    assert {i["address"] for i in run.imports} == {"headless"}


@in_loop
async def test_a_missing_namespace_is_named_and_the_wait_is_told(fleet: Fleet) -> None:
    async with on(fleet, "west") as kube:
        await kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bank"}}])
        ledger = service("ledger")
        ledger["metadata"]["namespace"] = "bank"
        await kube.apply([ledger], manager="somebody-else")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "ledger.1", "namespace": "bank"},
            "involvedObject": {"kind": "ServiceExport", "name": "ledger", "namespace": "bank"},
            "type": "Warning",
            "reason": "NotVpcNative",
            "message": "cluster is not VPC-native",
        }
        await kube.apply([event])
    said: list[str] = []
    run = export_run(fleet, [{"service": "ledger.bank"}], timeout=1, say=said.append)
    await run.run()
    assert "its namespace is missing" in str(run.failures["north"][0])
    assert "leave north out of to in mesh_exports" in run.failures["north"][0].next_step
    assert "west says NotVpcNative: cluster is not VPC-native" in str(run.failures["west"][0])
    assert said == ["  west: waiting for ledger.bank (the first one takes up to five minutes)"]


@in_loop
async def test_kinds_that_google_has_not_brought_yet_are_awaited(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"))
    crd = next(c for c in CRDS if c["metadata"]["name"] == "serviceexports.net.gke.io")
    async with on(fleet, "west") as kube:
        await kube.delete(*CRD, crd["metadata"]["name"], wait=20)
        late = export_run(fleet, ORDERS, timeout=0.5)
        await late.run()
        assert "GKE's multi-cluster services are not there after 0.5 s" in str(late.failures["west"][0])
        assert "run the gke_fleet stage" in late.failures["west"][0].next_step
        run = export_run(fleet, [{"service": "orders.shop", "to": ["fra"]}], timeout=20)
        await asyncio.gather(run.run(), kube.apply([crd]))
    assert run.failures == {}
    assert actions(run.changes) == ["west ServiceExport orders created"]


# -- the front door ----------------------------------------------------------------------------


def door(fleet: Fleet, *routes: dict[str, t.Any], **more: t.Any) -> Door:
    return parse_door("front-door", list(routes), fleet.clusters, **more)


async def place(fleet: Fleet, wanted: Door, address: str = "", **more: t.Any) -> tuple[list[t.Any], DoorRun]:
    async with on(fleet, "west") as kube:
        run = DoorRun(fleet, members(fleet), kube, wanted, **more)
        return await run.place(address), run


@in_loop
async def test_the_door_is_placed_changed_and_taken_away(fleet: Fleet) -> None:
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
async def test_the_address_is_awaited_and_its_absence_explained(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    wanted = door(fleet, {"service": "web.shop", "clusters": ["west"]})
    async with on(fleet, "west") as kube:
        run = DoorRun(fleet, members(fleet), kube, wanted)
        await run.place("")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "front-door.1", "namespace": SHOP},
            "involvedObject": {"kind": "MultiClusterIngress", "name": "front-door", "namespace": SHOP},
            "type": "Warning",
            "reason": "FailedSync",
            "message": "quota 'FORWARDING_RULES' exceeded",
        }
        await kube.apply([event])
        with pytest.raises(FleetError) as late:
            await run.await_address("", 0.5)
        assert "no address yet; FailedSync: quota 'FORWARDING_RULES' exceeded" in str(late.value)

        async def google() -> None:
            await kube.transport.request(
                "PATCH",
                f"/apis/networking.gke.io/v1/namespaces/{SHOP}/multiclusteringresses/front-door/status",
                body={"status": {"VIP": "203.0.113.7"}},
                content_type="application/merge-patch+json",
            )

        vip, _none = await asyncio.gather(run.await_address("", 20), google())
        assert vip == "203.0.113.7"
        with pytest.raises(FleetError) as other:
            await run.await_address("203.0.113.8", 0.5)
        assert "it has 203.0.113.7, not yet 203.0.113.8" in str(other.value)


@in_loop
async def test_a_route_to_nothing_is_refused_before_anything_is_placed(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    with pytest.raises(FleetError) as refused:
        await place(fleet, door(fleet, {"service": "web.shop", "clusters": ["west", "north"]}))
    assert "not in north" in str(refused.value)
    async with on(fleet, "west") as kube:
        assert await kube.list(API, "MultiClusterService") == []


@in_loop
async def test_a_config_cluster_that_is_not_ready_is_told_before_anything_is_placed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_run, "_CRD_SECONDS", 0.5)
    await put(fleet, "west", service("web"))
    wanted = door(fleet, {"service": "web.shop", "clusters": ["west"]})
    crd = next(c for c in CRDS if c["metadata"]["name"] == "multiclusteringresses.networking.gke.io")
    async with on(fleet, "west") as kube:
        await kube.delete(*CRD, crd["metadata"]["name"], wait=20)
        with pytest.raises(FleetError) as early:
            await place(fleet, wanted)
        assert "multi-cluster ingress is not there" in str(early.value)
        assert "gke_config_cluster" in early.value.next_step
        assert await kube.list(API, "MultiClusterService") == []
        monkeypatch.setattr(door_run, "_CRD_SECONDS", 20.0)
        placed, _none = await asyncio.gather(place(fleet, wanted), kube.apply([crd]))  # it is awaited
        assert len(actions(placed[0])) == 2
    async with on(fleet, "north") as kube:
        elsewhere = door(fleet, {"service": "web.bank", "clusters": ["west"]})
        run = DoorRun(fleet, members(fleet), kube, elsewhere)
        run.services = {"web": service("web")}
        with pytest.raises(FleetError) as homeless:
            await run._ready()
    assert "the front door's namespace is missing in the config cluster" in str(homeless.value)


@in_loop
async def test_what_somebody_else_made_is_not_written_over(fleet: Fleet) -> None:
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
    # Handed over as the message says, it is ours.
    labels = dict(pair.split("=") for pair in refused.value.next_step.rpartition(" ")[2].split(","))
    theirs["metadata"] = {"name": "front-door", "namespace": SHOP, "labels": labels}
    await put(fleet, "west", theirs)
    async with on(fleet, "west") as kube:
        run = DoorRun(fleet, members(fleet), kube, wanted)
        await run.prepare()


@in_loop
async def test_fleets_that_share_a_config_cluster_keep_to_their_own_doors(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"), service("pay"))
    ours = door(fleet, {"service": "web.shop", "clusters": ["west"]})
    await place(fleet, ours)
    other = dataclasses.replace(fleet, name="staging")
    theirs = parse_door("staging", [{"service": "pay.shop", "clusters": ["west"]}], fleet.clusters)
    await place(other, theirs)
    again, _run = await place(fleet, ours)
    assert actions(again) == []
    with pytest.raises(FleetError) as refused:
        await place(other, ours)
    assert "MultiClusterIngress shop/front-door of fleet api" in str(refused.value)
    gone, _run = await place(other, parse_door("staging", [], fleet.clusters))
    assert [line.split()[2] for line in actions(gone)] == ["staging", "pay"]
    again, _run = await place(fleet, ours)
    assert actions(again) == []


@in_loop
async def test_a_door_that_moves_leaves_nothing_in_the_old_config_cluster(fleet: Fleet) -> None:
    for name in HOSTS:
        await put(fleet, name, service("web"))
    wanted = door(fleet, {"service": "web.shop"}, certificates=["shop"], https_redirect=True, address="shop")
    await place(fleet, wanted, "203.0.113.7")
    stuck = {"metadata": {"finalizers": ["mci.finalizer.networking.gke.io"]}}
    async with on(fleet, "west") as old:
        path = f"/apis/networking.gke.io/v1/namespaces/{SHOP}/multiclusteringresses/front-door"
        await old.transport.request("PATCH", path, body=stuck, content_type="application/merge-patch+json")
    async with on(fleet, "north") as kube:
        run = DoorRun(fleet, members(fleet), kube, wanted)
        await run.place("203.0.113.7")
        planned = DoorRun(fleet, members(fleet), kube, wanted, dry_run=True)
        assert len(actions(await planned.sweep(["west"]))) == 3
        began = time.monotonic()
        nobody = dataclasses.replace(fleet.clusters["west"].connection, server="https://127.0.0.1:1")
        lost = dataclasses.replace(fleet.clusters["west"], name="lost", connection=nobody)
        run.fleet = dataclasses.replace(fleet, clusters={**fleet.clusters, "lost": lost})
        changes = await run.sweep(["west", "fra", "lost"])
        assert time.monotonic() - began < 5  # Google has let go of the old one: nobody would answer
    assert [line.split()[1] for line in actions(changes)] == [
        "FrontendConfig",
        "MultiClusterIngress",
        "MultiClusterService",
    ]
    (warning,) = run.warnings
    assert warning.startswith("lost was not asked for objects of an earlier front door")
    async with on(fleet, "west") as old:
        await old.transport.request(
            "PATCH", path, body={"metadata": {"finalizers": []}}, content_type="application/merge-patch+json"
        )


@in_loop
async def test_a_reserved_address_is_known_from_the_door_itself_only_when_it_stands_on_it(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    wanted = door(fleet, {"service": "web.shop", "clusters": ["west"]}, address="shop")
    url = "https://www.googleapis.com/compute/v1/projects/shop-prod/global/addresses/shop"
    async with on(fleet, "west") as kube:
        run = DoorRun(fleet, members(fleet), kube, wanted)
        await run.place(url, "203.0.113.7")
        path = f"/apis/networking.gke.io/v1/namespaces/{SHOP}/multiclusteringresses/front-door/status"
        for vip, held in (("203.0.113.1", ""), ("203.0.113.7", "203.0.113.7")):
            body = {"status": {"VIP": vip}}
            await kube.transport.request("PATCH", path, body=body, content_type="application/merge-patch+json")
            assert await run.held(url) == held
        assert await run.held(url.replace("/shop", "/other")) == ""


# -- managed peering ---------------------------------------------------------------------------


class Managed(ManagedMesh):
    """The action without a task around it."""

    @property
    def check_mode(self) -> bool:
        return False

    @property
    def diff_mode(self) -> bool:
        return True

    def __init__(self) -> None:
        """Nothing of Ansible's."""


async def say(fleet: Fleet, mode: str) -> tuple[list[t.Any], list[str]]:
    warnings: list[str] = []
    changes = await Managed()._peer(fleet, fleet.clusters["west"], mode, warnings)
    return changes, warnings


async def options(fleet: Fleet) -> dict[str, t.Any] | None:
    async with on(fleet, "west") as kube:
        return await kube.get("v1", "ConfigMap", OPTIONS, NAMESPACE)


def config(labels: dict[str, str], **data: str) -> dict[str, t.Any]:
    meta = {"name": OPTIONS, "namespace": NAMESPACE, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@in_loop
async def test_the_setting_is_made_kept_and_taken_back(fleet: Fleet) -> None:
    changes, _warnings = await say(fleet, "connected")
    assert "west ConfigMap asm-options created" in actions(changes)
    assert (await options(fleet) or {})["data"] == {"multicluster_mode": "connected"}
    again, _warnings = await say(fleet, "connected")
    assert actions(again) == []
    gone, _warnings = await say(fleet, "")
    assert actions(gone) == ["west ConfigMap asm-options removed"]
    assert await options(fleet) is None


@in_loop
async def test_googles_namespace_gets_no_mark_of_ours(fleet: Fleet) -> None:
    await say(fleet, "connected")
    async with on(fleet, "west") as kube:
        space = await kube.get("v1", "Namespace", NAMESPACE) or {}
    assert space["metadata"]["labels"] == {"kubernetes.io/metadata.name": NAMESPACE}


@in_loop
async def test_settings_of_others_beside_ours_stay(fleet: Fleet) -> None:
    await put(fleet, "west", config({}, ASM_OPTS="CNI=on"))
    await say(fleet, "connected")
    assert (await options(fleet) or {})["data"] == {"ASM_OPTS": "CNI=on", "multicluster_mode": "connected"}
    await say(fleet, "")
    left = await options(fleet) or {}
    assert left["data"] == {"ASM_OPTS": "CNI=on"}
    assert "app.kubernetes.io/managed-by" not in (left["metadata"].get("labels") or {})


@in_loop
async def test_what_google_owns_is_never_touched(fleet: Fleet) -> None:
    await put(fleet, "west", config({"istio.io/owned-by": "mesh.googleapis.com"}, multicluster_mode="disconnected"))
    before = await options(fleet)
    changes, warnings = await say(fleet, "connected")
    gone, _none = await say(fleet, "")
    assert actions([*changes, *gone]) == []
    assert "is Google's own" in warnings[0]
    assert await options(fleet) == before
