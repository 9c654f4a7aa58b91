# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a Connection to an address, a TLS context and credentials.

A kubeconfig is read here and not by a library's loader: that one puts client keys into files which live
until the process exits (Ansible's workers exit without cleaning up), and costs half a second to import in
every worker.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
import typing as t

import yaml

from .._model.inventory.connection import Connection
from ..errors import FleetError
from ..proxies import SCHEMES, without_login
from .credentials import credentials, read_pem, valid_token
from .discovery import nearest
from .endpoint import Endpoint, bearer
from .impersonation import impersonation
from .tls import server_context

__all__ = ["AbsentCluster", "resolve"]

_LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class AbsentCluster(FleetError):
    """The kubeconfig or its context does not exist (yet)."""


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
    path = os.path.abspath(os.path.expanduser(connection.kubeconfig))
    return await _endpoint(_read(path, cluster), path, connection, cluster)


def _read(path: str, cluster: str) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        if text.startswith("$ANSIBLE_VAULT"):
            raise FleetError(
                "its kubeconfig is encrypted by Ansible Vault",
                cluster=cluster,
                seen=path,
                means="a kubeconfig is read as it is, as Helm's and kubectl's are",
                next_step="write it in the clear to a file that only you read (ansible-vault decrypt --output FILE), "
                "or leave it out, set cluster_api_url and cluster_api_ca, and encrypt cluster_api_token",
            )
        config = yaml.load(text, Loader=_LOADER)
    except FileNotFoundError:
        files = path.split(os.pathsep)
        if len(files) > 1 and any(os.path.isfile(os.path.expanduser(file)) for file in files):
            raise FleetError(
                "its kubeconfig is a list of files",
                cluster=cluster,
                seen=path,
                means="kubectl merges the files of its variable KUBECONFIG; cluster_kubeconfig names one file",
                next_step="name the file that has its context, or merge them: kubectl config view --flatten > FILE",
            ) from None
        raise AbsentCluster(
            "its kubeconfig does not exist",
            cluster=cluster,
            seen=path,
            means="the cluster was not made yet, or the path is wrong",
            next_step="run the stage that makes the cluster, or correct cluster_kubeconfig",
        ) from None
    except OSError as error:
        raise FleetError(
            "its kubeconfig cannot be read",
            cluster=cluster,
            seen=f"{path}: {error.strerror}",
            next_step="correct the path, or the file's owner and mode",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise FleetError(
            "its kubeconfig is not YAML",
            cluster=cluster,
            seen=f"{path}: line {mark.line + 1}" if mark else path,
            next_step="get a fresh kubeconfig of this cluster",
        ) from None
    if not isinstance(config, dict) or not isinstance(config.get("contexts") or [], list):
        raise FleetError(
            "its kubeconfig is not a kubeconfig",
            cluster=cluster,
            seen=f"{path}: no list of contexts in it",
            next_step="get a fresh kubeconfig of this cluster",
        )
    return config


def _named(config: t.Mapping[str, t.Any], section: str, name: str) -> dict[str, t.Any] | None:
    for entry in config.get(section) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            inner = entry.get(section[:-1])
            return inner if isinstance(inner, dict) else {}
    return None


async def _endpoint(config: dict[str, t.Any], path: str, connection: Connection, cluster: str) -> Endpoint:
    wanted = connection.context or str(config.get("current-context") or "")
    context = _named(config, "contexts", wanted)
    if context is None:
        names = [str(c.get("name")) for c in config.get("contexts") or [] if isinstance(c, dict)]
        raise AbsentCluster(
            f'context "{wanted}" is not in its kubeconfig' if wanted else "its kubeconfig has no current context",
            cluster=cluster,
            seen=f"{path} has {', '.join(names) or 'no contexts'}",
            means=nearest(wanted, names),
            next_step="correct cluster_context",
        )
    found = _named(config, "clusters", str(context.get("cluster")))
    server = str((found or {}).get("server") or "").rstrip("/")
    if found is None or not server:
        raise FleetError(
            f'context "{wanted}" names no cluster with a server address',
            cluster=cluster,
            seen=f"{path}: cluster {context.get('cluster')!r}",
            next_step="get a fresh kubeconfig of this cluster",
        )
    user = _named(config, "users", str(context.get("user"))) or {}
    base, _file = os.path.split(path)
    pem = {
        "ca": read_pem(found, "certificate-authority", base, cluster, path),
        "cert": read_pem(user, "client-certificate", base, cluster, path),
        "key": read_pem(user, "client-key", base, cluster, path),
    }
    credential = await credentials(user, pem, path, cluster, found)
    insecure = bool(found.get("insecure-skip-tls-verify"))
    return Endpoint(
        server=server,
        tls=_tls(cluster, server, pem, path, insecure=insecure),
        headers=credential.headers,
        expires=credential.expires,
        plugin=credential.plugin,
        impersonation=impersonation(user, path, cluster),
        pem=pem,
        server_name=str(found["tls-server-name"]) if found.get("tls-server-name") else None,
        proxy=_proxy_url(found, path, cluster),
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
    if hasattr(os, "memfd_create"):
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
