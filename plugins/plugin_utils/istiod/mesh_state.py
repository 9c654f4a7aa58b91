# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster says about its control plane: versions that run, addresses of gateways, what Istio leaves behind."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import load_balancer_address
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import clusters_with_istiod
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.versions import skew
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import is_election

__all__ = ["address", "check_skew", "clean_up", "running_versions", "service_address"]

_CONTAINER = "discovery"
_CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}


async def running_versions(kube: Reader, fleet: Fleet) -> dict[str, str]:
    """Image tag by istiod Deployment, of every revision in this cluster."""
    found = {}
    for deployment in await kube.list("apps/v1", "Deployment", namespace=fleet.namespace, labels={"app": "istiod"}):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            if container["name"] == _CONTAINER:
                found[deployment["metadata"]["name"]] = str(container["image"]).rsplit("/", 1)[-1]
    return found


async def check_skew(fleet: Fleet, tag: str) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Refuse a version that is more than one minor away from what runs anywhere in the fleet.

    Returns:
        What runs, by cluster, and the clusters that did not answer.
    Raises:
        FleetError: the skew is too large.
    """
    wanted = tag or fleet.istio_version

    async def look(name: str) -> dict[str, str]:
        async with Kube.connect(fleet.clusters[name].connection, cluster=name, absent_ok=True) as kube:
            return await running_versions(kube, fleet)

    # Google chooses the version of what it runs.
    primaries = [cluster.name for cluster in clusters_with_istiod(fleet)]
    answers, silent = await on_each(primaries, look)
    found = {name: versions for name, versions in answers.items() if versions}
    for name, versions in found.items():
        for deployment, image in versions.items():
            if skew(wanted, image) > 1:
                raise FleetError(
                    f"Istio {wanted} is more than one minor version away from what runs here",
                    cluster=name,
                    obj=f"Deployment {fleet.namespace}/{deployment}",
                    seen=image,
                    means="Istio supports one minor version between control planes, and between them and proxies",
                    next_step="set mesh_istio_version to the next minor version, roll it out, and go on from there",
                )
    return found, list(silent)


async def address(kube: Reader, fleet: Fleet, namespace: str, name: str) -> str:
    """The load balancer address of a gateway's Service; "" when it has none yet."""
    done, seen = load_balancer_address(await kube.get("v1", "Service", name, namespace or fleet.namespace))
    return seen if done else ""


async def service_address(kube: Waiter, cluster: str, name: str, namespace: str, seconds: float) -> str:
    """Wait for a gateway's address: an IP or a hostname.

    Raises:
        FleetError: none within ``timeout`` seconds; says what the Service's events say.
    """
    try:
        service = await kube.wait("v1", "Service", name, namespace, until=load_balancer_address, timeout=seconds)
    except FleetError as error:
        events = await kube.list("v1", "Event", namespace=namespace)
        said = [
            f"{e.get('reason')}: {e.get('message')}"
            for e in events
            if (e.get("involvedObject") or {}).get("kind") == "Service" and e["involvedObject"].get("name") == name
        ]
        raise FleetError(
            f"no load balancer address after {seconds:.0f} s",
            cluster=cluster,
            obj=f"Service {namespace}/{name}",
            seen="; ".join(said[-3:]) or error.seen or "no address, and no event of this Service",
            means="nothing in this cluster hands out addresses, or its quota or pool is used up",
            next_step="install a load balancer controller, or set service.type and service.loadBalancerIP "
            "in gateways_values; then run again",
        ) from error
    return load_balancer_address(service)[1]


async def clean_up(
    kube: Kube, fleet: Fleet, *, crds: bool, dry_run: bool, seconds: float = 120
) -> tuple[list[Change], list[str]]:
    """Remove what Helm does not: the root certificates istiod spread, its leases, its CRDs.

    CRDs of the base release go only while they hold no object, and are waited for: for some time the API server still
    lists one that was deleted, and refuses to make it again.

    Returns:
        The changes, and what was kept and why.
    Raises:
        FleetError: a CRD is not gone after ``seconds``.
    """
    changes: list[Change] = []
    kept: list[str] = []
    for config in await kube.list("v1", "ConfigMap", labels={"istio.io/config": "true"}):
        meta = config["metadata"]
        if meta["name"] in ("istio-ca-root-cert", "istio-ca-crl"):
            changes.append(await kube.delete("v1", "ConfigMap", meta["name"], meta["namespace"], dry_run=dry_run))
    for api, kind in (("v1", "ConfigMap"), ("coordination.k8s.io/v1", "Lease")):
        for election in await kube.list(api, kind, namespace=fleet.namespace):
            if is_election(election):
                name = election["metadata"]["name"]
                changes.append(await kube.delete(api, kind, name, fleet.namespace, dry_run=dry_run))
    if not crds:
        return changes, kept
    installed = [
        crd
        for crd in await kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        if annotations_of(crd).get("meta.helm.sh/release-name") == "istio-base"
        and crd["spec"]["group"].endswith(".istio.io")
    ]

    async def holds(crd: dict[str, t.Any]) -> list[str]:
        version = next(v["name"] for v in crd["spec"]["versions"] if v.get("storage"))
        objects = await kube.list(f"{crd['spec']['group']}/{version}", crd["spec"]["names"]["kind"])
        return [f"{o['metadata'].get('namespace', '')}/{o['metadata']['name']}" for o in objects]

    empty = []
    for crd, objects in zip(installed, await asyncio.gather(*(holds(c) for c in installed)), strict=True):
        if objects:
            kept.append(f"CRD {crd['metadata']['name']} holds {', '.join(objects[:3])}")
        else:
            empty.append({**_CRD, "metadata": {"name": crd["metadata"]["name"]}})
    changes += await kube.remove(empty, dry_run=dry_run, wait=seconds)
    return changes, kept
