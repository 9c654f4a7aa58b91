# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of certificates before a gateway shows them."""

from __future__ import annotations

import base64
import datetime
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.certificates import (
    Pair,
    check_pair,
    covers,
    given_pair,
    pair_of_secret,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import certificate_pem, key_pem
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


def pair(*hosts: str, begins: datetime.datetime = NOW - DAY, ends: datetime.datetime = NOW + DAY) -> Pair:
    """A self-signed certificate, as `openssl req -x509` makes one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, ends)
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return Pair(certificate_pem(builder.sign(key, hashes.SHA256())), key_pem(key))


def refusal(given: Pair, host: str = "shop.example") -> FleetError:
    with pytest.raises(FleetError) as refused:
        check_pair(given, host, NOW, what="Secret gates/shop-tls")
    return refused.value


def test_a_good_pair_is_taken() -> None:
    check_pair(pair("shop.example"), "shop.example", NOW, what="it")
    check_pair(pair("*.shop.example"), "a.shop.example", NOW, what="it")
    check_pair(pair("other.example"), "", NOW, what="it")


def test_what_a_browser_refuses_is_told() -> None:
    assert refusal(pair("other.example")).seen == "it is for other.example"
    assert refusal(pair()).seen == "it is for no host"
    assert refusal(pair("shop.example", ends=NOW - DAY / 2)).what == "the certificate has ended"
    assert refusal(pair("shop.example", begins=NOW + DAY / 2)).what == "the certificate is not valid yet"


def test_a_key_of_another_certificate_is_refused_and_not_shown() -> None:
    one, other = pair("shop.example"), pair("shop.example")
    error = refusal(Pair(one.certificate, other.key))
    assert error.what == "the private key is not that of the certificate"
    assert other.key.splitlines()[1] not in str(error)
    # PKCS #8 of an algorithm that nobody has: 1.2.3.4.
    unknown = "-----BEGIN PRIVATE KEY-----\nMAwCAQAwBQYDKgMEBAA=\n-----END PRIVATE KEY-----\n"
    for text in ("no key", unknown):
        assert refusal(Pair(one.certificate, text)).what == "the private key cannot be read"
    assert "holds no certificate" in refusal(Pair("no certificate", one.key)).what
    assert other.key not in repr(other)


@pytest.mark.parametrize("given", [{}, {"shop": {}}, {"shop": {"certificate": "x"}}, {"shop": "x"}, None])
def test_an_entry_that_is_no_pair_is_refused(given: t.Any) -> None:
    with pytest.raises(FleetError, match=r"is no certificate|is not given"):
        given_pair(given, "shop")


def test_a_secret_has_either_pair_of_keys() -> None:
    def secret(**texts: str) -> dict[str, t.Any]:
        return {
            "data": {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        }

    assert pair_of_secret(secret(tls_crt="a", tls_key="b")) == Pair("a", "b")
    assert pair_of_secret(secret(cert="a", key="b")) == Pair("a", "b")
    assert pair_of_secret(secret(tls_crt="a")) is None
    assert pair_of_secret({"data": {"tls.crt": "%", "tls.key": "%"}}) is None
    assert pair_of_secret({}) is None


def test_a_wildcard_covers_one_label() -> None:
    assert covers(["*.shop.example"], "a.shop.example")
    assert covers(["*.shop.example"], "*.shop.example")
    assert not covers(["*.shop.example"], "a.b.shop.example")
    assert not covers(["*.shop.example"], "shop.example")
    assert not covers(["*.example"], "shop.example"), "as OpenSSL has it"
