# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove what the istiod that a cluster had before signed with."""

from __future__ import annotations

import asyncio

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.former import (
    SIGNER,
    is_unwanted_signer,
    unwanted_endpoints,
    users_of_signer,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["remove_endpoints", "remove_signer"]


async def remove_signer(kube: Kube, fleet: Fleet, cluster: Cluster, *, dry_run: bool) -> tuple[list[Change], str]:
    """Remove ``cacerts`` of a cluster without an istiod of ours, once none runs there any more.

    Only what carries this fleet's mark. A running istiod never loses it: it would sign with a root of its own.

    Returns:
        The changes, and why it stays although nobody wants it, as a warning.
    """
    secret = await kube.get("v1", "Secret", SIGNER, fleet.namespace)
    if secret is None or not is_unwanted_signer(fleet, cluster, secret):
        return [], ""
    deployments, pods = await asyncio.gather(
        kube.list("apps/v1", "Deployment", fleet.namespace, {"app": "istiod"}),
        kube.list("v1", "Pod", fleet.namespace, {"app": "istiod"}),
    )
    users = users_of_signer(fleet, deployments, pods, planned=dry_run)
    if users:
        stage = control_plane_of(fleet, cluster).stage
        return [], (
            f"{cluster.name}: Secret {fleet.namespace}/{SIGNER} stays, the key of an intermediate CA that the cluster "
            f"does not need any more: {', '.join(users)} still runs there; run the {stage} stage with --limit "
            f"{cluster.name}, then the peering stage"
        )
    return [await kube.delete("v1", "Secret", SIGNER, fleet.namespace, dry_run=dry_run, read=secret)], ""


async def remove_endpoints(kube: Kube, fleet: Fleet, *, dry_run: bool) -> list[Change]:
    """Remove what leads from a remote's Service istiod to the pods of an istiod that it had as a primary."""
    name, space = istiod_name(fleet), fleet.namespace
    service, slices, endpoints = await asyncio.gather(
        kube.get("v1", "Service", name, space),
        kube.list("discovery.k8s.io/v1", "EndpointSlice", space, {"kubernetes.io/service-name": name}),
        kube.get("v1", "Endpoints", name, space),
    )
    unwanted, also = unwanted_endpoints(service, slices, endpoints)
    # First what Kubernetes would mirror to a new slice.
    going = [("v1", "Endpoints", name)] if also else []
    going += [("discovery.k8s.io/v1", "EndpointSlice", str(one["metadata"]["name"])) for one in unwanted]
    return [await kube.delete(*one, space, dry_run=dry_run) for one in going]
