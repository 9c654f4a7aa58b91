# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control plane's namespace: every stage applies the same one; it is removed only if it is ours and empty."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import (
    claim_namespace,
    forget_namespace,
    leave_to_others,
    remove_namespace,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed_peering import google_owned
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import system_namespace
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    PART_OF,
    has_our_labels,
    is_created,
    is_former,
    is_published_root,
    users_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of, labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["ensure_namespace", "is_election", "leave_namespace", "refuse_beside_google"]

_ELECTION = "control-plane.alpha.kubernetes.io/leader"
_OUR_PARTS = ("control_plane", "trust", "peering")
"""Roles whose objects are of no use without the control plane. A gateway, an app or an export keeps the namespace."""


async def ensure_namespace(kube: Kube, fleet: Fleet, cluster: Cluster, *, dry_run: bool = False) -> list[Change]:
    """Make the control plane's namespace, or bring its labels and annotations to what the fleet says.

    Raises FleetError where a control plane of Google's injects already.
    """
    live = await kube.get("v1", "Namespace", fleet.namespace)
    await refuse_beside_google(kube, fleet, cluster, live)
    wanted = system_namespace(fleet, cluster, created=is_created(live))
    return await claim_namespace(kube, wanted, live, dry_run=dry_run)


async def refuse_beside_google(
    kube: Reader, fleet: Fleet, cluster: Cluster, namespace: t.Mapping[str, t.Any] | None
) -> None:
    """Two control planes in one cluster would both inject, and Google supports no such cluster.

    Args:
        namespace: the live namespace of the control plane, if it is there; ours has no control plane of Google's.

    Raises FleetError where a control plane of Google's injects already.
    """
    if namespace is None or has_our_labels(namespace, fleet.name) or is_former(namespace):
        return
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
    others = [user for user in users_of(live) if user != fleet.name]
    if others:
        changes = await leave_to_others(kube, live, fleet.name, dry_run=dry_run)
        return changes, f"{fleet.namespace} is used by fleet {', '.join(others)}"
    if not is_created(live):
        return await forget_namespace(kube, live, fleet.name, dry_run=dry_run), f"{fleet.namespace} was there before"
    changes, foreign = await remove_namespace(
        kube, live, ours=lambda obj: _is_ours(obj, kube, fleet), dry_run=dry_run, wait=seconds
    )
    if foreign:
        shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        return [], f"{fleet.namespace} holds {shown}"
    return changes, ""


def is_election(obj: t.Mapping[str, t.Any]) -> bool:
    """Whether istiods elect a leader by this ConfigMap or Lease."""
    meta = obj["metadata"]
    if not str(meta["name"]).startswith("istio-"):
        return False
    return obj.get("kind") == "Lease" or (obj.get("kind") == "ConfigMap" and _ELECTION in annotations_of(obj))


def _is_ours(obj: t.Mapping[str, t.Any], kube: Kube, fleet: Fleet) -> bool:
    """Whether this fleet's control plane put it there, or its istiod."""
    if has_our_labels(obj, fleet.name):
        return labels_of(obj).get(PART_OF) in _OUR_PARTS
    return (
        is_published_root(obj)
        or is_election(obj)
        or (obj["kind"] == "Secret" and obj["metadata"]["name"] == "istio-ca-secret")
        or (kube.take_over and is_former(obj))
    )
