# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a watched cluster's address, CA and service account; look at the address; read the roots that proxies accept."""

from __future__ import annotations

import asyncio
import base64
import ssl
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import secret_has_keys
from ansible_collections.mesh.fleet.plugins.module_utils._kube.endpoint import Endpoint
from ansible_collections.mesh.fleet.plugins.module_utils._kube.kubeconfig import Kubeconfig, read_kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils._kube.tls import server_context
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import PeerServer, peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.authorities import (
    PUBLISHED,
    Authority,
    Choice,
    Shown,
    choose,
    known_authorities,
)
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
_OF_NAME = (62, 64)
"""OpenSSL's codes where a chain is good: X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH."""


class _UnreadableCA(Exception):
    """OpenSSL cannot read a CA."""


async def read_peer(
    kube: Kube, cluster: Cluster, namespace: str, *, fleet: str, static: bool, dry_run: bool
) -> tuple[Peer, list[Change]]:
    """Read a cluster's address, CA and service account, and with ``static`` the token, whose Secret is made if missing.

    Raises:
        FleetError: something is missing; in check mode it counts as planned.
    """
    if kube.absent:
        _token, made = await _static_token(kube, namespace, fleet, dry_run=True) if static else ("", [])
        return Peer(cluster.name, "https://planned.invalid", "", f"{namespace}/{ACCOUNT}", PLANNED), made
    config = _kubeconfig(cluster)
    server = peer_server(cluster, config.document if config else None)
    account, authority = await asyncio.gather(
        kube.get("v1", "ServiceAccount", ACCOUNT, namespace), kube.get("v1", "ConfigMap", PUBLISHED, namespace)
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
            obj=f"ConfigMap {namespace}/{PUBLISHED}",
            seen="it does not exist" if authority is None else "no key ca.crt",
            means="kube-controller-manager publishes it, shortly after the namespace is made",
            next_step="run again; if it stays, see the log of kube-controller-manager",
        )
    token, changes = "", list[Change]()
    if static:
        token, changes = await _static_token(kube, namespace, fleet, dry_run or account is None)
    uid = str(((account or {}).get("metadata") or {}).get("uid") or PLANNED)
    choice = await _authority(kube, config, server, pem) if pem else Choice("")
    peer = Peer(
        cluster.name,
        server.url,
        choice.ca,
        f"{namespace}/{ACCOUNT}",
        uid,
        server.tls_server_name,
        token,
        choice.others,
        choice.refusal,
    )
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


def _kubeconfig(cluster: Cluster) -> Kubeconfig | None:
    if cluster.connection.server or not cluster.connection.kubeconfig:
        return None
    return read_kubeconfig(cluster.connection, cluster.name)


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
    """Raise FleetError when the certificate that the address shows is no good for it.

    An address that the controller cannot reach passes: pods may reach it, and istiod's sync will show it.
    """
    if peer.refusal:
        raise peer.refusal


async def _authority(kube: Kube, config: Kubeconfig | None, server: PeerServer, published: str) -> Choice:
    """The CA by which other istiods verify the address: by what it shows, where the controller can see that."""
    endpoint = kube.transport.endpoint
    given = config.content(server.entry, "certificate-authority") if config else b""
    used = (given or endpoint.pem.get("ca") or b"").decode("utf-8", "replace")
    name = f"the CA in {server.origin}" if given else "the CA by which the controller reaches the cluster"
    known = known_authorities(published, used, name)
    by = _reached_by(endpoint, server)
    reached = [one for one in known if by and one.pem and by.pem and one.certificates == by.certificates]
    if by and not by.pem:
        reached = known[-1:]
    if known[0] in reached:
        return choose(kube.cluster, server.url, known, [Shown(known[0])])  # this connection has shown it
    return choose(kube.cluster, server.url, known, await _shown(server, known), reached)


def _reached_by(endpoint: Endpoint, server: PeerServer) -> Authority | None:
    """By which CA our own connection verified this address, through a proxy maybe; None if it did not."""
    mine = PeerServer(endpoint.server, "", endpoint.server_name or "")
    same = (mine.host_port, mine.tls_server_name) == (server.host_port, server.tls_server_name)
    if not same or endpoint.tls is None or endpoint.tls.verify_mode is not ssl.CERT_REQUIRED:
        return None
    return Authority("", (endpoint.pem.get("ca") or b"").decode("utf-8", "replace"))


async def _shown(server: PeerServer, known: t.Iterable[Authority]) -> list[Shown]:
    """What the address shows to those who trust an authority, up to the first that accepts it; [] if none answers."""
    found: list[Shown] = []
    for authority in known:
        try:
            await _shake_hands(server, authority)
        except ssl.SSLCertVerificationError as error:
            found.append(Shown(authority, error.verify_message, error.verify_code in _OF_NAME))
        except _UnreadableCA:
            found.append(Shown(authority, "it is not PEM"))
        except (OSError, TimeoutError):
            return []
        else:
            return [*found, Shown(authority)]
    return found


async def connection_error(peer: Peer) -> str:
    """Why the controller cannot connect to a peer's address; "" if it can."""
    try:
        pem = base64.b64decode(peer.ca).decode("utf-8", "replace")
        await _shake_hands(PeerServer(peer.server, "", peer.tls_server_name), Authority("", pem))
    except TimeoutError:
        return "i/o timeout"
    except ConnectionRefusedError:
        return "connection refused"
    except _UnreadableCA:
        return ""
    except OSError as error:
        return str(error.strerror or error)
    return ""


async def _shake_hands(server: PeerServer, authority: Authority) -> None:
    host, port = server.host_port
    context = _trusting(authority)
    async with asyncio.timeout(_HANDSHAKE_SECONDS):
        _reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=server.tls_server_name or host
        )
    writer.close()


def _trusting(authority: Authority) -> ssl.SSLContext:
    """A client that trusts what an istiod with this CA would trust."""
    try:
        return server_context(authority.pem.encode())
    except (ssl.SSLError, ValueError):
        raise _UnreadableCA from None
