# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exports on two real API servers that know Google's kinds; the test plays Google's importer."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import (
    EXPORT_KIND,
    IMPORT_KIND,
    parse_exports,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.exports import ExportRun

from .gke_clusters import CRD, CRDS, HOSTS, SECONDS, SHOP, actions, fleet, on, put, service
from .loop import in_loop

__all__ = ["fleet"]


def imported(name: str, ip: str) -> dict[str, t.Any]:
    return {
        "apiVersion": IMPORT_KIND[0],
        "kind": IMPORT_KIND[1],
        "metadata": {"name": name, "namespace": SHOP},
        "spec": {"ips": [ip], "type": "ClusterSetIP", "ports": [{"port": 8080}]},
    }


def export_run(fleet: Fleet, given: t.Any, **more: t.Any) -> ExportRun:
    return ExportRun(fleet, list(fleet.clusters), parse_exports(given, fleet.clusters), **more)


ORDERS = [{"service": "orders.shop", "to": "all"}]


@in_loop
async def test_exported_where_it_runs_imported_where_it_is_called(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"))
    planned = export_run(fleet, ORDERS, dry_run=True)
    await planned.run()
    run = export_run(fleet, ORDERS, timeout=SECONDS)

    async def google() -> None:
        async with on(fleet, "west") as kube:
            await kube.wait(*EXPORT_KIND, "orders", SHOP, until=lambda obj: (obj is not None, ""), timeout=SECONDS)
        for name in HOSTS:
            await put(fleet, name, imported("orders", "10.9.8.7"))

    await asyncio.gather(run.run(), google())
    assert actions(planned.changes) == actions(run.changes) == ["west ServiceExport orders created"]
    assert run.failures == {}
    assert sorted(i["cluster"] for i in run.imports) == ["north", "west"]
    assert {i["address"] for i in run.imports} == {"10.9.8.7"}
    assert run.sources == {"orders.shop": ["west"]}
    again = export_run(fleet, ORDERS, timeout=SECONDS)
    await again.run()
    assert actions(again.changes) == []
    gone = export_run(fleet, [], timeout=SECONDS)
    await gone.run()
    assert actions(gone.changes) == ["west ServiceExport orders removed"]


@in_loop
async def test_a_missing_import_fails_its_cluster_alone(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"), imported("orders", "10.9.8.7"))
    run = export_run(fleet, ORDERS, timeout=1)
    await run.run()
    assert list(run.failures) == ["north"]
    text = str(run.failures["north"][0])
    assert "orders.shop was not imported within 1 s" in text
    assert "there is no ServiceImport yet" in text
    assert "roles/compute.networkViewer" in text
    here = export_run(fleet, [{"service": "orders.shop", "to": ["west"]}], timeout=1)
    await here.run()
    assert here.failures == {}


@in_loop
async def test_exports_of_others_stay_as_they_are(fleet: Fleet) -> None:
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
async def test_a_stub_of_ours_is_not_exported(fleet: Fleet) -> None:
    stub = service("orders")
    stub["metadata"]["labels"] = {"mesh.fleet/fleet": fleet.name}
    await put(fleet, "north", stub)
    await put(fleet, "west", service("orders"))
    run = export_run(fleet, ORDERS, timeout=0)
    await run.run()
    assert actions(run.changes) == ["west ServiceExport orders created"]


@in_loop
async def test_services_that_differ_give_a_warning(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"))
    await put(fleet, "north", service("orders", 9090))
    run = export_run(fleet, ORDERS, timeout=0)
    await run.run()
    assert run.failures == {}
    assert sorted(run.sources["orders.shop"]) == ["north", "west"]
    (warning,) = run.warnings
    assert "orders.shop differs between its clusters" in warning
    assert "west port 8080 (http)" in warning and "north port 9090 (http)" in warning


@in_loop
async def test_a_service_without_pods_cannot_be_exported(fleet: Fleet) -> None:
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
async def test_a_headless_service_is_imported_without_an_address(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders", clusterIP="None"))
    for name in HOSTS:
        import_of = imported("orders", "")
        import_of["spec"] = {"type": "Headless", "ports": [{"port": 8080}]}
        await put(fleet, name, import_of)
    run = export_run(fleet, ORDERS, timeout=SECONDS)
    await run.run()
    assert run.failures == {}
    assert {i["address"] for i in run.imports} == {"headless"}


@in_loop
async def test_a_missing_namespace_is_named_and_the_wait_shown(fleet: Fleet) -> None:
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
    assert "remove north from to in mesh_exports" in run.failures["north"][0].next_step
    assert "west reports NotVpcNative: cluster is not VPC-native" in str(run.failures["west"][0])
    assert said == ["  west: waiting for ledger.bank (the first one takes up to five minutes)"]


@in_loop
async def test_kinds_that_are_not_installed_yet_are_awaited(fleet: Fleet) -> None:
    await put(fleet, "west", service("orders"))
    crd = next(c for c in CRDS if c["metadata"]["name"] == "serviceexports.net.gke.io")
    async with on(fleet, "west") as kube:
        await kube.delete(*CRD, crd["metadata"]["name"], wait=SECONDS)
        late = export_run(fleet, ORDERS, timeout=0.5)
        await late.run()
        assert "GKE's multi-cluster services are not there after 0.5 s" in str(late.failures["west"][0])
        assert "run the gke_fleet stage" in late.failures["west"][0].next_step
        run = export_run(fleet, [{"service": "orders.shop", "to": ["fra"]}], timeout=SECONDS)
        await asyncio.gather(run.run(), kube.apply([crd]))
    assert run.failures == {}
    assert actions(run.changes) == ["west ServiceExport orders created"]
