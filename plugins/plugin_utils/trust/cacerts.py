# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secret ``cacerts`` of one cluster: read, write and remove it, and make a running istiod load it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import time
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    has_our_labels,
    is_former,
    owner_labels,
    owner_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    fingerprint,
    parse_certificates,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import ClusterTrust
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import (
    CRL,
    ROOT,
    SigningChain,
    as_istiod_reads,
    has_tls_form,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import metrics_page
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import (
    ensure_namespace,
    leave_namespace,
    refuse_beside_google,
)

__all__ = ["load_crls", "load_renewed", "loaded_until", "name_cacerts", "read_trust", "remove_cacerts", "write_cacerts"]

SECRET = "cacerts"
ANNOTATION = "mesh.fleet/cacerts"
CRLS_OF_PROXIES = "istio-ca-crl"
"""istiod's default name, which its Helm value ``pilot.crlConfigMapName`` changes."""
_EXPIRY = re.compile(r"^citadel_server_cert_chain_expiry_timestamp(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_POLL_SECONDS = 0.5


async def read_trust(fleet: Fleet, cluster: Cluster, absent_ok: bool, *, to_sign: bool = False) -> ClusterTrust:
    """Read a cluster's intermediate CA, its published root, and whether an istiod is installed.

    Args:
        absent_ok: whether a cluster that does not exist yet is empty.
        to_sign: whether the run may sign for it: then FleetError is raised where Google runs a control plane.
    """
    async with Kube.connect(cluster.connection, cluster=cluster.name, absent_ok=absent_ok) as kube:
        secret, published, istiods, namespace = await asyncio.gather(
            kube.get("v1", "Secret", SECRET, fleet.namespace),
            kube.get("v1", "ConfigMap", "istio-ca-root-cert", fleet.namespace),
            kube.list("apps/v1", "Deployment", fleet.namespace, {"app": "istiod"}),
            kube.get("v1", "Namespace", fleet.namespace),
        )
        if to_sign:
            await refuse_beside_google(kube, fleet, cluster, namespace)
    data = None if secret is None else _decoded(secret, cluster.name)
    return ClusterTrust(
        cluster=cluster.name,
        data=None if data is None else as_istiod_reads(data),
        tls_form=data is not None and has_tls_form(data),
        owner="" if has_our_labels(secret, fleet.name, "trust") or is_former(secret) else owner_of(secret),
        take_over=cluster.take_over,
        istiod=bool(istiods),
        ahead=kube.ahead,
        published_root=str(((published or {}).get("data") or {}).get(ROOT) or ""),
    )


def _decoded(secret: t.Mapping[str, t.Any], cluster: str) -> dict[str, str]:
    try:
        return {str(k): base64.b64decode(v).decode() for k, v in (secret.get("data") or {}).items()}
    except (binascii.Error, UnicodeDecodeError):
        raise FleetError(
            "cacerts is not text",
            cluster=cluster,
            obj=f"Secret {SECRET}",
            next_step="it must hold PEM: find out who made it, and correct it; it may be the only copy of a key",
        ) from None


async def write_cacerts(
    fleet: Fleet,
    cluster: Cluster,
    chain: SigningChain,
    *,
    renewed: bool,
    dry_run: bool,
    timeout: float,
    listed: bool = False,
) -> list[Change]:
    """Write the chain to a cluster; after a renewal wait until every running istiod has loaded it.

    Args:
        renewed: whether istiods may run on an earlier chain.
        listed: whether they may run with other revocation lists.
        timeout: seconds that they may need to load the new one.

    Raises:
        FleetError: the cluster does not answer, or an istiod has not loaded the chain in time.
    """
    async with Kube.connect(
        cluster.connection, cluster=cluster.name, absent_ok=dry_run, take_over=cluster.take_over
    ) as kube:
        changes = await _apply(kube, fleet, cluster, chain.data, dry_run=dry_run)
        if renewed and not dry_run:
            await load_renewed(kube, fleet, parse_certificates(chain.certificate)[0], timeout)
        if listed and not dry_run:
            await load_crls(kube, fleet, chain.crl, timeout)
    return changes


async def name_cacerts(fleet: Fleet, cluster: Cluster) -> list[Change]:
    """Record what is written to a cluster, where nothing is issued: the Secret is only named, so any data will do."""
    async with Kube.connect(cluster.connection, cluster=cluster.name, take_over=cluster.take_over) as kube:
        return await _apply(kube, fleet, cluster, {ROOT: "-"}, dry_run=True)


async def _apply(
    kube: Kube, fleet: Fleet, cluster: Cluster, data: t.Mapping[str, str], *, dry_run: bool
) -> list[Change]:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": SECRET, "namespace": fleet.namespace},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }
    changes = await ensure_namespace(kube, fleet, cluster, dry_run=dry_run)
    return changes + await kube.apply([secret], dry_run=dry_run, labels=owner_labels("trust", fleet.name))


async def remove_cacerts(fleet: Fleet, cluster: Cluster, *, dry_run: bool) -> tuple[list[Change], str]:
    """Remove the Secret if role trust wrote it, and then the namespace if nothing else is in it.

    Returns:
        The changes, and what was done, in words. A cluster that does not exist has no Secret.
    """
    changes: list[Change] = []
    async with Kube.connect(
        cluster.connection, cluster=cluster.name, absent_ok=True, take_over=cluster.take_over
    ) as kube:
        live = await kube.get("v1", "Secret", SECRET, fleet.namespace)
        if has_our_labels(live, fleet.name, "trust") or (cluster.take_over and is_former(live)):
            changes.append(await kube.delete("v1", "Secret", SECRET, fleet.namespace, dry_run=dry_run))
            if control_plane_of(fleet, cluster).ours:
                changes += (await leave_namespace(kube, fleet, dry_run=dry_run))[0]
    if changes:
        return changes, "intermediate CA removed"
    return changes, "no intermediate CA of ours" if live else "no intermediate CA"


async def load_renewed(kube: Kube, fleet: Fleet, certificate: x509.Certificate, timeout: float) -> None:
    """Make every running istiod load ``certificate`` now, and wait until each reports it.

    Raises:
        FleetError: after ``timeout`` seconds, with the end date that istiod reports.
    """
    pods = await _annotate_running(kube, fleet.namespace, fingerprint(certificate))
    await asyncio.gather(*(_await_loaded(kube, fleet.namespace, pod, certificate, timeout) for pod in pods))


async def load_crls(kube: Kube, fleet: Fleet, text: str, timeout: float) -> None:
    """Make every running istiod read these revocation lists now, and wait until one has them ready for proxies.

    Raises:
        FleetError: after ``timeout`` seconds.
    """
    await _annotate_running(kube, fleet.namespace, hashlib.sha256(text.encode()).hexdigest())

    def handed_on(live: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
        held = str(((live or {}).get("data") or {}).get(CRL) or "")
        return held == text, "it has others" if held else "it has none"

    try:
        await kube.wait("v1", "ConfigMap", CRLS_OF_PROXIES, fleet.namespace, until=handed_on, timeout=timeout)
    except NotInTime as error:
        error.means = (
            "the Secret is written, and istiod does not hand its CRLs to proxies: it needs PILOT_ENABLE_CA_CRL, which "
            "is on by default, and a cacerts that existed when it started; what it has against a CRL is in its log"
        )
        error.next_step = f"kubectl -n {fleet.namespace} rollout restart deployment -l app=istiod, then run again"
        raise


async def _annotate_running(kube: Kube, namespace: str, value: str) -> list[str]:
    """Annotate every running istiod, and return their names.

    A changed annotation makes the kubelet sync the pod's volumes at once; otherwise this takes about a minute.
    """
    pods = [
        str(pod["metadata"]["name"])
        for pod in await kube.pods(namespace, {"app": "istiod"})
        if (pod.get("status") or {}).get("phase") == "Running"
    ]
    await asyncio.gather(*(_annotate(kube, namespace, pod, value) for pod in pods))
    return pods


async def _annotate(kube: Kube, namespace: str, pod: str, value: str) -> None:
    # A merge patch, not an apply: the pod belongs to its ReplicaSet and may end at any moment.
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


async def _await_loaded(kube: Kube, namespace: str, pod: str, certificate: x509.Certificate, timeout: float) -> None:
    wanted = int(certificate.not_valid_after_utc.timestamp())
    deadline = time.monotonic() + timeout
    seen = "nothing"
    with waiting(f"{kube.cluster}: {pod}, until it has its new intermediate CA") as wait:
        while time.monotonic() < deadline:
            try:
                until = loaded_until(await metrics_page(kube, namespace, pod, timeout=15))
                if until == wanted:
                    return
                seen = (
                    f"the intermediate CA that it has loaded ends at {until}"
                    if until
                    else "its metrics name no end date"
                )
            except FleetError as error:
                seen = f"{error.what} {error.seen}".strip()
                # A pod that has ended needs nothing: its successor starts with the new intermediate CA.
                if await kube.get("v1", "Pod", pod, namespace) is None:
                    return
            wait.seen = seen
            # istiod's metrics cannot be watched.
            await asyncio.sleep(_POLL_SECONDS)
    raise FleetError(
        f"istiod has not loaded its new intermediate CA after {timeout:g} s",
        obj=f"Pod {namespace}/{pod}",
        seen=seen,
        means="the Secret is written; istiod watches it only if cacerts existed when it started",
        next_step=f"kubectl -n {namespace} rollout restart deployment -l app=istiod, then run again",
    )


def loaded_until(metrics: str) -> int | None:
    """When the intermediate CA that istiod has loaded ends, in seconds since the epoch, from its metrics."""
    found = _EXPIRY.search(metrics)
    return int(float(found.group(1))) if found else None
