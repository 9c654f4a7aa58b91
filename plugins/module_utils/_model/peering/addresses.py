# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The address at which the istiods of other clusters reach a cluster's API server."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t
import urllib.parse

from ...errors import FleetError
from ..inventory.fleet import Cluster
from ..providers.google.paths import is_connect_gateway, is_dns_endpoint

__all__ = ["PeerServer", "peer_server"]


@dataclasses.dataclass(frozen=True)
class PeerServer:
    """A server URL, where it comes from, and the name in its certificate if that differs from the URL's host."""

    url: str
    origin: str
    tls_server_name: str = ""
    entry: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    """The cluster of the kubeconfig that has this URL; empty where none has."""

    @property
    def host_port(self) -> tuple[str, int]:
        parts = urllib.parse.urlsplit(self.url)
        return parts.hostname or "", parts.port or 443


def peer_server(cluster: Cluster, kubeconfig: t.Mapping[str, t.Any] | None) -> PeerServer:
    """Choose the address: ``cluster_peer_endpoint``, else the ``<cluster>-peer`` context, else the controller's own.

    Args:
        cluster: the watched cluster.
        kubeconfig: its kubeconfig as parsed data; None when the controller reaches it by address and token.

    Raises:
        FleetError: no address is known, or it is one that other clusters cannot use (loopback, link-local, a proxy's).
    """
    if cluster.peer_endpoint:
        found = PeerServer(cluster.peer_endpoint, "cluster_peer_endpoint")
    elif kubeconfig is not None:
        found = _from_kubeconfig(cluster, kubeconfig)
    elif cluster.connection.lookup:
        known = cluster.connection.resolved()
        found = PeerServer(known.peer_server or known.server, "its provider")
    elif cluster.connection.server:
        found = PeerServer(cluster.connection.server, "cluster_api_url")
    else:
        raise FleetError(
            "no address of its API server for other clusters is known",
            cluster=cluster.name,
            next_step="set cluster_peer_endpoint, or cluster_kubeconfig, or cluster_api_url",
        )
    url = found.url if "://" in found.url else f"https://{found.url}"
    found = dataclasses.replace(found, url=url.rstrip("/"))
    _refuse_gateway(cluster, found)
    _refuse_path(cluster, found)
    _refuse_unreachable(cluster, found)
    return found


def _from_kubeconfig(cluster: Cluster, document: t.Mapping[str, t.Any]) -> PeerServer:
    contexts = {str(c.get("name")): c.get("context") or {} for c in document.get("contexts") or []}
    clusters = {str(c.get("name")): c.get("cluster") or {} for c in document.get("clusters") or []}
    wanted = [f"{cluster.name}-peer", cluster.connection.context or str(document.get("current-context") or "")]
    for name in wanted:
        target = clusters.get(str((contexts.get(name) or {}).get("cluster") or ""))
        if target and target.get("server"):
            server_name = str(target.get("tls-server-name") or "")
            return PeerServer(str(target["server"]), f"context {name}", server_name, target)
    raise FleetError(
        f"context {wanted[1] or '(current)'} names no server",
        cluster=cluster.name,
        obj=cluster.connection.kubeconfig,
        seen="contexts: " + (", ".join(sorted(contexts)) or "none"),
        next_step="set cluster_context to one of these, or cluster_peer_endpoint",
    )


def _refuse_gateway(cluster: Cluster, found: PeerServer) -> None:
    """Google's Connect gateway is good for the controller, which has an account of Google's. Istiods have none."""
    if is_connect_gateway(found.url):
        raise FleetError(
            "its API address for other clusters is Google's Connect gateway",
            cluster=cluster.name,
            seen=f"{found.url} ({found.origin})",
            means="the gateway accepts Google's accounts only; other istiods have a token and the CA of the cluster "
            "itself",
            next_step="set cluster_peer_endpoint to an address of the API server itself, which pods of the other "
            "clusters can reach; this machine may go on using the gateway",
        )


def _refuse_path(cluster: Cluster, found: PeerServer) -> None:
    """An API server is at the root of its address. What has a path is a proxy, which logs its own users in."""
    if urllib.parse.urlsplit(found.url).path:
        raise FleetError(
            "its API address for other clusters is that of a proxy",
            cluster=cluster.name,
            seen=f"{found.url} ({found.origin})",
            means="an address with a path, such as Rancher's, leads to a proxy that knows no service account of the "
            "cluster, and other istiods have the token of one",
            next_step="set cluster_peer_endpoint to the address of the API server itself; in Rancher that is the "
            "cluster's authorized endpoint",
        )


def _refuse_unreachable(cluster: Cluster, found: PeerServer) -> None:
    parts = urllib.parse.urlsplit(found.url)
    host = parts.hostname or ""
    if parts.scheme != "https" or not host:
        raise FleetError(
            "the API address for other clusters is not an https address",
            cluster=cluster.name,
            seen=f"{found.url} ({found.origin})",
            next_step="set cluster_peer_endpoint, for example https://203.0.113.10:6443",
        )
    if is_dns_endpoint(found.url):
        raise FleetError(
            "its API address for other clusters is Google's DNS endpoint",
            cluster=cluster.name,
            seen=f"{found.url} ({found.origin})",
            means="that endpoint has a public certificate and accepts Google's accounts only; other istiods have "
            "a token and the CA of the cluster itself",
            next_step="enable the private or public endpoint of the cluster and set gke_peer_endpoint to it, or set "
            "cluster_peer_endpoint to an address of the API server itself",
        )
    try:
        address = ipaddress.ip_address(host)
        unreachable = address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast
    except ValueError:
        unreachable = host == "localhost" or host.endswith(".localhost")
    if unreachable:
        raise FleetError(
            "its API address cannot be reached from another cluster",
            cluster=cluster.name,
            seen=f"{found.url} ({found.origin})",
            means="a loopback or link-local address leads each istiod back to its own host",
            next_step="set cluster_peer_endpoint to an address that pods of the other clusters can reach",
        )
