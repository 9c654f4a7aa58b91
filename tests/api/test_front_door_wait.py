# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wait for Google: reconciled, refused, released, on a real API server; the test plays Google's controller."""

from __future__ import annotations

import asyncio
import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster import (
    multicluster_ingress_status,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door import FrontDoorRun

from .gke_clusters import SECONDS, SHOP, fleet, on, put, service
from .loop import in_loop

__all__ = ["fleet"]

INGRESS_PATH = f"/apis/networking.gke.io/v1/namespaces/{SHOP}/multiclusteringresses/front-door"
WEB: dict[str, t.Any] = {"service": "web.shop", "clusters": ["west"]}
PAY: dict[str, t.Any] = {"service": "pay.shop", "path": "/pay", "clusters": ["west"]}


def front_door_run(fleet: Fleet, kube: Kube, *routes: dict[str, t.Any], **more: t.Any) -> FrontDoorRun:
    door, problems = read_front_door("front-door", list(routes), fleet.clusters)
    assert problems == []
    return FrontDoorRun(fleet, members(fleet), kube, door, **more)


def warning(kind: str, name: str, message: str) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.1", "namespace": SHOP},
        "involvedObject": {"kind": kind, "name": name, "namespace": SHOP},
        "type": "Warning",
        "reason": "SYNC",
        "message": message,
    }


async def merge(kube: Kube, path: str, body: dict[str, t.Any]) -> None:
    patch: dict[str, t.Any] = {"body": body, "content_type": "application/merge-patch+json"}
    await kube.transport.request("PATCH", path, params={"fieldManager": "Google-Multi-Cluster-Ingress"}, **patch)


async def serve(kube: Kube, vip: str, *, later: float) -> None:
    """A round of Google's controller: the address, and when it was, in seconds from now."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=later)
    when = moment.strftime("%A, %d-%b-%y %H:%M:%S UTC")
    await merge(kube, f"{INGRESS_PATH}/status", {"status": {"VIP": vip}})
    await merge(kube, INGRESS_PATH, {"metadata": {"annotations": {multicluster_ingress_status.LAST_RECONCILE: when}}})


@in_loop
async def test_a_missing_address_is_awaited_and_explained(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    async with on(fleet, "west") as kube:
        run = front_door_run(fleet, kube, WEB, timeout=0.5)
        await run.place("")
        with pytest.raises(FleetError) as late:
            await run.await_reconciled("")
        assert "the front door has no address after 0.5 s" in str(late.value)
        await kube.apply([warning("MultiClusterIngress", "front-door", "quota 'FORWARDING_RULES' exceeded")])
        with pytest.raises(FleetError) as refused:
            await run.await_reconciled("")
        assert "no address yet; MultiClusterIngress shop/front-door: SYNC: quota 'FORWARDING_RULES'" in str(
            refused.value
        )
        assert refused.value.means == "a quota of the fleet project is used up"
        await kube.delete("v1", "Event", "front-door.1", SHOP)
        run.timeout = SECONDS
        vip, _none = await asyncio.gather(run.await_reconciled(""), serve(kube, "203.0.113.7", later=2))
        assert vip == "203.0.113.7"
        run.timeout = 0.5
        with pytest.raises(FleetError) as other:
            await run.await_reconciled("203.0.113.8")
        assert "it has 203.0.113.7, not yet 203.0.113.8" in str(other.value)


@in_loop
async def test_a_change_counts_only_when_google_reconciled_it(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"), service("pay"))
    said: list[str] = []
    async with on(fleet, "west") as kube:
        first = front_door_run(fleet, kube, WEB)
        await first.place("")
        await serve(kube, "203.0.113.7", later=2)
        assert await first.await_reconciled("") == "203.0.113.7"
        again = front_door_run(fleet, kube, WEB, timeout=0.5)
        await again.place("")
        assert (again.fresh, await again.await_reconciled("")) == (False, "203.0.113.7")  # nothing to wait for

        await serve(kube, "203.0.113.7", later=-60)
        run = front_door_run(fleet, kube, WEB, PAY, timeout=0.5, say=said.append)
        await run.place("")
        with pytest.raises(FleetError) as silent:
            await run.await_reconciled("")
        assert "Google has not applied the front door's change after 0.5 s" in str(silent.value)
        assert "last reconciled by Google at" in silent.value.seen
        assert said == ["  west: waiting for Google to apply the changed front door (up to ten minutes)"]


@in_loop
async def test_a_refusal_that_google_repeats_ends_the_wait(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multicluster_ingress_status, "_GRACE", datetime.timedelta(0))
    await put(fleet, "west", service("web"), service("pay"))
    shown = asyncio.Event()

    def say(line: str) -> None:
        if "Google reports SYNC: cluster x" in line:
            shown.set()

    async with on(fleet, "west") as kube:
        run = front_door_run(fleet, kube, WEB, PAY, timeout=SECONDS, say=say)
        await run.place("")
        await serve(kube, "203.0.113.7", later=2)  # a round of the ingress: the service is still refused
        await kube.apply([warning("MultiClusterService", "pay", "cluster x is not a member of the fleet")])

        async def repeat() -> None:
            async with asyncio.timeout(SECONDS):
                await shown.wait()
            later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5)
            body = {"count": 2, "lastTimestamp": later.strftime("%Y-%m-%dT%H:%M:%SZ")}
            await merge(kube, f"/api/v1/namespaces/{SHOP}/events/pay.1", body)

        refused, _none = await asyncio.gather(run.await_reconciled(""), repeat(), return_exceptions=True)
        assert isinstance(refused, FleetError)
        assert refused.obj == "MultiClusterService shop/pay"
        assert "Google refuses the front door's configuration" in str(refused)
        assert "SYNC: cluster x is not a member of the fleet (2 times, last at" in refused.seen
        assert "the last good configuration still answers" in refused.means
        await run.warn_of_refusals()
        assert "west: MultiClusterService shop/pay: Google refuses it: SYNC: cluster x" in run.warnings[-1]
        await kube.delete("v1", "Event", "pay.1", SHOP)


@in_loop
async def test_what_google_does_not_release_is_reported(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    async with on(fleet, "west") as kube:
        await front_door_run(fleet, kube, WEB).place("")
        await merge(kube, INGRESS_PATH, {"metadata": {"finalizers": ["mci.finalizer.networking.gke.io"]}})
        await kube.apply([warning("MultiClusterIngress", "front-door", "Error 403: forbidden")])
        with pytest.raises(FleetError) as stuck:
            await front_door_run(fleet, kube, timeout=0.5).place("")
        assert "Google has not released it after 0.5 s" in str(stuck.value)
        assert stuck.value.obj == "MultiClusterIngress shop/front-door"
        assert "held by finalizers mci.finalizer.networking.gke.io" in stuck.value.seen
        assert "SYNC: Error 403: forbidden" in stuck.value.seen
        assert "roles/container.admin" in stuck.value.means
        await kube.delete("v1", "Event", "front-door.1", SHOP)
        await merge(kube, INGRESS_PATH, {"metadata": {"finalizers": []}})
        await front_door_run(fleet, kube).place("")
