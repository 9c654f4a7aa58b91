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
from .revocation import (
    LEAST_DAYS,
    Authorities,
    crl_days,
    is_fit,
    key_of,
    may_sign,
    mistaken_for,
    names_no_key,
    parse_crls,
    signed_by,
)
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
FORMER_DAYS = LEAST_DAYS + 7
"""With fewer left, the list of a former CA goes: before verify warns of it, also where a run comes once a week.

When a run renews a CA its list has half of LIFETIME left, and what it has signed lives a day.
"""
LEAF_LIFE = datetime.timedelta(days=2)
"""More than a day, as istiod signs certificates of workloads. So old is the CA after one that was deleted by hand."""


@dataclasses.dataclass(frozen=True)
class OwnLists:
    """What a run signs itself, and what it keeps of its lists."""

    text: str
    """PEM."""
    signed: bool
    """Whether one is signed now, by the controller's clock."""
    warnings: tuple[str, ...] = ()


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
    that was renewed are kept while they last (:data:`FORMER_DAYS`): its workloads' certificates live on for a day.

    Args:
        given: the user's lists, PEM by the name that errors give them; who gives that of a CA renews it too.
        held: what clusters hold, PEM. What any list of a CA has revoked is in the next one.
        signers: CAs with their keys, also those that are renewed now.
        known: the CAs of the mesh.
        silent: whether some clusters did not answer, whose CAs are not known: their lists are kept.
    """
    theirs = [crl for what, text in given.items() for crl in parse_crls(text, what=what)]
    there = _readable(held)
    keys = {_identity(one.certificate): one for one in signers}
    cas = {**known, **{identity: one.certificate for identity, one in keys.items()}}
    made: list[x509.CertificateRevocationList] = []
    signed = False
    for identity, ca in cas.items():
        if any(signed_by(crl, ca) for crl in theirs) or not may_sign(ca):
            continue
        present = [crl for crl in there if signed_by(crl, ca)]
        newest = next((crl for crl in reversed(present) if is_fit(crl, now)), None)
        revoked = {one.serial_number: one for crl in present for one in crl}
        if identity in keys and (newest is None or _due(newest, revoked, now)):
            made.append(_signed_now(keys[identity], revoked.values(), now))
            signed = True
        elif newest is not None:
            made.append(newest)
    # Of a key that nobody has any more: the former one of a CA of this mesh, also if that had another name.
    taken, names = {key_of(crl) for crl in theirs}, {ca.subject for ca in known.values()}
    just_made = any(now - ca.not_valid_before_utc < LEAF_LIFE for ca in known.values())
    former = [
        crl
        for crl in there
        if silent or (just_made or not _is_over(crl, now) if _is_ours(crl) else crl.issuer in names)
        if key_of(crl) not in taken and is_fit(crl, now)
        if not any(signed_by(crl, ca) for ca in cas.values())
    ]
    dropped = [crl for crl in former if mistaken_for(crl, known)]
    made += {key_of(crl): crl for crl in former if crl not in dropped}.values()
    text = "".join(crl.public_bytes(serialization.Encoding.PEM).decode() for crl in made)
    return OwnLists(text, signed, tuple(_not_kept(crl) for crl in dropped))


def _readable(texts: t.Iterable[str]) -> list[x509.CertificateRevocationList]:
    """Each list once, the oldest first."""
    found: dict[bytes, x509.CertificateRevocationList] = {}
    for text in dict.fromkeys(texts):
        try:
            crls = parse_crls(text, what="cacerts") if text.strip() else []
        except FleetError:
            continue  # it is replaced by what can be read
        found |= {crl.public_bytes(serialization.Encoding.DER): crl for crl in crls}
    return sorted(found.values(), key=lambda crl: crl.last_update_utc)


def _identity(ca: x509.Certificate) -> tuple[bytes, bytes]:
    """As in :data:`Authorities`."""
    return ca.subject.public_bytes(), public_bytes(ca)


def _is_ours(crl: x509.CertificateRevocationList) -> bool:
    """Whether it has the form that :func:`_signed_now` gives: a renewed CA may have had another name."""
    try:
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return False
    return number == int((crl.last_update_utc + BACKDATE).timestamp())


def _is_over(crl: x509.CertificateRevocationList, now: datetime.datetime) -> bool:
    """Whether what a former CA has signed has ended for long."""
    left = crl_days([crl], now)
    return left is not None and left < FORMER_DAYS


def _not_kept(crl: x509.CertificateRevocationList) -> str:
    return (
        f"cacerts: a CRL of {crl.issuer.rfc4514_string()}, of {crl.last_update_utc:%Y-%m-%d %H:%M} UTC, is not kept: "
        "no CA of the mesh signed it, and proxies would take it for that of the present CA of this name. If that was "
        "renewed in the last day, proxies refuse calls with certificates of the former one until these are renewed"
    )


def _due(crl: x509.CertificateRevocationList, revoked: t.Iterable[int], now: datetime.datetime) -> bool:
    """Whether a list that proxies go by is signed anew: it ends soon, or lacks one of these serial numbers.

    Also one that names no key: beside a renewed CA of the same name, proxies would take it for that one's.
    """
    end = crl.next_update_utc
    soon = end is not None and end - now < LIFETIME / 2
    return soon or names_no_key(crl) or not set(revoked) <= {one.serial_number for one in crl}


def _signed_now(
    signer: Authority, revoked: t.Iterable[x509.RevokedCertificate], now: datetime.datetime
) -> x509.CertificateRevocationList:
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
    for one in revoked:
        builder = builder.add_revoked_certificate(one)
    return builder.sign(signer.key, hashes.SHA256())
