# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception family of the collection.

A message names the cluster, the object, what was seen, what it means and the next step, so that
whoever is woken by it can act without reading code.
"""

from __future__ import annotations

from .logins import without_logins
from .printable import printable

__all__ = ["FleetError"]


class FleetError(Exception):
    """A failure that a user has to know about, with its cause and the next step. Passwords in addresses are left out.

    Args:
        what: what failed, in one line, without the cluster's name.
        cluster: the cluster it concerns, or "" for the whole fleet.
        obj: the object it concerns, as ``Kind namespace/name``, or "".
        seen: what was last observed (an answer, a state, a value), or "".
        means: the likely cause, or "".
        next_step: what to do now, or "".
    """

    def __init__(
        self,
        what: str,
        *,
        cluster: str = "",
        obj: str = "",
        seen: str = "",
        means: str = "",
        next_step: str = "",
    ) -> None:
        what = without_logins(what)
        super().__init__(what)
        self.what = what
        self.cluster = cluster
        self.obj = without_logins(obj)
        self.seen = without_logins(seen)
        self.means = without_logins(means)
        self.next_step = without_logins(next_step)

    def __str__(self) -> str:
        subject = " ".join(part for part in (self.cluster, self.obj) if part)
        lines = [f"{subject}: {self.what}" if subject else self.what]
        for label, text in (("seen", self.seen), ("means", self.means), ("next", self.next_step)):
            if text:
                lines.append(f"  {label:<6} {text}")
        return printable("\n".join(lines))

    def as_dict(self) -> dict[str, str]:
        """The same, for machines: one key per argument, empty strings left out."""
        pairs = {
            "what": self.what,
            "cluster": self.cluster,
            "object": self.obj,
            "seen": self.seen,
            "means": self.means,
            "next": self.next_step,
        }
        return {key: value for key, value in pairs.items() if value}
