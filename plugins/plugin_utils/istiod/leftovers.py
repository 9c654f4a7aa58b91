# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Istio leaves in a cluster after Helm has uninstalled it."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import is_election

__all__ = ["remove_leftovers"]

_CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}


async def remove_leftovers(
    kube: Kube, fleet: Fleet, *, crds: bool, dry_run: bool, seconds: float = 120
) -> tuple[list[Change], list[str]]:
    """Remove what Helm does not remove: istiod's root certificates in all namespaces, its leases, its CRDs.

    Removes CRDs of the base release only if they hold no object, and waits for them: the API server lists a deleted
    one for some time, and refuses to create it again.

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
