# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who issues the intermediate CAs: the generated root, a root that the user provides, or a corporate CA."""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Authority,
    Policy,
    certificate_pem,
    fingerprint,
    key_from_pem,
    key_pem,
    make_request,
    make_root,
    new_key,
    parse_certificates,
    public_bytes,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import bundle_with, issue
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.fleet_roots import LiveRoot
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import (
    CERT,
    ROOT,
    SigningChain,
    check_root,
    verify_chain,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import ROOT_CERT, ROOT_KEY, Files, read_text
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.signer import Signer
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox

if t.TYPE_CHECKING:
    from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import PrivateKey

__all__ = ["CorporateCa", "FoundRoot", "IntermediateIssuer", "OwnRoot", "open_issuer"]


class IntermediateIssuer(t.Protocol):
    """Issues the chain of a cluster."""

    made_now: bool
    """Whether this run made the root."""

    @property
    def root(self) -> x509.Certificate | None: ...

    def chain(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain | None:
        """A new chain; None while it waits for a corporate CA's signature. ``present``: the live Secret's data."""

    def save(self) -> None:
        """Write a root that this run made. Called before its first chain is written: a refused run leaves no root."""


@dataclasses.dataclass
class OwnRoot:
    """A root whose key is on the controller: generated, or provided by the user."""

    authority: Authority
    policy: Policy
    made_now: bool = False
    unsaved: t.Callable[[], None] | None = None
    """Writes what is not in the folder yet."""

    def save(self) -> None:
        if self.unsaved:
            self.unsaved()
        self.unsaved = None

    @property
    def root(self) -> x509.Certificate | None:
        return self.authority.certificate

    def chain(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain | None:
        return issue(cluster, self.authority, self.policy, present=present)


@dataclasses.dataclass
class FoundRoot:
    """The fleet's root, known from its clusters. Its key is elsewhere: what is valid is kept, nothing is signed."""

    live: LiveRoot
    folder: str
    made_now: bool = False

    @property
    def root(self) -> x509.Certificate | None:
        return self.live.certificate

    def chain(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain | None:
        raise FleetError(
            "the fleet's root is not on this controller",
            cluster=cluster,
            obj=self.folder,
            seen=str(self.live),
            means="those clusters have intermediate CAs from another trust folder; with one from another root, this "
            "cluster and they would reject each other's calls",
            next_step="copy that folder here or set trust_dir to it; a root that is yours is given by trust_root: "
            "provided; to start with a new root, remove the mesh first (playbooks/teardown.yml)",
        )

    def save(self) -> None:
        """Nothing is made."""

    @property
    def warning(self) -> str:
        return (
            f"the fleet's root is not on this controller ({self.folder}), but {self.live}: what is valid is kept, "
            "nothing can be signed or renewed here; copy the trust folder of those clusters here or set trust_dir to it"
        )


def open_issuer(
    args: t.Mapping[str, t.Any],
    directory: str,
    policy: Policy,
    box: VaultBox,
    files: Files,
    live: LiveRoot | None = None,
) -> IntermediateIssuer:
    """The issuer that ``args['root']`` names, its root checked against the fleet.

    Args:
        live: the root that the fleet's clusters have, where a generated one is not in the folder.

    Raises:
        FleetError: the root or its key is missing, unreadable, no pair, or excludes this trust domain.
    """
    if args["root"] == "external":
        return CorporateCa(args, directory, policy, box, files)
    if args["root"] == "provided":
        issuer = OwnRoot(_provided(args, box), policy)
    elif stored := _stored(directory, box):
        issuer = OwnRoot(stored, policy)
    elif live is None:
        issuer = _new(directory, policy, box, files)
    elif os.path.lexists(os.path.join(directory, ROOT_KEY)):
        issuer = _restored(live.certificate, directory, policy, box, files)
    else:
        check_root(live.certificate, policy)
        return FoundRoot(live, directory)
    check_root(issuer.authority.certificate, policy)
    return issuer


def _provided(args: t.Mapping[str, t.Any], box: VaultBox) -> Authority:
    for name in ("root_cert", "root_key"):
        if not args[name]:
            raise FleetError(f"trust_{name} is missing", next_step="trust_root: provided requires it: a path, or PEM")
    found = parse_certificates(_content(args["root_cert"], "trust_root_cert"), what="trust_root_cert")
    if len(found) > 1:
        raise FleetError(
            "trust_root_cert holds more than one certificate",
            seen=", ".join(f"SHA256 {fingerprint(c)}" for c in found),
            next_step="use the self-signed root alone",
        )
    key = box.decrypt(_content(args["root_key"], "trust_root_key"), "trust_root_key")
    return _pair(found[0], key_from_pem(key, what="trust_root_key"), "trust_root_key")


def _stored(directory: str, box: VaultBox) -> Authority | None:
    cert, key = os.path.join(directory, ROOT_CERT), os.path.join(directory, ROOT_KEY)
    if not os.path.exists(cert):
        return None
    if not os.path.exists(key):
        raise FleetError(
            "the root's key is missing",
            obj=key,
            seen=f"{cert} exists",
            means="proxies with certificates of the present root would reject those of a new one",
            next_step="restore the file from a backup, or rotate the root",
        )
    found = parse_certificates(read_text(cert, "the root"), what=cert)[0]
    return _pair(found, _stored_key(key, box), key)


def _stored_key(path: str, box: VaultBox) -> PrivateKey:
    text = read_text(path, "the root's key")
    if "PRIVATE KEY" in text:
        raise FleetError(
            "the root's key is on the disk unencrypted", obj=path, next_step=f"ansible-vault encrypt {path}"
        )
    return key_from_pem(box.decrypt(text, path), what=path)


def _new(directory: str, policy: Policy, box: VaultBox, files: Files) -> OwnRoot:
    """A new root. A key without its certificate gets one: a run was cut off between the two, or the file is lost."""
    path = os.path.join(directory, ROOT_KEY)
    there = os.path.lexists(path)
    key = _stored_key(path, box) if there else new_key(policy.key_type)
    root = make_root(key, policy)

    def save() -> None:
        if not there:
            encrypted = box.encrypt(key_pem(key))
            if box.created:
                files.changes.append(Change("", "File", box.created, CREATED, after="(a random password)"))
            files.write_key(path, encrypted)
        # The certificate is written last: it says that the key is there.
        _save_root(root, directory, files)

    return OwnRoot(Authority(root, key), policy, made_now=True, unsaved=save)


def _restored(root: x509.Certificate, directory: str, policy: Policy, box: VaultBox, files: Files) -> OwnRoot:
    """The root that clusters have, where the folder holds its key alone."""
    path = os.path.join(directory, ROOT_KEY)
    authority = _pair(root, _stored_key(path, box), path)
    _save_root(root, directory, files)
    return OwnRoot(authority, policy)


def _save_root(root: x509.Certificate, directory: str, files: Files) -> None:
    files.write(os.path.join(directory, ROOT_CERT), certificate_pem(root), shown="(root certificate)")


class CorporateCa:
    """A CA outside the fleet, which signs intermediate CAs: writes signing requests, reads signed chains.

    In ``<trust_dir>/external``: ``<cluster>.csr.pem`` (the request), ``<cluster>.key.vault``,
    ``<cluster>.chain.pem`` (the answer: the intermediate CA, then the CAs above it) and ``root-cert.pem``.

    With ``args['signer_command']`` a run does not wait for a person: the command signs.
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
            self.root = parse_certificates(text, what="the corporate root")[0]
            check_root(self.root, policy)
        command = args.get("signer_command")
        self.signer = Signer(command, policy, args["signer_timeout"]) if command else None
        if self.signer and self.root is None:
            raise FleetError(
                "the root of the CA behind trust_signer_command is not known",
                obj=self.root_path,
                means="what the command answers is compared with it",
                next_step="save its certificate (PEM) there, or set trust_root_cert",
            )

    def path(self, cluster: str, what: str) -> str:
        return os.path.join(self._directory, f"{cluster}.{what}")

    def chain(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain | None:
        """The signed chain if there is one and it is not ``present``; else write a request and return None."""
        answer = self.path(cluster, "chain.pem")
        if self.root is None or not os.path.exists(answer):
            self._request(cluster, fresh=False)
            return None
        pem = read_text(answer, "the signed chain")
        if present and parse_certificates(present[CERT])[0] == parse_certificates(pem, what=answer)[0]:
            # It is the one in use: a renewal needs a new key.
            self._request(cluster, fresh=True)
            return None
        return self._verified(cluster, pem, self.root, present)

    async def signed_by_command(self, cluster: str, present: t.Mapping[str, str] | None) -> SigningChain:
        """The chain that the command answers to the request that :meth:`chain` has left.

        Raises:
            FleetError: it does not sign, or its answer is not fit. The request stays, and no answer is kept.
        """
        if self.signer is None or self.root is None:
            raise AssertionError("a command that signs, and the root that it signs under")
        path = self.path(cluster, "csr.pem")
        pem = await self.signer.sign(cluster, path, read_text(path, "the signing request"))
        # Signed after this run began: a CA that backdates nothing makes certificates that are valid from now on.
        now = max(self._policy.now, datetime.datetime.now(datetime.UTC))
        chain = self._verified(cluster, pem, self.root, present, now)
        self._files.write(self.path(cluster, "chain.pem"), pem, shown="(the signed chain)")
        del self.requests[cluster]
        return chain

    def _verified(
        self,
        cluster: str,
        pem: str,
        root: x509.Certificate,
        present: t.Mapping[str, str] | None,
        now: datetime.datetime | None = None,
    ) -> SigningChain:
        answer, key = self.path(cluster, "chain.pem"), self.path(cluster, "key.vault")
        found = parse_certificates(pem, what=answer)
        above = [c for c in found[1:] if c != root]
        signed = SigningChain(
            certificate=certificate_pem(found[0]),
            key=self._box.decrypt(read_text(key, "the cluster's key"), key),
            root=bundle_with(root, (present or {}).get(ROOT, "")),
            chain=certificate_pem(found[0], *above, root),
        )
        try:
            verify_chain(signed, root, dataclasses.replace(self._policy, now=now or self._policy.now))
        except FleetError as error:
            error.cluster, error.obj = cluster, answer
            raise
        return signed

    def save(self) -> None:
        """The root is the CA's."""

    def unsigned(self) -> FleetError:
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
        """Have a request and its key in the folder; ``fresh``: a new pair, for a renewal.

        A request that is lost is made again from its key, because the CA may be signing it now. After each of these
        steps the next run finds a pair, or half of one that it completes.
        """
        path, key_path = self.path(cluster, "csr.pem"), self.path(cluster, "key.vault")
        self.requests[cluster] = path
        if fresh:
            if not self._files.check_mode:
                os.replace(self.path(cluster, "chain.pem"), self.path(cluster, "chain.old.pem"))
            self._files.set_aside(path)
            self._files.set_aside(key_path)
        if os.path.exists(key_path) and not (fresh and self._files.check_mode):
            if os.path.exists(path):
                return
            key = key_from_pem(self._box.decrypt(read_text(key_path, "the cluster's key"), key_path), what=key_path)
        else:
            key = new_key(self._policy.key_type)
            self._files.write_key(key_path, self._box.encrypt(key_pem(key)))
        request = make_request(key, cluster, self._policy)
        self._files.write(path, request, shown=request)


def _pair(certificate: x509.Certificate, key: PrivateKey, where: str) -> Authority:
    if public_bytes(key) != public_bytes(certificate):
        raise FleetError(
            "the root's key does not belong to its certificate",
            obj=where if os.path.isabs(where) else "",
            seen=f"root SHA256 {fingerprint(certificate)} has another public key",
            next_step="use the certificate and key that belong together",
        )
    return Authority(certificate, key)


def _content(value: str, name: str) -> str:
    """``value`` itself if it is PEM or vault text, else the content of the file of that name."""
    if "-----BEGIN" in value or value.startswith("$ANSIBLE_VAULT"):
        return value
    return read_text(os.path.expanduser(value), name)
