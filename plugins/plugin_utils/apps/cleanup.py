# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of our apps a cluster still holds and should not: found by label, and taken away."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import gone
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import is_created
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import our_labels
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["RELEASE", "leave_namespaces", "pruned", "release_record", "stale_releases"]

RELEASE = "mesh.fleet/release"

# Volumes hold data, so claims are left to whoever owns the data; CRDs, because their objects would go with them.
PRUNED: tuple[tuple[str, str], ...] = (
    *(("v1", kind) for kind in ("ConfigMap", "Pod", "Secret", "Service", "ServiceAccount")),
    *(("apps/v1", kind) for kind in ("DaemonSet", "Deployment", "StatefulSet")),
    *(("batch/v1", kind) for kind in ("CronJob", "Job")),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    *(("networking.k8s.io/v1", kind) for kind in ("Ingress", "NetworkPolicy")),
    *(("rbac.authorization.k8s.io/v1", kind) for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")),
    *(
        ("networking.istio.io/v1", kind)
        for kind in ("DestinationRule", "Gateway", "ServiceEntry", "Sidecar", "VirtualService", "WorkloadEntry")
    ),
    *(
        ("security.istio.io/v1", kind)
        for kind in ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")
    ),
    ("telemetry.istio.io/v1", "Telemetry"),
    *(("gateway.networking.k8s.io/v1", kind) for kind in ("Gateway", "GRPCRoute", "HTTPRoute")),
)

_LEFT_BY_OTHERS = ("istio-ca-root-cert", "istio-ca-crl", "kube-root-ca.crt")
_LOOKED_AT = (
    ("v1", "ConfigMap"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
)


def pruned(istio_version: str) -> tuple[tuple[str, str], ...]:
    """Kinds of which an app may have objects, Istio's in ``istio_version`` too."""
    istio = [(api, kind) for api, kind in PRUNED if api.endswith(".istio.io/v1")]
    older = [(api.removesuffix("v1") + istio_version, kind) for api, kind in istio]
    return tuple(dict.fromkeys([*PRUNED, *older]))


def release_record(app: str, namespace: str) -> dict[str, t.Any]:
    """What remembers that a Helm release is ours, so that it can be found when its app leaves the inventory."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"mesh-fleet-release-{app}",
            "namespace": namespace,
            "labels": {**our_labels(app), RELEASE: app},
        },
    }


async def stale_releases(kube: Reader, keep: t.Container[tuple[str, str]]) -> list[tuple[str, str]]:
    """``(namespace, release)`` of the Helm releases of ours that are not in ``keep``."""
    records = await kube.list("v1", "ConfigMap", labels=our_labels())
    found = [
        (str(record["metadata"]["namespace"]), str(record["metadata"]["labels"][RELEASE]))
        for record in records
        if RELEASE in record["metadata"]["labels"]
    ]
    return [release for release in found if release not in keep]


async def leave_namespaces(
    kube: Kube,
    keep: t.Container[str],
    *,
    dry_run: bool,
    timeout: float,
    labels: t.Mapping[str, str] | None = None,
    ours: t.Callable[[t.Mapping[str, t.Any]], bool] = lambda obj: False,
) -> tuple[list[Change], list[str]]:
    """Remove the namespaces that are ours and empty; take our labels off those that are not.

    Args:
        keep: names of namespaces that stay as they are.
        dry_run: only say what would be done.
        timeout: seconds until they must be gone.
        labels: by which namespaces and objects are known as ours; None for those of apps.
        ours: further objects that do not keep a namespace.

    Returns:
        The changes, and what was kept and why.
    """
    changes: list[Change] = []
    kept: list[str] = []
    removed: list[str] = []
    marks = our_labels() if labels is None else labels
    for namespace in await kube.list("v1", "Namespace", labels=marks):
        name = str(namespace["metadata"]["name"])
        if name in keep or namespace["metadata"].get("deletionTimestamp"):
            continue
        foreign = await _foreign(kube, name, marks, ours) if is_created(namespace) else []
        if is_created(namespace) and not foreign:
            changes.append(await kube.delete("v1", "Namespace", name, dry_run=dry_run))
            removed.append(name)
            continue
        if foreign:
            more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
            kept.append(f"{kube.cluster}: namespace {name} holds {', '.join(foreign[:3])}{more}")
        bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        changes += await kube.apply([bare], dry_run=dry_run)
    if not dry_run:
        waits = (kube.wait("v1", "Namespace", name, until=gone, timeout=timeout) for name in removed)
        await asyncio.gather(*waits)
    return changes, kept


async def _foreign(
    kube: Reader, namespace: str, marks: t.Mapping[str, str], ours: t.Callable[[t.Mapping[str, t.Any]], bool]
) -> list[str]:
    """Objects that neither this project, nor Istio, nor Kubernetes put there."""
    found = []
    for listed in await asyncio.gather(*(kube.list(*kind, namespace=namespace) for kind in _LOOKED_AT)):
        for obj in listed:
            meta = obj["metadata"]
            labels = labels_of(obj)
            if (
                meta["name"] in _LEFT_BY_OTHERS
                or meta.get("ownerReferences")
                or meta.get("deletionTimestamp")
                or all(labels.get(key) == value for key, value in marks.items())
                or ours(obj)
                or (obj["kind"] == "Secret" and obj.get("type") == "kubernetes.io/service-account-token")
            ):
                continue
            found.append(f"{obj['kind']} {meta['name']}")
    return found
