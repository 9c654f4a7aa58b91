# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of Secret ``cacerts``, and whether istiod loads them and every proxy of the mesh accepts them.

They have one of two forms: Istio's own four names, or those of a Secret of type ``kubernetes.io/tls``, which
cert-manager writes. istiod takes the second where it finds ``tls.crt``, whatever else is there
(``detectSigningCABundleAndCRL`` in its ``pilot/pkg/bootstrap/istio_ca.go``).

istiod refuses a chain that Go's verifier rejects, and crash-loops. Other chains load, and proxies then reject every
certificate that they sign. Both are found here, before anything is written.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...errors import FleetError
from .certificates import (
    Policy,
    fingerprint,
    istiod_names,
    key_from_pem,
    parse_certificates,
    public_bytes,
)

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # ansible-core requires cryptography: it is absent only where a module would run remotely
    pass

__all__ = [
    "CERT",
    "CHAIN",
    "CRL",
    "KEY",
    "KEYS",
    "PUBLIC",
    "ROOT",
    "SigningChain",
    "as_istiod_reads",
    "check_root",
    "has_tls_form",
    "is_signed_by",
    "verify_chain",
]

CERT = "ca-cert.pem"
KEY = "ca-key.pem"
ROOT = "root-cert.pem"
CHAIN = "cert-chain.pem"
CRL = "ca-crl.pem"
"""Need not be there."""
KEYS = (CERT, KEY, ROOT, CHAIN)
PUBLIC = (CERT, ROOT, CHAIN, CRL)
"""Those that hold no key."""
TLS_NAMES = {CERT: "tls.crt", KEY: "tls.key", ROOT: "ca.crt"}
"""The same files in a Secret of type ``kubernetes.io/tls``. Its chain is ``tls.crt`` and then ``ca.crt``."""


@dataclasses.dataclass(frozen=True)
class SigningChain:
    """The content of a ``cacerts`` Secret, as PEM texts. ``repr`` leaves the key out."""

    certificate: str
    key: str = dataclasses.field(repr=False)
    root: str
    chain: str
    crl: str = ""
    """Revocation lists of CAs; "" for none."""

    @classmethod
    def from_data(cls, data: t.Mapping[str, str], *, tls_form: bool = False) -> SigningChain:
        """From the Secret's decoded data.

        Args:
            data: by Istio's names, as :func:`as_istiod_reads` gives them.
            tls_form: whether the Secret has the names of type ``kubernetes.io/tls``.

        Raises:
            FleetError: naming every key that is missing. The chain may be empty.
        """
        names = TLS_NAMES if tls_form else {}
        missing = [key for key in KEYS if key not in data or (key != CHAIN and not data[key].strip())]
        if missing:
            present = sorted(names.get(key, key) for key in data if not (tls_form and key == CHAIN))
            raise FleetError(
                "cacerts is incomplete",
                seen=f"missing {', '.join(names.get(key, key) for key in missing)}; present "
                f"{', '.join(present) or 'nothing'}",
                means="istiod does not start with half of it, and without it makes a root of its own",
                next_step="complete it; or, to let this role sign a new one, save a copy of the Secret and delete it",
            )
        return cls(certificate=data[CERT], key=data[KEY], root=data[ROOT], chain=data[CHAIN], crl=data.get(CRL, ""))

    @property
    def data(self) -> dict[str, str]:
        """The Secret's data, not encoded."""
        listed = {CRL: self.crl} if self.crl else {}
        return {CERT: self.certificate, KEY: self.key, ROOT: self.root, CHAIN: self.chain, **listed}


def has_tls_form(data: t.Mapping[str, str]) -> bool:
    """Whether istiod reads this Secret by the names of type ``kubernetes.io/tls``: one of them is enough."""
    return TLS_NAMES[CERT] in data


def as_istiod_reads(data: t.Mapping[str, str]) -> dict[str, str]:
    """The Secret's decoded data by Istio's own names, with what istiod does not look at left out."""
    if not has_tls_form(data):
        return dict(data)
    found = {name: data[tls] for name, tls in TLS_NAMES.items() if tls in data}
    return {**found, CHAIN: found[CERT] + found.get(ROOT, "")}


def verify_chain(chain: SigningChain, root: x509.Certificate, policy: Policy) -> x509.Certificate:
    """Check everything that istiod and the proxies check, and return the intermediate CA.

    Args:
        root: the fleet's root, at which the chain must end.

    Raises:
        FleetError: the first fault, with fingerprints.
    """
    intermediate = parse_certificates(chain.certificate, what=CERT)[0]
    # istiod takes an empty chain, and sends it: proxies can do without where the CA that signs for them is a root.
    sent = parse_certificates(chain.chain, what=CHAIN) if chain.chain.strip() else []
    roots = parse_certificates(chain.root, what=ROOT)
    if fingerprint(root) not in {fingerprint(r) for r in roots}:
        raise FleetError(
            "its root differs from the fleet's",
            seen=f"root SHA256 {', '.join(fingerprint(r) for r in roots)}; the fleet's is {fingerprint(root)}",
            means="clusters with different roots reject each other's calls",
            next_step="make its root the fleet's (trust_root: provided), or rotate the cluster to the fleet's root",
        )
    if public_bytes(key_from_pem(chain.key, what=KEY)) != public_bytes(intermediate):
        raise FleetError(
            f"{KEY} is not the key of {CERT}",
            seen=f"certificate SHA256 {fingerprint(intermediate)} has another public key",
            means="istiod would not start with it",
            next_step="use the key that made the certificate's signing request",
        )
    if not sent and intermediate not in roots:
        raise FleetError(
            f"{CHAIN} is empty",
            seen=f"{CERT} is SHA256 {fingerprint(intermediate)}, and not among the roots",
            means="istiod starts with it, but proxies of other clusters cannot verify what it signs",
            next_step="put into it the intermediate CA, the CAs above it, then the root",
        )
    if sent and fingerprint(sent[0]) != fingerprint(intermediate):
        raise FleetError(
            f"{CHAIN} does not begin with {CERT}",
            seen=f"{CHAIN} begins with SHA256 {fingerprint(sent[0])}, {CERT} is {fingerprint(intermediate)}",
            means="istiod appends that file to each certificate it signs: proxies could not verify the chain",
            next_step="order it: the intermediate CA, the CAs above it, then the root",
        )
    path = _path(intermediate, sent, root)
    for depth, certificate in enumerate(path):
        _check_certificate(certificate, depth, policy.now)
    for certificate in path:
        _check_constraints(certificate, policy)
    return intermediate


def check_root(root: x509.Certificate, policy: Policy) -> None:
    """Check that ``root`` is fit to be the fleet's root. Raises FleetError with its fingerprint."""
    if root.subject != root.issuer:
        raise FleetError(
            "the root certificate is not self-signed",
            seen=f"SHA256 {fingerprint(root)}, issued by {root.issuer.rfc4514_string()}",
            means="proxies need the end of the chain",
            next_step="use the self-signed root; for intermediate CAs of a corporate CA set trust_root: external",
        )
    _check_signature(root, root)
    _check_certificate(root, 1, policy.now)
    _check_constraints(root, policy)


def _path(
    intermediate: x509.Certificate, sent: t.Sequence[x509.Certificate], root: x509.Certificate
) -> list[x509.Certificate]:
    """From the intermediate CA to the root, by issuers. Raises FleetError where a link or a signature is missing."""
    path = [intermediate]
    while path[-1] != root:
        candidates = [c for c in (root, *sent) if c.subject == path[-1].issuer and c not in path]
        if not candidates:
            raise FleetError(
                "the chain does not lead to the root",
                seen=f"no certificate {path[-1].issuer.rfc4514_string()!r}, the issuer of SHA256 "
                f"{fingerprint(path[-1])}; root SHA256 {fingerprint(root)}",
                means="an intermediate CA is missing, or another CA signed it",
                next_step=f"{CHAIN} must hold every certificate between {CERT} and the root",
            )
        # A CA that got a new key keeps its name: the issuer is the one whose key signed.
        path.append(next((c for c in candidates if is_signed_by(path[-1], c)), candidates[0]))
        _check_signature(path[-2], path[-1])
    return path


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` is named by a certificate, and its key signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _check_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if not is_signed_by(certificate, issuer):
        raise FleetError(
            "a signature in the chain is not valid",
            seen=f"SHA256 {fingerprint(certificate)} names {issuer.subject.rfc4514_string()!r} as its issuer, "
            f"but SHA256 {fingerprint(issuer)} did not sign it",
            means="another CA of the same name signed it, or it was changed",
            next_step="have that CA sign it, or use the root that signed it",
        )


def _check_certificate(certificate: x509.Certificate, depth: int, now: datetime.datetime) -> None:
    """Check one CA of the chain; ``depth`` 0 is the intermediate CA, whose key istiod holds."""
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
    # A CA at depth n has n CAs below it; the workload's certificate does not count (RFC 5280 4.2.1.9).
    if basic.path_length is not None and basic.path_length < depth:
        raise FleetError(
            "a path length of the chain is too short",
            seen=f"{seen}: pathlen {basic.path_length}, {depth} CAs below it",
            means="proxies would reject every workload certificate",
            next_step="have a CA sign the intermediate CA that may have CAs below it",
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
            means="a restriction of a CA applies to every certificate it signs",
            next_step="have it signed without extendedKeyUsage, or with both",
        )
    _check_algorithms(certificate, seen)


def _check_algorithms(certificate: x509.Certificate, seen: str) -> None:
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


def _check_constraints(certificate: x509.Certificate, policy: Policy) -> None:
    """Check that a CA permits the identities and names of the mesh (RFC 5280 4.2.1.10)."""
    constraints = _extension(certificate.extensions, x509.NameConstraints)
    if constraints is None:
        return
    permitted, excluded = constraints.permitted_subtrees or [], constraints.excluded_subtrees or []
    refused = [name for name in istiod_names(policy) if not dns_permitted(name, permitted, excluded)]
    if not uri_permitted(policy.trust_domain, permitted, excluded):
        refused.insert(0, f"spiffe://{policy.trust_domain}/ns/{policy.namespace}/sa/istiod")
    if refused:
        raise FleetError(
            "a name constraint of the chain excludes what istiod will sign",
            seen=f"SHA256 {fingerprint(certificate)} {certificate.subject.rfc4514_string()} permits "
            f"{_described(permitted)}, excludes {_described(excluded)}; needed: {', '.join(refused)}",
            means="istiod would sign certificates that every proxy rejects",
            next_step="use a CA that permits this trust domain, or set mesh_trust_domain to the one it permits",
        )


_Value = t.TypeVar("_Value", bound="x509.ExtensionType")


def _extension(extensions: x509.Extensions, kind: type[_Value]) -> _Value | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def uri_permitted(host: str, permitted: t.Sequence[x509.GeneralName], excluded: t.Sequence[x509.GeneralName]) -> bool:
    """Whether URIs of ``host`` are permitted. A constraint with a leading dot covers subdomains only, else the host."""

    def matches(constraint: str) -> bool:
        wanted, found = constraint.lower(), host.lower()
        return found.endswith(wanted) if wanted.startswith(".") else wanted in ("", found)

    return _allowed(x509.UniformResourceIdentifier, matches, permitted, excluded)


def dns_permitted(name: str, permitted: t.Sequence[x509.GeneralName], excluded: t.Sequence[x509.GeneralName]) -> bool:
    """Whether a DNS name is permitted. A constraint covers the name itself and all below it; "" covers every name."""

    def matches(constraint: str) -> bool:
        wanted, found = constraint.lower().lstrip("."), name.lower()
        return wanted == "" or found == wanted or found.endswith(f".{wanted}")

    return _allowed(x509.DNSName, matches, permitted, excluded)


def _allowed(
    kind: type[x509.DNSName] | type[x509.UniformResourceIdentifier],
    matches: t.Callable[[str], bool],
    permitted: t.Sequence[x509.GeneralName],
    excluded: t.Sequence[x509.GeneralName],
) -> bool:
    wanted = [str(n.value) for n in permitted if isinstance(n, kind)]
    barred = [str(n.value) for n in excluded if isinstance(n, kind)]
    return not any(matches(b) for b in barred) and (not wanted or any(matches(w) for w in wanted))


def _described(names: t.Sequence[x509.GeneralName]) -> str:
    """``URI:shop.example, DNS:istio-system.svc``, or ``nothing``."""
    kinds = {"UniformResourceIdentifier": "URI", "DNSName": "DNS", "RFC822Name": "email"}
    return ", ".join(f"{kinds.get(type(n).__name__, type(n).__name__)}:{n.value}" for n in names) or "nothing"
