# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the walk-through is made of: a namespace of its own in each cluster, with the sample pair in it."""

from __future__ import annotations

import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..istio.ownership import CREATED, has_our_labels, owner_labels
from ..workloads.sample import PORT, name_of, sample_objects
from .cast import Cast

__all__ = ["CALLER", "NAMESPACE", "PART", "PRODUCER", "SERVICE", "URL", "demo_labels", "demo_namespace", "demo_objects"]

Manifest = dict[str, t.Any]

NAMESPACE = "mesh-demo"
PART = "demo"
"""What its objects say in the label ``mesh.fleet/part-of``."""
POLICIES = "demo-policies"
"""What the objects of its policies say there: applying these removes others of the same part."""
CALLER, PRODUCER = name_of("caller"), name_of("producer")
SERVICE = f"{PRODUCER}.{NAMESPACE}"
URL = f"http://{SERVICE}:{PORT}/producer/messages"


def demo_labels(fleet: Fleet) -> dict[str, str]:
    """The labels of all that the walk-through makes."""
    return owner_labels(PART, fleet.name)


def is_of_demo(obj: t.Mapping[str, t.Any], fleet: Fleet) -> bool:
    """Whether the walk-through made an object, by itself or by a policy."""
    return has_our_labels(obj, fleet.name, PART) or has_our_labels(obj, fleet.name, POLICIES)


def demo_namespace(fleet: Fleet, cluster: Cluster, *, created: bool) -> Manifest:
    """The namespace, whose pods get sidecars; ``created``: whether a run of ours made it."""
    metadata: Manifest = {
        "name": NAMESPACE,
        "labels": {**demo_labels(fleet), **control_plane_of(fleet, cluster).injection_label},
    }
    if created:
        metadata["annotations"] = {CREATED: "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def demo_objects(
    fleet: Fleet, cluster: Cluster, cast: Cast, program: t.Mapping[str, str], *, image: str, producers: int = 1
) -> list[Manifest]:
    """All objects of the walk-through in one cluster, except the namespace.

    Args:
        cast: which versions of the producer the cluster has.
        program: by file name, the text of the sample program.
        image: an image with python3 (3.11 or newer) on its PATH.
        producers: pods of each version of the producer.
    """
    wanted = [("caller", "v1", 1)] + [("producer", version, producers) for version in cast.versions(cluster.name)]
    found: dict[tuple[str, str], Manifest] = {}
    for role, version, replicas in wanted:
        for manifest in sample_objects(
            cluster, role, program, image=image, namespace=NAMESPACE, replicas=replicas, version=version
        ):
            metadata = manifest["metadata"]
            metadata["labels"] = {**metadata.get("labels", {}), **demo_labels(fleet)}
            if manifest["kind"] == "Deployment":
                # A busy machine must not restart a pod in the middle of a scene.
                manifest["spec"]["template"]["spec"]["containers"][0].pop("livenessProbe", None)
            found[manifest["kind"], metadata["name"]] = manifest
    return list(found.values())
