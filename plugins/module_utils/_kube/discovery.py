# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which address a kind has, without reading all of an API server's discovery."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t
from urllib.parse import quote

__all__ = ["KNOWN", "Resource", "from_crd", "nearest", "prefix"]


@dataclasses.dataclass(frozen=True)
class Resource:
    """A kind as the API server addresses it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """Its URL path; without a name the collection's, without a namespace all namespaces'."""
        parts = [prefix(self.api_version)]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if sub:
            parts.append(sub)
        return "/".join(parts)


def prefix(api_version: str) -> str:
    """``/api/v1`` or ``/apis/<group>/<version>``."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _known() -> dict[tuple[str, str], Resource]:
    """Kinds that every supported server has, so that they cost no request."""
    table = {
        ("v1", True): "ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod ReplicationController "
        "ResourceQuota Secret Service ServiceAccount",
        ("v1", False): "Namespace Node PersistentVolume",
        ("apps/v1", True): "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
        ("batch/v1", True): "CronJob Job",
        ("autoscaling/v2", True): "HorizontalPodAutoscaler",
        ("policy/v1", True): "PodDisruptionBudget",
        ("networking.k8s.io/v1", True): "Ingress NetworkPolicy",
        ("discovery.k8s.io/v1", True): "EndpointSlice",
        ("coordination.k8s.io/v1", True): "Lease",
        ("rbac.authorization.k8s.io/v1", True): "Role RoleBinding",
        ("rbac.authorization.k8s.io/v1", False): "ClusterRole ClusterRoleBinding",
        ("apiextensions.k8s.io/v1", False): "CustomResourceDefinition",
        ("admissionregistration.k8s.io/v1", False): "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    }
    found = {}
    for (api_version, namespaced), kinds in table.items():
        for kind in kinds.split():
            found[api_version, kind] = Resource(api_version, kind, _plural(kind), namespaced)
    return found


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("points"):
        return word
    if word.endswith("s"):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") else word + "s"


KNOWN: t.Mapping[tuple[str, str], Resource] = _known()


def from_crd(crd: t.Mapping[str, t.Any]) -> list[Resource]:
    """What a CustomResourceDefinition will make the server serve."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    return [
        Resource(
            api_version=f"{spec.get('group')}/{version.get('name')}",
            kind=str(names.get("kind")),
            plural=str(names.get("plural")),
            namespaced=spec.get("scope") == "Namespaced",
        )
        for version in spec.get("versions") or []
        if version.get("served")
    ]


def nearest(name: str, known: t.Iterable[str]) -> str:
    """``did you mean "x"?``, or "" when nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'did you mean "{found[0]}"?' if found else ""
