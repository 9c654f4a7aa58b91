# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The trust folder on the controller: its lock, the names of its files, and reading and writing them."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils import locks
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.other_signers import NO_ROOT
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import (
    remove_file,
    set_aside,
    write_file,
)
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, REMOVED, Change

__all__ = ["ROOT_CERT", "ROOT_KEY", "Files", "known_root", "locked", "read_text"]

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
        self._write(path, text, shown, replace=True)

    def write_key(self, path: str, text: str) -> None:
        """Write an encrypted key (0600), and never over a file: a key that is lost cannot be made again."""
        self._write(path, text, "(key, vault encrypted)", replace=False)

    def _write(self, path: str, text: str, shown: str, *, replace: bool) -> None:
        self.changes.append(Change("", "File", path, CREATED, after=shown))
        if not self.check_mode:
            write_file(path, text, replace=replace)

    def set_aside(self, path: str) -> None:
        """Rename a file that is there to ``<name>.old``, so that another one can be written."""
        if not self.check_mode:
            set_aside(path)

    def remove(self, path: str) -> None:
        if not os.path.exists(path):
            return
        self.changes.append(Change("", "File", path, REMOVED))
        if not self.check_mode:
            remove_file(path)


def known_root(root: str, root_cert: str, directory: str) -> str:
    """PEM of the fleet's root, by the variables of role trust; "" when it is not on this controller.

    Args:
        root: generated, provided, external or none.
        root_cert: PEM, a path, or "".
        directory: the trust folder.

    Raises:
        FleetError: the file is there and cannot be read.
    """
    if "-----BEGIN" in root_cert:
        return root_cert
    if root == NO_ROOT and not root_cert:
        return ""
    usual = os.path.join(directory, "external", ROOT_CERT) if root == "external" else os.path.join(directory, ROOT_CERT)
    path = os.path.expanduser(root_cert) if root_cert and root != "generated" else usual
    return read_text(path, "the fleet's root") if os.path.exists(path) else ""


def read_text(path: str, name: str) -> str:
    """Read a file; ``name`` is how an error calls it. Raises FleetError when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        # A value that is no path may be a truncated key: it is not repeated.
        where = path if os.path.isabs(path) and "\n" not in path else "(not an absolute path)"
        raise FleetError(f"{name} cannot be read", obj=where, seen=str(reason), next_step="correct the path") from None
