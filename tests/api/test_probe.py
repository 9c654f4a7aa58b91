# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verify on a real API server: a renamed cluster, refused pods, workloads with earlier settings."""

from __future__ import annotations

import asyncio
import json
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.probe_causes import probe_cause
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import CLUSTER_LABEL, NAMESPACE
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.outdated import find_outdated, restart_outdated
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.standing import read_standing
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.probes import install_probe

from . import control_plane

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
