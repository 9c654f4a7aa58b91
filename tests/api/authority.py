# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of a test's control plane."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


class Authority:
    """A certificate authority of its own for one test control plane."""

    def __init__(self, name: str = "test-ca") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.cert = self._sign(self.name, self.key.public_key(), ca=True)

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def _sign(
        self, subject: x509.Name, key: t.Any, *, ca: bool = False, sans: t.Sequence[x509.GeneralName] = ()
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(sans)), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def vouch_for(self, other: Authority) -> bytes:
        """A certificate of ``other``, in PEM, as an intermediate CA below this one."""
        return self._sign(other.name, other.key.public_key(), ca=True).public_bytes(serialization.Encoding.PEM)

    def issue(
        self, common_name: str, groups: t.Sequence[str] = (), *, server: bool = False, hosts: t.Sequence[str] = ()
    ) -> tuple[bytes, bytes]:
        """``(certificate, key)`` in PEM; ``hosts`` are names that a server answers to."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, group) for group in groups]
        names.append(x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name))
        sans: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        if server:
            sans += [x509.DNSName("kubernetes"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        cert = self._sign(x509.Name(names), key.public_key(), sans=sans)
        return cert.public_bytes(serialization.Encoding.PEM), pem_key(key)
