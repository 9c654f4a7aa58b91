# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An istiod of ours."""

from __future__ import annotations

import typing as t

from .base import ControlPlane

__all__ = ["Istiod"]


class Istiod(ControlPlane):
    """Of a primary: it serves its own cluster and the remotes that name it."""

    has_istiod: t.ClassVar[bool] = True

    def watches(self, other: ControlPlane) -> bool:
        mine, theirs = self.cluster, other.cluster
        if theirs.name == mine.name or not other.ours:
            return False
        return theirs.primary == mine.name or mine.peers is None or theirs.name in mine.peers

    def may_call(self, other: ControlPlane) -> bool:
        return self.watches(other)
