# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How it is known that an object of a cluster is ours: labels of our own keys, which also name the fleet and the role.

Several fleets may share a cluster. A run changes and removes only what carries its own fleet's name.
"""

from __future__ import annotations

import typing as t

from ...metadata import annotations_of, labels_of

__all__ = [
    "CREATED",
    "FLEET_LABEL",
    "MANAGED_BY",
    "MANAGER",
    "PART_OF",
    "USER",
    "fleet_of",
    "has_our_labels",
    "is_created",
    "is_former",
    "is_published_root",
    "owner_labels",
    "owner_of",
    "users_of",
]

MANAGER = "mesh.fleet"
MANAGED_BY = "app.kubernetes.io/managed-by"
"""Other tools' label. Earlier versions of this collection set it too, to MANAGER, and named no fleet."""
PART_OF = "mesh.fleet/part-of"
FLEET_LABEL = "mesh.fleet/fleet"
USER = "users.mesh.fleet/"
"""Beginning of the label of a namespace that a further fleet uses: the fleet's name follows, its value is the role."""
CREATED = "mesh.fleet/created"
"""Annotation of a namespace that did not exist before us: only such a one is ever deleted."""


def owner_labels(part_of: str, fleet: str) -> dict[str, str]:
    """The labels that say which fleet's an object is, and which role's."""
    return {PART_OF: part_of, FLEET_LABEL: fleet}


def fleet_of(obj: t.Mapping[str, t.Any] | None) -> str:
    """The fleet that an object belongs to; "" where it names none."""
    return labels_of(obj).get(FLEET_LABEL, "")


def owner_of(obj: t.Mapping[str, t.Any] | None) -> str:
    """Whose an object is that is not this fleet's, in words; "" for no object.

    Another fleet's, the controller's that owns it, or of those who wrote it: its field managers.
    """
    meta = (obj or {}).get("metadata") or {}
    if fleet_of(obj):
        return f"fleet {fleet_of(obj)}"
    for reference in meta.get("ownerReferences") or []:
        return f"{reference.get('kind')} {reference.get('name')}"
    managers = sorted({str(entry.get("manager")) for entry in meta.get("managedFields") or []})
    return ", ".join(managers) or ("somebody else" if obj else "")


def users_of(namespace: t.Mapping[str, t.Any] | None) -> list[str]:
    """The fleets that use a namespace: the one that it belongs to, and those that record their use; sorted."""
    found = {key.removeprefix(USER) for key in labels_of(namespace) if key.startswith(USER)}
    return sorted(found | ({fleet_of(namespace)} - {""}))


def is_former(obj: t.Mapping[str, t.Any] | None) -> bool:
    """Whether an earlier version of this collection made it, which recorded no fleet.

    A run that still wants it makes it its own. It removes none of them without consent: they may be another fleet's.
    """
    labels = labels_of(obj)
    return labels.get(MANAGED_BY) == MANAGER and FLEET_LABEL not in labels


def has_our_labels(obj: t.Mapping[str, t.Any] | None, fleet: str, part_of: str = "") -> bool:
    """Whether an object is this fleet's, and with ``part_of`` that role's; None (no such object) is not."""
    labels = labels_of(obj)
    return labels.get(FLEET_LABEL, "") == fleet and part_of in ("", labels.get(PART_OF))


def is_published_root(obj: t.Mapping[str, t.Any]) -> bool:
    """Whether istiod writes it into every namespace: the root certificate or the list of revoked ones."""
    return obj.get("kind") == "ConfigMap" and obj["metadata"]["name"] in ("istio-ca-root-cert", "istio-ca-crl")


def is_created(namespace: t.Mapping[str, t.Any] | None) -> bool:
    """Whether a namespace is ours to delete: it does not exist yet, or it carries the annotation CREATED."""
    return namespace is None or CREATED in annotations_of(namespace)
