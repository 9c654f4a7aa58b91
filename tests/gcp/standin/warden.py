# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Autopilot's admission in the real cluster behind one of the stand-in's: no NET_ADMIN unless the cluster allows it.

In the words that https://wdenniss.com/byo-service-mesh-on-gke-autopilot records of Google's.
"""

from __future__ import annotations

import typing as t

import kubernetes

__all__ = ["guard", "policies", "refuses"]

Json = dict[str, t.Any]
_NAME = "gke-warden"
_API = "admissionregistration.k8s.io/v1"
_ALLOWED = (
    "AUDIT_WRITE,CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,MKNOD,NET_BIND_SERVICE,NET_RAW,SETFCAP,SETGID,SETPCAP,SETUID,"
    "SYS_CHROOT,SYS_PTRACE"
)
_ALL = "object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : [])"
_HAS = (
    "has(c.securityContext) && has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add) && "
    "c.securityContext.capabilities.add.exists(x, x == 'NET_ADMIN')"
)
_TEXT = (
    "'GKE Warden rejected the request because it violates one or more constraints. Violations details: "
    "{\"[denied by autogke-default-linux-capabilities]\":[\"linux capability \\'NET_ADMIN\\' on container \\'' + "
    f"({_ALL}).filter(c, {_HAS})[0].name + '\\' not allowed; Autopilot only allows the capabilities: "
    f"\\'{_ALLOWED}\\'.\"]}}'"
)


def refuses(cluster: Json) -> bool:
    """Whether a cluster of the stand-in refuses NET_ADMIN."""
    autopilot = cluster.get("autopilot") or {}
    return bool(autopilot.get("enabled")) and not (autopilot.get("workloadPolicyConfig") or {}).get("allowNetAdmin")


def policies() -> list[Json]:
    """What an API server needs in order to refuse it."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return [
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": _NAME},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [rule]},
                "matchConditions": [{"name": "googles", "expression": "request.namespace != 'kube-system'"}],
                "validations": [{"expression": f"!({_ALL}).exists(c, {_HAS})", "messageExpression": _TEXT}],
            },
        },
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": _NAME},
            "spec": {"policyName": _NAME, "validationActions": ["Deny"]},
        },
    ]


def guard(kubeconfig: str, cluster: Json) -> None:
    """Bring the cluster behind ``kubeconfig`` to what the stand-in's cluster says."""
    with kubernetes.config.new_client_from_config(kubeconfig) as api:
        admission = kubernetes.client.AdmissionregistrationV1Api(api)
        create = (
            admission.create_validating_admission_policy,
            admission.create_validating_admission_policy_binding,
        )
        delete = (
            admission.delete_validating_admission_policy,
            admission.delete_validating_admission_policy_binding,
        )
        for made, call in zip(policies(), create if refuses(cluster) else delete, strict=True):
            try:
                call(made if refuses(cluster) else _NAME)
            except kubernetes.client.ApiException as error:
                if error.status not in (404, 409):
                    raise
