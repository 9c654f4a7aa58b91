# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New certificates: their content, and that they verify."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import verify_chain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .authorities import DAY, NOW, POLICY, ROOT, WEST, authority, check, domains, labels


@pytest.mark.parametrize("kind", certificates.KEY_TYPES)
def test_every_key_type_makes_a_chain_that_verifies(kind: str) -> None:
    policy = dataclasses.replace(POLICY, key_type=kind)
    chain = decisions.issue("west", ROOT, policy)
    assert check(chain).subject.rfc4514_string() == "L=west,CN=Intermediate CA,O=Istio"
    # Forms that istiod's loader reads (security/pkg/pki/util/crypto.go).
    assert chain.key.startswith(("-----BEGIN EC PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"))


def test_an_unknown_key_type_is_refused() -> None:
    with pytest.raises(ValueError, match="ecdsa-p256"):
        certificates.new_key("ed25519")


def test_what_is_no_key_or_certificate_is_refused() -> None:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    protected = certificates.new_key().private_bytes(*form, serialization.BestAvailableEncryption(b"sesame")).decode()
    with pytest.raises(FleetError, match="the key is protected by a passphrase"):
        certificates.key_from_pem(protected, what="the key")
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(*form, serialization.NoEncryption()).decode()
    with pytest.raises(FleetError, match="of a kind that istiod does not sign with"):
        certificates.key_from_pem(other)
    for text, message in (
        ("", "holds no certificate"),
        (f"{certificates.BEGIN}\nx\n{certificates.END}", "cannot be read"),
    ):
        with pytest.raises(FleetError, match=message):
            certificates.parse_certificates(text)
    # Text around certificates is ignored.
    around = f"west\n{WEST.chain}\nend {certificates.END}"
    assert certificates.parse_certificates(around) == certificates.parse_certificates(WEST.chain)


def test_a_request_asks_for_what_we_would_make_ourselves() -> None:
    request = x509.load_pem_x509_csr(certificates.make_request(certificates.new_key(), "west", POLICY).encode())
    ours = certificates.parse_certificates(WEST.certificate)[0]
    assert request.subject == ours.subject and request.is_signature_valid
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.SubjectAlternativeName):
        asked, made = (of.extensions.get_extension_for_class(kind) for of in (request, ours))
        assert (asked.value, asked.critical) == (made.value, made.critical)


def test_a_root_without_a_key_identifier_signs_too() -> None:
    key = certificates.new_key()
    now, name = POLICY.now, ROOT.certificate.subject
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - DAY).not_valid_after(now + 900 * DAY)
    bare = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    root = certificates.Authority(bare.sign(key, hashes.SHA256()), key)
    (leaf, _root) = certificates.parse_certificates(decisions.issue("west", root, POLICY).chain)
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert found.key_identifier == x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest


@pytest.mark.parametrize("revision", ["", "default"])
def test_an_istiod_without_a_revision_has_one_name(revision: str) -> None:
    assert certificates.istiod_names(dataclasses.replace(POLICY, revision=revision)) == ["istiod.istio-system.svc"]


def test_the_root_is_constrained_critically_to_its_trust_domain() -> None:
    extensions = ROOT.certificate.extensions
    constraint = extensions.get_extension_for_class(x509.NameConstraints)
    assert constraint.critical
    assert constraint.value.permitted_subtrees == [
        x509.UniformResourceIdentifier("shop.example"),
        x509.DNSName("istio-system.svc"),
        x509.RFC822Name("nobody@shop.example"),
    ]
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, None)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert usage.value.key_encipherment
    assert usage.value.crl_sign, "nobody believes a revocation list of a CA without it"
    assert not (usage.value.data_encipherment or usage.value.key_agreement)


def test_the_intermediate_is_as_istio_wants_it() -> None:
    chain = decisions.issue("west", ROOT, dataclasses.replace(POLICY, revision="canary"))
    leaf, root = certificates.parse_certificates(chain.chain)
    extensions = leaf.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert extensions.get_extension_for_class(x509.KeyUsage).critical
    assert not extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [
        "istiod.istio-system.svc",
        "istiod-canary.istio-system.svc",
    ]
    above = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == above
    assert sorted(chain.data) == ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"]


def test_an_intermediate_never_outlives_its_root() -> None:
    leaf = certificates.parse_certificates(
        decisions.issue("w", ROOT, dataclasses.replace(POLICY, lifetime=9000 * DAY)).chain
    )[0]
    assert leaf.not_valid_after_utc == ROOT.certificate.not_valid_after_utc


def test_nothing_shows_a_key() -> None:
    shown = repr(WEST) + repr(ROOT) + repr(decisions.ClusterTrust("west", WEST.data))
    assert repr(ROOT) == f"Authority(certificate={ROOT.certificate!r})"
    assert "PRIVATE" not in shown
    assert "BEGIN EC" not in shown


@settings(max_examples=25)
@given(domain=domains, namespace=labels, cluster=labels, revision=labels)
def test_whatever_the_names_a_signed_chain_verifies(domain: str, namespace: str, cluster: str, revision: str) -> None:
    policy = certificates.Policy(trust_domain=domain, namespace=namespace, revision=revision, now=NOW)
    root = authority(policy)
    chain = decisions.issue(cluster, root, policy)
    leaf = verify_chain(chain, root.certificate, policy)
    live = decisions.ClusterTrust(cluster, chain.data)
    assert decisions.decide(live, root.certificate, policy).action == decisions.KEEP
    assert certificates.fingerprint(leaf) == certificates.fingerprint(
        certificates.parse_certificates(chain.certificate)[0]
    )


@settings(max_examples=25)
@given(domain=domains, other=domains)
def test_another_trust_domain_is_refused(domain: str, other: str) -> None:
    policy = dataclasses.replace(POLICY, trust_domain=domain)
    root = authority(policy)
    chain = decisions.issue("west", root, policy)
    if other == domain:
        check(chain, root.certificate, trust_domain=other)
        return
    with pytest.raises(FleetError) as refused:
        check(chain, root.certificate, trust_domain=other)
    assert certificates.fingerprint(root.certificate) in refused.value.seen


# openssl verifies workload certificates.


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize(
    ("san", "accepted"),
    [
        ("URI:spiffe://shop.example/ns/bank/sa/ledger", True),
        ("URI:spiffe://shop.example/ns/istio-system/sa/istiod,DNS:istiod.istio-system.svc", True),
        ("URI:spiffe://other.example/ns/bank/sa/ledger", False),
        ("URI:spiffe://sub.shop.example/ns/bank/sa/ledger", False),
        ("URI:spiffe://shop.example/ns/bank/sa/ledger,DNS:shop.bank.svc", False),
        ("DNS:istiod.istio-system.svc.evil.example", False),
    ],
)
def test_openssl_accepts_exactly_our_identities(tmp_path: Path, san: str, accepted: bool) -> None:
    now = datetime.datetime.now(datetime.UTC)
    policy = dataclasses.replace(POLICY, now=now)
    root = authority(policy)
    chain = decisions.issue("west", root, policy)
    issuer = certificates.Authority(
        certificates.parse_certificates(chain.certificate)[0], certificates.key_from_pem(chain.key)
    )
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(part[4:]) if part.startswith("URI:") else x509.DNSName(part[4:])
        for part in san.split(",")
    ]
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(certificates.new_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    (tmp_path / "root.pem").write_text(chain.root)
    (tmp_path / "chain.pem").write_text(chain.chain)
    (tmp_path / "leaf.pem").write_text(certificates.certificate_pem(leaf))
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "chain.pem", "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is accepted, done.stdout + done.stderr
