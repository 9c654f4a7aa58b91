# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE Hub: the Google fleet of one project."""

from __future__ import annotations

from .features import Features
from .memberships import Memberships

__all__ = ["Hub"]


class Hub(Memberships, Features):
    """Memberships and features together: one client, one project."""
