# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many files and connections this process may have open."""

from __future__ import annotations

import contextlib
import resource

__all__ = ["allow_many"]

_MANY = 65536
"""Enough for hundreds of clusters. Some programs go through all numbers up to their limit, so not without end."""


def allow_many() -> None:
    """Raise the soft limit of open files towards the hard one, which needs no right.

    Shells begin with 1,024, or 256 on macOS; a fleet of 100 clusters has more connections at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MANY if hard == resource.RLIM_INFINITY else min(hard, _MANY)
    if soft != resource.RLIM_INFINITY and soft < most:
        # The kernel may know another bound than the hard limit (macOS).
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
