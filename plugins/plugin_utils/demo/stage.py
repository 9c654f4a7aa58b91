# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the walk-through plays on in one cluster: made, found out, broken, removed."""

from __future__ import annotations

import asyncio
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import remove_namespace
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.calling import (
    Call,
    Order,
    calls_of,
    command,
    ejected,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import Cast, Locality
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.objects import (
    CALLER,
    NAMESPACE,
    PART,
    PRODUCER,
    SERVICE,
    demo_labels,
    demo_namespace,
    demo_objects,
    is_of_demo,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    FLEET_LABEL,
    fleet_of,
    has_our_labels,
    is_created,
    is_published_root,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import NAMESPACE as VERIFY
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.sample import NAMESPACE as SAMPLE
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.injection import await_injection

__all__ = ["Stage"]

_PROXY = "istio-proxy"
_REGION, _ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
_CORE = ("Service", "ConfigMap", "ServiceAccount", "Secret")
_SIGNAL = "import os, signal; os.kill(1, signal.{})"
_CALL = '"path": "/producer/messages"'
_LOOK_SECONDS = 0.1
_CLEAR_SECONDS = 60.0
"""At least so long it waits until all is gone, for Kubernetes deletes a namespace in its own time."""
_SPARE_SECONDS = 30.0
"""For a command's own start and end, on a busy machine."""


class Stage:
    """One cluster's part of the walk-through.

    Args:
        program: by file name, the text of the sample program.
        image: an image with python3 (3.11 or newer) on its PATH.
        timeout: seconds for each wait.
    """

    def __init__(
        self, kube: Kube, fleet: Fleet, cluster: Cluster, *, program: t.Mapping[str, str], image: str, timeout: float
    ) -> None:
        self.kube, self.fleet, self.cluster = kube, fleet, cluster
        self.program, self.image, self.timeout = program, image, timeout
        self._plane = control_plane_of(fleet, cluster)

    async def refuse_others(self) -> None:
        """Raise FleetError if a namespace of this name is there that no walk-through of this fleet made."""
        space = await self.kube.get("v1", "Namespace", NAMESPACE)
        if space is None or self._is_ours(space):
            return
        owner = fleet_of(space)
        raise FleetError(
            "a namespace of this name is there, and the walk-through of this fleet did not make it",
            cluster=self.cluster.name,
            obj=f"Namespace {NAMESPACE}",
            seen=f"it is fleet {owner}'s" if owner else "it has no label of this fleet's walk-through",
            means="the walk-through changes and removes what is in its namespace",
            next_step=f"wait for the walk-through of fleet {owner}" if owner else "rename or remove that namespace",
        )

    async def clear(self, *, dry_run: bool = False) -> tuple[list[Change], list[str]]:
        """Remove the namespace and all that is in it; return that, and what others put there, which keeps it."""
        space = await self.kube.get("v1", "Namespace", NAMESPACE)
        if space is None or not self._is_ours(space):
            return [], []
        wait = 0.0 if dry_run else max(self.timeout, _CLEAR_SECONDS)
        changes, kept = await remove_namespace(
            self.kube,
            space,
            ours=lambda obj: is_of_demo(obj, self.fleet) or is_published_root(obj),
            dry_run=dry_run,
            wait=wait,
        )
        if kept:
            istio = self._plane.istio_api()
            kinds = [(istio, kind) for kind in ("VirtualService", "DestinationRule", "ServiceEntry")]
            kinds += [("apps/v1", "Deployment"), *(("v1", kind) for kind in _CORE)]
            changes = await self.kube.prune(
                [], labels={FLEET_LABEL: self.fleet.name}, kinds=kinds, namespace=NAMESPACE, dry_run=dry_run, wait=wait
            )
        return changes, kept

    def _is_ours(self, space: t.Mapping[str, t.Any]) -> bool:
        return is_created(space) and has_our_labels(space, self.fleet.name, PART)

    async def build(self, cast: Cast) -> None:
        """Make namespace and pods, and wait until they are ready."""
        deadline = time.monotonic() + self.timeout
        await self.kube.apply([demo_namespace(self.fleet, self.cluster, created=True)])
        if self._plane.await_injection:
            await await_injection(self.kube, self.cluster, NAMESPACE, self.timeout)
        objects = self._objects(cast)
        await self.kube.apply([*await self._pull_secrets(), *objects])
        for one in objects:
            if one["kind"] == "Deployment":
                left = max(1.0, deadline - time.monotonic())
                await self.kube.wait_deployment(one["metadata"]["name"], NAMESPACE, timeout=left, least=1)
        without = [
            pod["metadata"]["name"]
            for pod in await self.kube.pods(NAMESPACE)
            if _PROXY not in {c["name"] for part in ("containers", "initContainers") for c in pod["spec"].get(part, ())}
        ]
        if without:
            raise FleetError(
                "pods of the walk-through got no sidecar",
                cluster=self.cluster.name,
                obj=f"Pod {NAMESPACE}/{without[0]}",
                seen=f"{len(without)} pods without a container {_PROXY}",
                means="the control plane does not inject them, so no policy holds for their calls",
                next_step="run mesh.fleet.verify: it says why",
            )

    async def _pull_secrets(self) -> list[dict[str, t.Any]]:
        """Copies of the Secrets by which nodes pull images, from where the user made them."""
        copies: list[dict[str, t.Any]] = []
        for name in self.cluster.pods.pull_secrets:
            for place in (VERIFY, SAMPLE, self.fleet.namespace):
                found = await self.kube.get("v1", "Secret", name, place)
                if found is None:
                    continue
                metadata: dict[str, t.Any] = {"name": name, "namespace": NAMESPACE, "labels": demo_labels(self.fleet)}
                same: dict[str, t.Any] = {key: found[key] for key in ("type", "data") if key in found}
                copies.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **same})
                break
        return copies

    def _objects(self, cast: Cast, producers: int = 1) -> list[dict[str, t.Any]]:
        return demo_objects(self.fleet, self.cluster, cast, self.program, image=self.image, producers=producers)

    async def scale(self, cast: Cast, producers: int) -> None:
        """Give each version of the producer so many pods, 0 or 1, and wait until it is so."""
        objects = [one for one in self._objects(cast, producers) if one["kind"] == "Deployment"]
        objects = [one for one in objects if one["metadata"]["labels"]["app"] == PRODUCER]
        await self.kube.apply(objects)
        if not producers:
            await self.kube.wait_list("v1", "Pod", NAMESPACE, {"app": PRODUCER}, until=_none_left, timeout=self.timeout)
            return
        for one in objects:
            await self.kube.wait_deployment(one["metadata"]["name"], NAMESPACE, timeout=self.timeout, least=1)

    async def places(self, app: str) -> list[Locality]:
        """Where the pods of an app are, by their nodes, as Istio knows it; else as the inventory says."""
        pods = await self.kube.pods(NAMESPACE, {"app": app})
        found: list[Locality] = []
        for name in sorted({str(pod["spec"].get("nodeName") or "") for pod in pods} - {""}):
            try:
                node = await self.kube.get("v1", "Node", name)
            except FleetError:
                node = None  # an account that may not read nodes
            labels = labels_of(node)
            inventory = (self.cluster.region, self.cluster.zone)
            found.append((labels.get(_REGION, ""), labels.get(_ZONE, "")) if node else inventory)
        return found or [(self.cluster.region, self.cluster.zone)]

    async def call(self, order: Order) -> tuple[list[Call], bool]:
        """Calls from this cluster's caller, and whether they came to the end that was ordered."""
        pod = await self._pod(CALLER)
        seconds = order.most + _SPARE_SECONDS
        done = await self.kube.exec(NAMESPACE, pod, CALLER, command(order), timeout=seconds)
        try:
            return calls_of(done.stdout)
        except (ValueError, KeyError, TypeError):
            raise FleetError(
                "the caller did not say what came of its calls",
                cluster=self.cluster.name,
                obj=f"Pod {NAMESPACE}/{pod}",
                seen=(done.stderr or done.stdout).strip()[-300:] or f"exit code {done.code}, no output",
                next_step="run again; if it stays, run the sample's program by hand in that pod",
            ) from None

    async def _pod(self, app: str) -> str:
        pods = await self.kube.pods(NAMESPACE, {"app": app})
        if not pods:
            raise FleetError(
                f"there is no pod of {app}",
                cluster=self.cluster.name,
                obj=f"Deployment {NAMESPACE}/{app}-v1",
                means="somebody or something removed it while the walk-through ran",
                next_step="run again",
            )
        return str(pods[0]["metadata"]["name"])

    async def producers(self) -> dict[str, str]:
        """The names of the producer's pods, and their addresses."""
        pods = await self.kube.pods(NAMESPACE, {"app": PRODUCER})
        return {str(pod["metadata"]["name"]): str((pod.get("status") or {}).get("podIP") or "") for pod in pods}

    async def await_calls(self) -> None:
        """Wait until one of the producers here has got a call, by their logs."""
        pods = list(await self.producers())
        before = await self._calls_got(pods)
        deadline = time.monotonic() + self.timeout
        with waiting(f"{self.cluster.name}: a call to the producer"):
            while await self._calls_got(pods) <= before:
                if time.monotonic() >= deadline:
                    raise FleetError(
                        "no call came to the producer",
                        cluster=self.cluster.name,
                        obj=f"Pod {NAMESPACE}/{pods[0] if pods else PRODUCER}",
                        seen=f"no line about a call in its log in {self.timeout:g} s",
                        next_step="run again",
                    )
                await asyncio.sleep(_LOOK_SECONDS)

    async def _calls_got(self, pods: t.Iterable[str]) -> int:
        logs = [await self.kube.logs(NAMESPACE, pod, PRODUCER) for pod in pods]
        return sum(log.count(_CALL) for log in logs)

    async def send(self, pods: t.Iterable[str], name: str) -> None:
        """Send the sample program in these pods a signal: SIGUSR1 breaks it, SIGUSR2 mends it."""
        for pod in pods:
            done = await self.kube.exec(NAMESPACE, pod, PRODUCER, ["python3", "-c", _SIGNAL.format(name)])
            if done.code:
                raise FleetError(
                    "the producer could not be told to fail" if name == "SIGUSR1" else "the producer was not mended",
                    cluster=self.cluster.name,
                    obj=f"Pod {NAMESPACE}/{pod}",
                    seen=done.stderr.strip()[-300:] or f"exit code {done.code}",
                    next_step="run again",
                )

    async def ejected(self) -> list[str]:
        """Addresses of producers that the proxy of this cluster's caller has ejected."""
        pod = await self._pod(CALLER)
        done = await self.kube.exec(NAMESPACE, pod, _PROXY, ["pilot-agent", "request", "GET", "clusters"])
        return ejected(done.stdout)


def _none_left(pods: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[bool, str]:
    return not pods, f"{len(pods)} pods of {SERVICE} are there still"
