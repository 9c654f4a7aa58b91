# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far clocks of clusters and of the controller may be apart."""

from __future__ import annotations

import datetime

__all__ = ["AHEAD"]

AHEAD = datetime.timedelta(minutes=5)
"""A clock of a cluster may be so far ahead, and a certificate of this moment not valid yet by ours."""
