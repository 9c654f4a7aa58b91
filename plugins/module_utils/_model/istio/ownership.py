# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How it is known that an object of a cluster is ours."""

from __future__ import annotations

__all__ = ["CREATED", "MANAGED_BY", "MANAGER", "PART_OF", "owner_labels"]

MANAGER = "mesh.fleet"
MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "mesh.fleet/part-of"
CREATED = "mesh.fleet/created"
"""Annotation of a namespace that did not exist before us: only such a one is ever deleted."""


def owner_labels(part_of: str) -> dict[str, str]:
    """The labels that say an object is ours, and which role's."""
    return {MANAGED_BY: MANAGER, PART_OF: part_of}
