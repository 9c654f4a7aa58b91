# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a federation needs in the clusters: Istio's settings and objects, as plain data."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ..inventory.fleet import Fleet
from ..istio.ownership import owner_labels
from ..traffic.seen import Port
from ..trust.certificates import certificate_pem
from .bundle import Bundle, Offer
from .settings import Export, Peer

__all__ = ["KINDS", "PART", "Exported", "export_entry", "import_objects", "istiod_values", "mesh_objects"]

Object = dict[str, t.Any]

PART = "federation"
"""What our objects say in the label ``mesh.fleet/part-of``."""
_NETWORKING, _SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
KINDS = (
    (_NETWORKING, "ServiceEntry"),
    (_NETWORKING, "DestinationRule"),
    (_SECURITY, "AuthorizationPolicy"),
    (_SECURITY, "PeerAuthentication"),
)


@dataclasses.dataclass(frozen=True)
class Exported:
    """An exported service as the clusters have it."""

    export: Export
    selector: t.Mapping[str, str]
    ports: tuple[Port, ...]


def istiod_values(roots: t.Mapping[str, t.Sequence[t.Any]]) -> Object:
    """Helm values of an istiod in a federation.

    Args:
        roots: by trust domain of a peer, what is trusted in place of its roots; empty while no peer's bundle is there.
    """
    mesh: Object = {
        "defaultConfig": {
            "proxyMetadata": {
                # By it proxies learn of roots while they run; without it only those have them that start later.
                "PROXY_CONFIG_XDS_AGENT": "true",
                "ISTIO_META_DNS_CAPTURE": "true",
            }
        }
    }
    if roots:
        mesh["caCertificates"] = [
            {"trustDomains": [domain], "pem": certificate_pem(root)} for domain, some in roots.items() for root in some
        ]
    return {"pilot": {"env": {"ISTIO_MULTIROOT_MESH": "true"}}, "meshConfig": mesh}


def mesh_objects(fleet: Fleet, exported: t.Mapping[str, t.Sequence[Exported]]) -> list[Object]:
    """What protects our mesh from its peers: mutual TLS everywhere, and each peer calls what is exported to it alone.

    A peer's calls come through our gateways, which choose the pods by the name that the TLS handshake asks for. So the
    name says which service a call is for, and what names another is refused. This policy refuses and permits
    nothing, so that it widens no other.

    Args:
        fleet: the fleet.
        exported: by the peer's trust domain what it may call.
    """
    found = [
        _object(
            fleet,
            _SECURITY,
            "PeerAuthentication",
            "federation",
            fleet.namespace,
            {"mtls": {"mode": "STRICT"}},
        )
    ]
    for domain, services in exported.items():
        names = [_sni(port.number, one.export.host) for one in services for port in one.ports]
        source: Object = {"source": {"principals": [f"{domain}/*"]}}
        rule: Object = {"from": [source]}
        if names:
            rule["when"] = [{"key": "connection.sni", "notValues": sorted(names)}]
        rules = [rule]
        for one in services:
            if one.export.callers:
                mine = [_sni(port.number, one.export.host) for port in one.ports]
                callers = [_principal(domain, caller) for caller in one.export.callers]
                other: Object = {"source": {"principals": [f"{domain}/*"], "notPrincipals": callers}}
                rules.append({"from": [other], "when": [{"key": "connection.sni", "values": sorted(mine)}]})
        spec = {"action": "DENY", "rules": rules}
        name = f"federation-{domain}"
        found.append(_object(fleet, _SECURITY, "AuthorizationPolicy", name, fleet.namespace, spec))
    return found


def export_entry(fleet: Fleet, one: Exported, addresses: t.Sequence[str]) -> Object:
    """The name of an exported service in our own clusters: our gateways know by it where its calls go."""
    spec: Object = {
        "hosts": [one.export.host],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "ports": [
            {
                "number": port.number,
                "name": port.name or f"port-{port.number}",
                "protocol": port.spoken.upper() or "TCP",
                **({"targetPort": port.target} if isinstance(port.target, int) and port.target else {}),
            }
            for port in one.ports
        ],
        "workloadSelector": {"labels": dict(one.selector)},
        **({"addresses": list(addresses)} if addresses else {}),
    }
    return _object(fleet, _NETWORKING, "ServiceEntry", f"{one.export.name}.federation", one.export.namespace, spec)


def import_objects(
    fleet: Fleet, peer: Peer, bundle: Bundle, addresses: t.Mapping[str, t.Sequence[str]]
) -> list[Object]:
    """The names of a peer's services in our clusters: reached by its gateways, answered by the identities it names.

    Args:
        fleet: the fleet.
        peer: says under which names they are called here.
        bundle: the peer's.
        addresses: by name here.
    """
    found = []
    for offer in bundle.services:
        host, gateways = peer.name_here(offer.host), bundle.gateways_of(offer)
        if not gateways or not addresses.get(host):
            continue
        spec: Object = {
            "hosts": [host],
            "addresses": list(addresses[host]),
            "location": "MESH_INTERNAL",
            "resolution": "STATIC" if all(_is_ip(one.address) for one in gateways) else "DNS",
            "ports": [dataclasses.asdict(port) for port in offer.ports],
            "subjectAltNames": list(offer.identities),
            "endpoints": [
                {
                    "address": one.address,
                    "ports": {port.name: one.port for port in offer.ports},
                    "labels": {"security.istio.io/tlsMode": "istio"},
                }
                for one in gateways
            ],
        }
        name = f"{offer.host.removesuffix('.global')}.{bundle.trust_domain}"
        found.append(_object(fleet, _NETWORKING, "ServiceEntry", name, fleet.namespace, spec))
        if host != offer.host:
            found.append(_object(fleet, _NETWORKING, "DestinationRule", name, fleet.namespace, _asked_for(offer, host)))
    return found


def _asked_for(offer: Offer, host: str) -> Object:
    """By it calls of another name ask for the offered one in the handshake: the peer knows that alone."""
    return {
        "host": host,
        "trafficPolicy": {
            "portLevelSettings": [
                {
                    "port": {"number": port.number},
                    "tls": {
                        "mode": "ISTIO_MUTUAL",
                        "sni": _sni(port.number, offer.host),
                        "subjectAltNames": list(offer.identities),
                    },
                }
                for port in offer.ports
            ]
        },
    }


def _sni(port: int, host: str) -> str:
    """The name in a TLS handshake by which an east-west gateway finds a service."""
    return f"outbound_.{port}_._.{host}"


def _principal(domain: str, caller: str) -> str:
    namespace, _slash, account = caller.partition("/")
    return f"{domain}/ns/{namespace}/sa/{account}"


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _object(fleet: Fleet, version: str, kind: str, name: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": owner_labels(PART, fleet.name)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
