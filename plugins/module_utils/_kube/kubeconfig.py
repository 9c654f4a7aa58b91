# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one reader of kubeconfigs: it merges a list of files by kubectl's rules, and decrypts Ansible Vault.

A kubeconfig is read here and not by a library's loader: that one puts client keys into files which live until the
process exits (Ansible's workers exit without cleaning up), and costs half a second to import in every worker.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
import typing as t

import yaml

from .._model.inventory.connection import Connection, Decrypt
from ..errors import FleetError
from ..fast_yaml import LOADER

__all__ = ["AbsentCluster", "Kubeconfig", "read_kubeconfig"]

_SECTIONS = ("contexts", "clusters", "users")
_FILES = {"clusters": ("certificate-authority",), "users": ("client-certificate", "client-key", "tokenFile")}
"""What names a file, relative to the file in which it stands."""
_VAULT = b"$ANSIBLE_VAULT"


class AbsentCluster(FleetError):
    """The kubeconfig or its context does not exist (yet)."""


@dataclasses.dataclass(frozen=True)
class Kubeconfig:
    """A kubeconfig, or several as one. Every path in it is absolute. It holds credentials: ``repr`` leaves them out."""

    cluster: str
    source: str
    """The files that it was read from, for messages."""
    document: t.Mapping[str, t.Any] = dataclasses.field(repr=False)
    """In the form of a kubeconfig: lists of ``contexts``, ``clusters`` and ``users``, and ``current-context``."""
    decrypt: Decrypt | None = dataclasses.field(default=None, repr=False)

    @property
    def contexts(self) -> list[str]:
        return [str(entry.get("name")) for entry in self.document["contexts"]]

    def named(self, section: str, name: str) -> dict[str, t.Any] | None:
        """An entry of a section; None if there is none, {} if it is empty."""
        for entry in self.document[section]:
            if str(entry.get("name")) == name:
                return entry.get(section[:-1]) or {}
        return None

    def content(self, entry: t.Mapping[str, t.Any], key: str) -> bytes:
        """``<key>-data`` (base64) of an entry, or what is in the file that ``<key>`` names, or b"".

        Raises:
            FleetError: it cannot be read.
        """
        try:
            if entry.get(f"{key}-data"):
                return base64.b64decode(str(entry[f"{key}-data"]), validate=False)
            if entry.get(key):
                return _content(str(entry[key]), self.cluster, self.decrypt)
        except (OSError, binascii.Error) as error:
            raise FleetError(
                f"{key} of its kubeconfig cannot be read",
                cluster=self.cluster,
                seen=f"{self.source}: {error}",
                next_step="get a fresh kubeconfig of this cluster",
            ) from None
        return b""


def read_kubeconfig(connection: Connection, cluster: str) -> Kubeconfig:
    """Read the kubeconfig of a connection that names one.

    Raises:
        AbsentCluster: there is no such file; of a list, none of its files is there.
        FleetError: a file is there and cannot be used.
    """
    found = {path: _document(path, cluster, connection.decrypt) for path in _paths(connection.kubeconfig, cluster)}
    documents = {path: document for path, document in found.items() if document is not None}
    if not documents:
        raise _none(next(iter(found)), cluster)
    return Kubeconfig(cluster, ", ".join(documents), _merged(documents), connection.decrypt)


def _paths(value: str, cluster: str) -> list[str]:
    """The files that are there of ``cluster_kubeconfig``: the one of this name, else those of the list that it is.

    So a path with a colon in it is one file if it exists; kubectl reads every colon of KUBECONFIG as a separator.
    """
    whole = _absolute(value)
    if os.path.exists(whole):
        return [whole]
    listed = [_absolute(part) for part in value.split(os.pathsep) if part] if os.pathsep in value else []
    if any(os.path.isfile(path) for path in listed):
        return [path for path in listed if os.path.exists(path)]
    raise AbsentCluster(
        "its kubeconfig does not exist",
        cluster=cluster,
        seen=f"neither the file {whole} nor one of {', '.join(listed)}" if listed else whole,
        means="the cluster was not made yet, or the path is wrong",
        next_step="run the stage that makes the cluster, or correct cluster_kubeconfig",
    )


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _content(path: str, cluster: str, decrypt: Decrypt | None) -> bytes:
    """What is in a file, decrypted in memory if it is encrypted."""
    with open(path, "rb") as stream:
        content = stream.read()
    if not content.startswith(_VAULT):
        return content
    try:
        if decrypt is not None:
            return decrypt(content.decode(), path).encode()
    except FleetError as error:
        error.cluster = error.cluster or cluster
        raise
    raise FleetError(f"{path} cannot be decrypted", cluster=cluster, seen="it is encrypted by Ansible Vault")


def _document(path: str, cluster: str, decrypt: Decrypt | None) -> dict[str, t.Any] | None:
    """A file as data; None if nothing is in it."""
    try:
        document = yaml.load(_content(path, cluster, decrypt).decode(), Loader=LOADER)
    except OSError as error:
        raise FleetError(
            "its kubeconfig cannot be read",
            cluster=cluster,
            seen=f"{path}: {error.strerror}",
            next_step="correct the path, or the file's owner and mode",
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise FleetError(
            "its kubeconfig is not YAML",
            cluster=cluster,
            seen=f"{path}: line {mark.line + 1}" if mark else path,
            next_step="get a fresh kubeconfig of this cluster",
        ) from None
    if document is None:
        return None
    if not isinstance(document, dict) or not all(_is_section(document.get(section), section) for section in _SECTIONS):
        raise _none(path, cluster)
    return document


def _is_section(value: t.Any, section: str) -> bool:
    """Whether it is a list of entries, or nothing."""
    if not isinstance(value, list):
        return value is None
    return all(isinstance(entry, dict) and isinstance(entry.get(section[:-1]) or {}, dict) for entry in value)


def _none(path: str, cluster: str) -> FleetError:
    return FleetError(
        "its kubeconfig is not a kubeconfig",
        cluster=cluster,
        seen=f"{path}: no list of contexts in it",
        next_step="get a fresh kubeconfig of this cluster",
    )


def _merged(documents: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """One kubeconfig of several, by path: of entries with one name the first counts, whole, as for kubectl."""
    merged: dict[str, t.Any] = {section: [] for section in _SECTIONS}
    merged["current-context"] = ""
    for path, document in documents.items():
        folder = os.path.dirname(path)
        for section in _SECTIONS:
            known = {str(entry.get("name")) for entry in merged[section]}
            new = [entry for entry in document.get(section) or [] if str(entry.get("name")) not in known]
            merged[section] += [_with_paths(entry, section, folder) for entry in new]
        merged["current-context"] = merged["current-context"] or str(document.get("current-context") or "")
    return merged


def _with_paths(entry: dict[str, t.Any], section: str, folder: str) -> dict[str, t.Any]:
    """The entry with absolute paths; a plugin without a slash in its name is looked for in ``PATH``."""
    inner: dict[str, t.Any] = entry.get(section[:-1]) or {}

    def absolute(path: t.Any) -> str:
        return os.path.join(folder, os.path.expanduser(str(path)))

    inner = {**inner, **{key: absolute(inner[key]) for key in _FILES.get(section, ()) if inner.get(key)}}
    plugin = inner.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command") or ""):
        inner["exec"] = {**plugin, "command": os.path.join(folder, str(plugin["command"]))}
    return {**entry, section[:-1]: inner}
