# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door's certificate is checked before Envoy gets it, and nothing says its key."""

from __future__ import annotations

import base64
import datetime
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_certificate import (
    covered,
    read_pair,
    uncovered,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

NOW = datetime.datetime(2026, 7, 1, tzinfo=datetime.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def pem(days: int = 90, *names: str, since: float = 100) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    made = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
    made = made.not_valid_before(NOW - datetime.timedelta(days=since))
    made = made.not_valid_after(NOW + datetime.timedelta(days=days))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(key: t.Any = KEY) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def secret(certificate: bytes, key: bytes) -> dict[str, t.Any]:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    return {"metadata": {"name": "shop", "namespace": "web"}, "data": data}


def test_a_good_one_is_read_and_its_key_is_never_shown() -> None:
    pair = read_pair(secret(pem(90, "shop.example"), key_pem()), "west", NOW)
    assert (pair.names, pair.ends_soon) == (("shop.example",), "")
    assert pair.key == key_pem().decode()
    assert "PRIVATE" not in repr(pair) and pair.folder.startswith("shop-")
    renewed = read_pair(secret(pem(91, "shop.example"), key_pem()), "west", NOW)
    assert renewed.folder != pair.folder


def test_one_that_ends_soon_is_told() -> None:
    assert read_pair(secret(pem(5), key_pem()), "west", NOW).ends_soon == "2026-07-06"


MINUTE = 1 / 24 / 60


def test_one_of_this_moment_is_good_where_our_clock_is_slow() -> None:
    read_pair(secret(pem(since=-5 * MINUTE), key_pem()), "west", NOW)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (secret(pem(since=-6 * MINUTE), key_pem()), r"not valid yet.*\n.*2026-07-01 00:06 UTC"),
        (secret(pem(-1), key_pem()), "has ended"),
        (secret(pem(since=-5), key_pem()), r"not valid yet.*\n.*2026-07-06 00:00 UTC"),
        (secret(pem(), key_pem(ec.generate_private_key(ec.SECP256R1()))), "not that of its certificate"),
        (secret(b"-----BEGIN", key_pem()), "certificate cannot be read"),
        (secret(pem(), b"s3cr3t"), "key cannot be read"),
        (secret(b"Z\xfcrich", key_pem()), "no TLS secret"),
        ({"metadata": {"name": "shop", "namespace": "web"}, "data": {"password": "eA=="}}, "no TLS secret"),
        ({"metadata": {"name": "shop", "namespace": "web"}, "data": {"tls.crt": "!", "tls.key": "!"}}, "no TLS secret"),
    ],
)
def test_one_that_cannot_be_used_is_refused(made: dict[str, t.Any], says: str) -> None:
    with pytest.raises(FleetError, match=says) as wrong:
        read_pair(made, "west", NOW)
    assert "Secret web/shop" in str(wrong.value)
    assert "PRIVATE" not in str(wrong.value) and "s3cr3t" not in str(wrong.value)


def test_text_around_its_blocks_may_be_any_language() -> None:
    text = "subject=O = Zürich\n".encode()
    pair = read_pair(secret(text + pem(90, "shop.example"), text + key_pem()), "west", NOW)
    assert pair.names == ("shop.example",) and "Zürich" in pair.certificate


def test_hosts_without_a_certificate_are_found() -> None:
    pairs = [read_pair(secret(pem(90, "shop.example", "*.pay.example"), key_pem()), "west", NOW)]
    hosts = ["", "shop.example", "a.pay.example", "a.b.pay.example", "pay.example", "*.pay.example"]
    assert uncovered(hosts, pairs) == ["a.b.pay.example", "pay.example"]
    assert covered(hosts, [pairs[0].certificate]) == ["shop.example", "a.pay.example", "*.pay.example"]
