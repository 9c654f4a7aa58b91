# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door's certificate as a Secret of type kubernetes.io/tls holds it: checked before Envoy gets it."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import hashlib
import typing as t

from ...clocks import AHEAD
from ...errors import FleetError

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
except ImportError:  # ansible-core requires cryptography: it is absent only where a module would run remotely
    pass

__all__ = ["Pair", "covered", "read_pair", "uncovered"]

_SOON = datetime.timedelta(days=14)
_STEP = "put a certificate with its key there (kubectl create secret tls, or cert-manager), then run again"


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate and its key. ``repr`` leaves the key out: never return or log it."""

    name: str
    certificate: str
    key: str = dataclasses.field(repr=False)
    names: tuple[str, ...]
    """The DNS names that it is for."""
    ends_soon: str = ""
    """When it ends, if that is soon."""

    @property
    def folder(self) -> str:
        """The name of a folder for it; a renewed certificate has another one. It says nothing of the key."""
        return f"{self.name}-{hashlib.sha256(self.certificate.encode()).hexdigest()[:12]}"


def read_pair(secret: t.Mapping[str, t.Any], cluster: str, now: datetime.datetime) -> Pair:
    """The certificate and key of a live Secret. One that an issuer with a faster clock made just now is good.

    Raises:
        FleetError: it cannot be used; without a word of what it holds.
    """
    meta = secret["metadata"]
    where = f"Secret {meta['namespace']}/{meta['name']}"

    def wrong(what: str, seen: str = "", step: str = _STEP) -> FleetError:
        return FleetError(what, cluster=cluster, obj=where, seen=seen, next_step=step)

    data = secret.get("data") or {}
    try:
        # Outside of its blocks PEM may hold any text, as openssl x509 -text writes it.
        pem = base64.b64decode(str(data["tls.crt"]), validate=True).decode()
        key_pem = base64.b64decode(str(data["tls.key"]), validate=True).decode()
    except (KeyError, ValueError, binascii.Error):
        raise wrong("it is no TLS secret", "it lacks tls.crt or tls.key, or they are no PEM") from None
    try:
        leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    except ValueError:
        raise wrong("its certificate cannot be read", "tls.crt is no certificate in PEM") from None
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise wrong("its key cannot be read", "tls.key is no private key in PEM, or it is encrypted") from None
    if _public(key.public_key()) != _public(leaf.public_key()):
        raise wrong("its key is not that of its certificate")
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now + AHEAD < start:
        step = f"see the clock of this machine, and who issued it; or {_STEP}"
        raise wrong("its certificate is not valid yet", f"from {start:%Y-%m-%d %H:%M} UTC on", step)
    if end <= now:
        raise wrong("its certificate has ended", f"on {end:%Y-%m-%d}")
    return Pair(str(meta["name"]), pem, key_pem, _names(leaf), f"{end:%Y-%m-%d}" if end - now < _SOON else "")


def uncovered(hosts: t.Iterable[str], pairs: t.Iterable[Pair]) -> list[str]:
    """The hosts that no certificate is for."""
    names = [name for pair in pairs for name in pair.names]
    return [host for host in hosts if host and not any(_covers(name, host) for name in names)]


def covered(hosts: t.Iterable[str], certificates: t.Iterable[str]) -> list[str]:
    """The hosts that one of the certificates, given as PEM, is for."""
    names = [name for pem in certificates for name in _names(x509.load_pem_x509_certificates(pem.encode())[0])]
    return [host for host in hosts if any(_covers(name, host) for name in names)]


def _covers(name: str, host: str) -> bool:
    """A wildcard stands for one label (RFC 6125, section 6.4.3)."""
    if name.lower() == host:
        return True
    return name.startswith("*.") and "." in host and not host.startswith("*.") and host.split(".", 1)[1] == name[2:]


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name).lower() for name in found.value.get_values_for_type(x509.DNSName))


def _public(key: t.Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))
