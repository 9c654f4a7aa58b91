# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revocation lists that a run signs itself, for the CAs whose keys it holds: ``trust_crl: [generated]``.

What a list has revoked stays revoked in every later one: nothing but a new CA takes that back.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...errors import FleetError
from .certificates import BACKDATE, Authority, key_from_pem, parse_certificates, public_bytes
from .revocation import Authorities, is_fit, key_of, may_sign, parse_crls, signed_by
from .signing_chain import CERT, KEY

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
except ImportError:  # ansible-core requires cryptography: it is absent only where a module would run remotely
    pass

__all__ = ["GENERATED", "LIFETIME", "SIGNED_HERE", "OwnLists", "authority_of", "own_lists"]

GENERATED = "generated"
"""The word in ``trust_crl`` that asks for them."""
SIGNED_HERE = "trust_crl: generated"
"""How errors and warnings call them."""
LIFETIME = datetime.timedelta(days=30)


@dataclasses.dataclass(frozen=True)
class OwnLists:
    """What a run signs itself, and what it keeps of its lists."""

    text: str
    """PEM."""
    signed: bool
    """Whether one is signed now, by the controller's clock."""


def authority_of(data: t.Mapping[str, str] | None) -> Authority | None:
    """The intermediate CA of a Secret, with its key; None where it has no usable pair, which its own check tells."""
    try:
        certificate = parse_certificates((data or {}).get(CERT, ""))[0]
        key = key_from_pem((data or {}).get(KEY, ""))
    except FleetError:
        return None
    return Authority(certificate, key) if public_bytes(certificate) == public_bytes(key) else None


def own_lists(
    given: t.Mapping[str, str],
    held: t.Iterable[str],
    signers: t.Iterable[Authority],
    known: Authorities,
    now: datetime.datetime,
    *,
    silent: bool,
) -> OwnLists:
    """One list of each CA of which none is given, as far as there is a key, or a list that lasts.

    A list is kept until half of its life is over, so that a run which changes nothing writes nothing. Lists of a CA
    that was renewed are kept until they end: its workloads' certificates live on for a day.

    Args:
        given: the user's lists, PEM by the name that errors give them; who gives that of a CA renews it too.
        held: what clusters hold, PEM.
        signers: CAs with their keys.
        known: the CAs of the mesh.
        silent: whether some clusters did not answer, whose CAs are not known: their lists are kept.
    """
    theirs = [crl for what, text in given.items() for crl in parse_crls(text, what=what)]
    # The newest that proxies go by now. Another one has ended, or begins later: a clock was ahead.
    ordered = sorted(_readable(held), key=lambda crl: (is_fit(crl, now), crl.last_update_utc))
    newest: dict[t.Hashable, x509.CertificateRevocationList] = {key_of(crl): crl for crl in ordered}
    made: list[x509.CertificateRevocationList] = []
    signed = False
    for signer in signers:
        ca = signer.certificate
        if any(signed_by(crl, ca) for crl in (*theirs, *made)) or not may_sign(ca):
            continue
        present = next((crl for crl in newest.values() if signed_by(crl, ca)), None)
        if present is None or _due(present, now):
            made.append(_signed_now(signer, present, now))
            signed = True
    names = {ca.subject for ca in known.values()}
    taken = {key_of(crl) for crl in (*theirs, *made)}
    # Also of a key that nobody has any more: the former one of a CA of this mesh, as long as its list lasts.
    made += [
        crl for key, crl in newest.items() if key not in taken and (silent or crl.issuer in names) and is_fit(crl, now)
    ]
    return OwnLists("".join(crl.public_bytes(serialization.Encoding.PEM).decode() for crl in made), signed)


def _readable(texts: t.Iterable[str]) -> list[x509.CertificateRevocationList]:
    found = []
    for text in dict.fromkeys(texts):
        try:
            found += parse_crls(text, what="cacerts") if text.strip() else []
        except FleetError:
            continue  # it is replaced by what can be read
    return found


def _due(crl: x509.CertificateRevocationList, now: datetime.datetime) -> bool:
    end = crl.next_update_utc
    return not is_fit(crl, now) or (end is not None and end - now < LIFETIME / 2)


def _signed_now(
    signer: Authority, before: x509.CertificateRevocationList | None, now: datetime.datetime
) -> x509.CertificateRevocationList:
    """A new list, with all that the one before has revoked."""
    ca = signer.certificate
    try:
        identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        named = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    except x509.ExtensionNotFound:
        named = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(now - BACKDATE)
        .next_update(now + LIFETIME + BACKDATE)  # whole days of life at first: a CRL has no fractions of seconds
        .add_extension(named, critical=False)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
    )
    for one in before if before is not None else ():
        builder = builder.add_revoked_certificate(one)
    return builder.sign(signer.key, hashes.SHA256())
