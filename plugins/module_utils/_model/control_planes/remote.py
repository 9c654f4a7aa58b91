# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands for an istiod in a remote, whose primary configures its proxies."""

from __future__ import annotations

from ..inventory.fleet import ROLE_PRIMARY
from .base import ControlPlane
from .istiod import Istiod

__all__ = ["Remote"]


class Remote(ControlPlane):
    """Of a cluster without an istiod: it sees what its primary watches."""

    def may_call(self, other: ControlPlane) -> bool:
        primary = self.fleet.clusters.get(self.cluster.primary)
        if primary is None or other.cluster.name == primary.name:
            return primary is not None
        return primary.role == ROLE_PRIMARY and Istiod(self.fleet, primary).watches(other)
