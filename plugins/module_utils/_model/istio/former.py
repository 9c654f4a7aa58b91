# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the istiod of a cluster that has none any more signed with: whether anybody still wants it."""

from __future__ import annotations

import typing as t

from ...metadata import annotations_of, labels_of
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from .helm_values import istiod_name
from .ownership import has_our_labels, is_former

__all__ = ["SIGNER", "is_unwanted_signer", "unwanted_endpoints", "users_of_signer"]

SIGNER = "cacerts"
"""The Secret that istiod signs with: the key of an intermediate CA."""
_BY_SELECTOR = "endpointslice-controller.k8s.io"
_MADE_BY = "endpointslice.kubernetes.io/managed-by"
_RELEASE = "meta.helm.sh/release-name"
"""Helm's annotation. Its label says nothing of Endpoints: Kubernetes gives them the labels of their Service."""


def is_unwanted_signer(fleet: Fleet, cluster: Cluster, secret: t.Mapping[str, t.Any] | None) -> bool:
    """Whether it is this fleet's, in a cluster that has no istiod of ours by the inventory."""
    if secret is None or control_plane_of(fleet, cluster).has_istiod:
        return False
    return has_our_labels(secret, fleet.name, "trust") or (cluster.take_over and is_former(secret))


def users_of_signer(
    fleet: Fleet,
    deployments: t.Iterable[t.Mapping[str, t.Any]],
    pods: t.Iterable[t.Mapping[str, t.Any]],
    *,
    planned: bool,
) -> list[str]:
    """The istiods that still use it, whoever installed them: one that lost it would make a root of its own.

    Args:
        deployments, pods: those of the namespace with the label ``app: istiod``.
        planned: whether this is check mode, in which the control_plane stage would have uninstalled ours.
    """
    own = istiod_name(fleet) if planned else ""
    found = [f"Deployment {d['metadata']['name']}" for d in deployments if d["metadata"]["name"] != own]
    ended = ("Succeeded", "Failed")
    for pod in pods:
        name = str(pod["metadata"]["name"])
        if (pod.get("status") or {}).get("phase") not in ended and not (own and name.startswith(f"{own}-")):
            found.append(f"Pod {name}")
    return sorted(found)


def unwanted_endpoints(
    service: t.Mapping[str, t.Any] | None,
    slices: t.Iterable[t.Mapping[str, t.Any]],
    endpoints: t.Mapping[str, t.Any] | None,
) -> tuple[list[t.Mapping[str, t.Any]], bool]:
    """What still leads to the pods of a former istiod, in a cluster whose Service istiod leads to its primary.

    A Service that loses its selector keeps what Kubernetes made by it, and kube-proxy sends part of all calls there.

    Args:
        service: the Service istiod.
        slices: its EndpointSlices.
        endpoints: the Endpoints of its name, which Kubernetes mirrors to one more slice.

    Returns:
        The slices that go, and whether the Endpoints go.
    """
    if service is None or (service.get("spec") or {}).get("selector"):
        return [], False
    unwanted = [one for one in slices if labels_of(one).get(_MADE_BY) == _BY_SELECTOR]
    return unwanted, endpoints is not None and _RELEASE not in annotations_of(endpoints)
