# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The known name nearest to one that was mistyped, for fleets of any size."""

from __future__ import annotations

import difflib
import typing as t

__all__ = ["Nearest"]

_LONGEST = 63
_COMPARISONS = 100_000


class Nearest:
    """Finds nearest names, each asked word once.

    One slip (a letter more, less, wrong, or two swapped) is found through an index, whose cost does not
    grow with the number of questions. Worse ones are compared with every name by difflib, as long as a
    budget lasts: a hint is not worth minutes.
    """

    def __init__(self, names: t.Iterable[str]) -> None:
        self.names = list(names)
        self._budget = _COMPARISONS
        self._known: dict[str, str] = {}
        self._index: dict[str, str] | None = None

    def find(self, word: str) -> str:
        """The nearest name, or "" when none is near."""
        if word not in self._known:
            self._known[word] = self._slip(word) or self._similar(word)
        return self._known[word]

    def _slip(self, word: str) -> str:
        if self._index is None:
            self._index = {}
            for name in self.names:
                for form in _forms(name):
                    self._index.setdefault(form, name)
        return next((self._index[form] for form in _forms(word) if form in self._index), "")

    def _similar(self, word: str) -> str:
        if self._budget < len(self.names) or len(word) > _LONGEST:
            return ""
        self._budget -= len(self.names)
        return next(iter(difflib.get_close_matches(word, self.names, n=1, cutoff=0.75)), "")


def _forms(word: str) -> t.Iterator[str]:
    """The word, and the word without each of its letters."""
    folded = word[:_LONGEST].lower().replace("-", "_")
    yield folded
    for i in range(len(folded)):
        yield folded[:i] + folded[i + 1 :]
