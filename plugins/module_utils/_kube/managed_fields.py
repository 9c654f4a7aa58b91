# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who set which field of an object: paths of ``metadata.managedFields``, and the values at them.

A path is a tuple of segments as the API server writes them: ``f:name`` for a key, ``k:{"name":"x"}`` for the entry of a
list with these keys, ``v:"x"`` for an entry of a set.
"""

from __future__ import annotations

import json
import typing as t

__all__ = ["MISSING", "Path", "assign", "entries", "leaves", "remove", "status_managers", "value_at"]

Path = tuple[str, ...]
MISSING = object()
"""What :func:`value_at` returns for a path that the object does not have."""


def entries(obj: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The records of an object's field managers; those of ``status`` are left out."""
    found = (obj.get("metadata") or {}).get("managedFields") or []
    return [entry for entry in found if entry.get("subresource") != "status"]


def status_managers(obj: t.Mapping[str, t.Any]) -> set[str]:
    """The field managers that wrote an object's C(status) by itself, as controllers do."""
    found = (obj.get("metadata") or {}).get("managedFields") or []
    return {str(entry.get("manager")) for entry in found if entry.get("subresource") == "status"}


def leaves(entry: t.Mapping[str, t.Any]) -> t.Iterator[Path]:
    """Paths of the fields that one record names: its ends, and entries of lists that it owns as a whole."""
    yield from _leaves(entry.get("fieldsV1") or {}, ())


def _leaves(fields: t.Mapping[str, t.Any], path: Path) -> t.Iterator[Path]:
    for segment, inner in fields.items():
        if segment == ".":
            if path and path[-1].startswith("k:"):
                yield path
        elif inner:
            yield from _leaves(inner, (*path, segment))
        else:
            yield (*path, segment)


def _position(value: t.Any, segment: str) -> t.Any:
    """The key or index of a segment in a mapping or list; None when it is not there."""
    kind, _colon, name = segment.partition(":")
    if kind == "f":
        return name if isinstance(value, dict) and name in value else None
    if not isinstance(value, list):
        return None
    wanted = json.loads(name)
    for index, item in enumerate(value):
        if (kind == "v" and item == wanted) or (
            kind == "k" and isinstance(item, dict) and wanted.items() <= {"protocol": "TCP", **item}.items()
        ):
            return index
    return None


def value_at(obj: t.Any, path: Path) -> t.Any:
    """The value at a path, or :data:`MISSING`."""
    for segment in path:
        where = _position(obj, segment)
        if where is None:
            return MISSING
        obj = obj[where]
    return obj


def assign(obj: t.Any, path: Path, value: t.Any) -> None:
    """Set the value at a path whose last segment is a key; nothing happens where what is around it is not there."""
    around = value_at(obj, path[:-1])
    if path[-1].startswith("f:") and isinstance(around, dict):
        around[path[-1].removeprefix("f:")] = value


def remove(obj: t.Any, path: Path) -> None:
    """Remove what is at a path, if it is there."""
    around = value_at(obj, path[:-1])
    where = _position(around, path[-1])
    if where is not None:
        del around[where]
