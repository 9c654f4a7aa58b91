# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find by label what a cluster still holds of our apps and should not, and remove it."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import (
    forget_namespace,
    leave_to_others,
    remove_namespace,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    FLEET_LABEL,
    PART_OF,
    USER,
    has_our_labels,
    is_created,
    is_former,
    is_published_root,
    users_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import PART, our_labels
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["foreign_releases", "pruned_kinds", "release_record", "remove_namespaces", "stale_releases"]

_RELEASE_LABEL = "mesh.fleet/release"

# Not PersistentVolumeClaim, because data would be lost; not CustomResourceDefinition, because its objects would be.
_PRUNED: tuple[tuple[str, str], ...] = (
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


def pruned_kinds(istio_version: str) -> tuple[tuple[str, str], ...]:
    """Kinds of the objects that an app may have, as ``(apiVersion, kind)``; Istio's kinds in ``istio_version`` too."""
    istio = [(api, kind) for api, kind in _PRUNED if api.endswith(".istio.io/v1")]
    older = [(api.removesuffix("v1") + istio_version, kind) for api, kind in istio]
    return tuple(dict.fromkeys([*_PRUNED, *older]))


def release_record(fleet: Fleet, app: str, namespace: str) -> dict[str, t.Any]:
    """A ConfigMap that marks a Helm release as ours, so that a run finds it when its app has left the inventory."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"mesh-fleet-release-{app}",
            "namespace": namespace,
            "labels": {**our_labels(fleet.name, app), _RELEASE_LABEL: app},
        },
    }


async def foreign_releases(kube: Reader, fleet: Fleet, wanted: t.Iterable[tuple[str, str]]) -> list[str]:
    """Helm releases among ``(namespace, release)`` that are there and that no run of this fleet made."""
    records = await kube.list("v1", "ConfigMap", labels={PART_OF: PART})
    ours = {
        (str(record["metadata"]["namespace"]), labels_of(record).get(_RELEASE_LABEL, ""))
        for record in records
        if has_our_labels(record, fleet.name) or is_former(record)
    }
    unknown = sorted(set(wanted) - ours)
    there = await asyncio.gather(
        *(kube.list("v1", "Secret", space, {"owner": "helm", "name": name}) for space, name in unknown)
    )
    return [f"{space}/{name}" for (space, name), found in zip(unknown, there, strict=True) if found]


async def stale_releases(kube: Reader, fleet: Fleet, keep: t.Container[tuple[str, str]]) -> list[tuple[str, str]]:
    """``(namespace, release)`` of our Helm releases that are not in ``keep``."""
    records = await kube.list("v1", "ConfigMap", labels=our_labels(fleet.name))
    found = [
        (str(record["metadata"]["namespace"]), str(record["metadata"]["labels"][_RELEASE_LABEL]))
        for record in records
        if _RELEASE_LABEL in record["metadata"]["labels"]
    ]
    return [release for release in found if release not in keep]


async def remove_namespaces(
    kube: Kube,
    keep: t.Container[str],
    *,
    dry_run: bool,
    timeout: float,
    labels: t.Mapping[str, str],
    ours: t.Callable[[t.Mapping[str, t.Any]], bool] = lambda obj: False,
) -> tuple[list[Change], list[str]]:
    """Remove namespaces with our labels: those that we created and that are empty. Of the others, remove our labels.

    One that another fleet uses stays for that fleet.

    Args:
        keep: names of namespaces that stay as they are.
        dry_run: change nothing, and return what would be done.
        timeout: seconds to wait until the namespaces are gone.
        labels: labels of our namespaces and objects.
        ours: whether an object without these labels is ours too.

    Returns:
        The changes; and a text for each namespace that was kept because it holds objects of others.

    Raises:
        FleetError: a namespace is not gone in time.
    """

    def is_ours(obj: t.Mapping[str, t.Any]) -> bool:
        return labels.items() <= labels_of(obj).items() or is_published_root(obj) or ours(obj)

    async def one(namespace: dict[str, t.Any]) -> tuple[list[Change], str]:
        name = str(namespace["metadata"]["name"])
        foreign: list[str] = []
        others = [user for user in users_of(namespace) if user != fleet]
        if others:
            changes = await leave_to_others(kube, namespace, fleet, dry_run=dry_run)
            return changes, f"{kube.cluster}: namespace {name} is used by fleet {', '.join(others)}"
        if is_created(namespace):
            changes, foreign = await remove_namespace(kube, namespace, ours=is_ours, dry_run=dry_run, wait=timeout)
            if changes:
                return changes, ""
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        why = f"{kube.cluster}: namespace {name} holds {', '.join(foreign[:3])}{more}" if foreign else ""
        return await forget_namespace(kube, namespace, fleet, dry_run=dry_run), why

    fleet, part = labels[FLEET_LABEL], labels[PART_OF]
    shared = await kube.list("v1", "Namespace", labels={USER + fleet: part})
    found = [*await kube.list("v1", "Namespace", labels=labels), *shared]
    going = [n for n in found if n["metadata"]["name"] not in keep and not n["metadata"].get("deletionTimestamp")]
    done = await asyncio.gather(*map(one, going))
    return [change for changes, _why in done for change in changes], [why for _changes, why in done if why]
