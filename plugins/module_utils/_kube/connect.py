# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a Connection to an address, a TLS context and credentials."""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
import tempfile
import typing as t

from .._model.inventory.connection import Connection
from ..errors import FleetError
from ..files import has_files_in_memory
from ..proxies import SCHEMES, without_login
from .credentials import credentials, valid_token
from .discovery import nearest
from .endpoint import Endpoint, bearer
from .impersonation import impersonation
from .kubeconfig import AbsentCluster, read_kubeconfig
from .tls import server_context

__all__ = ["AbsentCluster", "resolve"]


async def resolve(connection: Connection, cluster: str) -> Endpoint:
    """Read the kubeconfig (or use the address), run a credential plugin, build the TLS context.

    Raises:
        AbsentCluster: no such kubeconfig or context.
        FleetError: it is there and cannot be used.
    """
    if connection.lookup:
        found = await asyncio.to_thread(connection.lookup)
        endpoint = await resolve(found, cluster)
        endpoint.expires, endpoint.lookup = found.expires, connection.lookup
        return endpoint
    if connection.server:
        pem = {"ca": connection.ca_pem.encode()}
        tls = _tls(cluster, connection.server, pem, "cluster_api_ca")
        return Endpoint(
            connection.server.rstrip("/"),
            tls,
            bearer(valid_token(connection.token, cluster, "cluster_api_token")),
            pem=pem,
            public_ca=not connection.ca_pem,
            account=connection.account,
            required_permission=connection.required_permission,
        )
    if not connection.kubeconfig:
        raise FleetError(
            "no way to reach this cluster is given",
            cluster=cluster,
            next_step="set cluster_kubeconfig (and cluster_context), or cluster_api_url with cluster_api_token",
        )
    return await _endpoint(connection, cluster)


async def _endpoint(connection: Connection, cluster: str) -> Endpoint:
    config = read_kubeconfig(connection, cluster)
    wanted = connection.context or config.document["current-context"]
    context = config.named("contexts", wanted)
    if context is None:
        names = config.contexts
        raise AbsentCluster(
            f'context "{wanted}" is not in its kubeconfig' if wanted else "its kubeconfig has no current context",
            cluster=cluster,
            seen=f"{config.source} has {', '.join(names) or 'no contexts'}",
            means=nearest(wanted, names),
            next_step="correct cluster_context",
        )
    found = config.named("clusters", str(context.get("cluster")))
    server = str((found or {}).get("server") or "").rstrip("/")
    if found is None or not server:
        raise FleetError(
            f'context "{wanted}" names no cluster with a server address',
            cluster=cluster,
            seen=f"{config.source}: cluster {context.get('cluster')!r}",
            next_step="get a fresh kubeconfig of this cluster",
        )
    user = config.named("users", str(context.get("user"))) or {}
    pem = {
        "ca": config.content(found, "certificate-authority"),
        "cert": config.content(user, "client-certificate"),
        "key": config.content(user, "client-key"),
    }
    credential = await credentials(user, pem, config, found)
    insecure = bool(found.get("insecure-skip-tls-verify"))
    tls_of = functools.partial(_tls, cluster, server, source=config.source, insecure=insecure)
    return Endpoint(
        server=server,
        tls=tls_of(pem),
        tls_of=tls_of,
        headers=credential.headers,
        expires=credential.expires,
        plugin=credential.plugin,
        impersonation=impersonation(user, config.source, cluster),
        pem=pem,
        server_name=str(found["tls-server-name"]) if found.get("tls-server-name") else None,
        proxy=_proxy_url(found, config.source, cluster),
    )


def _proxy_url(found: t.Mapping[str, t.Any], path: str, cluster: str) -> str:
    url = str(found.get("proxy-url") or "")
    if url and url.partition("://")[0] not in SCHEMES:
        raise FleetError(
            "its kubeconfig names a proxy of another kind than Kubernetes clients know",
            cluster=cluster,
            seen=f"{path}: proxy-url {without_login(url)}",
            next_step="begin proxy-url with http://, https:// or socks5://",
        )
    return url


def _tls(
    cluster: str, server: str, pem: t.Mapping[str, bytes], source: str, *, insecure: bool = False
) -> ssl.SSLContext | None:
    if not server.startswith("https://"):
        return None
    try:
        context = server_context(pem.get("ca", b""))
        if insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if pem.get("cert"):
            _load_chain(context, pem["cert"] + b"\n" + pem.get("key", b""))
    except (ssl.SSLError, ValueError) as error:
        raise FleetError(
            "the certificates to reach it are not usable",
            cluster=cluster,
            seen=f"{source}: {error}",
            means="a CA or client certificate is not PEM, or the client key does not match",
            next_step="get a fresh kubeconfig of this cluster",
        ) from None
    return context


def _load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """OpenSSL reads a key only from a file: one in memory where the system has that, else a private
    one that is gone as soon as it is read."""
    if has_files_in_memory():
        number = os.memfd_create("client")
        try:
            os.write(number, pem)
            context.load_cert_chain(f"/proc/self/fd/{number}")
        finally:
            os.close(number)
        return
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(pem)
        stream.flush()
        context.load_cert_chain(stream.name)
