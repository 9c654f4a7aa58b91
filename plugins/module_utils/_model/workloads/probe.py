# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The probe: one small pod in each cluster, which calls the probes of all others by plain service names."""

from __future__ import annotations

import json
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..istio.ownership import owner_labels
from ..istio.proxy_traffic import COUNTED
from .pods import pod_security
from .sample import PORT, PROGRAM, container, program_hash

__all__ = [
    "ACCOUNT",
    "CLUSTER_LABEL",
    "CONTAINER",
    "NAMESPACE",
    "REQUESTS",
    "TELEMETRY",
    "access_log",
    "call_command",
    "probe_labels",
    "probe_objects",
    "target",
]

NAMESPACE = "mesh-verify"
ACCOUNT = "verify-probe"
CONTAINER = "probe"
REQUESTS = {"cpu": "5m", "memory": "32Mi"}
TELEMETRY = "telemetry.istio.io/v1"
CLUSTER_LABEL = "mesh.fleet/cluster"
_GRACE = 5
"""Seconds that a probe gets to end; it has nothing to finish. While a namespace is deleted, Kubernetes waits half of
its pods' grace period before it looks again, which is 16 seconds by default."""

Manifest = dict[str, t.Any]


def probe_labels(fleet: Fleet) -> dict[str, str]:
    """The labels of all that the probe is made of."""
    return owner_labels("verify", fleet.name)


def target(cluster: str) -> str:
    """The plain service name of ``cluster``'s probe, the same in all clusters."""
    return f"probe-{cluster}"


def probe_objects(
    fleet: Fleet, cluster: Cluster, program: t.Mapping[str, str], *, image: str, created: bool
) -> list[Manifest]:
    """All objects of the probe in one cluster.

    Each cluster has a Service for every probe, because its DNS resolves only its own Services. The selector names the
    cluster, so that the pods of a Service are in one cluster.

    Args:
        program: by file name, the text of the sample program.
        image: an image with python3 (3.11 or newer) on its PATH.
        created: whether we created the namespace.
    """
    space: Manifest = {
        "name": NAMESPACE,
        "labels": {**probe_labels(fleet), **control_plane_of(fleet, cluster).injection_label},
    }
    if created:
        space["annotations"] = {"mesh.fleet/created": "true"}
    objects: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": space},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(fleet, PROGRAM), "data": dict(program)},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(fleet, ACCOUNT)},
        _deployment(fleet, cluster, program, image),
    ]
    for name in fleet.clusters:
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": _meta(fleet, target(name)),
                "spec": {
                    "selector": {"app": CONTAINER, CLUSTER_LABEL: name},
                    "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": PORT}],
                },
            }
        )
    return objects


def access_log(fleet: Fleet, cluster: Cluster) -> Manifest | None:
    """The Telemetry object that switches on the access log of the probes' sidecars: only it says why a call failed.

    None if no istiod of the cluster configures its sidecars: Google runs the control plane, or a primary does.
    """
    if not control_plane_of(fleet, cluster).has_istiod:
        return None
    return {
        "apiVersion": TELEMETRY,
        "kind": "Telemetry",
        "metadata": _meta(fleet, "probe-access-log"),
        "spec": {"accessLogging": [{"providers": [{"name": "envoy"}]}]},
    }


def _meta(fleet: Fleet, name: str) -> Manifest:
    return {"name": name, "namespace": NAMESPACE, "labels": probe_labels(fleet)}


def _deployment(fleet: Fleet, cluster: Cluster, program: t.Mapping[str, str], image: str) -> Manifest:
    labels = {"app": CONTAINER, "version": "v1", CLUSTER_LABEL: cluster.name}
    environment = {
        "SAMPLE_ROLE": "probe",
        "SAMPLE_CLUSTER": cluster.name,
        "SAMPLE_REGION": cluster.region,
        "SAMPLE_ZONE": cluster.zone,
        "SAMPLE_SERVICE_ACCOUNT": ACCOUNT,
    }
    env = [{"name": key, "value": value} for key, value in environment.items()]
    # With other settings its sidecar must be injected anew.
    annotations = {"mesh.fleet/program": program_hash(program), "mesh.fleet/network": cluster.network}
    annotations["mesh.fleet/trust-domain"] = fleet.trust_domain
    # Without it a sidecar counts no calls by service and subset.
    annotations["sidecar.istio.io/statsInclusionRegexps"] = COUNTED
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(fleet, "probe"),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": CONTAINER, CLUSTER_LABEL: cluster.name}},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "serviceAccountName": ACCOUNT,
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": _GRACE,
                    "securityContext": pod_security(),
                    **cluster.pods.spec(),
                    "containers": [container(cluster, CONTAINER, image, env, REQUESTS)],
                    "volumes": [{"name": "program", "configMap": {"name": PROGRAM}}],
                },
            },
        },
    }


_CALLS = """
import concurrent.futures as f, http.client, json, sys
sys.path.insert(0, "/app")
from exchange import call, request
def location(status, url, headers):
    try:
        if not 300 <= status < 400:
            return ""
        return request("GET", url, None, {timeout}, headers, trusted)[1].get("location", "")
    except (OSError, http.client.HTTPException):
        return ""
def one(text):
    url, _, host = text.partition(" ")
    headers = {{"host": host}} if host else None
    found = call("GET", url, None, {timeout}, headers, trusted)
    answer = found.get("answer") or {{}}
    return text, {{
        "ok": found["ok"], "status": found["status"], "latency_ms": found["latency_ms"], "problem": found["problem"],
        "cluster": answer.get("cluster", ""), "identity": (answer.get("identity") or {{}}).get("uri", ""),
        "text": str(answer.get("text", ""))[:600], "location": location(found["status"], url, headers),
    }}
urls, trusted = json.loads(sys.argv[1]), "".join(sys.argv[2:])
with f.ThreadPoolExecutor(min(16, len(urls))) as pool:
    print(json.dumps(dict(pool.map(one, urls))))
"""


def call_command(urls: t.Sequence[str], timeout_ms: int, trusted: str = "") -> list[str]:
    """A command for a pod of the sample program: it calls all ``urls`` side by side and prints one JSON object.

    Args:
        urls: each a URL, or a URL, a blank and the Host header; the answers have them as keys.
        timeout_ms: milliseconds for each call.
        trusted: for calls by HTTPS, the certificates of which the answering server must have one, as PEM. Without
            them those of the image's authorities count.
    """
    given = [json.dumps(list(urls)), *([trusted] if trusted else [])]
    return ["python3", "-B", "-c", _CALLS.format(timeout=int(timeout_ms)), *given]
