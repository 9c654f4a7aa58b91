# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys of an entry that nobody reads, as problems: mostly slips of the pen."""

from __future__ import annotations

import typing as t

from .nearest import Nearest
from .problems import Problem

__all__ = ["unknown_keys"]


def unknown_keys(entry: t.Iterable[t.Any], keys: t.Sequence[str], where: str) -> list[Problem]:
    """A problem for each key of an entry that is not among the known ones.

    Args:
        entry: the entry, or its keys.
        keys: the known ones.
        where: the entry, for messages: ``ingress_routes[0]``.
    """
    problems = []
    for key in entry:
        if key not in keys:
            guess = Nearest(keys).find(str(key))
            hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(keys)}"
            problems.append(Problem("", f"{where}.{key}", "", "is unknown", hint))
    return problems
