# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster with nodes would report, and all that an API server holds."""

from __future__ import annotations

import asyncio
import threading
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.fleet import Connection

from . import control_plane

ADDRESS = "10.9.9.9"


class Nodes(threading.Thread):
    """Says of each Deployment that it is ready, and gives each gateway an address."""

    def __init__(self, plane: control_plane.ControlPlane) -> None:
        super().__init__(daemon=True)
        self.plane = plane
        self.ended = threading.Event()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        connection = Connection(kubeconfig=str(self.plane.kubeconfig), context="admin")
        async with Kube.connect(connection, cluster="nodes") as kube:
            while not self.ended.is_set():
                for deployment in await kube.list("apps/v1", "Deployment"):
                    status = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
                    status["observedGeneration"] = deployment["metadata"]["generation"]
                    await self._say(kube, "apis/apps/v1", "deployments", deployment, status)
                for service in await kube.list("v1", "Service", labels={"mesh.fleet/part-of": "gateways"}):
                    status = {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}
                    await self._say(kube, "api/v1", "services", service, status)
                await asyncio.sleep(0.2)

    @staticmethod
    async def _say(kube: Kube, group: str, plural: str, obj: dict[str, t.Any], status: dict[str, t.Any]) -> None:
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


def everything(api: control_plane.ControlPlane) -> set[str]:
    """Every object of the API server, by kind, namespace and name."""
    kinds = [k for k in api.kubectl("api-resources", "--verbs=list", "-o", "name").split() if "events" not in k]
    form = "jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{'\\n'}{end}"
    return set(api.kubectl("get", ",".join(kinds), "-A", "-o", form).split())
