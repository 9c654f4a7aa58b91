# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels and annotations of a Kubernetes object as a server returns it, where either may be missing or null."""

from __future__ import annotations

import typing as t

__all__ = ["annotations_of", "labels_of"]


def labels_of(obj: t.Mapping[str, t.Any] | None) -> dict[str, str]:
    """The object's labels; none for an object that does not exist."""
    return _part(obj, "labels")


def annotations_of(obj: t.Mapping[str, t.Any] | None) -> dict[str, str]:
    """The object's annotations; none for an object that does not exist."""
    return _part(obj, "annotations")


def _part(obj: t.Mapping[str, t.Any] | None, name: str) -> dict[str, str]:
    # Asked several times of each of ten thousands of objects.
    meta = obj.get("metadata") if obj else None
    found: dict[str, str] = (meta.get(name) if meta else None) or {}
    return found
