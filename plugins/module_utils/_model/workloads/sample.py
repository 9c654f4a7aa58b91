# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifests of the sample pair, ``sample-caller`` and ``sample-producer``."""

from __future__ import annotations

import hashlib
import typing as t

from ..inventory.fleet import Cluster
from .pods import container_security, pod_security

__all__ = [
    "NAMESPACE",
    "PORT",
    "PROGRAM",
    "REQUESTS",
    "ROLES",
    "VERSION",
    "container",
    "exposure",
    "name_of",
    "program_hash",
    "sample_objects",
]

Manifest = dict[str, t.Any]

NAMESPACE = "istio-apps"
PORT = 8080
ROLES = ("caller", "producer", "probe")
VERSION = "v1"
PROGRAM = "sample-program"
REQUESTS = {"cpu": "10m", "memory": "256Mi"}


def name_of(role: str) -> str:
    """Name of the app and of its Service, as ``sample-caller``; the name of its Deployment begins with it."""
    return f"sample-{role}"


def program_hash(program: t.Mapping[str, str]) -> str:
    """A hash of the program. It is an annotation of the pods, so that they are replaced when the program changes."""
    digest = hashlib.sha256()
    for name in sorted(program):
        digest.update(f"{name}\0{program[name]}\0".encode())
    return digest.hexdigest()[:16]


def sample_objects(
    cluster: Cluster,
    role: str,
    program: t.Mapping[str, str],
    *,
    image: str,
    namespace: str = NAMESPACE,
    replicas: int = 1,
    version: str = VERSION,
    target: str = "",
) -> list[Manifest]:
    """All objects of one role of the sample in one cluster, except the namespace.

    Args:
        cluster: the app answers with its name, region and zone.
        role: caller, producer or probe.
        program: by file name, the text of the program.
        image: an image with python3 (3.11 or newer) on its PATH.
        namespace: of the objects.
        replicas: number of pods.
        version: of the pods: their label ``version``, and the end of the Deployment's name.
        target: the host that callers call where a message names none; "" for the producer's plain name.
    """
    name = name_of(role)
    account = f"{name}-sa"
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(PROGRAM, namespace), "data": dict(program)},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _meta(account, namespace, {"app": name}),
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _meta(name, namespace, {"app": name}),
            "spec": {
                "selector": {"app": name},
                "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": PORT}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _meta(f"{name}-{version}", namespace, {"app": name, "version": version}),
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name, "version": version}},
                "template": {
                    "metadata": {
                        "labels": {"app": name, "version": version},
                        "annotations": {"mesh.fleet/program": program_hash(program)},
                    },
                    "spec": {
                        "serviceAccountName": account,
                        "automountServiceAccountToken": False,
                        "securityContext": pod_security(),
                        **cluster.pods.spec(),
                        "containers": [_container(cluster, role, image, namespace, target)],
                        "volumes": [{"name": "program", "configMap": {"name": PROGRAM}}],
                    },
                },
            },
        },
    ]


def exposure(api: str, *, namespace: str = NAMESPACE, hosts: t.Sequence[str]) -> list[Manifest]:
    """What makes the ingress gateway serve the caller's page at ``/``; ``api`` is the apiVersion of Istio's objects."""
    name = name_of("caller")
    return [
        {
            "apiVersion": api,
            "kind": "Gateway",
            "metadata": _meta(name, namespace),
            "spec": {
                "selector": {"istio": "ingressgateway"},
                "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": list(hosts)}],
            },
        },
        {
            "apiVersion": api,
            "kind": "VirtualService",
            "metadata": _meta(name, namespace),
            "spec": {
                "hosts": list(hosts),
                "gateways": [name],
                "http": [
                    {
                        "match": [{"uri": {"prefix": "/"}}],
                        # A message may set a delay of a minute.
                        "timeout": "70s",
                        "route": [
                            {
                                "destination": {
                                    "host": f"{name}.{namespace}.svc.cluster.local",
                                    "port": {"number": PORT},
                                }
                            }
                        ],
                    }
                ],
            },
        },
    ]


def _meta(name: str, namespace: str, labels: t.Mapping[str, str] | None = None) -> Manifest:
    out: Manifest = {"name": name, "namespace": namespace}
    if labels:
        out["labels"] = dict(labels)
    return out


def container(
    cluster: Cluster, name: str, image: str, env: t.Sequence[Manifest], requests: t.Mapping[str, str]
) -> Manifest:
    """The container of the program, without privileges; it is ready when it answers."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-B", "-u", "/app/sample.py"],
        "env": list(env),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": cluster.pods.container_resources(requests),
        "securityContext": container_security(cluster),
        "readinessProbe": {
            "httpGet": {"path": "/actuator/health/readiness", "port": PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
        },
        "volumeMounts": [{"name": "program", "mountPath": "/app", "readOnly": True}],
    }


def _container(cluster: Cluster, role: str, image: str, namespace: str, target: str) -> Manifest:
    producer = name_of("producer")
    domain = f"{producer}.{namespace}"
    env: list[Manifest] = [
        {"name": "SAMPLE_ROLE", "value": role},
        {"name": "SAMPLE_CLUSTER", "value": cluster.name},
        {"name": "SAMPLE_REGION", "value": cluster.region},
        {"name": "SAMPLE_ZONE", "value": cluster.zone},
    ]
    for variable, path in (
        ("SAMPLE_NAMESPACE", "metadata.namespace"),
        ("SAMPLE_POD", "metadata.name"),
        ("SAMPLE_VERSION", "metadata.labels['version']"),
        ("SAMPLE_SERVICE_ACCOUNT", "spec.serviceAccountName"),
    ):
        env.append({"name": variable, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}})
    if role != "producer":
        # All names that the producer can have in a mesh, and no others, because the page may be open to everybody.
        names = (domain, f"{domain}.svc.cluster.local", f"{domain}.svc.clusterset.local", f"{domain}.global")
        env += [
            {"name": "SAMPLE_TARGET", "value": f"http://{target or producer}:{PORT}"},
            {"name": "SAMPLE_TARGETS", "value": " ".join(names)},
        ]
    live = {
        "httpGet": {"path": "/actuator/health/liveness", "port": PORT},
        "initialDelaySeconds": 3,
        "periodSeconds": 3,
        "timeoutSeconds": 3,
    }
    return {**container(cluster, name_of(role), image, env, REQUESTS), "livenessProbe": live}
