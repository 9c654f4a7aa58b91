# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of Google's clusters render what they apply, on real API servers that know Google's kinds."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording_as
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import parse_exports
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.exports import ExportRun
from tests.rendered import same

from .gke_clusters import HOSTS, SHOP, fleet, on, put, service
from .loop import in_loop
from .test_front_door import door, place
from .test_managed_mesh import Managed

__all__ = ["fleet"]

Object = dict[str, t.Any]


def web() -> list[Object]:
    """A service and its pods, as an app of the inventory brings them."""
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    return [
        service("web"),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": SHOP}, "spec": spec},
    ]


def recorded(*clusters: str) -> t.ContextManager[Recording]:
    """Records; of these clusters stage apps recorded the service."""
    return recording_as(Recording(lambda cluster: web() if cluster in clusters else []))


async def compared(fleet: Fleet, record: Recording) -> list[str]:
    """Compares what was recorded with what is there, and returns it."""
    found = []
    for name, objects in record.objects.items():
        async with on(fleet, name) as kube:
            for obj in objects.values():
                await same(kube, obj)
                found.append(f"{name} {obj['kind']} {obj['metadata']['name']}")
    return sorted(found)


def named(record: Recording) -> list[str]:
    return sorted(f"{left.cluster} {left.object}" for left in record.left_out.values())


async def export(fleet: Fleet, **more: t.Any) -> None:
    exports = parse_exports([{"service": "web.shop", "to": "all"}], fleet.clusters)
    run = ExportRun(fleet, HOSTS, exports, timeout=0, **more)
    await run.run()
    assert run.failures == {}


@in_loop
async def test_exports(fleet: Fleet) -> None:
    await put(fleet, "west", service("web"))
    await export(fleet)
    with recorded("west") as record:
        await export(fleet, dry_run=True)
    assert await compared(fleet, record) == ["west ServiceExport web"]
    assert named(record) == []
    with recorded() as record:
        await export(fleet, dry_run=True)
    assert record.objects == {}
    assert named(record) == ["north ServiceExport shop/web", "west ServiceExport shop/web"]


async def opened(fleet: Fleet, address: str, **more: t.Any) -> None:
    wanted = door(fleet, {"host": "a.example", "service": "web.shop", "health": {"path": "/"}}, address=address)
    await place(fleet, wanted, address, **more)


@in_loop
async def test_a_front_door(fleet: Fleet) -> None:
    for name in HOSTS:
        await put(fleet, name, service("web"))
    await opened(fleet, "203.0.113.7")
    with recorded(*HOSTS) as record:
        await opened(fleet, "203.0.113.7", dry_run=True)
    parts = ["west BackendConfig web", "west MultiClusterIngress front-door", "west MultiClusterService web"]
    assert await compared(fleet, record) == parts
    assert named(record) == []
    # The address of a name is Google's to choose; selector and ports of a service are in its app.
    with recorded(*HOSTS) as record:
        await opened(fleet, "shop", dry_run=True)
    assert await compared(fleet, record) == [parts[0], parts[2]]
    assert named(record) == ["west MultiClusterIngress shop/front-door"]
    with recorded() as record:
        await opened(fleet, "203.0.113.7", dry_run=True)
    assert record.objects == {}
    assert [line.split()[1] for line in named(record)] == [line.split()[1] for line in parts]


@in_loop
async def test_the_setting_of_googles_control_planes(fleet: Fleet) -> None:
    await Managed()._peer(fleet, fleet.clusters["west"], "connected", [])
    with recorded() as record:
        await Managed()._peer(fleet, fleet.clusters["west"], "connected", [])
    assert await compared(fleet, record) == ["west ConfigMap asm-options", "west Namespace istio-system"]


@pytest.mark.parametrize("name", HOSTS)
@in_loop
async def test_nobody_is_asked(fleet: Fleet, name: str) -> None:
    """A client that is made while a recording is on has no connection, whoever made the fleet."""
    with recorded():
        async with Kube.connect(fleet.clusters[name].connection, cluster=name) as kube:
            assert kube.server == ""
            assert await kube.list("v1", "Namespace") == []
