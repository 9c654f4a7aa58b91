# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A control plane that Google runs (``mesh_control_plane: managed``)."""

from __future__ import annotations

import re
import types
import typing as t

from ...errors import FleetError
from ..inventory.fleet import Cluster
from .base import ControlPlane
from .managed_peering import CONNECTED, DISCONNECTED, NAMESPACE, OPTIONS

__all__ = ["INGRESS_NAMESPACE", "MANAGED", "Managed", "is_managed"]

MANAGED = "managed"
INGRESS_NAMESPACE = "istio-ingress"
"""Of gateways: ``istio-system`` is Google's there, which advises against gateways in it."""
_ABOUT_ISTIODS = re.compile(r"\bistiods?\b|\bthe (peering|trust|control_plane) stage|mesh_trust_domain|site\.yml")


def is_managed(cluster: Cluster) -> bool:
    """Whether Google runs this cluster's control plane."""
    return cluster.control_plane == MANAGED


class Managed(ControlPlane):
    """Google installs and configures it; clusters with such a one see all others with one, or none."""

    ours: t.ClassVar[bool] = False
    stage: t.ClassVar[str] = "gke_fleet"
    await_injection: t.ClassVar[bool] = True
    patience: t.ClassVar[int] = 3  # minutes, not seconds
    istio_version: t.ClassVar[str] = "v1beta1"  # Google installs CRDs of older releases too, which do not know v1
    trust_domain_variable: t.ClassVar[str] = "gke_fleet_project"
    foreign_ca: t.ClassVar[str] = "Google's CA"
    not_shown: t.ClassVar[str] = (
        "Google runs it: what it watches, has read and signs with is not shown; the calls prove it"
    )
    # It knows one network, and no gateway that passes mesh TLS through.
    # "API Support in Managed Cloud Service Mesh", DestinationRule, Load Balancer Settings: unsupported fields are
    # rejected or ignored. Before, "Unsupported Istio APIs in Managed Cloud Service Mesh" listed it for subsets.
    unsupported: t.ClassVar[t.Mapping[str, str]] = types.MappingProxyType(
        {"localities": "Google's control plane does not support localityLbSetting.distribute"}
    )
    no_eastwest: t.ClassVar[str] = "Google's control plane serves no east-west gateway"

    @property
    def skip_reason(self) -> str:
        return f"Google runs {self.cluster.name}'s control plane"

    @property
    def revision(self) -> str:
        return "default"

    @property
    def namespace(self) -> str:
        return NAMESPACE

    @property
    def trust_domain(self) -> str:
        """The workload identity pool of the Google fleet, for which Google's CA signs."""
        v = self.cluster.variables
        project = v.get("gke_fleet_project") or v.get("gke_project") or ""
        return f"{project}.svc.id.goog"

    @property
    def gateways_labels(self) -> dict[str, str]:
        return self.injection_label

    def gateways_namespace(self, chosen: str = "") -> str:
        if chosen == NAMESPACE:
            raise FleetError(
                f"gateways cannot be in {NAMESPACE}",
                cluster=self.cluster.name,
                means="Google runs this cluster's control plane, and that namespace is Google's",
                next_step=f"leave gateways_namespace out, which means {INGRESS_NAMESPACE} here, or name another",
            )
        return chosen or INGRESS_NAMESPACE

    def may_call(self, other: ControlPlane) -> bool:
        return isinstance(other, Managed) and self._joined and other._joined

    @property
    def _joined(self) -> bool:
        """Whether the cluster is part of the mesh of all clusters with such a control plane."""
        return self.cluster.peers != ()

    def peering_mode(self) -> str:
        """Connected to all other managed clusters, or (``mesh_peers: []``) to none.

        Raises FleetError for a choice of peers: the managed mesh has none.
        """
        peers = self.cluster.peers
        if peers is None:
            return CONNECTED
        if not peers:
            return DISCONNECTED
        others = {c.name for c in self.fleet.clusters.values() if is_managed(c) and c.name != self.cluster.name}
        if set(peers) == others:
            return CONNECTED
        foreign = sorted(set(peers) - others)
        raise FleetError(
            "mesh_peers chooses among the clusters",
            cluster=self.cluster.name,
            seen=", ".join(peers),
            means=f"{', '.join(foreign)} has no managed control plane, so the managed mesh does not see it"
            if foreign
            else "managed clusters watch all other managed clusters, or none",
            next_step="leave mesh_peers out for all, or set it to [] for none",
        )

    def advice(self, callee: str, service: str, means: str, next_step: str) -> tuple[str, str]:
        """No advice about an istiod that nobody can ask; a cause that lies elsewhere stays as it is."""
        if not _ABOUT_ISTIODS.search(f"{means} {next_step}"):
            return means, next_step
        caller = self.cluster.name
        both = caller if callee == caller else f"{caller},{callee}"
        return (
            f"Google's control plane has not joined {both} yet, or has not read {service} there: "
            "it reads new services within minutes",
            f"look at ConfigMap {NAMESPACE}/{OPTIONS} in both; run the gke_fleet stage with --limit {both}, "
            "which reports Google's state; then verify again",
        )
