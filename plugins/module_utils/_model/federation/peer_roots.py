# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which root of a peer is trusted, and for what: for names of its own trust domain, whatever it signs.

istiod puts all roots into one list, ``trustDomains`` beside them limits none (seen with Istio 1.31). What limits a
root is its own name constraint (RFC 5280, section 4.2.1.10), which every proxy checks. So a peer's root is trusted as a
copy with its subject and key, and with a constraint of ours. Nobody checks the signature of a root that is trusted
itself, so the peer's key is not needed for the copy.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import typing as t

from ...errors import FleetError
from ..trust.certificates import (
    certificate_pem,
    days_left,
    fingerprint,
    name_constraint,
    new_key,
    parse_certificates,
    public_bytes,
)
from ..trust.signing_chain import uri_permitted

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
except ImportError:  # ansible-core requires cryptography: it is absent only where a module would run remotely
    pass

__all__ = [
    "constrained_copy",
    "is_constrained",
    "may_sign_for",
    "refuse_own",
    "refuse_shared",
    "trusted_copy",
    "without",
]

Roots = t.Mapping[str, t.Sequence["x509.Certificate"]]
"""What is trusted of each peer, by its trust domain."""


def is_constrained(root: x509.Certificate) -> bool:
    """Whether a root may sign identities of one trust domain only."""
    found = _constraint_of(root)
    permitted = (found.permitted_subtrees or ()) if found else ()
    return {type(one) for one in permitted} >= {x509.UniformResourceIdentifier, x509.DNSName}


def may_sign_for(certificate: x509.Certificate, trust_domain: str) -> bool:
    """Whether its name constraint lets a CA sign identities of a trust domain; one without any may."""
    found = _constraint_of(certificate)
    return found is None or uri_permitted(trust_domain, found.permitted_subtrees or (), found.excluded_subtrees or ())


def refuse_shared(trusted: Roots) -> None:
    """Each peer has a key of its own: a CA below a common root could speak for either.

    Raises:
        FleetError: roots of two peers have one key.
    """
    known: dict[bytes, str] = {}
    for domain, roots in trusted.items():
        for root in roots:
            other = known.setdefault(public_bytes(root), domain)
            if other != domain:
                raise FleetError(
                    f"{other} and {domain} sent roots with one key",
                    seen=root.subject.rfc4514_string(),
                    means="one CA signs for both, so each could speak for the other, and proxies would refuse calls of "
                    "either",
                    next_step=f"ask {other} or {domain} for a bundle with a root of its own",
                )


def refuse_own(trusted: Roots, own: t.Iterable[x509.Certificate]) -> None:
    """No peer has a key of this mesh's CAs.

    Proxies look for issuers by name and take the first that fits: with our own root first in their list the peer's CA
    speaks for us, and with the peer's copy first they refuse our own workloads.

    Args:
        own: the roots and intermediate CAs of this mesh.

    Raises:
        FleetError: a root of a peer has a key of ours.
    """
    ours = {public_bytes(one): one for one in own}
    for domain, roots in trusted.items():
        for root in roots:
            if found := ours.get(public_bytes(root)):
                raise FleetError(
                    f"the root of {domain} has a key of this mesh",
                    seen=f"{found.subject.rfc4514_string()}, SHA256 {fingerprint(found)}, is in cacerts or in "
                    "istio-ca-root-cert",
                    means="one CA signs for both meshes, or the peer sent a root of ours: the peer could speak for our "
                    "workloads, or proxies would refuse our own",
                    next_step=f"ask {domain} for a bundle with a root of its own. Where one corporate root signs for "
                    f"both, one mesh first needs another (a rotation); where cacerts only trusts {domain} too, take "
                    "its root out there",
                )


def trusted_copy(root: x509.Certificate, trust_domain: str, namespace: str, now: datetime.datetime) -> x509.Certificate:
    """What is trusted in place of a peer's root.

    Raises:
        FleetError: it has ended, is no CA, or says itself that it signs for other domains.
    """
    if root.not_valid_after_utc <= now:
        raise FleetError(
            f"the root of {trust_domain} has expired",
            seen=f"root SHA256 {fingerprint(root)}, {-days_left(root, now)} days ago",
            next_step="ask the peer for a bundle with its present root",
        )
    if not _is_ca(root):
        raise FleetError(
            f"what {trust_domain} sent as its root is no CA",
            seen=f"SHA256 {fingerprint(root)}",
            next_step="ask the peer for a bundle with its root",
        )
    found = _constraint_of(root)
    domains = (
        [str(one.value) for one in (found.permitted_subtrees or ()) if isinstance(one, x509.UniformResourceIdentifier)]
        if found
        else []
    )
    if wider := [one for one in domains if one != trust_domain]:
        raise FleetError(
            f"the root of {trust_domain} is one for other trust domains",
            seen=f"its name constraint permits {', '.join(wider)}",
            means="the file is another mesh's, or one CA signs for several meshes, and then it can speak for each",
            next_step="compare the trust domain with the peer's; ask for a bundle with a root for that domain alone",
        )
    return constrained_copy(root, trust_domain, namespace)


def constrained_copy(root: x509.Certificate, trust_domain: str, namespace: str) -> x509.Certificate:
    """A root's subject, key and lifetime, with our constraint.

    The same bytes in each run and on each controller, so that a run without news changes nothing. A signature has
    chance in it, and nobody checks that of a root: the key that makes it is thrown away, and so are its bytes.
    """
    seed = hashlib.sha256(f"{fingerprint(root)} {trust_domain} {namespace}".encode()).digest()
    builder = (
        x509.CertificateBuilder()
        .subject_name(root.subject)
        .issuer_name(root.subject)
        .public_key(root.public_key())
        .serial_number(int.from_bytes(seed[:16], "big") >> 1 or 1)
        .not_valid_before(root.not_valid_before_utc)
        .not_valid_after(root.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(name_constraint(trust_domain, namespace), critical=True)
    )
    for kind, critical in ((x509.SubjectKeyIdentifier, False), (x509.KeyUsage, True)):
        with contextlib.suppress(x509.ExtensionNotFound):
            builder = builder.add_extension(root.extensions.get_extension_for_class(kind).value, critical=critical)
    # openssl takes for its own issuer what has its own name and a signature of its own kind of key.
    public = root.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return _with_signature(builder.sign(new_key("rsa-2048"), hashes.SHA256()), seed * 8)
    return _with_signature(builder.sign(new_key(), hashes.SHA256()), _as_ecdsa(seed))


def without(bundle: str, roots: t.Iterable[x509.Certificate]) -> str:
    """A bundle (PEM) without certificates that are trusted as those of peers; what cannot be read stays."""
    theirs = {fingerprint(root) for root in roots}
    if not theirs:
        return bundle
    try:
        return certificate_pem(*(one for one in parse_certificates(bundle) if fingerprint(one) not in theirs))
    except FleetError:
        return bundle


def _as_ecdsa(seed: bytes) -> bytes:
    half = int.from_bytes(seed[:16], "big") | 1
    return encode_dss_signature(half, half)


def _with_signature(certificate: x509.Certificate, signature: bytes) -> x509.Certificate:
    """The same with another signature (RFC 5280, section 4.1: a sequence of content, algorithm and signature)."""
    whole, content = certificate.public_bytes(serialization.Encoding.DER), certificate.tbs_certificate_bytes
    behind = whole[whole.index(content) + len(content) :]
    algorithm = behind[: 2 + behind[1]]
    der = _der(0x30, content + algorithm + _der(0x03, b"\0" + signature))
    return x509.load_der_x509_certificate(der)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _is_ca(root: x509.Certificate) -> bool:
    try:
        return bool(root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _constraint_of(root: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return root.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
