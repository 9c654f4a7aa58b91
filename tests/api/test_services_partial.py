# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Imports that lack the pods of a cluster that exports, on real API servers; the test plays Google's importer."""

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

from .gke_clusters import HOSTS, SECONDS, SHOP, fleet, on, put, service
from .loop import in_loop

__all__ = ["fleet"]


async def status(fleet: Fleet, host: str, plural: str, body: dict[str, t.Any]) -> None:
    async with on(fleet, host) as kube:
        path = f"/apis/net.gke.io/v1/namespaces/{SHOP}/{plural}/orders/status"
        patch: dict[str, t.Any] = {"body": {"status": body}, "content_type": "application/merge-patch+json"}
        await kube.transport.request("PATCH", path, **patch)


async def imported(fleet: Fleet, *memberships: str) -> None:
    """The service is imported everywhere, with the pods of some clusters."""
    obj = {
        "apiVersion": IMPORT_KIND[0],
        "kind": IMPORT_KIND[1],
        "metadata": {"name": "orders", "namespace": SHOP},
        "spec": {"ips": ["10.9.8.7"], "type": "ClusterSetIP", "ports": [{"port": 8080}]},
    }
    named = [{"cluster": f"projects/100/locations/us-west1/memberships/{name}"} for name in memberships]
    for host in HOSTS:
        await put(fleet, host, obj)
        await status(fleet, host, "serviceimports", {"clusters": named})


def export_run(fleet: Fleet, timeout: float) -> ExportRun:
    given = [{"service": "orders.shop", "to": ["west", "north"]}]
    return ExportRun(fleet, list(fleet.clusters), parse_exports(given, fleet.clusters), timeout=timeout)


@in_loop
async def test_a_new_export_is_awaited_in_all_imports(fleet: Fleet) -> None:
    for host in HOSTS:
        await put(fleet, host, service("orders"))
    await imported(fleet, "west")
    run = export_run(fleet, SECONDS)

    async def google() -> None:
        async with on(fleet, "north") as kube:
            await kube.wait(*EXPORT_KIND, "orders", SHOP, until=lambda obj: (obj is not None, ""), timeout=SECONDS)
        await imported(fleet, "west", "north")

    await asyncio.gather(run.run(), google())
    assert (run.failures, run.warnings) == ({}, [])
    assert run.imports[0] == {"service": "orders.shop", "cluster": run.imports[0]["cluster"], "address": "10.9.8.7"}


@in_loop
async def test_an_import_that_lacks_pods_is_reported(fleet: Fleet) -> None:
    for host in HOSTS:
        await put(fleet, host, service("orders"))
    await imported(fleet, "west")
    first = export_run(fleet, 1)
    await first.run()
    again = export_run(fleet, SECONDS)
    await again.run()  # nothing is new: no wait, and the same warning
    for run in (first, again):
        assert run.failures == {}
        assert run.warnings == [
            "orders.shop: the import in north, west lacks the pods of north, which exports it: are pods ready there?"
        ]
        assert {i["without"] for i in run.imports} == {"north"}
    await status(
        fleet,
        "north",
        "serviceexports",
        {"conditions": [{"type": "Valid", "status": "False", "reason": "NoService", "message": "no such Service"}]},
    )
    refused = export_run(fleet, SECONDS)
    await refused.run()
    assert (list(refused.failures), refused.warnings) == (["north"], [])
    text = str(refused.failures["north"][0])
    assert "north ServiceExport shop/orders: Google does not export orders.shop from here" in text
    assert (
        "the import in north, west lacks the pods of north; north reports Valid is False (NoService: no such Service)"
        in text
    )
