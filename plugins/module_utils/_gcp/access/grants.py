# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which roles we granted: a binding of IAM carries no label, so the fleet's state on the controller says it.

Only what stands in it is ever taken back without being told so. It holds names, nothing secret.
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
        name: of the file. Who grants for another reason has another one: each takes back its own.
    """

    def __init__(self, directory: str, name: str = "grants.json") -> None:
        self.path = Path(directory) / "google" / name

    def read(self) -> list[Binding]:
        """What we granted and did not take back; nothing where there is no record, or it cannot be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return [Binding(str(b["project"]), str(b["role"]), str(b["member"])) for b in found]
        return []

    def add(self, granted: t.Iterable[Binding]) -> None:
        """Remember what was granted."""
        more = list(granted)
        if more:
            self._write({*self.read(), *more})

    def drop(self, gone: t.Iterable[Binding]) -> None:
        """Forget what is gone."""
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
        """A fleet that is gone leaves nothing, if nothing else is there."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()
            self.path.parent.parent.rmdir()
