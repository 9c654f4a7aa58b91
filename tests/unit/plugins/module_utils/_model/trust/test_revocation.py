# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revocation lists with which istiod would not start, or proxies would refuse calls, are refused."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.revocation import (
    Revocations,
    authorities,
    crl_days,
    judge,
    parse_crls,
    uncovered,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .authorities import DAY, NOW, OTHER, POLICY, ROOT, WEST, crl_of, issuer_of

EAST = decisions.issue("east", ROOT, POLICY)
CHAINS = {"west": WEST, "east": EAST}
WHOLE = [crl_of(ROOT), crl_of(issuer_of(WEST)), crl_of(issuer_of(EAST))]


def judged(*crls: str, **more: t.Any) -> Revocations:
    return judge({f"/crl/{number}.pem": crl for number, crl in enumerate(crls)}, CHAINS, NOW, **more)


def refused(*crls: str) -> FleetError:
    with pytest.raises(FleetError) as caught:
        judged(*crls)
    return caught.value


def test_the_same_lists_are_the_same_text_in_any_order() -> None:
    good = judged(*WHOLE)
    assert good.warnings == () and good.days == 30
    assert judged(*reversed(WHOLE), WHOLE[0]) == good
    assert judged("".join(WHOLE)) == good
    assert len(parse_crls(good.text, what="it")) == 3


@pytest.mark.parametrize("left_out", range(3))
def test_each_ca_of_each_cluster_needs_one(left_out: int) -> None:
    error = refused(*(crl for number, crl in enumerate(WHOLE) if number != left_out))
    assert error.what == "a CA of the mesh has no certificate revocation list"
    ca, of = [
        (ROOT.certificate, "west, east"),
        (issuer_of(WEST).certificate, "west"),
        (issuer_of(EAST).certificate, "east"),
    ][left_out]
    assert f"SHA256 {certificates.fingerprint(ca)}, of {of}): no CRL of it is given" in error.seen
    assert "an empty one is enough" in error.next_step


def test_a_ca_that_may_sign_none_has_none() -> None:
    """Go believes no CRL of it (CheckSignatureFrom), nor do proxies."""
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    former = WEST.certificate
    west = issuer_of(WEST)
    builder = x509.CertificateBuilder().subject_name(west.certificate.subject).issuer_name(ROOT.certificate.subject)
    builder = builder.public_key(west.key.public_key()).serial_number(7)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + 100 * DAY)
    builder = builder.add_extension(usage, critical=True)
    changed = certificates.certificate_pem(builder.sign(ROOT.key, ROOT.certificate.signature_hash_algorithm))  # type: ignore[arg-type]
    chain = dataclasses.replace(WEST, certificate=changed, chain=WEST.chain.replace(former, changed))
    with pytest.raises(FleetError) as caught:
        judge({"it": "".join(WHOLE)}, {"west": chain}, NOW)
    assert "it may sign none: its keyUsage lacks crlSign" in caught.value.seen


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"begins": NOW - 9 * DAY, "ends": NOW}, "has ended"),
        ({"begins": NOW + DAY}, "is not valid yet"),
        ({"delta": True}, "a delta CRL"),
    ],
)
def test_one_that_proxies_would_not_take(change: dict[str, t.Any], what: str) -> None:
    error = refused(WHOLE[0], WHOLE[1], crl_of(issuer_of(EAST), **change))
    assert what in error.what and error.obj == "/crl/2.pem" and error.next_step
    assert "L=east" in error.seen


def test_one_in_the_name_of_a_ca_that_did_not_sign_it() -> None:
    west = issuer_of(WEST)
    forged = certificates.Authority(west.certificate, OTHER.key)
    for key_id in (True, False):
        error = refused(*WHOLE, crl_of(forged, key_id=key_id, own_id=True))
        assert error.what == "a certificate revocation list is not signed by the CA that it names"
    # A former intermediate CA of the cluster has the same name, and another key: proxies tell the two apart.
    good = judged(*WHOLE, crl_of(forged))
    assert len(parse_crls(good.text, what="it")) == 4
    (warning,) = good.warnings
    assert "its signature was not checked" in warning and "/crl/3.pem" in warning


def test_of_several_of_a_ca_the_newest_counts() -> None:
    old = crl_of(ROOT, begins=NOW - 90 * DAY, ends=NOW - 60 * DAY)
    assert judged(old, *WHOLE) == judged(*WHOLE, old) == judged(*WHOLE)


def test_it_is_told_before_one_ends() -> None:
    (warning,) = judged(WHOLE[0], WHOLE[1], crl_of(issuer_of(EAST), ends=NOW + DAY)).warnings
    assert "ends in 1 days" in warning and "L=east" in warning
    assert judged(WHOLE[0], WHOLE[1], crl_of(issuer_of(EAST), ends=NOW + 2 * DAY)).days == 2
    assert crl_days([], NOW) is None


def test_peers_cas_are_told_of_and_taken() -> None:
    (warning,) = judged(*WHOLE, peers=True).warnings
    assert "mesh_federation" in warning
    assert judged(*WHOLE, crl_of(OTHER), peers=True).warnings == ()


@pytest.mark.parametrize(
    "text", ["", "rubbish", WEST.certificate, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"]
)
def test_what_is_no_list(text: str) -> None:
    error = refused(text)
    assert error.obj == "/crl/0.pem" and error.next_step


def test_one_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.mesh.fleet.plugins.module_utils._model.trust.revocation.LARGEST", 100)
    assert "too large" in refused(*WHOLE).what


def test_of_a_bundle_only_the_roots_of_the_chain_count() -> None:
    """While a root is rotated, the next one has signed nothing yet."""
    bundle = dataclasses.replace(WEST, root=WEST.root + certificates.certificate_pem(OTHER.certificate))
    found = authorities([bundle])
    assert set(found.values()) == {ROOT.certificate, issuer_of(WEST).certificate}
    without = SigningChain(WEST.certificate, WEST.key, WEST.root, "")
    assert set(authorities([without]).values()) == set(found.values()), "the root need not be in the chain's file"
    assert uncovered([], found) == list(found.values())


def test_openssl_agrees(tmp_path: t.Any) -> None:
    """What is judged good is what a verifier of whole chains takes."""
    import shutil
    import subprocess

    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl")
    now = datetime.datetime.now(datetime.UTC)
    policy = dataclasses.replace(POLICY, now=now)
    key = certificates.new_key()
    root = certificates.Authority(certificates.make_root(key, policy), key)
    chain = decisions.issue("west", root, policy)
    made = [crl_of(a, begins=now - DAY, ends=now + DAY) for a in (root, issuer_of(chain))]
    (tmp_path / "root").write_text(chain.root)
    (tmp_path / "leaf").write_text(chain.certificate)

    def verifies(*crls: str) -> bool:
        (tmp_path / "crls").write_text("".join(crls))
        told = ["-crl_check_all", "-CRLfile", str(tmp_path / "crls"), "-CAfile", str(tmp_path / "root")]
        command = [openssl, "verify", *told, str(tmp_path / "leaf")]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert verifies(judge({"it": "".join(made)}, {"west": chain}, now).text)
    assert not verifies(made[1])
    revoked = crl_of(root, begins=now - DAY, ends=now + DAY, revoked=[issuer_of(chain).certificate.serial_number])
    assert not verifies(revoked, made[1])
