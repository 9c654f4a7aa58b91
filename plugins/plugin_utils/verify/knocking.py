# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call what is exported to peers from this machine, without a certificate: nobody may answer."""

from __future__ import annotations

import asyncio
import os
import pathlib
import socket
import ssl
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import Bundle, read_bundle
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.federated_calls import (
    Knock,
    Knocked,
    judge_knock,
    knocks,
    not_written,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers

__all__ = ["knock", "knock_at_exports"]

_REFUSAL_SECONDS = 1.0
"""In which a refusal comes, and then nothing was sent: of bytes that it does not read, a server's end of the connection
could overtake its words."""
_REQUEST = "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"


async def knock_at_exports(
    peers: Peers, trust_domain: str, directory: str, clusters: t.Sequence[str], *, timeout_ms: int
) -> list[Check]:
    """A check of each exported service at each gateway that leads to it.

    Args:
        peers: what the inventory says.
        trust_domain: our own.
        directory: where our bundles are, which name gateways and ports.
        clusters: those to which a failure is attributed.
        timeout_ms: for one call.
    """
    wanted = [peer for peer in peers.named if peer.exports]
    own: dict[str, Bundle] = {}
    missing: list[Check] = []
    for peer in wanted:
        path = pathlib.Path(directory, f"{trust_domain}-for-{peer.trust_domain}.json")
        try:
            own[peer.trust_domain] = read_bundle(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError, FleetError):
            missing.append(not_written(peer.trust_domain, os.fspath(path), clusters))
    planned = knocks(own)
    found = await asyncio.gather(*(asyncio.to_thread(knock, one, timeout_ms / 1000) for one in planned))
    return [*missing, *(judge_knock(one, end, clusters) for one, end in zip(planned, found, strict=True))]


def knock(planned: Knock, timeout: float) -> Knocked:
    """How a call by TLS without a certificate of our own ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Who answers proves nothing here: whether anybody does is the question.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # As a proxy of the mesh: of others, a pod that also takes plain text would take these bytes for it.
    context.set_alpn_protocols(["istio"])
    try:
        plain = socket.create_connection((planned.address, planned.port), timeout)
    except OSError as error:
        return Knocked(None, f"this machine does not reach it: {error.strerror or error}")
    try:
        with plain, context.wrap_socket(plain, server_hostname=planned.sni) as secure:
            said = _heard(secure, planned.host, timeout)
    except ssl.SSLError as error:
        return Knocked("certificate" in (error.reason or "").lower() or None, str(error.reason or error))
    except OSError as error:
        return Knocked(None, str(error.strerror or error))
    if not said:
        return Knocked(None, "the connection was closed")
    return Knocked(False, said.split(b"\r\n", 1)[0].decode(errors="replace")[:100])


def _heard(secure: ssl.SSLSocket, host: str, timeout: float) -> bytes:
    """What the other end says by itself, else to a request."""
    secure.settimeout(min(_REFUSAL_SECONDS, timeout))
    try:
        return secure.recv(1000)
    except TimeoutError:
        secure.settimeout(timeout)
    secure.sendall(_REQUEST.format(host=host).encode())
    return secure.recv(1000)
