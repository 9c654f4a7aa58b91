# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of hosts: those of ``ingress_certificates``, and what is in a Secret that exists already.

What a browser would refuse is told before it is applied: a key of another certificate, another host, an end that is
over. Nothing of a key is in a message.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import typing as t

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from ...errors import FleetError
from ..trust.certificates import parse_certificates
from .routes import CERTIFICATES

__all__ = ["Pair", "check_pair", "covers", "given_pair", "names_in", "names_of", "pair_of_secret"]

_KEYS = ("certificate", "key")


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate with those that issued it, and its key; both PEM."""

    certificate: str
    key: str = dataclasses.field(repr=False)


def given_pair(certificates: t.Any, name: str) -> Pair:
    """An entry of ``ingress_certificates``.

    Raises FleetError where it is not there, or is no pair of texts.
    """
    entry = certificates.get(name) if isinstance(certificates, t.Mapping) else None
    if (
        not isinstance(entry, t.Mapping)
        or set(entry) != set(_KEYS)
        or not all(isinstance(entry[key], str) for key in _KEYS)
    ):
        raise FleetError(
            "is no certificate with its key" if entry else "is not given",
            obj=f"{CERTIFICATES}.{name}",
            next_step=f"{CERTIFICATES}: {{{name}: {{certificate: PEM, key: PEM}}}}",
        )
    return Pair(entry["certificate"], entry["key"])


def pair_of_secret(secret: t.Mapping[str, t.Any]) -> Pair | None:
    """What a Secret holds for a gateway, by either pair of keys that Istio reads; None where it holds none."""
    data = secret.get("data") or {}
    for certificate, key in (("tls.crt", "tls.key"), ("cert", "key")):
        if data.get(certificate) and data.get(key):
            try:
                texts = [base64.b64decode(data[one], validate=True).decode() for one in (certificate, key)]
            except (binascii.Error, UnicodeDecodeError):
                return None
            return Pair(*texts)
    return None


def check_pair(pair: Pair, host: str, now: datetime.datetime | None, *, what: str) -> None:
    """Whether a caller of ``host`` may take the certificate.

    Args:
        pair: the certificate and its key.
        host: as a route names it; "" for any, which no certificate can be refused for.
        now: with its zone; None leaves the time out.
        what: the object, as ``Kind namespace/name`` or a variable.

    Raises FleetError: unreadable, a key of another certificate, for other hosts, not yet valid or no more.
    """
    first = parse_certificates(pair.certificate, what=f"the certificate of {what}")[0]
    try:
        key = serialization.load_pem_private_key(pair.key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise FleetError(
            "the private key cannot be read", obj=what, next_step="give it as PEM, without a passphrase"
        ) from None
    if _public(key.public_key()) != _public(first.public_key()):
        raise FleetError(
            "the private key is not that of the certificate",
            obj=what,
            seen="the first certificate has another public key",
            next_step="give the host's certificate first, those that issued it after it, and its own key",
        )
    if now is not None and not first.not_valid_before_utc <= now <= first.not_valid_after_utc:
        over = now > first.not_valid_after_utc
        raise FleetError(
            "the certificate has ended" if over else "the certificate is not valid yet",
            obj=what,
            seen=f"good from {first.not_valid_before_utc:%Y-%m-%d} to {first.not_valid_after_utc:%Y-%m-%d}",
            next_step="renew it" if over else "see the clock of this machine, and who issued it",
        )
    names = names_of(first)
    if host and not covers(names, host):
        raise FleetError(
            f"the certificate is not for {host}",
            obj=what,
            seen=f"it is for {', '.join(names[:5]) or 'no host'}",
            means="every browser would refuse it",
            next_step=f"get one with the name {host}, or correct the route's host",
        )


def names_in(pair: Pair) -> list[str]:
    """The DNS names that the certificate of a readable pair is for."""
    return names_of(parse_certificates(pair.certificate, what="a certificate")[0])


def names_of(certificate: x509.Certificate) -> list[str]:
    """The DNS names that it is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]


def covers(names: t.Iterable[str], host: str) -> bool:
    """Whether one of the names is for a host: itself, or a wildcard for its first label (RFC 6125, section 6.4.3).

    Browsers and OpenSSL take no wildcard right below a top-level domain.
    """
    parent = host.partition(".")[2]
    wanted = {host, f"*.{parent}"} if "." in parent else {host}
    return not wanted.isdisjoint(names)


def _public(key: t.Any) -> bytes:
    """The same bytes for the same public key."""
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found
