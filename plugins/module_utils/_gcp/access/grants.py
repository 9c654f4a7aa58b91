# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A record of the roles that we granted, in the fleet's folder on the controller: a binding of IAM has no label.

Only what is recorded is revoked, unless the user asks for more. It holds names, nothing secret.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t
from pathlib import Path

from ...files import write_file
from .bindings import Binding

__all__ = ["Grants"]


class Grants:
    """The record of one fleet, ``<its folder>/google/grants.json``.

    Args:
        directory: the fleet's folder on the controller.
        name: of the file. Grants for different reasons have different files, and are revoked separately.
    """

    def __init__(self, directory: str, name: str = "grants.json") -> None:
        self.path = Path(directory) / "google" / name

    def read(self) -> list[Binding]:
        """What we granted and did not revoke; nothing where there is no record, or it cannot be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return [Binding(str(b["project"]), str(b["role"]), str(b["member"])) for b in found]
        return []

    def add(self, granted: t.Iterable[Binding]) -> None:
        """Record what was granted."""
        more = list(granted)
        if more:
            self._write({*self.read(), *more})

    def drop(self, gone: t.Iterable[Binding]) -> None:
        """Remove what was revoked from the record."""
        before = set(self.read())
        left = before - set(gone)
        if left != before:
            self._write(left)

    def _write(self, bindings: t.Collection[Binding]) -> None:
        if not bindings:
            self._remove()
            return
        text = json.dumps([dataclasses.asdict(binding) for binding in sorted(bindings)], indent=2) + "\n"
        write_file(self.path, text)

    def _remove(self) -> None:
        """Remove the record, and the folders if nothing else is in them."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()
            self.path.parent.parent.rmdir()
