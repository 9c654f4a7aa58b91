# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control plane's namespace: every stage applies the same one; it is removed only if it is ours and empty."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import gone
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed_peering import google_owned
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import system_namespace
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    has_our_labels,
    is_created,
    is_former,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of, labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["ensure_namespace", "is_election", "leave_namespace"]

_LEFT_BY_ISTIO = ("istio-ca-root-cert", "istio-ca-crl", "kube-root-ca.crt", "istio-ca-secret")
_ELECTION = "control-plane.alpha.kubernetes.io/leader"
_LOOKED_AT = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
)


async def ensure_namespace(kube: Kube, fleet: Fleet, cluster: Cluster, *, dry_run: bool = False) -> list[Change]:
    """Make the control plane's namespace, or bring its labels and annotations to what the fleet says.

    Raises FleetError where a control plane of Google's injects already.
    """
    live = await kube.get("v1", "Namespace", fleet.namespace)
    if live is not None and not (has_our_labels(live, fleet.name) or is_former(live)):
        await _not_beside_google(kube, cluster)
    wanted = system_namespace(fleet, cluster, created=is_created(live))
    return await kube.apply([wanted], dry_run=dry_run)


async def _not_beside_google(kube: Reader, cluster: Cluster) -> None:
    """Two control planes in one cluster would both inject, and Google supports no such cluster."""
    hooks = await kube.list("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    name = next((hook["metadata"]["name"] for hook in hooks if google_owned(hook)), "")
    if name:
        raise FleetError(
            "Google runs a control plane in it, and an istiod of ours cannot run beside that",
            cluster=cluster.name,
            obj=f"MutatingWebhookConfiguration {name}",
            means="Cloud Service Mesh was enabled there, by this inventory before or by somebody else",
            next_step=f"set mesh_control_plane: managed for {cluster.name}; or disable it: gcloud container fleet mesh "
            "update --management manual, then delete Google's webhooks; then run again",
        )


async def leave_namespace(
    kube: Kube, fleet: Fleet, *, dry_run: bool = False, seconds: float = 120
) -> tuple[list[Change], str]:
    """Remove the namespace if this project made it and nobody else's objects are in it.

    Returns:
        The changes, and why the namespace was kept ("" when it is gone).
    """
    live = await kube.get("v1", "Namespace", fleet.namespace)
    if live is None:
        return [], ""
    if not is_created(live):
        bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fleet.namespace}}  # without our labels
        return await kube.apply([bare], dry_run=dry_run), f"{fleet.namespace} was there before"
    foreign = await _foreign(kube, fleet)
    if foreign:
        shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        return [], f"{fleet.namespace} holds {shown}"
    change = await kube.delete("v1", "Namespace", fleet.namespace, dry_run=dry_run)
    if not dry_run:
        await kube.wait("v1", "Namespace", fleet.namespace, until=gone, timeout=seconds)
    return [change], ""


def is_election(obj: t.Mapping[str, t.Any]) -> bool:
    """Whether istiods elect a leader by this ConfigMap or Lease."""
    meta = obj["metadata"]
    if not str(meta["name"]).startswith("istio-"):
        return False
    return obj.get("kind") == "Lease" or _ELECTION in annotations_of(obj)


async def _foreign(kube: Kube, fleet: Fleet) -> list[str]:
    """Objects that neither this project, nor Istio, nor Kubernetes put there."""
    found = []
    for api, kind in _LOOKED_AT:
        for obj in await kube.list(api, kind, namespace=fleet.namespace):
            meta = obj["metadata"]
            if (
                meta["name"] in _LEFT_BY_ISTIO
                or meta.get("ownerReferences")
                or meta.get("deletionTimestamp")
                or has_our_labels(obj, fleet.name)
                or (kube.take_over and is_former(obj))
                or labels_of(obj).get("istio.io/config") == "true"
                or is_election(obj)
                or (kind == "Secret" and obj.get("type") == "kubernetes.io/service-account-token")
            ):
                continue
            found.append(f"{kind} {meta['name']}")
    return found
