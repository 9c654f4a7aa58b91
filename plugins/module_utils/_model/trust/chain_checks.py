# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a signing chain is one that istiod loads and that every proxy of the mesh then believes.

istiod refuses (and crash-loops on) a chain that Go's verifier rejects; worse, some chains load well and
only the certificates signed by them are rejected by proxies. Both are found here, before a write.
"""

from __future__ import annotations

import datetime
import typing as t

from ...errors import FleetError
from .certificates import (
    fingerprint,
    istiod_names,
    key_from_pem,
    parse_certificates,
    public_bytes,
)
from .name_constraints import described, dns_permitted, uri_permitted
from .signing_chain import CERT, CHAIN, KEY, ROOT, SigningChain

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # ansible-core requires cryptography: it is absent only where a module would run remotely
    pass

__all__ = ["check_root", "verify_chain"]


def verify_chain(
    chain: SigningChain,
    *,
    root: x509.Certificate | None,
    trust_domain: str,
    namespace: str,
    revision: str,
    now: datetime.datetime,
    key_optional: bool = False,
) -> x509.Certificate:
    """Check everything that istiod and the proxies will, and return the intermediate.

    Args:
        root: the fleet's root, which must be the chain's end; None checks against the chain's own.
        key_optional: leave the key out of the check, for a chain whose key lies elsewhere.

    Raises:
        FleetError: the first thing that is wrong, with fingerprints.
    """
    leaf = parse_certificates(chain.certificate, what=CERT)[0]
    sent = parse_certificates(chain.chain, what=CHAIN)
    roots = parse_certificates(chain.root, what=ROOT)
    if root is not None and fingerprint(root) not in {fingerprint(r) for r in roots}:
        raise FleetError(
            "its root differs from the fleet's",
            seen=f"root SHA256 {', '.join(fingerprint(r) for r in roots)}; the fleet's is {fingerprint(root)}",
            means="clusters with different roots reject each other's calls",
            next_step="give that root to the fleet (trust_root: provided), or rotate the cluster to the fleet's",
        )
    if not key_optional:
        _key_is_a_pair(chain.key, leaf)
    if fingerprint(sent[0]) != fingerprint(leaf):
        raise FleetError(
            f"{CHAIN} does not begin with {CERT}",
            seen=f"{CHAIN} begins with SHA256 {fingerprint(sent[0])}, {CERT} is {fingerprint(leaf)}",
            means="istiod sends that file behind each certificate it signs: proxies could not follow it",
            next_step="order it: the intermediate, those above it, then the root",
        )
    anchors = [root] if root is not None else roots
    path = _path(leaf, sent, anchors)
    for depth, certificate in enumerate(path):
        _one(certificate, depth, now)
    names = [*istiod_names(namespace, revision)]
    identity = f"spiffe://{trust_domain}/ns/{namespace}/sa/istiod"
    for certificate in path:
        _permits(certificate, identity, trust_domain, names)
    return leaf


def check_root(
    root: x509.Certificate, *, trust_domain: str, namespace: str, revision: str, now: datetime.datetime
) -> None:
    """Whether ``root`` may be a fleet's root. Raises FleetError with its fingerprint."""
    if root.subject != root.issuer:
        raise FleetError(
            "the root certificate is not self-signed",
            seen=f"SHA256 {fingerprint(root)}, issued by {root.issuer.rfc4514_string()}",
            means="proxies need the end of the chain",
            next_step="give the self-signed root; for intermediates of a corporate CA use trust_root: external",
        )
    _signed_by(root, root)
    _one(root, 1, now)
    identity = f"spiffe://{trust_domain}/ns/{namespace}/sa/istiod"
    _permits(root, identity, trust_domain, istiod_names(namespace, revision))


def _key_is_a_pair(pem: str, leaf: x509.Certificate) -> None:
    if public_bytes(key_from_pem(pem, what="ca-key.pem")) != public_bytes(leaf):
        raise FleetError(
            f"{KEY} is not the key of {CERT}",
            seen=f"certificate SHA256 {fingerprint(leaf)} has another public key",
            means="istiod would not start with it",
            next_step="give the key that the certificate's signing request was made with",
        )


def _path(
    leaf: x509.Certificate, sent: t.Sequence[x509.Certificate], anchors: t.Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """From the intermediate up to an anchor, following issuers; the signatures are verified."""
    path = [leaf]
    trusted = {fingerprint(a) for a in anchors}
    while fingerprint(path[-1]) not in trusted:
        candidates = [c for c in (*anchors, *sent) if c.subject == path[-1].issuer and c not in path]
        if not candidates:
            raise FleetError(
                "the chain does not lead to the root",
                seen=f"no certificate {path[-1].issuer.rfc4514_string()!r}, the issuer of SHA256 "
                f"{fingerprint(path[-1])}; root SHA256 {', '.join(sorted(trusted))}",
                means="an intermediate is missing, or it was signed by another CA",
                next_step=f"{CHAIN} must hold every certificate between {CERT} and the root",
            )
        # A re-keyed CA keeps its name: the one whose key signed is the issuer.
        path.append(next((c for c in candidates if _is_signed_by(path[-1], c)), candidates[0]))
        _signed_by(path[-2], path[-1])
    return path


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if not _is_signed_by(certificate, issuer):
        raise FleetError(
            "a signature in the chain is not valid",
            seen=f"SHA256 {fingerprint(certificate)} names {issuer.subject.rfc4514_string()!r} as its issuer, "
            f"but SHA256 {fingerprint(issuer)} did not sign it",
            means="another CA of the same name signed it, or it was altered",
            next_step="have it signed by that CA, or give the root that signed it",
        )


def _one(certificate: x509.Certificate, depth: int, now: datetime.datetime) -> None:
    """What each certificate must be by itself; ``depth`` 0 is the one that istiod signs with."""
    seen = f"SHA256 {fingerprint(certificate)} {certificate.subject.rfc4514_string()}"
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start <= now <= end:
        raise FleetError(
            "a certificate of the chain has expired" if now > end else "a certificate of the chain is not valid yet",
            seen=f"{seen}: valid {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, now {now:%Y-%m-%d %H:%M}",
            next_step="have a new one signed" if now > end else "check the controller's clock",
        )
    extensions = certificate.extensions
    basic = _extension(extensions, x509.BasicConstraints)
    if basic is None or not basic.ca:
        raise FleetError(
            "a certificate of the chain is not a CA",
            seen=f"{seen}: basicConstraints {'CA:FALSE' if basic else 'missing'}",
            means="istiod refuses to sign with it",
            next_step="have it signed as a CA with path length 0",
        )
    # Below depth n stand n CAs; the workload's own certificate does not count (RFC 5280 4.2.1.9).
    if basic.path_length is not None and basic.path_length < depth:
        raise FleetError(
            "a path length of the chain is too short",
            seen=f"{seen}: pathlen {basic.path_length}, {depth} CAs below it",
            means="proxies would reject every workload certificate",
            next_step="have the intermediate signed by a CA that may have CAs below it",
        )
    usage = _extension(extensions, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise FleetError(
            "a certificate of the chain may not sign certificates",
            seen=f"{seen}: keyUsage without keyCertSign",
            next_step="have it signed with keyCertSign",
        )
    extended = _extension(extensions, x509.ExtendedKeyUsage)
    needed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    allowed = needed if extended is None or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended else set(extended)
    if not needed <= allowed:
        raise FleetError(
            "a certificate of the chain does not allow mutual TLS",
            seen=f"{seen}: extendedKeyUsage without serverAuth and clientAuth",
            means="a restriction on a CA holds for all it signs",
            next_step="have it signed without extendedKeyUsage, or with both",
        )
    _strong(certificate, seen)


def _strong(certificate: x509.Certificate, seen: str) -> None:
    """Go rejects SHA-1 and short RSA keys; istiod signs with RSA and ECDSA only."""
    key = certificate.public_key()
    algorithm = certificate.signature_hash_algorithm
    if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        weak = f"its key is {type(key).__name__}, neither ECDSA nor RSA"
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        weak = f"its RSA key has {key.key_size} bits"
    elif not isinstance(algorithm, (hashes.SHA256, hashes.SHA384, hashes.SHA512)):
        weak = f"it is signed with {algorithm.name if algorithm else 'an unknown hash'}"
    else:
        return
    raise FleetError(
        "a certificate of the chain is not acceptable to Istio",
        seen=f"{seen}: {weak}",
        next_step="use ECDSA P-256 or RSA of 2048 bits or more, signed with SHA-256",
    )


def _permits(certificate: x509.Certificate, identity: str, trust_domain: str, names: t.Sequence[str]) -> None:
    constraints = _extension(certificate.extensions, x509.NameConstraints)
    if constraints is None:
        return
    permitted, excluded = constraints.permitted_subtrees or [], constraints.excluded_subtrees or []
    refused = [name for name in names if not dns_permitted(name, permitted, excluded)]
    if not uri_permitted(trust_domain, permitted, excluded):
        refused.insert(0, identity)
    if refused:
        raise FleetError(
            "a name constraint of the chain excludes what istiod will sign",
            seen=f"SHA256 {fingerprint(certificate)} {certificate.subject.rfc4514_string()} permits "
            f"{described(permitted)}, excludes {described(excluded)}; needed: {', '.join(refused)}",
            means="the certificates would be signed, and rejected by every proxy",
            next_step="use a CA made for this trust domain, or set mesh_trust_domain to the one it permits",
        )


_Value = t.TypeVar("_Value", bound="x509.ExtensionType")


def _extension(extensions: x509.Extensions, kind: type[_Value]) -> _Value | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
