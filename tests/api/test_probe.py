# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The probe in a cluster that was renamed, and in one that refuses its pods."""

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
