# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of control planes that Google runs, in words."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .resources import same_member

__all__ = ["MeshStatus", "in_words", "status_of"]

ACTIVE = "ACTIVE"
_ENDED = ("FAILED_PRECONDITION", "STALLED")
"""States that do not change by waiting."""
_MESSAGE_LENGTH = 200

_WORDS: t.Mapping[str, str] = {
    "MESH_IAM_PERMISSION_DENIED": "Google's mesh service account lacks its role "
    "(roles/anthosservicemesh.serviceAgent) in the project",
    "MESH_IAM_CROSS_PROJECT_PERMISSION_DENIED": "the fleet project's mesh service account lacks "
    "roles/anthosservicemesh.serviceAgent in the cluster's project",
    "CNI_CONFIG_UNSUPPORTED": "the CNI configuration of the cluster is not supported",
    "GKE_SANDBOX_UNSUPPORTED": "GKE Sandbox nodes are not supported",
    "NODEPOOL_WORKLOAD_IDENTITY_FEDERATION_REQUIRED": "a node pool has no Workload Identity "
    "(workload metadata GKE_METADATA)",
    "CNI_INSTALLATION_FAILED": "the CNI plugin could not be installed",
    "CNI_POD_UNSCHEDULABLE": "the CNI plugin's pods cannot be scheduled on the nodes",
    "CLUSTER_HAS_ZERO_NODES": "the cluster has no nodes",
    "UNSUPPORTED_MULTIPLE_CONTROL_PLANES": "another control plane (in-cluster istiod) runs in the cluster too",
    "CONFIG_APPLY_INTERNAL_ERROR": "Google could not apply the mesh's configuration, because of an internal error",
    "CONFIG_VALIDATION_ERROR": "some Istio object is invalid and is not applied",
    "CONFIG_VALIDATION_WARNING": "some Istio object is questionable and may not be applied",
    "CONFIG_APPLY_BLOCKED": "Google has blocked configuration for this fleet",
    "LEGACY_MC_SECRETS": "remote secrets of istioctl are in the cluster; asm-options replaces them",
    "WORKLOAD_IDENTITY_REQUIRED": "the cluster has no Workload Identity pool",
    "NON_STANDARD_BINARY_USAGE": "proxies run another binary than Google's",
    "UNSUPPORTED_GATEWAY_CLASS": "a Gateway is of a class that the managed mesh does not support",
    "MANAGED_CNI_NOT_ENABLED": "the managed CNI is switched off",
    "SHARED_VPC_MISSING_PERMISSIONS": "the fleet project's mesh service account lacks "
    "roles/anthosservicemesh.serviceAgent in the Shared VPC's host project",
    "REQUIRED_ORG_POLICY_DISABLED": "an organization policy forbids what the mesh needs",
}


def in_words(code: str) -> str:
    """A condition's code as text; an unknown one with spaces."""
    if code in _WORDS:
        return _WORDS[code]
    quota = re.fullmatch(r"QUOTA_EXCEEDED_(\w+)", code)
    if quota:
        return f"the project's quota of {quota[1].replace('_', ' ').lower()} is used up"
    return code.replace("_", " ").lower()


@dataclasses.dataclass(frozen=True)
class MeshStatus:
    """One member's managed control plane.

    ``implementation`` is ``TRAFFIC_DIRECTOR`` or ``ISTIOD`` (deprecated), "" while it is not known.
    ``conditions`` are in words, the worst first.
    """

    state: str
    implementation: str
    conditions: tuple[str, ...]
    details: str

    @property
    def active(self) -> bool:
        return self.state == ACTIVE

    @property
    def hopeless(self) -> bool:
        """Whether waiting does not help, by its own state."""
        return self.state in _ENDED

    @property
    def described(self) -> str:
        parts = [self.state.replace("_", " ").lower() or "nothing yet", *self.conditions]
        if self.details:
            parts.append(self.details)
        return "; ".join(parts)


def status_of(feature: t.Mapping[str, t.Any], membership: str) -> MeshStatus:
    """The state of a membership (its name) in the feature servicemesh."""
    states = feature.get("membershipStates") or {}
    state: t.Mapping[str, t.Any] = next((v for key, v in states.items() if same_member(key, membership)), {})
    mesh = state.get("servicemesh") or {}
    plane = mesh.get("controlPlaneManagement") or {}
    order = {"ERROR": 0, "WARNING": 1}
    conditions = sorted(mesh.get("conditions") or [], key=lambda c: order.get(str(c.get("severity")), 2))
    general = state.get("state") or {}
    details = [f"{d.get('code')}: {d.get('details')}" for d in plane.get("details") or [] if d.get("details")]
    if general.get("code") in ("WARNING", "ERROR") and general.get("description"):
        details.append(str(general["description"]))
    found = str(plane.get("implementation") or "")
    return MeshStatus(
        state=str(plane.get("state") or "").replace("LIFECYCLE_STATE_UNSPECIFIED", ""),
        implementation="" if found in ("IMPLEMENTATION_UNSPECIFIED", "UPDATING") else found,
        conditions=tuple(_condition_text(c) for c in conditions if c.get("severity") != "INFO"),
        details="; ".join(details)[:_MESSAGE_LENGTH] if plane.get("state") != ACTIVE else "",
    )


def _condition_text(condition: t.Mapping[str, t.Any]) -> str:
    words = in_words(str(condition.get("code") or ""))
    more = " ".join(str(condition.get("details") or "").split())[:_MESSAGE_LENGTH]
    return f"{words} ({more})" if more else words
