# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two clusters on GKE for tests of exports, front door and managed peering: real API servers that know Google's kinds.

Google's controllers are not there: the test does what they would do, when it is their turn.
"""

from __future__ import annotations

import asyncio
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed_peering import NAMESPACE, OPTIONS
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

from . import control_plane

__all__ = ["CRD", "CRDS", "HOSTS", "SECONDS", "SHOP", "actions", "fleet", "on", "put", "service"]

SECONDS = 120
"""Until the effect of a test is seen: far more than it needs."""
KINDS = Path(__file__).resolve().parent.parent / "gcp" / "crds.yml"
CRDS: list[dict[str, t.Any]] = yaml.safe_load(KINDS.read_text(encoding="utf-8"))["items"]
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
SHOP = "shop"
HOSTS = ("west", "north")


@pytest.fixture
def fleet(google_planes: dict[str, control_plane.ControlPlane]) -> Fleet:
    """West and north on GKE, with Google's kinds and namespace shop; fra of another provider, which does not answer."""
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
        for name, plane in google_planes.items()
    }
    hosts["fra"] = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "/nowhere", "cluster_region": "eu-de"}
    made = read_fleet({name: {"fleet_name": "api", **v} for name, v in hosts.items()}, environment())
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


def on(fleet: Fleet, name: str) -> Kube:
    return Kube.connect(fleet.clusters[name].connection, cluster=name)


async def put(fleet: Fleet, name: str, *objects: dict[str, t.Any]) -> None:
    async with on(fleet, name) as kube:
        await kube.apply(objects, manager="somebody-else")


def actions(changes: t.Iterable[t.Any]) -> list[str]:
    return sorted(f"{c.cluster} {c.kind} {c.name} {c.action}" for c in changes if c.action != "unchanged")
