# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chains that istiod or the proxies would reject are refused."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import (
    SigningChain,
    as_istiod_reads,
    check_root,
    dns_permitted,
    has_tls_form,
    uri_permitted,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .authorities import DAY, NOW, OTHER, POLICY, ROOT, WEST, check, domains, labels


def signed(
    issuer: certificates.Authority,
    key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool | None = True,
    path_length: int | None = 0,
    sign_certs: bool = True,
    extended: t.Sequence[x509.ObjectIdentifier] = (),
    name: str = "Intermediate",
    algorithm: hashes.HashAlgorithm | None = None,
    constraints: x509.NameConstraints | None = None,
) -> x509.Certificate:
    """A certificate with one fault."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 100 * DAY)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    builder = builder.add_extension(
        x509.KeyUsage(
            digital_signature=True, key_cert_sign=sign_certs, encipher_only=False, decipher_only=False, **usage
        ),
        critical=True,
    )
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(extended)), critical=False)
    if constraints:
        builder = builder.add_extension(constraints, critical=True)
    return builder.sign(issuer.key, algorithm or hashes.SHA256())


def chain_of(
    certificate: x509.Certificate,
    key: certificates.PrivateKey,
    *above: x509.Certificate,
    root: x509.Certificate = ROOT.certificate,
) -> SigningChain:
    return SigningChain(
        certificate=certificates.certificate_pem(certificate),
        key=certificates.key_pem(key),
        root=certificates.certificate_pem(root),
        chain=certificates.certificate_pem(certificate, *above, root),
    )


def test_a_chain_of_another_root_names_both_fingerprints() -> None:
    with pytest.raises(FleetError, match="root differs") as refused:
        check(WEST, OTHER.certificate)
    assert certificates.fingerprint(ROOT.certificate) in refused.value.seen
    assert certificates.fingerprint(OTHER.certificate) in refused.value.seen


def test_a_foreign_key_is_refused() -> None:
    with pytest.raises(FleetError, match=r"is not the key of ca-cert\.pem"):
        check(dataclasses.replace(WEST, key=certificates.key_pem(certificates.new_key())))
    with pytest.raises(FleetError, match="not a PEM private key") as refused:
        check(dataclasses.replace(WEST, key="-----BEGIN EC PRIVATE KEY-----\nsesame\n-----END EC PRIVATE KEY-----\n"))
    assert "sesame" not in str(refused.value)


def test_a_root_put_beside_a_chain_it_did_not_sign_is_refused() -> None:
    with pytest.raises(FleetError, match="a signature in the chain is not valid"):
        check(
            dataclasses.replace(
                WEST,
                root=certificates.certificate_pem(OTHER.certificate),
                chain=WEST.certificate + certificates.certificate_pem(OTHER.certificate),
            ),
            OTHER.certificate,
        )


def test_a_chain_that_begins_with_the_root_is_refused() -> None:
    with pytest.raises(FleetError, match=r"does not begin with ca-cert\.pem"):
        check(dataclasses.replace(WEST, chain=certificates.certificate_pem(ROOT.certificate) + WEST.certificate))


def test_a_ca_between_is_followed_and_its_lack_is_refused() -> None:
    key, lower = certificates.new_key(), certificates.new_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(lower, ec.EllipticCurvePrivateKey)
    policy_ca = signed(ROOT, key, path_length=1, name="Policy CA")
    leaf = signed(certificates.Authority(policy_ca, key), lower)
    assert check(chain_of(leaf, lower, policy_ca)) == leaf
    with pytest.raises(FleetError, match="does not lead to the root"):
        check(chain_of(leaf, lower))
    short = signed(ROOT, key, path_length=0, name="Policy CA")
    with pytest.raises(FleetError, match="path length"):
        check(chain_of(signed(certificates.Authority(short, key), lower), lower, short))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ca": False}, "is not a CA"),
        ({"ca": None}, "is not a CA"),
        ({"sign_certs": False}, "may not sign"),
        ({"extended": [x509.ExtendedKeyUsageOID.SERVER_AUTH]}, "mutual TLS"),
        ({"constraints": x509.NameConstraints([x509.DNSName("corp.example")], None)}, "name constraint"),
        ({"constraints": x509.NameConstraints(None, [x509.UniformResourceIdentifier("shop.example")])}, "constraint"),
    ],
)
def test_what_proxies_would_reject_is_refused(wrong: dict[str, t.Any], message: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = signed(ROOT, key, **wrong)
    with pytest.raises(FleetError, match=message) as refused:
        check(chain_of(certificate, key))
    assert certificates.fingerprint(certificate) in refused.value.seen
    assert refused.value.next_step


def test_expired_and_not_yet_valid() -> None:
    with pytest.raises(FleetError, match="has expired"):
        check(WEST, now=NOW + 731 * DAY)
    with pytest.raises(FleetError, match="not valid yet") as refused:
        check(WEST, now=NOW - DAY)
    assert "clock" in refused.value.next_step


def test_an_incomplete_secret_names_what_is_missing() -> None:
    with pytest.raises(FleetError, match="incomplete") as refused:
        SigningChain.from_data({**WEST.data, "root-cert.pem": ""})
    assert "missing root-cert.pem" in refused.value.seen


TLS = {"tls.crt": WEST.certificate, "tls.key": WEST.key, "ca.crt": WEST.root}
"""As cert-manager writes it."""


def test_a_secret_of_type_tls_is_read_as_istiod_reads_it() -> None:
    assert has_tls_form(TLS) and not has_tls_form(WEST.data)
    assert as_istiod_reads(WEST.data) == WEST.data
    read = SigningChain.from_data(as_istiod_reads(TLS), tls_form=True)
    assert read.data == {**WEST.data, "cert-chain.pem": WEST.certificate + WEST.root}
    check(read)
    # Istio's own names beside them are not looked at.
    assert as_istiod_reads({**TLS, "ca-cert.pem": "x", "more": "y"}) == read.data


@pytest.mark.parametrize("name", ["tls.key", "ca.crt"])
def test_half_of_a_secret_of_type_tls_is_refused(name: str) -> None:
    half = {key: text for key, text in TLS.items() if key != name}
    with pytest.raises(FleetError, match="incomplete") as refused:
        SigningChain.from_data(as_istiod_reads(half), tls_form=True)
    assert refused.value.seen == f"missing {name}; present {', '.join(sorted(half))}"


def test_an_empty_chain_is_enough_where_a_root_signs_for_proxies() -> None:
    with pytest.raises(FleetError, match=r"cert-chain\.pem is empty"):
        check(SigningChain.from_data({**WEST.data, "cert-chain.pem": "\n"}))
    alone = certificates.certificate_pem(ROOT.certificate)
    check(SigningChain(certificate=alone, key=certificates.key_pem(ROOT.key), root=alone, chain=""))
    with pytest.raises(FleetError, match="incomplete"):
        SigningChain.from_data({key: text for key, text in WEST.data.items() if key != "cert-chain.pem"})


def test_a_root_must_be_self_signed_and_fit() -> None:
    check_root(ROOT.certificate, POLICY)
    with pytest.raises(FleetError, match="not self-signed"):
        check_root(certificates.parse_certificates(WEST.certificate)[0], POLICY)
    with pytest.raises(FleetError, match="name constraint") as refused:
        check_root(ROOT.certificate, dataclasses.replace(POLICY, trust_domain="bank.example"))
    assert (
        "permits URI:shop.example, DNS:istio-system.svc, email:nobody@shop.example, excludes nothing"
        in refused.value.seen
    )


def test_a_root_that_did_not_sign_itself_or_has_ended_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = ROOT.certificate.subject
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)

    def root(path_length: int | None, signer: certificates.PrivateKey = key) -> x509.Certificate:
        basic = x509.BasicConstraints(ca=True, path_length=path_length)
        return builder.add_extension(basic, critical=True).sign(signer, hashes.SHA256())

    check_root(root(1), POLICY)
    with pytest.raises(FleetError, match="a signature in the chain is not valid"):
        check_root(root(1, ROOT.key), POLICY)
    with pytest.raises(FleetError, match="path length"):
        check_root(root(0), POLICY)
    with pytest.raises(FleetError, match="has expired"):
        check_root(root(1), dataclasses.replace(POLICY, now=NOW + 2 * DAY))


def test_a_root_with_a_new_key_does_not_hide_the_one_that_signed() -> None:
    both = certificates.certificate_pem(OTHER.certificate, ROOT.certificate)
    assert OTHER.certificate.subject == ROOT.certificate.subject
    chain = dataclasses.replace(WEST, root=both, chain=WEST.certificate + both)
    assert check(chain) == certificates.parse_certificates(WEST.certificate)[0]
    for now in (NOW - certificates.BACKDATE, NOW + 730 * DAY):
        check(WEST, now=now)


def test_of_two_cas_of_one_name_the_one_that_signed_is_followed() -> None:
    old, new, lower = (ec.generate_private_key(ec.SECP256R1()) for _number in range(3))
    before, now = (signed(ROOT, key, path_length=1, name="Policy CA") for key in (old, new))
    leaf = signed(certificates.Authority(now, new), lower)
    for above in ((before, now), (now, before)):
        assert check(chain_of(leaf, lower, *above)) == leaf
    with pytest.raises(FleetError, match="a signature in the chain is not valid"):
        check(chain_of(leaf, lower, before))


def test_a_chain_that_leads_in_a_circle_ends() -> None:
    # Two CAs of one name that signed each other: neither leads to the root.
    keys = [ec.generate_private_key(ec.SECP256R1()) for _number in range(2)]
    named = [signed(ROOT, key, name="Circle", path_length=None) for key in keys]
    first = signed(certificates.Authority(named[1], keys[1]), keys[0], name="Circle", path_length=None)
    second = signed(certificates.Authority(named[0], keys[0]), keys[1], name="Circle", path_length=None)
    with pytest.raises(FleetError, match="does not lead to the root"):
        check(chain_of(first, keys[0], second))


def test_what_istio_does_not_sign_with_is_refused() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for key, words in (
        (weak, "its RSA key has 1024 bits"),
        (ed25519.Ed25519PrivateKey.generate(), "neither ECDSA nor"),
    ):
        with pytest.raises(FleetError, match="not acceptable to Istio") as refused:
            check_root(_self_signed(key), POLICY)
        assert words in refused.value.seen
    with pytest.raises(FleetError, match="not acceptable to Istio") as refused:
        check_root(_self_signed(ROOT.key, hashes.SHA224()), POLICY)
    assert "signed with sha224" in refused.value.seen
    for algorithm in (hashes.SHA384(), hashes.SHA512()):
        check_root(_self_signed(ROOT.key, algorithm), POLICY)


def _self_signed(key: t.Any, algorithm: hashes.HashAlgorithm | None = None) -> x509.Certificate:
    subject = ROOT.certificate.subject
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    edwards = isinstance(key, ed25519.Ed25519PrivateKey)
    return builder.sign(key, None if edwards else (algorithm or hashes.SHA256()))


def test_any_extended_use_and_no_key_usage_are_allowed() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    both = [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    for extended in ([x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], both):
        check(chain_of(signed(ROOT, key, extended=extended), key))
    check_root(_self_signed(ROOT.key), POLICY)


@given(host=domains, sub=labels)
def test_constraints_follow_the_rfc(host: str, sub: str) -> None:
    uri = [x509.UniformResourceIdentifier(host)]
    assert uri_permitted(host, uri, [])
    assert not uri_permitted(f"{sub}.{host}", uri, [])
    assert uri_permitted(f"{sub}.{host}", [x509.UniformResourceIdentifier(f".{host}")], [])
    dns = [x509.DNSName(host)]
    assert dns_permitted(f"{sub}.{host}", dns, [])
    assert not dns_permitted(f"{sub}{host}", dns, [])
    assert dns_permitted(host, dns, []) and not dns_permitted(host, [], dns)
    assert dns_permitted(f"{sub}.test", uri, uri)
    assert not dns_permitted(host, [], [x509.DNSName("")])
    assert dns_permitted(host, uri, uri)  # a kind that is not constrained is free
