# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peer's CA can sign once its root is trusted: openssl verifies what proxies would."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.peer_roots import (
    constrained_copy,
    is_constrained,
    may_sign_for,
    refuse_own,
    refuse_shared,
    trusted_copy,
    without,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Authority,
    Policy,
    certificate_pem,
    make_intermediate,
    make_root,
    new_key,
    public_bytes,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
POLICY = Policy("east.mesh", "istio-system", "default", NOW)
OURS = "spiffe://west.mesh/ns/shop/sa/till"
THEIRS = "spiffe://east.mesh/ns/shop/sa/till"


def plain_root(
    constraints: x509.NameConstraints | None = None, days: int = 365, ca: bool = True, kind: str = "ecdsa-p256"
) -> Authority:
    """A root as other tools make it."""
    key = new_key(kind)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - datetime.timedelta(days=1000))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if constraints:
        builder = builder.add_extension(constraints, critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def verified(tmp_path: Path, trusted: x509.Certificate, root: Authority, *names: x509.GeneralName) -> bool:
    """Whether openssl accepts a workload's certificate with these names, as an istiod below ``root`` would sign it."""
    key, signing = new_key(), new_key()
    below = make_intermediate(root, signing, "east", POLICY)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(below.subject)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=True)
        .sign(signing, hashes.SHA256())
    )
    for name, certificate in (("root", trusted), ("chain", below), ("leaf", leaf)):
        (tmp_path / name).write_text(certificate_pem(certificate))
    openssl = shutil.which("openssl")
    assert openssl
    done = subprocess.run(
        [openssl, "verify", "-CAfile", "root", "-untrusted", "chain", "leaf"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0


def uri(value: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(value)


def mailbox(value: str) -> x509.GeneralName:
    return x509.RFC822Name._init_without_validation(value)


OWN_ROOT = Authority(make_root(key := new_key(), POLICY), key)


@pytest.mark.parametrize(
    "root", [plain_root(), plain_root(kind="rsa-2048"), OWN_ROOT], ids=["plain", "plain-rsa", "ours"]
)
def test_a_peer_speaks_for_its_own_domain_alone(tmp_path: Path, root: Authority) -> None:
    trusted = trusted_copy(root.certificate, "east.mesh", "istio-system", NOW)
    assert verified(tmp_path, trusted, root, uri(THEIRS))
    assert verified(tmp_path, trusted, root, uri(THEIRS), x509.DNSName("istiod.istio-system.svc"))
    for forged in (
        uri(OURS),
        x509.DNSName(OURS),
        x509.DNSName("west.mesh"),
        mailbox(OURS),
        mailbox(f"{OURS}@east.mesh"),
    ):
        assert not verified(tmp_path, trusted, root, forged), forged
        assert not verified(tmp_path, trusted, root, uri(THEIRS), forged), forged


def test_without_our_copy_a_plain_root_speaks_for_all(tmp_path: Path) -> None:
    root = plain_root()
    for forged in (uri(OURS), x509.DNSName(OURS)):
        assert verified(tmp_path, root.certificate, root, forged), "else the test above shows nothing"


def test_a_root_of_ours_is_limited_without_a_copy(tmp_path: Path) -> None:
    assert is_constrained(OWN_ROOT.certificate)
    assert verified(tmp_path, OWN_ROOT.certificate, OWN_ROOT, uri(THEIRS))
    for forged in (uri(OURS), x509.DNSName(OURS), mailbox(OURS)):
        assert not verified(tmp_path, OWN_ROOT.certificate, OWN_ROOT, forged), forged
    assert not is_constrained(plain_root().certificate)


def test_the_copy_is_the_same_each_time() -> None:
    root = plain_root().certificate
    copies = {certificate_pem(constrained_copy(root, "east.mesh", "istio-system")) for _number in range(3)}
    assert len(copies) == 1
    copy = constrained_copy(root, "east.mesh", "istio-system")
    assert (copy.subject, public_bytes(copy)) == (root.subject, public_bytes(root))
    assert copy.not_valid_after_utc == root.not_valid_after_utc
    assert certificate_pem(constrained_copy(root, "north.mesh", "istio-system")) not in copies


def test_a_peers_root_is_told_from_another() -> None:
    ours, theirs, other = (plain_root().certificate for _number in range(3))
    bundle = certificate_pem(ours, theirs, other)
    assert without(bundle, [theirs]) == certificate_pem(ours, other)
    assert without(bundle, []) == bundle
    assert without("", [theirs]) == ""


WIDER = x509.NameConstraints([x509.UniformResourceIdentifier(one) for one in ("east.mesh", "west.mesh")], None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"constraints": WIDER}, "for other trust domains"),
        ({"days": -1}, "has expired"),
        ({"ca": False}, "is no CA"),
    ],
)
def test_a_root_that_is_not_fit_is_refused(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(FleetError, match=message) as caught:
        trusted_copy(plain_root(**options).certificate, "east.mesh", "istio-system", NOW)
    assert caught.value.next_step


def test_a_common_root_is_refused() -> None:
    """Also where its certificate is another one: what counts is the key."""
    common, other = plain_root(), plain_root().certificate
    copies = {name: [trusted_copy(common.certificate, name, "istio-system", NOW)] for name in ("east.mesh", "x.y")}
    with pytest.raises(FleetError, match=r"the root of east\.mesh has a key of this mesh") as caught:
        refuse_own({"east.mesh": copies["east.mesh"]}, [other, common.certificate])
    assert "ask east.mesh for a bundle with a root of its own" in caught.value.next_step
    refuse_own(copies, [other])
    with pytest.raises(FleetError, match=r"east\.mesh and x\.y sent roots with one key"):
        refuse_shared(copies)
    # A root that was made again with its key is still that peer's.
    refuse_shared({"east.mesh": [*copies["east.mesh"], common.certificate], "x.y": [other]})


def test_a_copy_of_a_peers_root_is_none_of_ours() -> None:
    assert may_sign_for(plain_root().certificate, "west.mesh")
    assert may_sign_for(OWN_ROOT.certificate, "east.mesh")
    copy = trusted_copy(plain_root().certificate, "east.mesh", "istio-system", NOW)
    assert not may_sign_for(copy, "west.mesh"), "else a run after the first would refuse each peer"
