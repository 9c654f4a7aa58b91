# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who else uses what the control planes of a cluster share: Istio's CRDs, chart base with the reader account."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed_peering import google_owned
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import users_of

__all__ = ["other_users"]


async def other_users(kube: Reader, fleet: Fleet) -> list[str]:
    """Other fleets that record their use of the control plane's namespace, and other istiods of the cluster."""
    namespace = await kube.get("v1", "Namespace", fleet.namespace)
    found = [f"fleet {user}" for user in users_of(namespace) if user != fleet.name]
    for istiod in await kube.list("apps/v1", "Deployment", labels={"app": "istiod"}):
        meta = istiod["metadata"]
        own = (meta.get("namespace"), meta["name"]) == (fleet.namespace, istiod_name(fleet))
        if not own and not google_owned(istiod) and not meta.get("deletionTimestamp"):
            found.append(f"istiod {meta.get('namespace')}/{meta['name']}")
    return found
