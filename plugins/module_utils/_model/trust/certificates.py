# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""X.509 for the mesh: keys, the root, the intermediate CA of each cluster, signing requests.

The forms are those of Istio's own recipe (``tools/certs``), with a name constraint on the root.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...errors import FleetError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import NameOID
except ImportError:  # ansible-core requires cryptography: it is absent only where a module would run remotely
    pass

__all__ = [
    "BACKDATE",
    "KEY_TYPES",
    "Authority",
    "Policy",
    "certificate_pem",
    "days_left",
    "fingerprint",
    "istiod_names",
    "key_from_pem",
    "key_pem",
    "make_intermediate",
    "make_request",
    "make_root",
    "name_constraint",
    "new_key",
    "parse_certificates",
    "public_bytes",
    "short",
]

if t.TYPE_CHECKING:
    PrivateKey: t.TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KEY_TYPES = ("ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096")
# Clocks of clusters differ; a certificate that is not yet valid stops every proxy that receives it.
BACKDATE = datetime.timedelta(minutes=10)
_INTERMEDIATE = "Intermediate CA"
BEGIN = "-----BEGIN CERTIFICATE-----"
END = "-----END CERTIFICATE-----"


@dataclasses.dataclass(frozen=True)
class Policy:
    """What a fleet requires of its certificates. ``now`` is the time of the run."""

    trust_domain: str
    namespace: str
    revision: str
    now: datetime.datetime
    key_type: str = KEY_TYPES[0]
    organization: str = "Istio"
    root_lifetime: datetime.timedelta = datetime.timedelta(days=3650)
    lifetime: datetime.timedelta = datetime.timedelta(days=730)
    renew_before: datetime.timedelta = datetime.timedelta(days=30)


@dataclasses.dataclass(frozen=True)
class Authority:
    """The certificate of a CA with its key. ``repr`` leaves the key out: never return or log it."""

    certificate: x509.Certificate
    key: PrivateKey = dataclasses.field(repr=False)


def new_key(kind: str = KEY_TYPES[0]) -> PrivateKey:
    """A new private key of one of :data:`KEY_TYPES`. Raises ValueError for another kind."""
    if kind == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind not in KEY_TYPES:
        raise ValueError(f"key type {kind!r} is none of {', '.join(KEY_TYPES)}")
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))


def key_pem(key: PrivateKey) -> str:
    """PEM as openssl and istioctl write it (``EC PRIVATE KEY``, ``RSA PRIVATE KEY``), which istiod reads."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def key_from_pem(pem: str, *, what: str = "the private key") -> PrivateKey:
    """Read an RSA or ECDSA key.

    Raises:
        FleetError: unreadable, protected by a passphrase, or of a kind that istiod does not sign with.
            Nothing of the key is in the message.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise FleetError(
            f"{what} is protected by a passphrase",
            next_step="encrypt it with Ansible Vault instead: openssl pkey -in KEY | "
            "ansible-vault encrypt --output KEY.vault",
        ) from None
    except ValueError:
        raise FleetError(
            f"{what} is not a PEM private key", next_step="use PEM: EC PRIVATE KEY, RSA PRIVATE KEY or PRIVATE KEY"
        ) from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise FleetError(
            f"{what} is of a kind that istiod does not sign with",
            seen=type(key).__name__,
            next_step="use ECDSA (P-256) or RSA (2048 bits or more)",
        )
    return key


def public_bytes(owner: x509.Certificate | x509.CertificateSigningRequest | PrivateKey) -> bytes:
    """The public key in one comparable form: equal exactly when the keys are a pair."""
    return owner.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_pem(*certificates: x509.Certificate) -> str:
    """The certificates as one PEM text, in this order."""
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def parse_certificates(pem: str, *, what: str = "the certificate") -> list[x509.Certificate]:
    """All certificates of a PEM text, in its order; text around them is ignored, as Istio does.

    Raises:
        FleetError: none in it, or one that cannot be read.
    """
    blocks = [BEGIN + block.split(END, 1)[0] + END + "\n" for block in pem.split(BEGIN)[1:]]
    try:
        found = [x509.load_pem_x509_certificate(block.encode()) for block in blocks]
    except (ValueError, x509.InvalidVersion) as error:
        raise FleetError(f"{what} cannot be read", seen=f"{type(error).__name__}: {error}"[:200]) from None
    if not found:
        raise FleetError(
            f"{what} holds no certificate", seen=f"{len(pem)} characters without {BEGIN}", next_step="use PEM"
        )
    return found


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate as ``9f:3c:…``, 32 bytes in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex(":")


def short(certificate: x509.Certificate) -> str:
    """The first bytes of the fingerprint, for a line that a person reads."""
    return fingerprint(certificate)[:11] + "…"


def days_left(certificate: x509.Certificate, now: datetime.datetime) -> int:
    """Whole days until it expires; negative afterwards."""
    return (certificate.not_valid_after_utc - now) // datetime.timedelta(days=1)


def istiod_names(policy: Policy) -> list[str]:
    """DNS names in an intermediate CA: those under which istiod serves."""
    names = [f"istiod.{policy.namespace}.svc"]
    if policy.revision and policy.revision != "default":
        names.append(f"istiod-{policy.revision}.{policy.namespace}.svc")
    return names


def name_constraint(trust_domain: str, namespace: str) -> x509.NameConstraints:
    """What a root may sign: URIs of its trust domain, DNS names of istiod's namespace, and one mailbox that nobody has.

    RFC 5280 permits every name of a kind that is not constrained, and proxies look for an identity among the names of
    all kinds: of two meshes, each could write the other's as a DNS name or as a mailbox.
    """
    return x509.NameConstraints(
        permitted_subtrees=[
            x509.UniformResourceIdentifier(trust_domain),
            x509.DNSName(f"{namespace}.svc"),
            x509.RFC822Name(f"nobody@{trust_domain}"),
        ],
        excluded_subtrees=None,
    )


def make_root(key: PrivateKey, policy: Policy) -> x509.Certificate:
    """A root whose critical name constraint permits one trust domain only.

    So another mesh can trust this root without accepting its own identities from it.
    """
    name = _name(policy.organization, "Root CA", policy.trust_domain)
    return (
        _builder(name, name, key, policy.now, policy.root_lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(name_constraint(policy.trust_domain, policy.namespace), critical=True)
        .sign(key, hashes.SHA256())
    )


def make_intermediate(root: Authority, key: PrivateKey, cluster: str, policy: Policy) -> x509.Certificate:
    """A cluster's intermediate CA, with which its istiod signs. It ends with its root at the latest."""
    issuer = root.certificate
    lifetime = min(policy.lifetime, issuer.not_valid_after_utc - policy.now)
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    except x509.ExtensionNotFound:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    return (
        _builder(_name(policy.organization, _INTERMEDIATE, cluster), issuer.subject, key, policy.now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(authority, critical=False)
        .add_extension(_alternative_names(policy), critical=False)
        .sign(root.key, hashes.SHA256())
    )


def make_request(key: PrivateKey, cluster: str, policy: Policy) -> str:
    """A signing request (PEM) that asks a corporate CA for what :func:`make_intermediate` makes."""
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(policy.organization, _INTERMEDIATE, cluster))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(_alternative_names(policy), critical=False)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    now: datetime.datetime,
    lifetime: datetime.timedelta,
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(organization: str, common_name: str, locality: str) -> x509.Name:
    # X.509 bounds these fields (RFC 5280 appendix A: O and CN 64, L 128 characters).
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.LOCALITY_NAME, locality[:128]),
        ]
    )


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        key_cert_sign=True,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=True,  # istiod and proxies believe no revocation list of a CA without it
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(policy: Policy) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in istiod_names(policy)])
