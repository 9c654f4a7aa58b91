# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a watched cluster offers its watchers, read once for all of them."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import secret_has_keys
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import PeerServer, peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import Peer
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["ACCOUNT", "PLANNED", "TOKEN_SECRET", "check_certificate", "read_peer", "seen_from_here"]

ACCOUNT = "istio-reader-service-account"
TOKEN_SECRET = f"{ACCOUNT}-istio-remote-secret-token"
"""The name istioctl gives it, so that both use the same one."""
PLANNED = "planned"
_HANDSHAKE_SECONDS = 3.0
_LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


async def read_peer(
    kube: Kube, cluster: Cluster, namespace: str, *, static: bool, dry_run: bool
) -> tuple[Peer, list[Change]]:
    """Its address, CA, reader account and, for static tokens, the token Secret, which is made when missing.

    In check mode what an earlier stage has yet to make counts as planned. Raises FleetError.
    """
    if kube.absent:
        return Peer(cluster.name, "https://planned.invalid", "", f"{namespace}/{ACCOUNT}", PLANNED), []
    server = peer_server(cluster, _kubeconfig(cluster))
    account, authority = await asyncio.gather(
        kube.get("v1", "ServiceAccount", ACCOUNT, namespace), kube.get("v1", "ConfigMap", "kube-root-ca.crt", namespace)
    )
    if account is None and not dry_run:
        raise FleetError(
            "it has no account for its watchers",
            cluster=cluster.name,
            obj=f"ServiceAccount {namespace}/{ACCOUNT}",
            seen="it does not exist",
            means="Istio's base chart was not installed here",
            next_step=f"run the control_plane stage with --limit {cluster.name}",
        )
    pem = str(((authority or {}).get("data") or {}).get("ca.crt") or "")
    if not pem and not dry_run:
        raise FleetError(
            "it does not tell its API server's CA",
            cluster=cluster.name,
            obj=f"ConfigMap {namespace}/kube-root-ca.crt",
            seen="it does not exist" if authority is None else "no key ca.crt",
            means="kube-controller-manager does not publish it, or the namespace is being made",
            next_step="look at kube-controller-manager, then run again",
        )
    token, changes = "", list[Change]()
    if static:
        token, changes = await _static_token(kube, namespace, dry_run or account is None)
    uid = str(((account or {}).get("metadata") or {}).get("uid") or PLANNED)
    ca = base64.b64encode(pem.encode()).decode()
    peer = Peer(cluster.name, server.url, ca, f"{namespace}/{ACCOUNT}", uid, server.tls_server_name, token)
    return peer, changes


def _kubeconfig(cluster: Cluster) -> dict[str, t.Any] | None:
    if cluster.connection.server or not cluster.connection.kubeconfig:
        return None
    with open(os.path.expanduser(cluster.connection.kubeconfig), encoding="utf-8") as stream:
        return t.cast("dict[str, t.Any]", yaml.load(stream, Loader=_LOADER) or {})


async def _static_token(kube: Kube, namespace: str, dry_run: bool) -> tuple[str, list[Change]]:
    existing = await kube.list("v1", "Secret", namespace, fields={"type": "kubernetes.io/service-account-token"})
    for secret in existing:
        about = annotations_of(secret).get("kubernetes.io/service-account.name")
        if about == ACCOUNT and (secret.get("data") or {}).get("token"):
            return _text(secret["data"]["token"]), []
    wanted = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": TOKEN_SECRET,
            "namespace": namespace,
            "labels": owner_labels("peering"),
            "annotations": {"kubernetes.io/service-account.name": ACCOUNT},
        },
        "type": "kubernetes.io/service-account-token",
    }
    changes = await kube.apply([wanted], dry_run=dry_run)
    if dry_run:
        return PLANNED, changes
    has_token = secret_has_keys("token", "ca.crt")
    made = await kube.wait("v1", "Secret", TOKEN_SECRET, namespace, until=has_token, timeout=30) or {}
    return _text(made["data"]["token"]), changes


def _text(value: str) -> str:
    return base64.b64decode(value).decode()


async def check_certificate(peer: Peer) -> None:
    """Refuse an address that the API server's certificate does not cover.

    Only where the controller reaches it: an address for pods alone is istiod's to prove. Raises FleetError.
    """
    try:
        await _shake_hands(peer)
    except ssl.SSLCertVerificationError as error:
        raise FleetError(
            "its certificate does not hold for the address that other clusters would use",
            cluster=peer.cluster,
            seen=f"{peer.server}: {error.verify_message}",
            means="the address is not among the certificate's names, or something else answers there",
            next_step="set cluster_peer_endpoint to an address that the certificate covers",
        ) from None
    except (OSError, TimeoutError):
        return


async def seen_from_here(peer: Peer) -> str:
    """What keeps the controller from a peer's address; "" when nothing does."""
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
