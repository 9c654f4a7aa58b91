# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Valid roots and a valid chain, for tests of certificates."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain, verify_chain

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
POLICY = certificates.Policy(trust_domain="shop.example", namespace="istio-system", revision="default", now=NOW)
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=1, max_size=3).map(".".join)


def authority(policy: certificates.Policy = POLICY) -> certificates.Authority:
    key = certificates.new_key()
    return certificates.Authority(certificates.make_root(key, policy), key)


ROOT = authority()
OTHER = authority()
WEST = decisions.issue("west", ROOT, POLICY)


def check(chain: SigningChain, root: x509.Certificate = ROOT.certificate, **changes: t.Any) -> x509.Certificate:
    return verify_chain(chain, root, dataclasses.replace(POLICY, **changes))


def issuer_of(chain: SigningChain) -> certificates.Authority:
    """The intermediate CA of a chain, with its key."""
    return certificates.Authority(
        certificates.parse_certificates(chain.certificate)[0], certificates.key_from_pem(chain.key)
    )


def crl_of(
    ca: certificates.Authority,
    *,
    begins: datetime.datetime = NOW - DAY,
    ends: datetime.datetime = NOW + 30 * DAY,
    revoked: t.Sequence[int] = (),
    delta: bool = False,
    key_id: bool = True,
    own_id: bool = False,
) -> str:
    """A revocation list (PEM) in the name of a CA, signed with the key of this authority.

    Args:
        revoked: serial numbers.
        key_id: whether it names the key.
        own_id: whether that is the key of the certificate, although another one may have signed.
    """
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject)
    builder = builder.last_update(begins).next_update(ends if ends > begins else begins + DAY)
    if key_id:
        public = ca.certificate.public_key() if own_id else ca.key.public_key()
        named = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)  # type: ignore[arg-type]
        builder = builder.add_extension(named, critical=False)
    if delta:
        builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    for number in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(begins).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
