# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be in a cluster before its istiod trusts a peer's root."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.objects import PART, mesh_objects
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["guard"]

_POLICY = ("security.istio.io/v1", "AuthorizationPolicy")
_CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "authorizationpolicies.security.istio.io")


async def guard(kube: Kube, fleet: Fleet, domains: t.Iterable[str], *, dry_run: bool) -> tuple[bool, list[Change]]:
    """Refuse all calls of peers for which no policy is there yet; stage federation then says what each may call.

    Returns:
        Whether it is done: not where the cluster has no Istio yet, and so no workload that could be called.
    """
    if kube.absent or await kube.get(*_CRD) is None:
        return False, []
    there = {
        one["metadata"]["name"]
        for one in await kube.list(*_POLICY, namespace=fleet.namespace, labels=owner_labels(PART, fleet.name))
    }
    new = mesh_objects(fleet, {domain: () for domain in domains if f"federation-{domain}" not in there})
    return True, await kube.apply(new, labels=owner_labels(PART, fleet.name), dry_run=dry_run)
