# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The probe: one small pod a cluster that calls the probes of all others by a plain service name."""

from __future__ import annotations

import json
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..istio.ownership import owner_labels
from .sample import PORT, PROGRAM, container, program_hash

__all__ = [
    "ACCOUNT",
    "CLUSTER_LABEL",
    "CONTAINER",
    "LABELS",
    "NAMESPACE",
    "TELEMETRY",
    "access_log",
    "call_command",
    "probe_objects",
    "target",
]

NAMESPACE = "mesh-verify"
ACCOUNT = "verify-probe"
CONTAINER = "probe"
TELEMETRY = "telemetry.istio.io/v1"
CLUSTER_LABEL = "mesh.fleet/cluster"
LABELS = owner_labels("verify")
_GRACE = 5
"""Seconds that a probe gets to end: it has nothing to finish. Kubernetes looks again whether a namespace can go only
after half the time that its pods may take, which is 16 seconds where they say nothing."""

Manifest = dict[str, t.Any]


def target(cluster: str) -> str:
    """The plain name by which ``cluster``'s probe, and no other, is called from everywhere."""
    return f"probe-{cluster}"


def probe_objects(
    fleet: Fleet, cluster: Cluster, program: t.Mapping[str, str], *, image: str, created: bool
) -> list[Manifest]:
    """All that the probe needs in one cluster.

    Every cluster holds a Service for every probe, because plain DNS answers for its own Services only;
    the selector names the cluster, so all but one have no pods here and each name leads to one cluster.
    """
    space: Manifest = {"name": NAMESPACE, "labels": {**LABELS, **control_plane_of(fleet, cluster).injection_label}}
    if created:
        space["annotations"] = {"mesh.fleet/created": "true"}
    objects: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": space},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(PROGRAM), "data": dict(program)},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(ACCOUNT)},
        _deployment(cluster, program, image),
    ]
    for name in fleet.clusters:
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": _meta(target(name)),
                "spec": {
                    "selector": {"app": CONTAINER, CLUSTER_LABEL: name},
                    "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": PORT}],
                },
            }
        )
    return objects


def access_log(fleet: Fleet, cluster: Cluster) -> Manifest | None:
    """Lets the probes' sidecars write down each call: only there they say why a connection failed.

    None where Google runs the control plane, and in a remote, whose primary configures its sidecars.
    """
    if not control_plane_of(fleet, cluster).has_istiod:
        return None
    return {
        "apiVersion": TELEMETRY,
        "kind": "Telemetry",
        "metadata": _meta("probe-access-log"),
        "spec": {"accessLogging": [{"providers": [{"name": "envoy"}]}]},
    }


def _meta(name: str) -> Manifest:
    return {"name": name, "namespace": NAMESPACE, "labels": dict(LABELS)}


def _deployment(cluster: Cluster, program: t.Mapping[str, str], image: str) -> Manifest:
    labels = {"app": CONTAINER, "version": "v1", CLUSTER_LABEL: cluster.name}
    environment = {
        "SAMPLE_ROLE": "probe",
        "SAMPLE_CLUSTER": cluster.name,
        "SAMPLE_REGION": cluster.region,
        "SAMPLE_ZONE": cluster.zone,
        "SAMPLE_SERVICE_ACCOUNT": ACCOUNT,
    }
    env = [{"name": key, "value": value} for key, value in environment.items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta("probe"),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": CONTAINER, CLUSTER_LABEL: cluster.name}},
            "template": {
                "metadata": {"labels": labels, "annotations": {"mesh.fleet/program": program_hash(program)}},
                "spec": {
                    "serviceAccountName": ACCOUNT,
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": _GRACE,
                    "containers": [container(CONTAINER, image, env, {"cpu": "5m", "memory": "32Mi"})],
                    "volumes": [{"name": "program", "configMap": {"name": PROGRAM}}],
                },
            },
        },
    }


_CALLS = """
import concurrent.futures as f, json, sys
sys.path.insert(0, "/app")
from exchange import call
def one(url):
    found = call("GET", url, None, {timeout})
    answer = found.get("answer") or {{}}
    return url, {{
        "ok": found["ok"], "status": found["status"], "latency_ms": found["latency_ms"], "problem": found["problem"],
        "cluster": answer.get("cluster", ""), "identity": (answer.get("identity") or {{}}).get("uri", ""),
        "text": str(answer.get("text", ""))[:600],
    }}
urls = json.loads(sys.argv[1])
with f.ThreadPoolExecutor(min(16, len(urls))) as pool:
    print(json.dumps(dict(pool.map(one, urls))))
"""


def call_command(urls: t.Sequence[str], timeout_ms: int) -> list[str]:
    """What calls all ``urls`` side by side from within a pod of the sample program, and prints one JSON object."""
    return ["python3", "-B", "-c", _CALLS.format(timeout=int(timeout_ms)), json.dumps(list(urls))]
