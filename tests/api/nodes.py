# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster with nodes would report, and all that an API server holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from . import control_plane

ADDRESS = "10.9.9.9"
_PLAYED = "-played"
"""The end of a played pod's name."""


class Nodes(threading.Thread):
    """Says of each Deployment that it is ready, gives it a pod that is, and gives each gateway an address."""

    def __init__(self, plane: control_plane.ControlPlane) -> None:
        super().__init__(daemon=True)
        self.plane = plane
        self.ended = threading.Event()
        self.between = 0.2
        """Seconds between two looks."""
        self.failing: set[str] = set()
        """Deployments whose pods do not become ready, although their own status says that they are."""

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        connection = Connection(kubeconfig=str(self.plane.kubeconfig), context="admin")
        async with Kube.connect(connection, cluster="nodes") as kube:
            while not self.ended.is_set():
                with contextlib.suppress(FleetError):  # a busy API server: at the next turn
                    await self._turn(kube)
                await asyncio.sleep(self.between)

    async def _turn(self, kube: Kube) -> None:
        for deployment in await kube.list("apps/v1", "Deployment"):
            status = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
            status["observedGeneration"] = deployment["metadata"]["generation"]
            await self._say(kube, "apis/apps/v1", "deployments", deployment, status)
            await self._pod(kube, deployment)
        for service in await kube.list("v1", "Service", labels={"mesh.fleet/part-of": "gateways"}):
            if service["spec"]["type"] != "LoadBalancer":
                continue
            status = {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}
            await self._say(kube, "api/v1", "services", service, status)

    async def _pod(self, kube: Kube, deployment: dict[str, t.Any]) -> None:
        """A pod of the Deployment about which istiod, which does not run, is not asked."""
        meta = deployment["metadata"]
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"]}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": meta["name"] + _PLAYED,
                "namespace": meta["namespace"],
                "labels": {**deployment["spec"]["selector"]["matchLabels"], "sidecar.istio.io/inject": "false"},
                "ownerReferences": [owner],
            },
            "spec": {"containers": [{"name": "main", "image": "played"}]},
        }
        live = await kube.get("v1", "Pod", pod["metadata"]["name"], meta["namespace"])
        if live is None:
            await kube.apply([pod], manager="nodes")
            live = pod
        failing = meta["name"] in self.failing
        status: dict[str, t.Any] = {
            "conditions": [{"type": "Ready", "status": "False" if failing else "True"}],
            "containerStatuses": [
                {
                    "name": "main",
                    "image": "played",
                    "imageID": "",
                    "restartCount": 0,
                    "ready": not failing,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}} if failing else {},
                }
            ],
        }
        if ((live.get("status") or {}).get("containerStatuses") or [{}])[0].get(
            "ready"
        ) is failing or "status" not in live:
            await self._say(kube, "api/v1", "pods", live, status)

    async def _say(self, kube: Kube, group: str, plural: str, obj: dict[str, t.Any], status: dict[str, t.Any]) -> None:
        if status.items() <= (obj.get("status") or {}).items():
            return
        meta = obj["metadata"]
        try:
            await kube.transport.request(
                "PATCH",
                f"/{group}/namespaces/{meta['namespace']}/{plural}/{meta['name']}/status",
                body={"status": status},
                content_type="application/merge-patch+json",
            )
        except ApiError as error:
            if error.status != 404:  # it was removed since it was listed
                raise


_OWN = ("events", "events.events.k8s.io", "leases.coordination.k8s.io", "ipaddresses.networking.k8s.io")
"""Kinds that an API server fills by itself, at times of its own."""


def everything(api: control_plane.ControlPlane) -> set[str]:
    """Every object of the API server, by kind, namespace and name; those that it makes by itself left out."""
    kinds = [k for k in api.kubectl("api-resources", "--verbs=list", "-o", "name").split() if k not in _OWN]
    form = "jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{'\\n'}{end}"
    found = api.kubectl("get", ",".join(kinds), "-A", "-o", form).split()
    # A controller gives each namespace its account, sooner or later.
    return {name for name in found if not (name.startswith("ServiceAccount/") and name.endswith("/default"))}


def await_everything(api: control_plane.ControlPlane, wanted: set[str]) -> None:
    """Wait until there is exactly this: what goes last, the garbage collector takes."""
    deadline = time.monotonic() + 120
    while True:
        try:
            found = everything(api)
        except AssertionError as error:  # a kind went between the list of kinds and that of its objects
            found = {str(error)}
        if found == wanted:
            return
        more, less = sorted(found - wanted), sorted(wanted - found)
        assert time.monotonic() < deadline, f"too much: {more}, missing: {less}"
        time.sleep(0.2)  # between two looks


def await_pods(api: control_plane.ControlPlane, namespace: str) -> list[dict[str, t.Any]]:
    """Pods that a controller made, as soon as there are any: a Deployment is ready here before that."""
    deadline = time.monotonic() + 120
    while True:
        listed = json.loads(api.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]
        found: list[dict[str, t.Any]] = [p for p in listed if not p["metadata"]["name"].endswith(_PLAYED)]
        if found:
            return found
        assert time.monotonic() < deadline, f"no pod in {namespace}"
        time.sleep(0.1)  # between two looks
