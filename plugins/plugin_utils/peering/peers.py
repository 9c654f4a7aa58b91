# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a watched cluster's address, CA, service account; check the address; read the roots that proxies accept."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import secret_has_keys
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import PeerServer, peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ACCOUNT,
    OURS,
    Peer,
    owner_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.static_tokens import TOKEN_SECRET
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    fingerprint,
    parse_certificates,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import ROOT
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["PLANNED", "check_certificate", "connection_error", "read_peer", "read_roots"]

PLANNED = "planned"
"""In check mode, the value of what an earlier stage has yet to make."""
_BOUND = "set peering_token to bound, and run playbooks/peering.yml on a schedule"
_HANDSHAKE_SECONDS = 3.0
_ISSUE_SECONDS = 30.0
_LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


async def read_peer(
    kube: Kube, cluster: Cluster, namespace: str, *, fleet: str, static: bool, dry_run: bool
) -> tuple[Peer, list[Change]]:
    """Read a cluster's address, CA and service account, and with ``static`` the token, whose Secret is made if missing.

    Raises:
        FleetError: something is missing; in check mode it counts as planned.
    """
    if kube.absent:
        return Peer(cluster.name, "https://planned.invalid", "", f"{namespace}/{ACCOUNT}", PLANNED), []
    server = peer_server(cluster, _kubeconfig(cluster))
    account, authority = await asyncio.gather(
        kube.get("v1", "ServiceAccount", ACCOUNT, namespace), kube.get("v1", "ConfigMap", "kube-root-ca.crt", namespace)
    )
    if account is None and not dry_run:
        raise FleetError(
            "it has no service account for its watchers",
            cluster=cluster.name,
            obj=f"ServiceAccount {namespace}/{ACCOUNT}",
            seen="it does not exist",
            means="Istio's base chart is not installed there",
            next_step=f"run the control_plane stage with --limit {cluster.name}",
        )
    pem = str(((authority or {}).get("data") or {}).get("ca.crt") or "")
    if not pem and not dry_run:
        raise FleetError(
            "the CA of its API server is not published",
            cluster=cluster.name,
            obj=f"ConfigMap {namespace}/kube-root-ca.crt",
            seen="it does not exist" if authority is None else "no key ca.crt",
            means="kube-controller-manager publishes it, shortly after the namespace is made",
            next_step="run again; if it stays, see the log of kube-controller-manager",
        )
    token, changes = "", list[Change]()
    if static:
        token, changes = await _static_token(kube, namespace, fleet, dry_run or account is None)
    uid = str(((account or {}).get("metadata") or {}).get("uid") or PLANNED)
    ca = base64.b64encode(pem.encode()).decode()
    peer = Peer(cluster.name, server.url, ca, f"{namespace}/{ACCOUNT}", uid, server.tls_server_name, token)
    return peer, changes


async def read_roots(kube: Kube, namespace: str) -> frozenset[str]:
    """Fingerprints of the roots that the proxies of a cluster with an istiod accept; none if they are not known yet."""
    secret, published = await asyncio.gather(
        kube.get("v1", "Secret", "cacerts", namespace), kube.get("v1", "ConfigMap", "istio-ca-root-cert", namespace)
    )
    held = str(((secret or {}).get("data") or {}).get(ROOT) or "")
    try:
        text = _text(held) if held else str(((published or {}).get("data") or {}).get(ROOT) or "")
        return frozenset(map(fingerprint, parse_certificates(text))) if text else frozenset()
    except (FleetError, ValueError):
        return frozenset()  # trust refuses it, and says why


def _kubeconfig(cluster: Cluster) -> dict[str, t.Any] | None:
    if cluster.connection.server or not cluster.connection.kubeconfig:
        return None
    with open(os.path.expanduser(cluster.connection.kubeconfig), encoding="utf-8") as stream:
        return t.cast("dict[str, t.Any]", yaml.load(stream, Loader=_LOADER) or {})


async def _static_token(kube: Kube, namespace: str, fleet: str, dry_run: bool) -> tuple[str, list[Change]]:
    """The token of a token Secret that the cluster accepts; one of ours is made where there is none."""
    existing = await kube.list("v1", "Secret", namespace, fields={"type": "kubernetes.io/service-account-token"})
    changes: list[Change] = []
    for secret in existing:
        about = annotations_of(secret).get("kubernetes.io/service-account.name")
        if about != ACCOUNT or not (secret.get("data") or {}).get("token"):
            continue
        token = _text(secret["data"]["token"])
        if await kube.accepts(token):
            return token, changes
        # Nobody can use it any more, and the token controller writes no other one into its Secret.
        if secret["metadata"]["name"] == TOKEN_SECRET:
            changes.append(await _remove_refused(kube, secret, namespace, fleet, dry_run))
    wanted = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": TOKEN_SECRET,
            "namespace": namespace,
            "labels": owner_labels("peering", fleet),
            "annotations": {"kubernetes.io/service-account.name": ACCOUNT},
        },
        "type": "kubernetes.io/service-account-token",
    }
    try:
        changes += await kube.apply([wanted], dry_run=dry_run)
    except ApiError as error:
        if error.status in (403, 422):
            error.next_step = f"{error.next_step}; or {_BOUND}" if error.next_step else _BOUND
        raise
    if dry_run:
        return PLANNED, changes
    has_token = secret_has_keys("token", "ca.crt")
    try:
        made = await kube.wait("v1", "Secret", TOKEN_SECRET, namespace, until=has_token, timeout=_ISSUE_SECONDS) or {}
    except FleetError as error:
        raise FleetError(
            "it issued no token for its watchers",
            cluster=kube.cluster,
            obj=f"Secret {namespace}/{TOKEN_SECRET}",
            seen=error.seen,
            means="kube-controller-manager writes such a token within a second, unless its token controller is off",
            next_step=_BOUND,
        ) from error
    return _text(made["data"]["token"]), changes


async def _remove_refused(kube: Kube, secret: dict[str, t.Any], namespace: str, fleet: str, dry_run: bool) -> Change:
    if owner_of(secret, fleet) != OURS:
        raise FleetError(
            "it refuses the token of its token Secret, which is not ours",
            cluster=kube.cluster,
            obj=f"Secret {namespace}/{TOKEN_SECRET}",
            seen="TokenReview: not authenticated",
            means="the keys that sign service account tokens were replaced since it was issued",
            next_step=f"delete that Secret, whose token nobody can use any more, then run again; or {_BOUND}",
        )
    read = {"apiVersion": "v1", "kind": "Secret", **secret}
    return await kube.delete("v1", "Secret", TOKEN_SECRET, namespace, dry_run=dry_run, read=read)


def _text(value: str) -> str:
    return base64.b64decode(value).decode()


async def check_certificate(peer: Peer) -> None:
    """Raise FleetError when the API server's certificate does not cover the address.

    An address that the controller cannot reach passes: pods may reach it, and istiod's sync will show it.
    """
    try:
        await _shake_hands(peer)
    except ssl.SSLCertVerificationError as error:
        raise FleetError(
            "its certificate does not cover the address that other clusters would use",
            cluster=peer.cluster,
            seen=f"{peer.server}: {error.verify_message}",
            means="the address is not among the certificate's names, or something else answers there",
            next_step="set cluster_peer_endpoint to an address that the certificate covers",
        ) from None
    except (OSError, TimeoutError):
        return


async def connection_error(peer: Peer) -> str:
    """Why the controller cannot connect to a peer's address; "" if it can."""
    try:
        await _shake_hands(peer)
    except TimeoutError:
        return "i/o timeout"
    except ConnectionRefusedError:
        return "connection refused"
    except OSError as error:
        return str(error.strerror or error)
    return ""


async def _shake_hands(peer: Peer) -> None:
    host, port = PeerServer(peer.server, "", peer.tls_server_name).host_port
    context = ssl.create_default_context(cadata=base64.b64decode(peer.ca).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # kubeadm's CA has no key identifier of its issuer
    async with asyncio.timeout(_HANDSHAKE_SECONDS):
        _reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=peer.tls_server_name or host
        )
    writer.close()
