# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How it is known that an object of a cluster is ours."""

from __future__ import annotations

import typing as t

from ...metadata import annotations_of, labels_of

__all__ = ["CREATED", "MANAGED_BY", "MANAGER", "PART_OF", "has_our_labels", "is_created", "owner_labels"]

MANAGER = "mesh.fleet"
MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "mesh.fleet/part-of"
CREATED = "mesh.fleet/created"
"""Annotation of a namespace that did not exist before us: only such a one is ever deleted."""


def owner_labels(part_of: str) -> dict[str, str]:
    """The labels that say an object is ours, and which role's."""
    return {MANAGED_BY: MANAGER, PART_OF: part_of}


def has_our_labels(obj: t.Mapping[str, t.Any] | None, part_of: str = "") -> bool:
    """Whether an object is ours, and with ``part_of`` that role's; None (no such object) is not."""
    labels = labels_of(obj)
    return labels.get(MANAGED_BY) == MANAGER and part_of in ("", labels.get(PART_OF))


def is_created(namespace: t.Mapping[str, t.Any] | None) -> bool:
    """Whether a namespace is ours to delete: it does not exist yet, or it carries the annotation CREATED."""
    return namespace is None or CREATED in annotations_of(namespace)
