# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects of a release as ``helm template`` prints them, as Helm would send them to a cluster."""

from __future__ import annotations

import re
import typing as t

import yaml

from ...errors import FleetError
from ...metadata import annotations_of
from ..diffs import Object, described
from ..recording import Recording, group_of
from .manifests import as_helm_sends, documents, objects_in

__all__ = ["KUBE_VERSION", "record_release"]

KUBE_VERSION = "v1.33.0"
"""What charts are told of Kubernetes, whatever Helm's own is, so that all Helms print the same."""
HOOK = "helm.sh/hook"
_SOURCE = re.compile(r"\A\s*# Source: (.+)$", re.MULTILINE)
_CRDS = re.compile(r"^[^/]+(/charts/[^/]+)*/crds/")
_CLUSTER_WIDE = {
    "admissionregistration.k8s.io": None,
    "apiextensions.k8s.io": None,
    "apiregistration.k8s.io": None,
    "certificates.k8s.io": None,
    "flowcontrol.apiserver.k8s.io": None,
    "node.k8s.io": None,
    "scheduling.k8s.io": None,
    "networking.k8s.io": ("IPAddress", "IngressClass", "ServiceCIDR"),
    "storage.k8s.io": ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"),
    "gateway.networking.k8s.io": ("GatewayClass",),
}
"""By group, Kubernetes' kinds that are in no namespace, beside those that are known by name; None: all of the group."""


def record_release(record: Recording, cluster: str, name: str, namespace: str, text: str) -> int:
    """Record the objects of a release, with the namespace and marks that Helm gives them; how many they are.

    Args:
        name, namespace: of the release.
        text: what ``helm template`` printed.

    Raises:
        FleetError: it is not YAML.
    """
    try:
        printed = [*_objects(text)]
    except yaml.YAMLError as error:
        raise FleetError(
            "what the chart renders to is not YAML", cluster=cluster, obj=f"release {namespace}/{name}", seen=str(error)
        ) from None
    hooks = [obj for obj, _bare in printed if HOOK in annotations_of(obj)]
    found = [obj if bare else as_helm_sends(obj, name, namespace) for obj, bare in printed if obj not in hooks]
    record.apply(
        cluster, [obj for obj in found if obj["kind"] == "CustomResourceDefinition"]
    )  # they say what others are
    for obj in found:
        if not obj["metadata"].get("namespace") and _in_namespace(record, cluster, obj):
            obj["metadata"]["namespace"] = namespace
    record.apply(cluster, found)
    for hook in hooks:
        what = f"{described(hook)} of release {namespace}/{name}"
        instead = "run what it does by a hook of your GitOps tool, or by hand"
        record.leave_out(cluster, what, f"it is a hook ({annotations_of(hook)[HOOK]}), which only Helm runs", instead)
    return len(found)


def _objects(text: str) -> t.Iterator[tuple[Object, bool]]:
    """The objects that Helm printed; with each whether it is of a chart's folder ``crds``, which Helm does not mark."""
    source = ""
    for part in documents(text):
        said = _SOURCE.search(part)
        source = said[1] if said else source  # Helm says it once for all documents of a file
        for obj in objects_in(part):
            yield obj, bool(_CRDS.search(source))


def _in_namespace(record: Recording, cluster: str, obj: Object) -> bool:
    known = record.namespaced(cluster, obj["apiVersion"], obj["kind"])
    if known is not None:
        return known
    kinds = _CLUSTER_WIDE.get(group_of(obj["apiVersion"]), ())
    return not (kinds is None or obj["kind"] in kinds)
