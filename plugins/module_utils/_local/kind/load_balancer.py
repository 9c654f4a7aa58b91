# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer of a local cluster: the objects that run the role's program in it."""

from __future__ import annotations

import hashlib
import typing as t

from ..._model.istio.ownership import owner_labels

__all__ = ["load_balancer_objects"]


def load_balancer_objects(program: str, image: str, block: str, fleet: str) -> list[dict[str, t.Any]]:
    """Its manifests.

    Args:
        program: text of the role's ``load_balancer.py``; a changed one replaces the pod.
        image: an image with Python.
        block: the range of addresses that it gives to Services, as CIDR.
        fleet: the name of the fleet.
    """
    name, namespace = "mesh-fleet-load-balancer", "kube-system"
    labels = {**owner_labels("kind_cluster", fleet), "app.kubernetes.io/name": name}
    digest = hashlib.sha256(program.encode()).hexdigest()[:12]

    def meta(scoped: bool = True) -> dict[str, t.Any]:
        return {"name": name, "labels": labels, **({"namespace": namespace} if scoped else {})}

    container = {
        "name": "load-balancer",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/program/load_balancer.py"],
        "env": [{"name": "BLOCK", "value": block}, {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "program", "mountPath": "/program", "readOnly": True}],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta()},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": meta(False),
            "rules": [
                {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]},
                {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta(False),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(), "data": {"load_balancer.py": program}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta(),
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "template": {
                    "metadata": {"labels": labels, "annotations": {"mesh.fleet/program": digest}},
                    "spec": {
                        "serviceAccountName": name,
                        "containers": [container],
                        "volumes": [{"name": "program", "configMap": {"name": name}}],
                    },
                },
            },
        },
    ]
