# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every pod of ours may do, and pods for dry runs, by which a cluster says what it would refuse."""

from __future__ import annotations

import typing as t

from ..inventory.fleet import OPENSHIFT, Cluster
from ..istio.ownership import PART_OF

__all__ = [
    "agent_pod",
    "container_security",
    "pod_security",
    "sidecar_pod",
    "system_pod",
    "trial_pod",
]

Manifest = dict[str, t.Any]

_IMAGE = "registry.k8s.io/pause:3.10"
_USER = 1000
"""Images of ours name no user; that a number is not root, kubelet sees before it starts the container."""
_SECCOMP: Manifest = {"type": "RuntimeDefault"}


def pod_security() -> Manifest:
    """``securityContext`` of a pod of ours; containers that the control plane adds inherit it."""
    return {"seccompProfile": dict(_SECCOMP)}


def container_security(cluster: Cluster) -> Manifest:
    """``securityContext`` of a container of ours, as PodSecurity's level restricted demands.

    OpenShift gives each namespace users of its own, and refuses others.
    """
    user = {} if cluster.platform == OPENSHIFT else {"runAsUser": _USER, "runAsGroup": _USER}
    return {
        **user,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": dict(_SECCOMP),
    }


def _pod(namespace: str, spec: Manifest, labels: t.Mapping[str, str] | None = None) -> Manifest:
    meta = {"generateName": "mesh-fleet-check-", "namespace": namespace, "labels": {PART_OF: "check", **(labels or {})}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"automountServiceAccountToken": False, **spec},
    }


def trial_pod(cluster: Cluster, namespace: str, requests: t.Mapping[str, str] | None = None) -> Manifest:
    """A pod for a dry run, as the probe is one. A control plane adds its sidecar to it.

    ``requests``: what its container requests where the inventory says nothing else.
    """
    container = {
        "name": "app",
        "image": _IMAGE,
        "resources": cluster.pods.container_resources(requests or {}),
        "securityContext": container_security(cluster),
    }
    return _pod(namespace, {"securityContext": pod_security(), **cluster.pods.spec(), "containers": [container]})


def system_pod(namespace: str, resources: t.Mapping[str, t.Any], *, cni: bool) -> Manifest:
    """A pod for a dry run with what istiod, or a gateway, asks for.

    Args:
        resources: of its container.
        cni: whether Istio's CNI agent is used: then the values of the charts are those of level restricted.
    """
    container: Manifest = {
        "name": "istio",
        "image": _IMAGE,
        "resources": dict(resources),
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec: Manifest = {"containers": [container]}
    if cni:
        spec["securityContext"] = pod_security()
    return _pod(namespace, spec, {"sidecar.istio.io/inject": "false"})


def sidecar_pod(
    cluster: Cluster,
    namespace: str,
    requests: t.Mapping[str, str],
    proxy: t.Mapping[str, t.Any],
    *,
    cni: bool,
) -> Manifest:
    """A pod for a dry run, as a control plane makes one with a sidecar of it.

    Args:
        requests: what the pod's own container requests where the inventory says nothing else.
        proxy: resources of what the control plane adds.
        cni: whether Istio's CNI agent sets up its network; otherwise an init container does.
    """
    pod = trial_pod(cluster, namespace, requests)
    pod["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    added = {"image": _IMAGE, "resources": dict(proxy)}
    pod["spec"]["containers"].append({"name": "istio-proxy", **added, "securityContext": container_security(cluster)})
    if not cni:
        security = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "runAsUser": 0,
        }
        pod["spec"]["initContainers"] = [{"name": "istio-init", **added, "securityContext": security}]
    return pod


def agent_pod(namespace: str, resources: t.Mapping[str, t.Any]) -> Manifest:
    """A pod for a dry run with what Istio's CNI agent asks for."""
    container = {
        "name": "install-cni",
        "image": _IMAGE,
        "resources": dict(resources),
        "securityContext": {
            "runAsUser": 0,
            "capabilities": {
                "drop": ["ALL"],
                "add": ["NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_ADMIN", "DAC_OVERRIDE"],
            },
        },
    }
    volume = {"name": "cni-bin-dir", "hostPath": {"path": "/opt/cni/bin"}}
    return _pod(namespace, {"containers": [container], "volumes": [volume]}, {"sidecar.istio.io/inject": "false"})
