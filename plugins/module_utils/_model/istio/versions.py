# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions of Istio, compared."""

from __future__ import annotations

import re

__all__ = ["minor_version", "skew"]


def minor_version(text: str) -> tuple[int, int] | None:
    """``(1, 31)`` from a version or an image reference such as ``registry/pilot:1.31.1-distroless``."""
    name = text.split("@", 1)[0].rsplit("/", 1)[-1]
    found = re.search(r"(?:^|:)v?(\d+)\.(\d+)(?:\D|$)", name)
    return (int(found.group(1)), int(found.group(2))) if found else None


def skew(wanted: str, running: str) -> int:
    """Minor versions between what is wanted and what runs; 0 when one of them has no version in it."""
    a, b = minor_version(wanted), minor_version(running)
    if a is None or b is None:
        return 0
    return 1000 if a[0] != b[0] else abs(a[1] - b[1])
