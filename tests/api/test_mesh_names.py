# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of exported services with mutual TLS on real API servers that know Google's and Istio's kinds."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet

from .gke_clusters import CRD, HOSTS, SECONDS, SHOP, actions, fleet, on, put, service
from .loop import in_loop
from .test_render_google import compared, recorded
from .test_render_google import named as left_out
from .test_services import export_run
from .test_traffic_objects import crds

__all__ = ["crds", "fleet"]

ISTIO = "networking.istio.io/v1"
SECURED = [{"service": "orders.shop", "to": "all", "mtls": True}]
NAMED = [f"{name} {kind} orders-clusterset" for name in sorted(HOSTS) for kind in ("ServiceEntry", "VirtualService")]


@pytest.fixture
def meshed(fleet: Fleet, crds: list[dict[str, t.Any]]) -> t.Iterator[Fleet]:
    """The fleet's API servers know Istio's kinds, and forget them."""

    async def run(there: bool) -> None:
        for name in HOSTS:
            async with on(fleet, name) as kube:
                if there:
                    await kube.apply(crds)
                for crd in [] if there else crds:
                    await kube.delete(*CRD, crd["metadata"]["name"], wait=SECONDS)

    asyncio.run(run(there=True))
    yield fleet
    asyncio.run(run(there=False))


def named(changes: t.Iterable[t.Any], action: str) -> list[str]:
    return [f"{where} {action}" for where in NAMED if f"{where} {action}" in actions(changes)]


@in_loop
async def test_the_name_is_known_in_every_cluster_and_goes_again(meshed: Fleet) -> None:
    await put(meshed, "west", service("orders"))
    planned = export_run(meshed, SECURED, dry_run=True)
    await planned.run()
    run = export_run(meshed, SECURED, timeout=0)
    await run.run()
    assert (run.failures, run.warnings) == ({}, [])
    assert actions(planned.changes) == actions(run.changes)
    assert named(run.changes, "created") == [f"{where} created" for where in NAMED]
    again = export_run(meshed, SECURED, timeout=0)
    await again.run()
    assert actions(again.changes) == []
    plain = export_run(meshed, [{"service": "orders.shop"}], timeout=0)
    await plain.run()
    assert actions(plain.changes) == [f"{where} removed" for where in NAMED], "the export itself stays"


@in_loop
async def test_it_is_known_only_where_the_service_is_for(meshed: Fleet) -> None:
    await put(meshed, "west", service("orders"))
    run = export_run(meshed, [{**SECURED[0], "to": ["north"]}], timeout=0)
    await run.run()
    assert named(run.changes, "created") == [f"{where} created" for where in NAMED[:2]]


@in_loop
async def test_without_the_exporting_cluster_the_name_stays(meshed: Fleet) -> None:
    await put(meshed, "west", service("orders"))
    await export_run(meshed, SECURED, timeout=0).run()
    limited = export_run(meshed, SECURED, timeout=0)
    limited.here = ["north"]
    await limited.run()
    assert actions(limited.changes) == []


@in_loop
async def test_objects_of_others_are_refused(meshed: Fleet) -> None:
    theirs = {
        "apiVersion": ISTIO,
        "kind": "VirtualService",
        "metadata": {"name": "orders-clusterset", "namespace": SHOP},
        "spec": {"hosts": ["orders.example"], "http": [{"route": [{"destination": {"host": "orders"}}]}]},
    }
    await put(meshed, "west", service("orders"), theirs)
    run = export_run(meshed, SECURED, timeout=0)
    await run.run()
    assert list(run.failures) == ["west"]
    text = str(run.failures["west"][0])
    assert "this fleet did not make it" in text and "mesh_take_over" in text
    await export_run(meshed, [], timeout=0).run()
    async with on(meshed, "west") as kube:
        live = await kube.get(ISTIO, "VirtualService", "orders-clusterset", SHOP)
    assert live is not None
    assert live["spec"]["hosts"] == ["orders.example"]


@in_loop
async def test_ports_that_speak_no_http_give_a_warning(meshed: Fleet) -> None:
    ports = [{"name": "tcp-db", "port": 5432}]
    await put(meshed, "west", service("orders", ports=ports))
    run = export_run(meshed, SECURED, timeout=0)
    await run.run()
    (warning,) = run.warnings
    assert "mtls has no effect" in warning and "appProtocol: http" in warning
    assert named(run.changes, "created") == []


@in_loop
async def test_rendered_files_say_what_a_run_applies(meshed: Fleet) -> None:
    await put(meshed, "west", service("web"))
    web = [{"service": "web.shop", "mtls": True}]
    await export_run(meshed, web, timeout=0).run()
    with recorded("west") as record:
        await export_run(meshed, web, dry_run=True).run()
    names = [where.replace("orders", "web") for where in NAMED]
    assert await compared(meshed, record) == sorted([*names, "west ServiceExport web"])
    with recorded() as record:
        await export_run(meshed, web, dry_run=True).run()
    assert record.objects == {}
    assert [text for text in left_out(record) if "clusterset" in text] == [
        f"{name} {kind} {SHOP}/web-clusterset" for name in sorted(HOSTS) for kind in ("ServiceEntry", "VirtualService")
    ]
