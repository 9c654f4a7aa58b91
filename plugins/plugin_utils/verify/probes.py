# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install the probe in a cluster, and remove it."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import remove_namespace
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    has_our_labels,
    is_created,
    is_published_root,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import (
    NAMESPACE,
    TELEMETRY,
    access_log,
    probe_labels,
    probe_objects,
)
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.injection import await_injection

__all__ = ["install_probe", "remove_probe"]

_KINDS = (
    *(("v1", kind) for kind in ("Service", "ConfigMap", "ServiceAccount")),
    ("apps/v1", "Deployment"),
    (TELEMETRY, "Telemetry"),
)
Manifest = dict[str, t.Any]
_TELEMETRY_CRD = "telemetries.telemetry.istio.io"


async def install_probe(
    kube: Kube,
    fleet: Fleet,
    cluster: Cluster,
    *,
    program: t.Mapping[str, str],
    image: str,
    dry_run: bool,
    deadline: float,
) -> list[Change]:
    """Apply the probe and wait until it is ready; ``deadline`` is on the monotonic clock. Raises FleetError."""
    space = await kube.get("v1", "Namespace", NAMESPACE)
    created = is_created(space)
    objects = probe_objects(fleet, cluster, program, image=image, created=created)
    logging = access_log(fleet, cluster)
    if logging and await kube.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", _TELEMETRY_CRD):
        objects.append(logging)
    changes: list[Change] = await _remove_former(kube, fleet, objects, dry_run=dry_run, deadline=deadline)
    if changes and dry_run:
        # The API server would compare it with the one that is there still.
        objects = [one for one in objects if one["kind"] != "Deployment"]
    if control_plane_of(fleet, cluster).await_injection and not dry_run:
        changes += await kube.apply(objects[:1])
        await await_injection(kube, cluster, NAMESPACE, max(1.0, deadline - time.monotonic()))
        changes += await kube.apply(objects[1:])
    else:
        changes += await kube.apply(objects, dry_run=dry_run)
    changes += await kube.prune(objects, labels=probe_labels(fleet), kinds=_KINDS, namespace=NAMESPACE, dry_run=dry_run)
    if not dry_run:
        seconds = max(1.0, deadline - time.monotonic())
        await kube.wait_deployment("probe", NAMESPACE, timeout=seconds, least=1)
    return changes


async def _remove_former(
    kube: Kube, fleet: Fleet, objects: t.Sequence[Manifest], *, dry_run: bool, deadline: float
) -> list[Change]:
    """Delete our Deployment if it selects other pods, as in a renamed cluster: a selector cannot be changed."""
    wanted = next(one for one in objects if one["kind"] == "Deployment")
    live = await kube.get("apps/v1", "Deployment", wanted["metadata"]["name"], NAMESPACE)
    if (
        live is None
        or not has_our_labels(live, fleet.name, "verify")
        or live["spec"]["selector"] == wanted["spec"]["selector"]
    ):
        return []
    return await kube.remove([live], dry_run=dry_run, wait=0 if dry_run else max(1.0, deadline - time.monotonic()))


async def remove_probe(kube: Kube, fleet: Fleet, *, dry_run: bool, seconds: float) -> list[Change]:
    """Remove the namespace if we made it and it holds nothing of others, else our objects in it. Raises FleetError."""
    space = await kube.get("v1", "Namespace", NAMESPACE)
    if space is None:
        return []
    labels = probe_labels(fleet)
    if is_created(space) and has_our_labels(space, fleet.name):
        changes, kept = await remove_namespace(
            kube,
            space,
            ours=lambda obj: labels.items() <= labels_of(obj).items() or is_published_root(obj),
            dry_run=dry_run,
            wait=seconds,
        )
        if not kept:
            return changes
    return await kube.prune([], labels=labels, kinds=_KINDS, namespace=NAMESPACE, dry_run=dry_run)
