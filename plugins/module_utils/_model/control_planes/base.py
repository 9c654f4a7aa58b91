# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What depends on who runs a cluster's control plane: everything else asks this one object."""

from __future__ import annotations

import abc
import dataclasses
import types
import typing as t

from ..inventory.fleet import Cluster, Fleet

__all__ = ["ControlPlane"]


@dataclasses.dataclass(frozen=True, eq=False)
class ControlPlane(abc.ABC):
    """The control plane of one cluster; what is written here holds for those that we install."""

    fleet: Fleet
    cluster: Cluster

    ours: t.ClassVar[bool] = True
    """Whether we install and configure it, and istiods of ours may watch the cluster."""
    has_istiod: t.ClassVar[bool] = False
    """Whether an istiod of ours runs in the cluster: it signs with our root, reads configuration there, watches other
    clusters by remote secrets, and shows what it knows."""
    stage: t.ClassVar[str] = "control_plane"
    """The stage that sets it up."""
    await_injection: t.ClassVar[bool] = False
    """Whether it starts to inject at a time of its own: wait for that before pods are made."""
    patience: t.ClassVar[int] = 1
    """How many times longer than an istiod of ours it may need to read a new service."""
    istio_version: t.ClassVar[str] = "v1"
    """Version of Istio's objects in the cluster."""
    trust_domain_variable: t.ClassVar[str] = "mesh_trust_domain"
    """The variable that decides :attr:`trust_domain`."""
    foreign_ca: t.ClassVar[str] = ""
    """Who signs for its workloads, where that is no CA of ours."""
    not_shown: t.ClassVar[str] = ""
    """Why verify cannot ask it what it knows; "" where it can."""
    no_eastwest: t.ClassVar[str] = ""
    """Why the cluster has no east-west gateway, whatever the inventory says; "" where it may have one."""
    unsupported: t.ClassVar[t.Mapping[str, str]] = types.MappingProxyType({})
    """By key of a traffic policy why its callers cannot have it."""

    @property
    def skip_reason(self) -> str:
        """Why the stage control_plane leaves the cluster alone; "" where it does not."""
        return ""

    @property
    def revision(self) -> str:
        """Its revision of Istio."""
        return self.fleet.revision

    @property
    def namespace(self) -> str:
        """The namespace that it runs in."""
        return self.fleet.namespace

    @property
    def trust_domain(self) -> str:
        """The first part of the identities of the cluster's workloads."""
        return self.fleet.trust_domain

    @property
    def injection_label(self) -> dict[str, str]:
        """What asks for sidecars in a namespace's pods."""
        return {"istio-injection": "enabled"} if self.revision == "default" else {"istio.io/rev": self.revision}

    @property
    def gateways_labels(self) -> dict[str, str]:
        """What the gateways' own namespace asks for; an istiod of ours goes by their pods' labels."""
        return {}

    def gateways_namespace(self, chosen: str = "") -> str:
        """Where the gateways are; ``chosen`` is the role's variable, "" for the default.

        Raises FleetError where they cannot be there.
        """
        return chosen or self.namespace

    def istio_api(self, group: str = "networking") -> str:
        """The ``apiVersion`` of Istio's objects."""
        return f"{group}.istio.io/{self.istio_version}"

    def watches(self, other: ControlPlane) -> bool:
        """Whether it watches the cluster of ``other`` by a remote secret."""
        return False

    @abc.abstractmethod
    def may_call(self, other: ControlPlane) -> bool:
        """Whether the mesh lets pods of this cluster find pods of ``other``'s, another one."""

    def advice(self, callee: str, service: str, means: str, next_step: str) -> tuple[str, str]:
        """What a failed call to ``service`` in ``callee`` means and what to do, given what the sidecar's words say."""
        return means, next_step
