# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificate revocation lists (CRL, RFC 5280 section 5) of the mesh's CAs: key ``ca-crl.pem`` of Secret ``cacerts``.

istiod copies them into ConfigMap ``istio-ca-crl`` of every namespace, where proxies read them (``PILOT_ENABLE_CA_CRL``,
on by default in Istio 1.31.1). It does not start with CRLs of which one for a CA of its own ``cert-chain.pem`` is
missing, and loads no renewed chain either (``Verify`` in its ``security/pkg/pki/util/keycertbundle.go``,
https://github.com/istio/istio/issues/61075). A proxy that has any CRL wants one of every CA of a chain, also of another
cluster's, and refuses the call without. So every cluster gets those of all CAs of the mesh.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...errors import FleetError
from .certificates import fingerprint, parse_certificates, public_bytes
from .signing_chain import CERT, CHAIN, ROOT, SigningChain, is_signed_by

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
except ImportError:  # ansible-core requires cryptography: it is absent only where a module would run remotely
    pass

__all__ = [
    "LEAST_DAYS",
    "Authorities",
    "Revocations",
    "authorities",
    "crl_days",
    "first_end",
    "is_fit",
    "judge",
    "key_of",
    "may_sign",
    "mistaken_for",
    "names_no_key",
    "parse_crls",
    "signed_by",
    "uncovered",
]

LEAST_DAYS = 2
"""Less is a warning: when a CRL has ended, proxies refuse every call that needs it."""
LARGEST = 900_000
"""Bytes. A ConfigMap holds 1 MiB."""
_BEGIN, _END = "-----BEGIN X509 CRL-----", "-----END X509 CRL-----"

Authorities: t.TypeAlias = "dict[tuple[bytes, bytes], x509.Certificate]"


@dataclasses.dataclass(frozen=True)
class Revocations:
    """CRLs that were found good."""

    text: str
    """PEM, the same for the same CRLs in any order."""
    days: int | None
    """Until the first of them ends; None when none ends."""
    warnings: tuple[str, ...] = ()


def parse_crls(pem: str, *, what: str) -> list[x509.CertificateRevocationList]:
    """All CRLs of a PEM text. Raises FleetError: none in it, or one that cannot be read."""
    try:
        found = [
            x509.load_pem_x509_crl((_BEGIN + block.split(_END, 1)[0] + _END + "\n").encode())
            for block in pem.split(_BEGIN)[1:]
        ]
        for crl in found:
            _key_id(crl)  # extensions are read late: what is wrong in them is found here
    except ValueError as error:
        raise FleetError(
            "a certificate revocation list cannot be read",
            obj=what,
            seen=f"{type(error).__name__}: {error}"[:200],
            next_step="have the CA issue it again, in PEM",
        ) from None
    if not found:
        raise FleetError(
            "no certificate revocation list is in it",
            obj=what,
            seen=f"{len(pem)} characters without {_BEGIN}",
            next_step="use PEM: openssl crl -inform der -in FILE -out FILE.pem",
        )
    return found


def authorities(chains: t.Iterable[SigningChain]) -> Authorities:
    """The CAs of these chains, the root of each included, by name and key. Of a bundle's other roots none is needed."""
    found: Authorities = {}
    for chain in chains:
        above = parse_certificates(chain.chain, what=CHAIN) if chain.chain.strip() else []
        sent = [*parse_certificates(chain.certificate, what=CERT)[:1], *above]
        roots = [r for r in parse_certificates(chain.root, what=ROOT) if any(is_signed_by(c, r) for c in sent)]
        found |= {(c.subject.public_bytes(), public_bytes(c)): c for c in (*sent, *roots)}
    return found


def uncovered(crls: t.Sequence[x509.CertificateRevocationList], known: Authorities) -> list[x509.Certificate]:
    """The CAs that have signed none of these CRLs, or may sign none."""
    return [ca for ca in known.values() if not may_sign(ca) or not any(signed_by(crl, ca) for crl in crls)]


def first_end(crls: t.Iterable[x509.CertificateRevocationList]) -> datetime.datetime | None:
    """When the first of them ends; None when none does."""
    return min((crl.next_update_utc for crl in crls if crl.next_update_utc is not None), default=None)


def crl_days(crls: t.Iterable[x509.CertificateRevocationList], now: datetime.datetime) -> int | None:
    """Whole days until the first of them ends, negative afterwards; None when none ends."""
    end = first_end(crls)
    return None if end is None else (end - now) // datetime.timedelta(days=1)


def judge(
    texts: t.Mapping[str, str],
    chains: t.Mapping[str, SigningChain],
    now: datetime.datetime,
    *,
    peers: bool = False,
    signed_here: str = "",
    silent: bool = False,
) -> Revocations:
    """Check CRLs before they are written. Of several of one CA the newest counts.

    Args:
        texts: PEM, by the name that errors give them.
        chains: by cluster, of the whole mesh.
        peers: whether the mesh calls other meshes, whose CAs are not in ``chains``.
        signed_here: the name in ``texts`` of what a run signed: what no CA of the mesh signed there is of a former one.
        silent: whether clusters did not answer: then it may be of one of theirs.

    Raises:
        FleetError: istiod would not start with them, or proxies would refuse calls.
    """
    known = authorities(chains.values())
    given = [(what, crl) for what, text in texts.items() for crl in parse_crls(text, what=what)]
    newest: dict[t.Hashable, tuple[str, x509.CertificateRevocationList]] = {}
    warnings = []
    for what, crl in given:
        signer = next((key for key, ca in known.items() if signed_by(crl, ca)), None)
        if signer is None:
            _refuse_mistakable(what, crl, known)
        key: t.Hashable = signer or key_of(crl)
        if key not in newest or newest[key][1].last_update_utc < crl.last_update_utc:
            newest[key] = (what, crl)
    kept = [newest[key] for key in sorted(newest, key=repr)]
    for what, crl in kept:
        _refuse_unfit(what, crl, now)
    if missing := uncovered([crl for _what, crl in kept], known):
        raise _lacking(missing, chains)
    unknown = {key: found for key, found in newest.items() if key not in known and found[0] != signed_here}
    if peers and not unknown:
        warnings.append(
            "mesh_federation: no CRL in trust_crl is of a peer's CA; proxies with CRLs refuse calls of peers whose CAs "
            "have none: add those of every CA of the peers, or leave out trust_crl"
        )
    for what, crl in () if peers else unknown.values():
        warnings.append(
            f"{what}: no CA of this mesh signed the CRL of {_named(crl.issuer)}, so its signature was not checked; "
            "leave it out, unless it is of an intermediate CA that was renewed in the last days"
        )
    for key in sorted(newest, key=repr):
        what, crl = newest[key]
        left = crl_days([crl], now)
        if left is not None and left < LEAST_DAYS:
            former = key not in known and what == signed_here
            warnings.append(f"{what}: the CRL of {_named(crl.issuer)} ends in {left} days, {_then(former, silent)}")
    text = "".join(crl.public_bytes(serialization.Encoding.PEM).decode() for _what, crl in kept)
    if len(text) > LARGEST:
        raise FleetError(
            "the certificate revocation lists are too large",
            obj=", ".join(texts),
            seen=f"{len(text)} bytes; {LARGEST} fit",
            means="istiod copies them into a ConfigMap of each namespace, which holds 1 MiB",
            next_step="have the CAs leave out what has expired by itself, or rotate the CA with the longest list",
        )
    return Revocations(text, crl_days([crl for _what, crl in kept], now), tuple(warnings))


def _refuse_mistakable(what: str, crl: x509.CertificateRevocationList, known: Authorities) -> None:
    if same := mistaken_for(crl, known):
        raise FleetError(
            "a certificate revocation list is not signed by the CA that it names",
            obj=what,
            seen=f"it names {_named(crl.issuer)}; SHA256 {', '.join(fingerprint(ca) for ca in same)} did not sign it",
            means="proxies would take it for that CA's, and refuse every call whose chain has it",
            next_step="have that CA issue it again, or leave it out",
        )


def mistaken_for(crl: x509.CertificateRevocationList, known: Authorities) -> list[x509.Certificate]:
    """For which CAs' list proxies take a CRL that none of them signed: they look for one by name and key ID."""
    same = [ca for ca in known.values() if ca.subject == crl.issuer]
    return same if names_no_key(crl) or _key_id(crl) in {_own_key_id(ca) for ca in same} else []


def _then(former: bool, silent: bool) -> str:
    """What the end of a CRL means, and what to do about it."""
    if former and not silent:
        return "as expected: its CA was renewed, and what that signed before has ended by then"
    refused = "and proxies then refuse every call whose chain has that CA: "
    if former:
        return f"{refused}if it is of a cluster that did not answer, make that reachable and run trust again"
    return f"{refused}have the CA issue a new one and run trust again"


def is_fit(crl: x509.CertificateRevocationList, now: datetime.datetime) -> bool:
    """Whether proxies go by this CRL now: it is a whole one, has begun and has not ended."""
    try:
        _refuse_unfit("", crl, now)
    except FleetError:
        return False
    return True


def _refuse_unfit(what: str, crl: x509.CertificateRevocationList, now: datetime.datetime) -> None:
    begins, ends = crl.last_update_utc, crl.next_update_utc
    seen = f"that of {_named(crl.issuer)}, of {begins:%Y-%m-%d %H:%M}"
    means = "proxies would refuse every call whose chain has that CA"
    if ends is not None and ends <= now:
        raise FleetError(
            "a certificate revocation list has ended",
            obj=what,
            seen=f"{seen}, was good until {ends:%Y-%m-%d %H:%M} UTC",
            means=means,
            next_step="have the CA issue a new one, save it there and run again",
        )
    if begins > now:
        raise FleetError(
            "a certificate revocation list is not valid yet",
            obj=what,
            seen=f"{seen} UTC; now {now:%Y-%m-%d %H:%M}",
            means=means,
            next_step="set the clocks of the CA and of the controller by NTP",
        )
    if any(isinstance(extension.value, x509.DeltaCRLIndicator) for extension in crl.extensions):
        raise FleetError(
            "a delta CRL is only a part of a certificate revocation list",
            obj=what,
            seen=seen,
            means="proxies do not put the parts together",
            next_step="use the CA's whole list",
        )


def _lacking(missing: t.Sequence[x509.Certificate], chains: t.Mapping[str, SigningChain]) -> FleetError:
    by_cluster = {name: authorities([chain]) for name, chain in chains.items()}
    lines = []
    for ca in missing:
        where = [name for name, found in by_cluster.items() if ca in found.values()]
        why = "no CRL of it is given" if may_sign(ca) else "it may sign none: its keyUsage lacks crlSign"
        lines.append(f"{_named(ca.subject)} (SHA256 {fingerprint(ca)}, of {', '.join(where)}): {why}")
    return FleetError(
        "a CA of the mesh has no certificate revocation list",
        obj="trust_crl",
        seen="\n         ".join(lines),
        means="istiod does not start with CRLs for a part of its chain, and proxies refuse every call whose chain has "
        "a CA without one",
        next_step="add a CRL that each of them signed (an empty one is enough); a CA without crlSign has to be "
        "replaced by one with it first; or leave out trust_crl",
    )


def signed_by(crl: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    """Whether a CRL names this CA, and its key signed it."""
    if crl.issuer != ca.subject:
        return False
    try:
        return bool(crl.is_signature_valid(ca.public_key()))  # type: ignore[arg-type]  # a key of another kind: TypeError
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def may_sign(ca: x509.Certificate) -> bool:
    """Whether it may sign CRLs: Go and proxies believe no other (RFC 5280 4.2.1.3)."""
    try:
        return ca.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def key_of(crl: x509.CertificateRevocationList) -> tuple[bytes, bytes | None]:
    """By which proxies find the CRL of a CA: its name, and the ID of its key."""
    return crl.issuer.public_bytes(), _key_id(crl)


def names_no_key(crl: x509.CertificateRevocationList) -> bool:
    """Whether it lacks the ID of the key that signed it."""
    return _key_id(crl) is None


def _key_id(crl: x509.CertificateRevocationList) -> bytes | None:
    try:
        return crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _own_key_id(ca: x509.Certificate) -> bytes | None:
    try:
        return ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _named(name: x509.Name) -> str:
    return name.rfc4514_string()
