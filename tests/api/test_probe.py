# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes namespaces of its own on a real API server: verify's probe, and the walk-through."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo import cast as casts
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.objects import NAMESPACE as DEMO
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.probe_causes import probe_cause
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import CLUSTER_LABEL, NAMESPACE
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.interrupted import cancelled_by_signals
from ansible_collections.mesh.fleet.plugins.plugin_utils.demo.run import DemoRun, Options
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.outdated import find_outdated, restart_outdated
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.standing import read_standing
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.probes import install_probe

from . import control_plane
from .nodes import await_everything, everything

LIMITS = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "least", "namespace": NAMESPACE},
    "spec": {"limits": [{"type": "Container", "min": {"cpu": "50m"}}]},
}
SECONDS = 20


async def install(kube: Kube, name: str, *, dry_run: bool = False, seconds: float = 0) -> t.Any:
    fleet = read_fleet({name: {"cluster_provider": "kubeconfig", "fleet_name": "probes"}})
    return await install_probe(
        kube, fleet, fleet.clusters[name], program={"sample.py": ""}, image="nowhere/none:1",
        dry_run=dry_run, deadline=time.monotonic() + seconds,
    )  # fmt: skip


def test_a_renamed_cluster_gets_its_probe(api: control_plane.ControlPlane) -> None:
    api.kubectl("create", "namespace", NAMESPACE)
    api.kubectl("apply", "-f", "-", stdin=json.dumps(LIMITS))

    async def run() -> None:
        async with Kube.connect(Connection(kubeconfig=str(api.kubeconfig), context="admin"), cluster="west") as kube:
            with pytest.raises(NotInTime) as refused:
                await install(kube, "west", seconds=SECONDS)
            assert "its pods are refused: " in refused.value.means
            assert "LimitRange" in probe_cause("west", refused.value.means)[0]

            planned = await install(kube, "new", dry_run=True)
            assert ("Deployment", "removed") in {(c.kind, c.action) for c in planned}
            with pytest.raises(NotInTime):
                await install(kube, "new", seconds=1)
            live = await kube.get("apps/v1", "Deployment", "probe", NAMESPACE)
            assert live is not None
            assert live["spec"]["selector"]["matchLabels"][CLUSTER_LABEL] == "new"

    asyncio.run(run())


def test_a_workload_with_an_earlier_network_is_restarted(api: control_plane.ControlPlane) -> None:
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "mesh_network": "per_cluster"}})
    labels = {"app": "db", "service.istio.io/canonical-name": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "db", "image": "nowhere/none:1"}]}}
    stateful = {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"},
        "spec": {"serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template},
    }  # fmt: skip
    uid = json.loads(api.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(stateful)))["metadata"]["uid"]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": uid, "controller": True}
    proxy = {"name": "istio-proxy", "image": "nowhere/none:1", "env": [{"name": "ISTIO_META_NETWORK", "value": "flat"}]}
    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "db-0", "namespace": "default", "labels": labels, "ownerReferences": [owner]},
        "spec": {"containers": [proxy]},
    }  # fmt: skip
    api.kubectl("create", "-f", "-", stdin=json.dumps(pod))

    async def run() -> None:
        async with Kube.connect(Connection(kubeconfig=str(api.kubeconfig), context="admin"), cluster="west") as kube:
            standing = await read_standing(kube)
            assert "default" in {one["metadata"]["name"] for one in standing.namespaces}
            assert standing.api_service is not None and standing.api_service["spec"]["ipFamilies"] == ["IPv4"]
            found = await find_outdated(kube, fleet, fleet.clusters["west"])
            assert {str(workload): differ for workload, differ in found.items()} == {
                "StatefulSet default/db": ["network flat"]
            }
            planned = await restart_outdated(kube, found, dry_run=True, seconds=1)
            assert [change.action for change in planned] == ["changed"]
            await restart_outdated(kube, found, dry_run=False, seconds=1)
            live = await kube.get("apps/v1", "StatefulSet", "db", "default")
            assert live is not None
            assert "mesh.fleet/restarted-for-injection" in live["spec"]["template"]["metadata"]["annotations"]
            assert live["spec"]["template"]["spec"]["containers"][0]["name"] == "db"

    asyncio.run(run())


# The walk-through. Its pods never start here, so no scene is played.


def walk_through(api: control_plane.ControlPlane, said: list[str], seconds: float = 2) -> DemoRun:
    """In one of two clusters: only that one is there."""
    reached = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": str(api.kubeconfig), "cluster_context": "admin"}
    shared = {"fleet_name": "walks", "mesh_pods": {"image_pull_secrets": ["registry"]}}
    fleet = read_fleet({name: {**reached, **shared} for name in ("west", "east")})
    cast = casts.cast_of(fleet, list(fleet.clusters))
    options = Options({"sample.py": ""}, "nowhere/none:1", ("timeout",), seconds)
    return DemoRun(fleet, [fleet.clusters["west"]], cast, options, say=said.append)


def spaces(api: control_plane.ControlPlane) -> list[str]:
    return api.kubectl("get", "namespaces", DEMO, "--ignore-not-found", "-o", "name").split()


def test_a_walk_through_that_fails_leaves_nothing(api: control_plane.ControlPlane) -> None:
    before, said = everything(api), list[str]()
    run = walk_through(api, said)
    asyncio.run(run.run())
    (error,) = run.errors["west"]
    assert f"Deployment {DEMO}/sample-caller-v1" in str(error)
    assert any(DEMO in line for line in said), "it was begun"
    await_everything(api, before)


@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupted_walk_through_leaves_nothing(api: control_plane.ControlPlane, times: int) -> None:
    """Also if somebody presses Ctrl-C again while it clears."""
    before, said = everything(api), list[str]()

    async def interrupted() -> None:
        run = walk_through(api, said, seconds=60)

        async def press() -> None:
            async with Kube.connect(run.clusters[0].connection, cluster="west") as kube:
                await kube.wait("apps/v1", "Deployment", "sample-caller-v1", DEMO, until=lambda o: (o is not None, ""))
            for _number in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(0.05)  # a person's finger

        pressing = asyncio.create_task(press())
        with cancelled_by_signals(lambda: said.append("heard")):
            try:
                await run.run()
            finally:
                said.append("gone" if not spaces(api) else "left")
                await asyncio.gather(pressing, return_exceptions=True)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert said[-2:] == ["heard", "gone"]
    await_everything(api, before)


def test_what_a_killed_walk_through_left_is_removed(api: control_plane.ControlPlane) -> None:
    api.kubectl("create", "namespace", "istio-apps")
    api.kubectl("-n", "istio-apps", "create", "secret", "generic", "registry", "--from-literal=token=x")
    before, said = everything(api), list[str]()

    async def left() -> None:
        run = walk_through(api, said)
        async with Kube.connect(run.clusters[0].connection, cluster="west") as kube:
            stage = run.stage_of("west", kube)
            with pytest.raises(NotInTime):
                await stage.build(run.cast)

    async def removed(dry_run: bool) -> DemoRun:
        run = walk_through(api, said, seconds=30)
        await run.remove(dry_run=dry_run)
        assert run.errors == {}
        return run

    asyncio.run(left())
    assert [(c.kind, c.action) for c in asyncio.run(removed(True)).changes] == [("Namespace", "removed")]
    assert spaces(api), "check mode removed nothing"
    copied = json.loads(api.kubectl("-n", DEMO, "get", "secret", "registry", "-o", "json"))
    assert copied["data"] == {"token": "eA=="}, "by which nodes pull the image"
    api.kubectl("-n", DEMO, "create", "configmap", "somebodys")
    kept = asyncio.run(removed(False))
    assert kept.kept == {"west": ["ConfigMap somebodys"]}
    left = api.kubectl("-n", DEMO, "get", "deployments,services,secrets", "-o", "name")
    assert not left
    assert "configmap/somebodys" in api.kubectl("-n", DEMO, "get", "configmaps", "-o", "name").split()
    api.kubectl("-n", DEMO, "delete", "configmap", "somebodys")
    assert asyncio.run(removed(False)).kept == {}
    await_everything(api, before)


def test_a_namespace_of_somebody_is_not_played_in(api: control_plane.ControlPlane) -> None:
    before, said = everything(api), list[str]()
    api.kubectl("create", "namespace", DEMO)
    api.kubectl("-n", DEMO, "create", "configmap", "somebodys")
    theirs = everything(api)
    run = walk_through(api, said)
    asyncio.run(run.run())
    (error,) = run.errors["west"]
    assert "did not make it" in str(error) and error.next_step
    run = walk_through(api, said)
    asyncio.run(run.remove(dry_run=False))
    assert (run.errors, run.changes) == ({}, [])
    await_everything(api, theirs)
    api.kubectl("delete", "namespace", DEMO)
    await_everything(api, before)
