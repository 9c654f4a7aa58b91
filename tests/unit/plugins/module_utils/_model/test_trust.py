# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates, the checks of a chain, and what is decided for a cluster."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model import certificates as certs
from ansible_collections.mesh.fleet.plugins.module_utils._model import trust
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust_checks import (
    SigningChain,
    check_root,
    dns_permitted,
    uri_permitted,
    verify_chain,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
POLICY = trust.Policy(trust_domain="shop.example", namespace="istio-system", revision="default", now=NOW)
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=1, max_size=3).map(".".join)


def authority(policy: trust.Policy = POLICY, *, organization: str = "Istio") -> certs.Authority:
    key = certs.new_key()
    root = certs.make_root(
        key,
        trust_domain=policy.trust_domain,
        namespace=policy.namespace,
        organization=organization,
        lifetime=policy.root_lifetime,
        now=policy.now,
    )
    return certs.Authority(root, key)


ROOT = authority()
OTHER = authority()
WEST = trust.sign("west", ROOT, POLICY)


def check(chain: SigningChain, root: x509.Certificate | None = ROOT.certificate, **changes: t.Any) -> x509.Certificate:
    wanted = {
        "trust_domain": "shop.example",
        "namespace": "istio-system",
        "revision": "default",
        "now": NOW,
        **changes,
    }
    return verify_chain(chain, root=root, **wanted)


def signed(
    issuer: certs.Authority,
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
    """A certificate with one thing or another wrong with it."""
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
    key: certs.PrivateKey,
    *above: x509.Certificate,
    root: x509.Certificate = ROOT.certificate,
) -> SigningChain:
    return SigningChain(
        certificate=certs.certificate_pem(certificate),
        key=certs.key_pem(key),
        root=certs.certificate_pem(root),
        chain=certs.certificate_pem(certificate, *above, root),
    )


# What is made.


@pytest.mark.parametrize("kind", certs.KEY_TYPES)
def test_every_key_type_makes_a_chain_that_verifies(kind: str) -> None:
    policy = dataclasses.replace(POLICY, key_type=kind)
    chain = trust.sign("west", ROOT, policy)
    assert check(chain).subject.rfc4514_string() == "L=west,CN=Intermediate CA,O=Istio"
    # Forms that istiod's loader reads (security/pkg/pki/util/crypto.go).
    assert chain.key.startswith(("-----BEGIN EC PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"))


def test_an_unknown_key_type_is_refused() -> None:
    with pytest.raises(ValueError, match="ecdsa-p256"):
        certs.new_key("ed25519")


def test_the_root_is_constrained_critically_to_its_trust_domain() -> None:
    extensions = ROOT.certificate.extensions
    constraint = extensions.get_extension_for_class(x509.NameConstraints)
    assert constraint.critical
    assert constraint.value.permitted_subtrees == [
        x509.UniformResourceIdentifier("shop.example"),
        x509.DNSName("istio-system.svc"),
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


def test_the_intermediate_is_as_istio_wants_it() -> None:
    chain = trust.sign("west", ROOT, dataclasses.replace(POLICY, revision="canary"))
    leaf, root = certs.parse_certificates(chain.chain)
    extensions = leaf.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [
        "istiod.istio-system.svc",
        "istiod-canary.istio-system.svc",
    ]
    above = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == above
    assert sorted(chain.data) == ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"]


def test_an_intermediate_never_outlives_its_root() -> None:
    leaf = certs.parse_certificates(trust.sign("w", ROOT, dataclasses.replace(POLICY, lifetime=9000 * DAY)).chain)[0]
    assert leaf.not_valid_after_utc == ROOT.certificate.not_valid_after_utc


def test_nothing_shows_a_key() -> None:
    shown = repr(WEST) + repr(ROOT) + repr(trust.Live("west", WEST.data))
    assert "PRIVATE" not in shown
    assert "BEGIN EC" not in shown


@settings(max_examples=25)
@given(domain=domains, namespace=labels, cluster=labels, revision=labels)
def test_whatever_the_names_a_signed_chain_verifies(domain: str, namespace: str, cluster: str, revision: str) -> None:
    policy = trust.Policy(trust_domain=domain, namespace=namespace, revision=revision, now=NOW)
    root = authority(policy)
    chain = trust.sign(cluster, root, policy)
    leaf = verify_chain(
        chain, root=root.certificate, trust_domain=domain, namespace=namespace, revision=revision, now=NOW
    )
    live = trust.Live(cluster, chain.data, ours=True)
    assert trust.decide(live, root.certificate, policy).action == trust.KEEP
    assert certs.fingerprint(leaf) == certs.fingerprint(certs.parse_certificates(chain.certificate)[0])


@settings(max_examples=25)
@given(domain=domains, other=domains)
def test_another_trust_domain_is_refused(domain: str, other: str) -> None:
    policy = dataclasses.replace(POLICY, trust_domain=domain)
    root = authority(policy)
    chain = trust.sign("west", root, policy)
    if other == domain:
        check(chain, root.certificate, trust_domain=other)
        return
    with pytest.raises(FleetError) as refused:
        check(chain, root.certificate, trust_domain=other)
    assert certs.fingerprint(root.certificate) in refused.value.seen


# openssl's opinion: the workload certificates are what has to verify.


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
    chain = trust.sign("west", root, policy)
    signer = certs.Authority(certs.parse_certificates(chain.certificate)[0], certs.key_from_pem(chain.key))
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(part[4:]) if part.startswith("URI:") else x509.DNSName(part[4:])
        for part in san.split(",")
    ]
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(signer.certificate.subject)
        .public_key(certs.new_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        .sign(signer.key, hashes.SHA256())
    )
    (tmp_path / "root.pem").write_text(chain.root)
    (tmp_path / "chain.pem").write_text(chain.chain)
    (tmp_path / "leaf.pem").write_text(certs.certificate_pem(leaf))
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "chain.pem", "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is accepted, done.stdout + done.stderr


# What is refused.


def test_the_chain_of_another_root_is_refused_with_both_fingerprints() -> None:
    with pytest.raises(FleetError, match="root differs") as refused:
        check(WEST, OTHER.certificate)
    assert certs.fingerprint(ROOT.certificate) in refused.value.seen
    assert certs.fingerprint(OTHER.certificate) in refused.value.seen


def test_a_foreign_key_is_refused() -> None:
    with pytest.raises(FleetError, match=r"is not the key of ca-cert\.pem"):
        check(dataclasses.replace(WEST, key=certs.key_pem(certs.new_key())))
    with pytest.raises(FleetError, match="not a PEM private key") as refused:
        check(dataclasses.replace(WEST, key="-----BEGIN EC PRIVATE KEY-----\nsesame\n-----END EC PRIVATE KEY-----\n"))
    assert "sesame" not in str(refused.value)


def test_a_root_put_beside_a_chain_it_did_not_sign_is_refused() -> None:
    with pytest.raises(FleetError, match="a signature in the chain is not valid"):
        check(
            dataclasses.replace(
                WEST,
                root=certs.certificate_pem(OTHER.certificate),
                chain=WEST.certificate + certs.certificate_pem(OTHER.certificate),
            ),
            OTHER.certificate,
        )


def test_a_chain_that_begins_with_the_root_is_refused() -> None:
    with pytest.raises(FleetError, match=r"does not begin with ca-cert\.pem"):
        check(dataclasses.replace(WEST, chain=certs.certificate_pem(ROOT.certificate) + WEST.certificate))


def test_a_certificate_between_is_followed_and_missed() -> None:
    key, lower = certs.new_key(), certs.new_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(lower, ec.EllipticCurvePrivateKey)
    policy_ca = signed(ROOT, key, path_length=1, name="Policy CA")
    leaf = signed(certs.Authority(policy_ca, key), lower)
    assert check(chain_of(leaf, lower, policy_ca)) == leaf
    with pytest.raises(FleetError, match="does not lead to the root"):
        check(chain_of(leaf, lower))
    short = signed(ROOT, key, path_length=0, name="Policy CA")
    with pytest.raises(FleetError, match="path length"):
        check(chain_of(signed(certs.Authority(short, key), lower), lower, short))


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
    assert certs.fingerprint(certificate) in refused.value.seen
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


def test_a_root_must_be_self_signed_and_fit() -> None:
    place = {"namespace": "istio-system", "revision": "default", "now": NOW}
    check_root(ROOT.certificate, trust_domain="shop.example", **place)
    with pytest.raises(FleetError, match="not self-signed"):
        check_root(certs.parse_certificates(WEST.certificate)[0], trust_domain="shop.example", **place)
    with pytest.raises(FleetError, match="name constraint"):
        check_root(ROOT.certificate, trust_domain="bank.example", **place)


@given(host=domains, sub=labels)
def test_constraints_follow_the_rfc(host: str, sub: str) -> None:
    uri = [x509.UniformResourceIdentifier(host)]
    assert uri_permitted(host, uri, [])
    assert not uri_permitted(f"{sub}.{host}", uri, [])
    assert uri_permitted(f"{sub}.{host}", [x509.UniformResourceIdentifier(f".{host}")], [])
    dns = [x509.DNSName(host)]
    assert dns_permitted(f"{sub}.{host}", dns, [])
    assert not dns_permitted(f"{sub}{host}", dns, [])
    assert not dns_permitted(host, [], [x509.DNSName("")])
    assert dns_permitted(host, uri, uri)  # a kind that is not constrained is free


# What is decided.


def decided(live: trust.Live, **changes: t.Any) -> trust.Decision:
    return trust.decide(live, ROOT.certificate, dataclasses.replace(POLICY, **changes))


def test_none_is_issued_a_good_one_stays_an_ending_one_is_renewed() -> None:
    live = trust.Live("west", WEST.data)
    assert decided(trust.Live("west")).action == trust.ISSUE
    assert decided(live) == trust.Decision(
        "west", trust.KEEP, 730, certs.fingerprint(certs.parse_certificates(WEST.certificate)[0])
    )
    assert decided(live, now=NOW + 699 * DAY).action == trust.KEEP
    soon = decided(live, now=NOW + 719 * DAY)
    assert (soon.action, soon.days) == (trust.RENEW, 11)
    assert decided(live, now=NOW + 740 * DAY).action == trust.RENEW


def test_a_signer_that_ends_with_its_root_is_not_renewed_at_every_run() -> None:
    chain = trust.sign("west", ROOT, dataclasses.replace(POLICY, now=NOW + 3000 * DAY))
    late = decided(trust.Live("west", chain.data), now=NOW + 3640 * DAY)
    assert late.action == trust.KEEP
    assert "rotate the root" in late.warning


def test_a_self_signed_istiod_is_not_overwritten() -> None:
    other = certs.certificate_pem(OTHER.certificate)
    with pytest.raises(FleetError, match="a live istiod uses another root") as refused:
        decided(trust.Live("west", None, istiod=True, published_root=other))
    assert refused.value.cluster == "west"
    assert certs.fingerprint(OTHER.certificate) in refused.value.seen
    assert decided(trust.Live("west", None, istiod=False, published_root=other)).action == trust.ISSUE
    ours = certs.certificate_pem(ROOT.certificate)
    assert decided(trust.Live("west", None, istiod=True, published_root=ours)).action == trust.ISSUE


def test_a_rotation_under_way_keeps_its_bundle() -> None:
    both = WEST.root + certs.certificate_pem(OTHER.certificate)
    live = trust.Live("west", {**WEST.data, "root-cert.pem": both})
    assert decided(live).action == trust.KEEP
    assert trust.sign("west", ROOT, POLICY, present=live.data).root == both
    assert trust.bundle_with(ROOT.certificate, certs.certificate_pem(OTHER.certificate)) == WEST.root


@pytest.mark.parametrize(
    ("text", "expected"), [("30d", 30 * DAY), ("12h", DAY / 2), ("1d12h", 1.5 * DAY), ("90m", DAY / 16)]
)
def test_lengths_of_time(text: str, expected: datetime.timedelta) -> None:
    assert trust.duration(text, name="x") == expected


@pytest.mark.parametrize("text", ["", "30", "0d", "d", "30 d", "-1d", "1w", "99999999999d"])
def test_no_lengths_of_time(text: str) -> None:
    with pytest.raises(FleetError, match="trust_renew_before"):
        trust.duration(text, name="trust_renew_before")


def test_the_line_is_the_one_a_person_reads() -> None:
    kept = [trust.Decision(name, trust.KEEP, 300) for name in ("a", "b", "c")]
    renewed = trust.Decision("west", trust.RENEW, 11)
    line = trust.summary(ROOT.certificate, [renewed, *kept], failed=0, planned=False)
    assert line == f"root SHA256 {certs.short(ROOT.certificate)}  west renewed (11 days left) · 3 unchanged"
    new = [trust.Decision(n, trust.ISSUE) for n in ("west", "east")]
    assert trust.summary(None, new, failed=1, planned=True) == (
        "root would be made  west, east would be signed · 1 failed"
    )
