# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of a release whose records are gone: Helm says that there is no release, and they stand."""

from __future__ import annotations

import asyncio

from ...metadata import annotations_of
from ..diffs import Object
from ..reading import Reader

__all__ = ["lost_objects"]

# Kinds of Istio's charts. Not CustomResourceDefinition, because its objects would be lost.
_KINDS = (
    *(("v1", kind) for kind in ("ConfigMap", "Service", "ServiceAccount")),
    *(("apps/v1", kind) for kind in ("DaemonSet", "Deployment")),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    *(("rbac.authorization.k8s.io/v1", kind) for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")),
    *(
        ("admissionregistration.k8s.io/v1", kind)
        for kind in (
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        )
    ),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
)


async def lost_objects(kube: Reader, name: str, namespace: str) -> list[Object]:
    """The objects that Helm made for a release, by the marks that it put on them."""
    wanted = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}.items()
    marked = {"app.kubernetes.io/managed-by": "Helm"}
    listed = await asyncio.gather(*(kube.list(*kind, labels=marked) for kind in _KINDS))
    return [obj for objects in listed for obj in objects if wanted <= annotations_of(obj).items()]
