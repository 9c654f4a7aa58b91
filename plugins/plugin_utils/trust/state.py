# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster's mesh believes now, and making a running istiod take a new signer at once."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import MANAGED_BY, PART_OF, Kube, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import fingerprint
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import ClusterTrust
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["loaded_until", "pick_up", "read_live"]

ANNOTATION = "mesh.fleet/cacerts"
_EXPIRY = re.compile(r"^citadel_server_cert_chain_expiry_timestamp(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_BETWEEN_LOOKS = 0.5


async def read_live(fleet: Fleet, cluster: Cluster, absent_ok: bool) -> ClusterTrust:
    """Read the signer, what is published as the root, and whether an istiod is there."""
    async with Kube.connect(cluster.connection, cluster=cluster.name, absent_ok=absent_ok) as kube:
        secret, published, istiods = await asyncio.gather(
            kube.get("v1", "Secret", "cacerts", fleet.namespace),
            kube.get("v1", "ConfigMap", "istio-ca-root-cert", fleet.namespace),
            kube.list("apps/v1", "Deployment", fleet.namespace, {"app": "istiod"}),
        )
    marks = ((secret or {}).get("metadata") or {}).get("labels") or {}
    return ClusterTrust(
        cluster=cluster.name,
        data=None if secret is None else _decoded(secret, cluster.name),
        ours={key: marks.get(key) for key in (MANAGED_BY, PART_OF)} == owner_labels("trust"),
        istiod=bool(istiods),
        published_root=str(((published or {}).get("data") or {}).get("root-cert.pem") or ""),
    )


def _decoded(secret: t.Mapping[str, t.Any], cluster: str) -> dict[str, str]:
    try:
        return {str(k): base64.b64decode(v).decode() for k, v in (secret.get("data") or {}).items()}
    except (binascii.Error, UnicodeDecodeError):
        raise FleetError(
            "cacerts is not text",
            cluster=cluster,
            obj="Secret cacerts",
            next_step="it must hold PEM; check who made it, or delete it and run again",
        ) from None


async def pick_up(kube: Kube, fleet: Fleet, certificate: x509.Certificate, timeout: float) -> None:
    """Make every running istiod load ``certificate`` now, and wait until each says that it has.

    A changed annotation makes the kubelet sync the pod's volumes at once; otherwise it takes a minute.

    Raises:
        FleetError: after ``timeout`` seconds, with the expiry that istiod reports.
    """
    pods = [
        pod["metadata"]["name"]
        for pod in await kube.pods(fleet.namespace, {"app": "istiod"})
        if (pod.get("status") or {}).get("phase") == "Running"
    ]
    await asyncio.gather(*(_annotate(kube, fleet.namespace, pod, fingerprint(certificate)) for pod in pods))
    await asyncio.gather(*(_loaded(kube, fleet.namespace, pod, certificate, timeout) for pod in pods))


async def _annotate(kube: Kube, namespace: str, pod: str, value: str) -> None:
    # A merge patch, not an apply: the pod belongs to its ReplicaSet, and may go at any moment.
    try:
        await kube.transport.request(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/pods/{pod}",
            body={"metadata": {"annotations": {ANNOTATION: value}}},
            content_type="application/merge-patch+json",
            obj=f"Pod {namespace}/{pod}",
        )
    except ApiError as error:
        if error.status != 404:
            raise


async def _loaded(kube: Kube, namespace: str, pod: str, certificate: x509.Certificate, timeout: float) -> None:
    wanted = int(certificate.not_valid_after_utc.timestamp())
    deadline = time.monotonic() + timeout
    seen = "nothing"
    while time.monotonic() < deadline:
        try:
            answer = await kube.exec(
                namespace, pod, "discovery", ["pilot-discovery", "request", "GET", "/metrics"], timeout=15
            )
            until = loaded_until(answer.stdout)
            seen = f"the signer it has loaded ends at {until}" if until else answer.stderr.strip()[-200:]
            if until == wanted:
                return
        except FleetError as error:
            seen = f"{error.what} {error.seen}".strip()
            # A pod that went needs nothing; its successor starts with the new signer.
            if await kube.get("v1", "Pod", pod, namespace) is None:
                return
        # istiod offers no watch on its metrics: look again until the deadline.
        await asyncio.sleep(_BETWEEN_LOOKS)
    raise FleetError(
        f"istiod has not loaded its new signer after {timeout:g} s",
        obj=f"Pod {namespace}/{pod}",
        seen=seen,
        means="the Secret is written; istiod watches it only if cacerts was there when it started",
        next_step=f"kubectl -n {namespace} rollout restart deployment -l app=istiod, then run again",
    )


def loaded_until(metrics: str) -> int | None:
    """When the signer that istiod has loaded ends, in seconds since the epoch, from its metrics."""
    found = _EXPIRY.search(metrics)
    return int(float(found.group(1))) if found else None
