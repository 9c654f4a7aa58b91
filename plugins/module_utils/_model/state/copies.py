# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of a fleet's state, on a controller and in clusters: which files count, and where two contradict each other.

State is files by name: the root's certificate and its key as vault text, and the requests, keys and chains of a
corporate CA. In a cluster they are the keys of one Secret; a key has no slash, so ``external/a`` is ``external..a``.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import re
import typing as t

from ...errors import FleetError

__all__ = [
    "CONTROLLER",
    "FORMER",
    "LIMIT",
    "NAMESPACE",
    "Copy",
    "Merged",
    "from_secret",
    "is_former",
    "is_state",
    "merged",
    "secret_name",
    "to_secret",
]

CONTROLLER = ""
"""The place that is no cluster."""
NAMESPACE = "mesh-fleet"
FORMER = "mesh.fleet/moved-to"
"""The annotation of a Secret that was left behind when its state moved: it counts only where no other copy is."""
LIMIT = 1024 * 1024
"""Bytes that the API server takes as a Secret's data: MaxSecretSize of Kubernetes' core API."""

_ROOT = "root-cert.pem"
_STATE = re.compile(
    r"(root-cert\.pem|root-key\.vault)(\.old\d*)?"
    r"|external/root-cert\.pem"
    r"|external/[^/]+\.(csr\.pem|key\.vault|chain\.pem|chain\.old\.pem)(\.old\d*)?"
)
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
"""What Kubernetes takes as the name of a Secret's key."""


def is_state(name: str) -> bool:
    """Whether a file of the trust folder is state; what else a user keeps there stays where it is."""
    return bool(_STATE.fullmatch(name))


def secret_name(fleet: str) -> str:
    """The name of the Secret of a fleet: several fleets may keep their state in one cluster."""
    return f"{fleet}-state"


@dataclasses.dataclass(frozen=True)
class Copy:
    """What one place has."""

    place: str
    """A cluster's name, or CONTROLLER."""
    files: t.Mapping[str, str]
    former: bool = False
    """Whether the place says itself that its state has moved."""


@dataclasses.dataclass(frozen=True)
class Merged:
    """The state as all copies have it together."""

    files: dict[str, str]
    sources: tuple[str, ...] = ()
    """The places that it came from, without the one where it is to be."""
    changed: bool = False
    """Whether the place where it is to be has something else now."""


def merged(copies: t.Sequence[Copy], target: str, name_of: t.Callable[[str], str]) -> Merged:
    """The state that ``target`` is to have.

    Args:
        copies: what each place has; that of ``target`` among them, or none.
        target: where the state is to be.
        name_of: how a message calls a place.

    Raises:
        FleetError: two copies have different texts for a file. Nobody but a person can say which one is right.
    """
    there = [copy for copy in copies if copy.files]
    current = [copy for copy in there if not copy.former] or there
    files: dict[str, str] = {}
    origin: dict[str, Copy] = {}
    for copy in current:
        for name, text in copy.files.items():
            if files.setdefault(name, text) != text:
                raise _contradiction(name, origin[name], copy, name_of)
            origin.setdefault(name, copy)
    for copy in there:
        # What moved away may be older, but it is never another root.
        if copy.files.get(_ROOT, files.get(_ROOT)) != files.get(_ROOT, copy.files.get(_ROOT)):
            raise _contradiction(_ROOT, origin[_ROOT], copy, name_of)
    own = next((copy for copy in there if copy.place == target), Copy(target, {}))
    return Merged(
        files,
        tuple(copy.place for copy in there if copy.place != target),
        dict(own.files) != files or own.former,
    )


def _contradiction(name: str, one: Copy, other: Copy, name_of: t.Callable[[str], str]) -> FleetError:
    seen = "; ".join(
        f"{name_of(copy.place)}: SHA256 {hashlib.sha256(copy.files[name].encode()).hexdigest()[:16]}"
        for copy in (one, other)
    )
    return FleetError(
        f"there are two different copies of the fleet's state: {name} differs",
        obj=name,
        seen=seen,
        means="with the wrong one, clusters would get certificates that the others reject; nothing was changed",
        next_step=f"find out which copy is right (openssl x509 -fingerprint -sha256 of its {_ROOT}, compared with "
        f"root-cert.pem in Secret cacerts of a cluster), move the other one to a safe place "
        f"({name_of(one.place)}, or {name_of(other.place)}), and run again",
    )


def to_secret(
    fleet: str, files: t.Mapping[str, str], labels: t.Mapping[str, str], *, former: str = ""
) -> dict[str, t.Any]:
    """The Secret that holds ``files``.

    Args:
        fleet: the fleet's name.
        files: texts by name.
        labels: of the Secret.
        former: where the state has moved to, if this is the copy that is left behind.

    Raises:
        FleetError: a private key is not encrypted, a name is no key of a Secret, or it is too much for one Secret.
    """
    data = {}
    for name, text in files.items():
        if "PRIVATE KEY" in text:
            raise FleetError(
                "a private key is not encrypted, and is not written to a cluster",
                obj=name,
                next_step="encrypt the file: ansible-vault encrypt",
            )
        key = name.replace("/", "..")
        if not _KEY.fullmatch(key) or from_key(key) != name:
            raise FleetError(
                "a file's name cannot be kept in a Secret",
                obj=name,
                next_step="rename the cluster: letters, digits, - and single dots",
            )
        data[key] = base64.b64encode(text.encode()).decode()
    size = sum(len(text.encode()) for text in files.values())
    if size > LIMIT:
        raise FleetError(
            "the fleet's state is too large for a Secret",
            seen=f"{size} bytes; Kubernetes takes {LIMIT}",
            means="requests and keys of former renewals (*.old) add up",
            next_step="remove old requests and keys (external/*.old*) that nobody needs, or keep the state on the "
            'controller (mesh_state_cluster: "")',
        )
    metadata: dict[str, t.Any] = {"name": secret_name(fleet), "namespace": NAMESPACE, "labels": dict(labels)}
    if former:
        metadata["annotations"] = {FORMER: former}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


def from_key(key: str) -> str:
    """The file's name of a Secret's key."""
    return key.replace("..", "/")


def from_secret(secret: t.Mapping[str, t.Any] | None, place: str) -> Copy:
    """What a Secret holds; None is an empty copy.

    Raises:
        FleetError: it holds something that is no state of ours, or no text.
    """
    if secret is None:
        return Copy(place, {})
    files = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            files[from_key(key)] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            raise _strange(key, place) from None
        if not is_state(from_key(key)):
            raise _strange(key, place)
    return Copy(place, files, is_former(secret))


def is_former(secret: t.Mapping[str, t.Any]) -> bool:
    """Whether a Secret says that its state has moved away."""
    return bool(((secret.get("metadata") or {}).get("annotations") or {}).get(FORMER))


def _strange(key: str, place: str) -> FleetError:
    return FleetError(
        "the Secret with the fleet's state holds something else",
        cluster=place,
        obj=f"key {key}",
        means="it was edited by somebody, or its name is used for something else",
        next_step="find out who wrote it, and take that key out; it may be the only copy of something",
    )
