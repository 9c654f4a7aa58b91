# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster's control plane decides, whether it is an istiod of ours or one that Google runs.

A fleet may hold both, so each of these is asked of a cluster and not of the fleet.
"""

from __future__ import annotations

import os
import typing as t

from ...errors import FleetError
from ..inventory.fleet import Cluster, Fleet
from ..providers.google.members import is_managed
from .managed_peering import NAMESPACE

__all__ = [
    "INGRESS_NAMESPACE",
    "all_managed",
    "gateways_namespace",
    "injection_label",
    "istio_api",
    "managed_clusters",
    "mesh_namespace",
    "own_networks",
    "trust_domain",
]

INGRESS_NAMESPACE = "istio-ingress"
"""Of gateways in a managed cluster: ``istio-system`` is Google's there, which advises against gateways in it."""


def managed_clusters(fleet: Fleet) -> list[Cluster]:
    """The clusters whose control plane Google runs, in inventory order."""
    return [cluster for cluster in fleet.clusters.values() if is_managed(cluster)]


def all_managed(fleet: Fleet, names: t.Iterable[str]) -> bool:
    """Whether Google runs the control plane of each of these clusters; other hosts do not count."""
    found = [fleet.clusters[name] for name in names if name in fleet.clusters]
    return bool(found) and all(is_managed(cluster) for cluster in found)


def own_networks(fleet: Fleet) -> set[str]:
    """Networks of the clusters with istiods of ours: only between these are there east-west gateways.

    Google's control plane knows one network, and no gateway that passes mesh TLS through.
    """
    return {cluster.network for cluster in fleet.clusters.values() if not is_managed(cluster)}


def injection_label(fleet: Fleet, cluster: Cluster) -> dict[str, str]:
    """What asks for sidecars in a namespace's pods: of the fleet's revision, or of Google's default one."""
    if is_managed(cluster) or fleet.revision == "default":
        return {"istio-injection": "enabled"}
    return {"istio.io/rev": fleet.revision}


def mesh_namespace(fleet: Fleet, cluster: Cluster) -> str:
    """The control plane's namespace: Google knows no other than ``istio-system``."""
    return NAMESPACE if is_managed(cluster) else fleet.namespace


def gateways_namespace(fleet: Fleet, cluster: Cluster, chosen: str = "") -> str:
    """Where a cluster's gateways are; ``chosen`` is the role's variable, "" for the default.

    Raises FleetError when that is Google's namespace.
    """
    if not is_managed(cluster):
        return chosen or fleet.namespace
    if chosen == NAMESPACE:
        raise FleetError(
            f"gateways cannot be in {NAMESPACE}",
            cluster=cluster.name,
            means="Google runs this cluster's control plane, and that namespace is Google's",
            next_step=f"leave gateways_namespace out, which means {INGRESS_NAMESPACE} here, or name another",
        )
    return chosen or INGRESS_NAMESPACE


def trust_domain(fleet: Fleet, cluster: Cluster) -> str:
    """The first part of the identities of a cluster's workloads.

    Where Google runs the control plane, its CA signs for the workload identity pool of the Google fleet, whatever
    ``mesh_trust_domain`` says. The environment's ``GCP_PROJECT`` stands in for a project that is not named.
    """
    if not is_managed(cluster):
        return fleet.trust_domain
    v = cluster.variables
    project = v.get("gke_fleet_project") or v.get("gke_project") or os.environ.get("GCP_PROJECT", "")
    return f"{project}.svc.id.goog"


def istio_api(cluster: Cluster, group: str = "networking") -> str:
    """The ``apiVersion`` of Istio's objects. Google installs CRDs of older releases too, which do not know ``v1``."""
    return f"{group}.istio.io/{'v1beta1' if is_managed(cluster) else 'v1'}"
