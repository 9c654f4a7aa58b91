# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who issues the intermediate CAs: the generated root, a root that the user provides, or a corporate CA."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils import locks
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates as certs
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import bundle_with, issue
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import (
    CERT,
    SigningChain,
    check_root,
    verify_chain,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import write_file
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox

__all__ = ["CorporateCa", "Files", "IntermediateIssuer", "OwnRoot", "locked", "open_issuer"]

ROOT_CERT = "root-cert.pem"
ROOT_KEY = "root-key.vault"


@contextlib.contextmanager
def locked(directory: str, *, check_mode: bool) -> t.Iterator[None]:
    """One run at a time in a trust folder: two would make two roots."""
    if check_mode and not os.path.isdir(directory):
        yield
        return
    with locks.locked(os.path.join(directory, ".lock")):
        yield


class Files:
    """Writes and removes files of a run and keeps the changes; in check mode it writes nothing."""

    def __init__(self, check_mode: bool) -> None:
        self.check_mode = check_mode
        self.changes: list[Change] = []

    def write(self, path: str, text: str, *, shown: str) -> None:
        """Write ``text`` (0600); ``shown`` is what a diff may show of it."""
        self.changes.append(Change("", "File", path, CREATED, after=shown))
        if not self.check_mode:
            write_file(path, text)

    def remove(self, path: str) -> None:
        if not os.path.exists(path):
            return
        self.changes.append(Change("", "File", path, REMOVED))
        if not self.check_mode:
            os.unlink(path)


class IntermediateIssuer(t.Protocol):
    """Issues the chain of a cluster."""

    made_now: bool

    @property
    def root(self) -> x509.Certificate | None: ...

    def chain(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain | None:
        """A new chain; None while it waits for a corporate CA's signature. ``present``: the live Secret's data."""


@dataclasses.dataclass
class OwnRoot:
    """A root whose key is on the controller: generated, or provided by the user."""

    authority: certs.Authority
    policy: Policy
    made_now: bool = False

    @property
    def root(self) -> x509.Certificate | None:
        return self.authority.certificate

    def chain(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain | None:
        return issue(cluster, self.authority, self.policy, present=present)


def open_issuer(
    args: t.Mapping[str, t.Any], directory: str, policy: Policy, box: VaultBox, files: Files
) -> IntermediateIssuer:
    """The issuer that ``args['root']`` names, its root checked against the fleet.

    Raises:
        FleetError: the root or its key is missing, unreadable, no pair, or excludes this trust domain.
    """
    if args["root"] == "external":
        return CorporateCa(args, directory, policy, box, files)
    made_now = False
    if args["root"] == "provided":
        authority = _provided(args, box)
    else:
        found = _kept(directory, box)
        made_now = found is None
        authority = found or _new(directory, policy, box, files)
    check_root(authority.certificate, policy)
    return OwnRoot(authority, policy, made_now)


def _provided(args: t.Mapping[str, t.Any], box: VaultBox) -> certs.Authority:
    for name in ("root_cert", "root_key"):
        if not args[name]:
            raise FleetError(f"trust_{name} is missing", next_step="trust_root: provided requires it: a path, or PEM")
    found = certs.parse_certificates(_content(args["root_cert"], "trust_root_cert"), what="trust_root_cert")
    if len(found) > 1:
        raise FleetError(
            "trust_root_cert holds more than one certificate",
            seen=", ".join(f"SHA256 {certs.fingerprint(c)}" for c in found),
            next_step="use the self-signed root alone",
        )
    key = box.decrypt(_content(args["root_key"], "trust_root_key"), "trust_root_key")
    return _pair(found[0], certs.key_from_pem(key, what="trust_root_key"), "trust_root_key")


def _kept(directory: str, box: VaultBox) -> certs.Authority | None:
    cert, key = os.path.join(directory, ROOT_CERT), os.path.join(directory, ROOT_KEY)
    # The certificate is written last: a key alone comes from a run that ended before it signed anything.
    if not os.path.exists(cert):
        return None
    if not os.path.exists(key):
        raise FleetError(
            "the root's key is gone",
            obj=key,
            seen=f"{cert} is there",
            means="proxies with certificates of the present root would reject those of a new one",
            next_step="restore the file from a backup, or rotate the root",
        )
    found = certs.parse_certificates(_read(cert, "the root"), what=cert)[0]
    text = _read(key, "the root's key")
    if "PRIVATE KEY" in text:
        raise FleetError("the root's key is on the disk unencrypted", obj=key, next_step=f"ansible-vault encrypt {key}")
    return _pair(found, certs.key_from_pem(box.decrypt(text, key), what=key), key)


def _new(directory: str, policy: Policy, box: VaultBox, files: Files) -> certs.Authority:
    key = certs.new_key(policy.key_type)
    root = certs.make_root(key, policy)
    encrypted = box.encrypt(certs.key_pem(key))
    if box.created:
        files.changes.append(Change("", "File", box.created, CREATED, after="(a random password)"))
    files.write(os.path.join(directory, ROOT_KEY), encrypted, shown="(key, vault encrypted)")
    files.write(os.path.join(directory, ROOT_CERT), certs.certificate_pem(root), shown="(root certificate)")
    return certs.Authority(root, key)


class CorporateCa:
    """A CA outside the fleet, which signs intermediate CAs: writes signing requests, reads signed chains.

    In ``<trust_dir>/external``: ``<cluster>.csr.pem`` (the request), ``<cluster>.key.vault``,
    ``<cluster>.chain.pem`` (the answer: the intermediate CA, then the CAs above it) and ``root-cert.pem``.
    """

    made_now = False

    def __init__(
        self, args: t.Mapping[str, t.Any], directory: str, policy: Policy, box: VaultBox, files: Files
    ) -> None:
        self._directory = os.path.join(directory, "external")
        self._policy, self._box, self._files = policy, box, files
        self.requests: dict[str, str] = {}
        """By cluster, the request that waits for a signature."""
        self.root_path = args["root_cert"] or os.path.join(self._directory, ROOT_CERT)
        self.root: x509.Certificate | None = None
        if args["root_cert"] or os.path.exists(self.root_path):
            text = _content(self.root_path, "trust_root_cert")
            self.root = certs.parse_certificates(text, what="the corporate root")[0]
            check_root(self.root, policy)

    def path(self, cluster: str, what: str) -> str:
        return os.path.join(self._directory, f"{cluster}.{what}")

    def chain(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain | None:
        """The signed chain if there is one and it is not ``present``; else write a request and return None."""
        answer, key = self.path(cluster, "chain.pem"), self.path(cluster, "key.vault")
        if self.root is None or not os.path.exists(answer):
            self._request(cluster, fresh=False)
            return None
        found = certs.parse_certificates(_read(answer, "the signed chain"), what=answer)
        if present and certs.parse_certificates(present[CERT])[0] == found[0]:
            # It is the one in use: a renewal needs a new key.
            self._request(cluster, fresh=True)
            return None
        above = [c for c in found[1:] if c != self.root]
        signed = SigningChain(
            certificate=certs.certificate_pem(found[0]),
            key=self._box.decrypt(_read(key, "the cluster's key"), key),
            root=bundle_with(self.root, (present or {}).get(ROOT_CERT, "")),
            chain=certs.certificate_pem(found[0], *above, self.root),
        )
        try:
            verify_chain(signed, self.root, self._policy)
        except FleetError as error:
            error.cluster, error.obj = cluster, answer
            raise
        return signed

    def waiting(self) -> FleetError:
        """The error that lists every request that waits for a signature."""
        pairs = [f"{request}  ->  {self.path(cluster, 'chain.pem')}" for cluster, request in self.requests.items()]
        if self.root is None:
            pairs.append(f"the root's certificate  ->  {self.root_path}")
        return FleetError(
            f"{len(self.requests)} signing request{'s wait' if len(self.requests) != 1 else ' waits'} for your CA",
            seen="\n         ".join(pairs),
            means="each answer is PEM: the signed intermediate CA (pathlen 0) first, then the CAs above it",
            next_step="have them signed, save the answers there, and run again",
        )

    def _request(self, cluster: str, *, fresh: bool) -> None:
        path, key_path = self.path(cluster, "csr.pem"), self.path(cluster, "key.vault")
        self.requests[cluster] = path
        if os.path.exists(path) and os.path.exists(key_path) and not fresh:
            return
        key = certs.new_key(self._policy.key_type)
        request = certs.make_request(key, cluster, self._policy)
        answer = self.path(cluster, "chain.pem")
        if fresh and not self._files.check_mode:
            os.replace(answer, self.path(cluster, "chain.old.pem"))
        self._files.write(key_path, self._box.encrypt(certs.key_pem(key)), shown="(key, vault encrypted)")
        self._files.write(path, request, shown=request)


def _pair(certificate: x509.Certificate, key: certs.PrivateKey, where: str) -> certs.Authority:
    if certs.public_bytes(key) != certs.public_bytes(certificate):
        raise FleetError(
            "the root's key does not belong to its certificate",
            obj=where if os.path.isabs(where) else "",
            seen=f"root SHA256 {certs.fingerprint(certificate)} has another public key",
            next_step="use the certificate and key that belong together",
        )
    return certs.Authority(certificate, key)


def _content(value: str, name: str) -> str:
    """``value`` itself when it is PEM or vault text, else what the file of that name holds."""
    if "-----BEGIN" in value or value.startswith("$ANSIBLE_VAULT"):
        return value
    return _read(os.path.expanduser(value), name)


def _read(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        # A value that is no path may be a truncated key: it is not repeated.
        where = path if os.path.isabs(path) and "\n" not in path else "(not an absolute path)"
        raise FleetError(f"{name} cannot be read", obj=where, seen=str(reason), next_step="correct the path") from None
