# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bundle: the file by which one mesh tells another what it needs to call it; docs/federation.md has its fields.

Nothing in it is secret. But who can replace it on its way can speak for the mesh: receivers compare the fingerprint.
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import json
import re
import typing as t

from ...errors import FleetError
from ..inventory.values import LABEL, dns_name
from ..trust.certificates import certificate_pem, fingerprint, parse_certificates

if t.TYPE_CHECKING:
    from cryptography import x509

__all__ = ["FORMAT", "Bundle", "Gateway", "Offer", "OfferedPort", "as_text", "read_bundle", "refreshed", "usable"]

FORMAT = "mesh.fleet/federation-bundle/1"
WARN_DAYS = 30
"""How many days before its end a peer's bundle is warned of."""
_IDENTITY = re.compile(r"spiffe://([^/]+)/ns/([^/\s]+)/sa/([^/\s]+)")
_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TCP", "TLS", "MONGO", "MYSQL", "REDIS")
_NEXT = "ask the peer for a new bundle: it writes one in each run (playbooks/federation.yml)"


@dataclasses.dataclass(frozen=True)
class Gateway:
    """Where calls from outside arrive for pods of one network."""

    network: str
    address: str
    """An IP or a hostname."""
    port: int


@dataclasses.dataclass(frozen=True)
class OfferedPort:
    """A port of an exported service, as callers see it."""

    number: int
    name: str
    protocol: str
    """In Istio's words: HTTP, GRPC, TCP, …"""


@dataclasses.dataclass(frozen=True)
class Offer:
    """A service that the bundle's receiver may call."""

    host: str
    ports: tuple[OfferedPort, ...]
    identities: tuple[str, ...]
    """The SPIFFE IDs under which its pods answer."""
    networks: tuple[str, ...]
    """Those on which its pods are."""


@dataclasses.dataclass(frozen=True)
class Bundle:
    """What one mesh says of itself to one other."""

    trust_domain: str
    receiver: str
    """The trust domain of the mesh that it is for."""
    namespace: str
    """Of its control planes: istiods there have DNS names."""
    made: datetime.datetime
    expires: datetime.datetime
    roots: tuple[x509.Certificate, ...]
    gateways: tuple[Gateway, ...] = ()
    services: tuple[Offer, ...] = ()

    def days_left(self, now: datetime.datetime) -> int:
        """Whole days until it, or the first of its roots, ends; negative afterwards."""
        end = min(self.expires, *(root.not_valid_after_utc for root in self.roots))
        return (end - now) // datetime.timedelta(days=1)

    def gateways_of(self, offer: Offer) -> list[Gateway]:
        """The gateways by which a service is reached."""
        return [one for one in self.gateways if one.network in offer.networks]


def as_text(bundle: Bundle) -> str:
    """The file's text: JSON."""
    data = {
        "format": FORMAT,
        "trust_domain": bundle.trust_domain,
        "for": bundle.receiver,
        "namespace": bundle.namespace,
        "made": bundle.made.isoformat(timespec="seconds"),
        "expires": bundle.expires.isoformat(timespec="seconds"),
        "roots": [{"sha256": fingerprint(root), "pem": certificate_pem(root).splitlines()} for root in bundle.roots],
        "gateways": [dataclasses.asdict(one) for one in bundle.gateways],
        "services": [dataclasses.asdict(one) for one in bundle.services],
    }
    return json.dumps(data, indent=2) + "\n"


def read_bundle(content: str, where: str) -> Bundle:
    """The bundle in a file that another team sent: every field is checked before anything is made of it.

    Raises:
        FleetError: it is none.
    """
    if "PRIVATE KEY-----" in content:
        raise FleetError(
            "the file of a peer holds a private key",
            obj=where,
            means="who has it can speak for whom it is of; a bundle holds certificates alone",
            next_step="delete the file, and tell who sent it that the key is known now; ask for the bundle",
        )
    if not content.strip():
        raise _unreadable(where, "it is empty")
    if content.lstrip().startswith("-----BEGIN"):
        raise _unreadable(where, "it is a certificate alone")
    try:
        data = json.loads(content)
        if not isinstance(data, dict):
            raise ValueError("it is no JSON object")
        if data.get("format") != FORMAT:
            raise ValueError(f"format is {data.get('format')!r}, not {FORMAT!r}")
        roots = tuple(_root(one) for one in _listed(data, "roots"))
        bundle = Bundle(
            trust_domain=_name(data["trust_domain"]),
            receiver=_name(data["for"]),
            namespace=_label(data["namespace"]),
            made=_time(data["made"]),
            expires=_time(data["expires"]),
            roots=roots,
            gateways=tuple(_gateway(one) for one in _listed(data, "gateways")),
            services=tuple(_offer(one, data["trust_domain"]) for one in _listed(data, "services")),
        )
        if not roots:
            raise ValueError("it has no root")
    except FleetError as error:
        raise _unreadable(where, f"{error.what}; {error.seen}") from None
    except KeyError as error:
        raise _unreadable(where, f"{error} is missing") from None
    except json.JSONDecodeError as error:
        raise _unreadable(where, f"it is no JSON: line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _unreadable(where, "its JSON is nested without end") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise _unreadable(where, str(error)[:200]) from None
    return bundle


def _listed(data: t.Mapping[str, t.Any], key: str) -> list[t.Any]:
    if not isinstance(data[key], list) or not all(isinstance(one, dict) for one in data[key]):
        raise ValueError(f"{key} is no list of objects")
    return list(data[key])


def _root(value: t.Mapping[str, t.Any]) -> x509.Certificate:
    """A root whose number is that of its certificate: people compare the number alone."""
    found = parse_certificates("\n".join(value["pem"]), what="a root")
    if len(found) != 1:
        raise ValueError(f"a root has {len(found)} certificates")
    said = str(value["sha256"]).replace(":", "").lower()
    if said != fingerprint(found[0]).replace(":", "").lower():
        raise ValueError(f"sha256 {value['sha256']} is not that of the root beside it, {fingerprint(found[0])}")
    return found[0]


def usable(bundle: Bundle, domain: str, own: str, now: datetime.datetime, where: str) -> None:
    """Check that a peer's bundle is that of ``domain``, for our mesh ``own``, and has not ended.

    Raises:
        FleetError: what is wrong with it.
    """
    if bundle.trust_domain == own:
        raise FleetError(
            "the bundle of a peer has our own trust domain",
            obj=where,
            seen=f"{own}, root SHA256 {fingerprint(bundle.roots[0])}",
            means="it is the bundle that this mesh writes, or the peer has the same domain: then its CA could speak "
            "for our workloads, and nothing can tell the two apart",
            next_step=f"put the file that the peer wrote there; a peer with domain {own} must take another "
            "(mesh_trust_domain)",
        )
    if bundle.trust_domain != domain:
        raise FleetError(
            "the bundle is another mesh's",
            obj=where,
            seen=f"trust domain {bundle.trust_domain}; the inventory names {domain}",
            next_step="put the file of that peer there, or correct trust_domain in mesh_federation",
        )
    if bundle.receiver != own:
        raise FleetError(
            "the bundle is for another mesh",
            obj=where,
            seen=f"for {bundle.receiver}; this mesh is {own}",
            means="a peer writes a file for each mesh, because each may call other services",
            next_step=f"ask the peer for its file for {own}",
        )
    if bundle.days_left(now) < 0 or bundle.expires <= now:
        first = min(bundle.roots, key=lambda root: root.not_valid_after_utc)
        seen = f"on {bundle.expires:%Y-%m-%d}"
        if first.not_valid_after_utc < bundle.expires:
            seen = f"its root SHA256 {fingerprint(first)} ended on {first.not_valid_after_utc:%Y-%m-%d}"
        raise FleetError(
            f"the bundle of {domain} has expired",
            obj=where,
            seen=seen,
            means="the peer may have another root by now",
            next_step=f"{_NEXT}; or take the peer out of mesh_federation",
        )


def refreshed(new: Bundle, old: Bundle | None, now: datetime.datetime, lifetime: datetime.timedelta) -> Bundle:
    """What is written: ``old`` while it says the same and more than half of its life is left."""
    if old is not None:
        same = dataclasses.replace(new, made=old.made, expires=old.expires)
        if same == old and old.expires - now > lifetime / 2:
            return old
    return dataclasses.replace(new, made=now, expires=now + lifetime)


def _unreadable(where: str, seen: str) -> FleetError:
    return FleetError("the file is no bundle of a mesh", obj=where, seen=seen, next_step=_NEXT)


def _time(value: t.Any) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(str(value))
    if found.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return found


def _name(value: t.Any) -> str:
    if dns_name(str(value)):
        raise ValueError(f"{value!r} is no DNS name")
    return str(value)


def _label(value: t.Any) -> str:
    if not LABEL.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no DNS label")
    return str(value)


def _port(value: t.Any) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise ValueError(f"{value!r} is no port")
    return value


def _gateway(one: t.Mapping[str, t.Any]) -> Gateway:
    address = str(one["address"])
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        _name(address)
    else:
        # With one of these, a peer would have our pods call themselves, or what is on their node.
        if found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast:
            raise ValueError(f"{address} is no address of a gateway")
    return Gateway(str(one["network"]), address, _port(one["port"]))


def _offer(one: t.Mapping[str, t.Any], trust_domain: str) -> Offer:
    host = _name(one["host"])
    if not host.endswith(".global"):
        raise ValueError(f"{host!r} does not end in .global: a peer names nothing else of ours")
    for identity in one["identities"]:
        found = _IDENTITY.fullmatch(str(identity))
        if not found or found[1] != trust_domain:
            raise ValueError(f"{identity!r} is no identity of {trust_domain}")
    if not one["identities"]:
        raise ValueError(f"{host} has no identity")
    return Offer(
        host,
        tuple(_offered_port(port) for port in one["ports"]),
        tuple(str(identity) for identity in one["identities"]),
        tuple(str(network) for network in one["networks"]),
    )


def _offered_port(one: t.Mapping[str, t.Any]) -> OfferedPort:
    if one["protocol"] not in _PROTOCOLS:
        raise ValueError(f"{one['protocol']!r} is no protocol")
    return OfferedPort(_port(one["number"]), _label(one["name"]), str(one["protocol"]))
