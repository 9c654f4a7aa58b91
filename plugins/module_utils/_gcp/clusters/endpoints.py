# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of a GKE cluster's API server, from the answer of ``clusters.list``: pure functions."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ...errors import FleetError

__all__ = ["CHOICES", "CONNECT", "DNS", "PRIVATE", "PUBLIC", "Addresses", "addresses", "place_of", "trimmed"]

DNS, PRIVATE, PUBLIC = "dns", "private", "public"
CHOICES = (PUBLIC, PRIVATE, DNS)

CONNECT = "container.clusters.connect (roles/container.developer, roles/container.admin)"
"""The permission that Google requires at the DNS endpoint, in front of the API server; and roles that have it."""

Json = t.Mapping[str, t.Any]

_UNUSABLE = {
    "PROVISIONING": ("it is being made", "wait until Google has made it; then run again"),
    "STOPPING": ("it is being deleted", "wait until it is gone, then run the clusters stage"),
    "ERROR": ("it is in state ERROR", "check it in the console or with `gcloud container clusters describe`"),
}


class Addresses(t.NamedTuple):
    """``server`` for this machine and ``peer`` for the other clusters' istiods ("" for none), the CA ("" for a public
    one), and the permission that Google requires in front of ``server``."""

    server: str
    ca_pem: str
    peer: str
    required_permission: str = ""


def trimmed(cluster: Json) -> dict[str, t.Any]:
    """The part of a Cluster that this module reads, which is worth caching; nothing secret."""
    out = {name: cluster[name] for name in _FIELDS if name in cluster}
    ca = (cluster.get("masterAuth") or {}).get("clusterCaCertificate")
    return {**out, **({"masterAuth": {"clusterCaCertificate": ca}} if ca else {})}


_FIELDS = (
    "name", "location", "zone", "status", "statusMessage", "endpoint", "controlPlaneEndpointsConfig",
    "privateClusterConfig", "networkConfig",
)  # fmt: skip


def place_of(cluster: Json) -> str:
    """Zone of a zonal cluster, region of a regional one."""
    return str(cluster.get("location") or cluster.get("zone") or "")


def addresses(
    cluster: Json,
    host: str,
    choice: str = PUBLIC,
    peer_choice: str = "",
    *,
    same_vpc: bool = True,
    same_region: bool = False,
) -> Addresses:
    """Choose the addresses.

    Args:
        cluster: Google's Cluster.
        host: its name in the inventory, for messages.
        choice: PUBLIC, PRIVATE or DNS: the address for this machine.
        peer_choice: PUBLIC or PRIVATE: the address for other clusters; "" for the private one if all that watch it
            are in its VPC and reach it, else the public one if there is one.
            Never DNS: that endpoint accepts Google's tokens only.
        same_vpc: all that watch it are in its VPC.
        same_region: all that watch it are in its region.

    Raises:
        FleetError: the cluster is not ready, or has no address of the kind.
    """
    status = str(cluster.get("status") or "")
    if status in _UNUSABLE:
        means, step = _UNUSABLE[status]
        raise FleetError(
            "its API server cannot be used",
            cluster=host,
            seen=f"{status} {cluster.get('statusMessage') or ''}".strip(),
            means=means,
            next_step=step,
        )
    there = _endpoints(cluster)
    if not peer_choice and (there[PRIVATE] or there[PUBLIC]):
        peer_choice = (
            PRIVATE if _private_reachable(cluster, there, same_vpc, same_region) or not there[PUBLIC] else PUBLIC
        )
    for variable, wanted in (("gke_endpoint", choice), ("gke_peer_endpoint", peer_choice)):
        if wanted and not there.get(wanted):
            raise _no_endpoint(cluster, host, there, variable, wanted)
    return Addresses(
        server=f"https://{there[choice]}",
        # The DNS endpoint has a certificate of a public CA.
        ca_pem="" if choice == DNS else _ca(cluster, host),
        peer=f"https://{there[peer_choice]}" if peer_choice else "",
        required_permission=CONNECT if choice == DNS else "",
    )


def _no_endpoint(cluster: Json, host: str, there: t.Mapping[str, str], variable: str, wanted: str) -> FleetError:
    have = ", ".join(f"{kind} {address}" for kind, address in there.items() if address) or "none"
    dns = (cluster.get("controlPlaneEndpointsConfig") or {}).get("dnsEndpointConfig") or {}
    if wanted == DNS:
        closed = "switched off (allowExternalTraffic)" if dns.get("endpoint") else "not there"
        seen = f"endpoints: {have}; the DNS endpoint is {closed}"
        switch = f"gcloud container clusters update {cluster.get('name')} --enable-dns-access"
        step = f"run the clusters stage, or `{switch} --location {place_of(cluster)}`; or set {variable} to another one"
    else:
        seen = f"endpoints: {have}"
        step = f"set {variable} to another one, or switch on the cluster's {wanted} endpoint"
    return FleetError(f"it has no {wanted} endpoint", cluster=host, seen=seen, next_step=step)


def _private_reachable(cluster: Json, there: t.Mapping[str, str], same_vpc: bool, same_region: bool) -> bool:
    """Whether peers' pods reach the private endpoint. Google serves it in the VPC, in one region, or with global access
    in all. It sees the addresses of pods, as authorized networks name them; the public endpoint those of NAT."""
    ip = (cluster.get("controlPlaneEndpointsConfig") or {}).get("ipEndpointsConfig") or {}
    old = cluster.get("privateClusterConfig") or {}
    everywhere = ip.get("globalAccess") or (old.get("masterGlobalAccessConfig") or {}).get("enabled")
    return bool(there[PRIVATE] and same_vpc and (same_region or everywhere))


def _endpoints(cluster: Json) -> dict[str, str]:
    endpoints = cluster.get("controlPlaneEndpointsConfig") or {}
    ip, dns = endpoints.get("ipEndpointsConfig") or {}, endpoints.get("dnsEndpointConfig") or {}
    private = cluster.get("privateClusterConfig") or {}
    inside = str(ip.get("privateEndpoint") or private.get("privateEndpoint") or "")
    outside = str(ip.get("publicEndpoint") or private.get("publicEndpoint") or "")
    plain = str(cluster.get("endpoint") or "")
    closed = private.get("enablePrivateEndpoint") or ip.get("enablePublicEndpoint") is False
    if not outside and plain != inside and not closed:
        outside = plain
    if not inside and closed:
        inside = plain
    if ip.get("enabled") is False:
        inside = outside = ""
    name = str(dns.get("endpoint") or "") if dns.get("allowExternalTraffic") else ""
    return {PUBLIC: "" if closed else outside, PRIVATE: inside, DNS: name}


def _ca(cluster: Json, host: str) -> str:
    encoded = str((cluster.get("masterAuth") or {}).get("clusterCaCertificate") or "")
    try:
        pem = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        pem = ""
    if "BEGIN CERTIFICATE" not in pem:
        raise FleetError(
            "Google returns no CA certificate of it",
            cluster=host,
            means="it is not ready yet, or the account may not read it (container.clusters.get)",
            next_step="run again when the cluster is RUNNING; or set gke_endpoint: dns",
        )
    return pem
