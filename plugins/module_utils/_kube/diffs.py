# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of an object is its own, and whether applying ours changed it."""

from __future__ import annotations

import base64
import typing as t

import yaml

from ..fast_yaml import DUMPER
from ..results import CHANGED, CREATED, UNCHANGED, Change
from .masking import masked

__all__ = ["Object", "change_of", "cleaned", "described", "identity", "normalized", "owned_fields", "shown"]

Object = dict[str, t.Any]

_OF_THE_SERVER = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def described(obj: t.Mapping[str, t.Any]) -> str:
    """``Kind namespace/name``, as messages name an object."""
    meta = obj.get("metadata") or {}
    name = meta.get("name") or "(no name)"
    where = f"{meta['namespace']}/{name}" if meta.get("namespace") else name
    return f"{obj.get('kind', '(no kind)')} {where}"


def identity(obj: t.Mapping[str, t.Any]) -> tuple[str, str, str, str]:
    """Group, kind, namespace, name: the same object in any version."""
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    meta = obj.get("metadata") or {}
    return group, str(obj.get("kind")), str(meta.get("namespace") or ""), str(meta.get("name"))


def normalized(obj: t.Mapping[str, t.Any]) -> Object:
    """A manifest as it is sent: a Secret's ``stringData`` becomes ``data`` (the server answers only
    with that, so a change could not be seen otherwise); what belongs to the server is left out."""
    out = cleaned(obj)
    if out.get("kind") == "Secret" and "stringData" in out:
        data = dict(out.get("data") or {})
        for key, value in (out.pop("stringData") or {}).items():
            data[key] = base64.b64encode(str(value).encode()).decode()
        out["data"] = data
    return out


def cleaned(obj: t.Mapping[str, t.Any]) -> Object:
    """A copy without what the server keeps for itself: managedFields, versions, uid, status."""
    out = {key: value for key, value in obj.items() if key != "status"}
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _OF_THE_SERVER}
    out["metadata"] = meta
    return out


def shown(obj: t.Mapping[str, t.Any] | None, *, mask: bool = True) -> str:
    """YAML of an object for ``--diff``; "" for None."""
    if obj is None:
        return ""
    out = cleaned(obj)
    notes = out["metadata"].get("annotations")
    if notes and _LAST_APPLIED in notes:  # kubectl's copy of the whole object: noise, and values in clear
        kept = {key: value for key, value in notes.items() if key != _LAST_APPLIED}
        out["metadata"] = {**out["metadata"], "annotations": kept}
        if not kept:
            del out["metadata"]["annotations"]
    text: str = yaml.dump(masked(out) if mask else out, Dumper=DUMPER, sort_keys=True, allow_unicode=True)
    return text


def owned_fields(obj: t.Mapping[str, t.Any], manager: str) -> t.Any:
    """The server's record of the fields that ``manager`` applied."""
    for entry in (obj.get("metadata") or {}).get("managedFields") or []:
        if entry.get("manager") == manager and entry.get("operation") == "Apply":
            return entry.get("fieldsV1")
    return None


def _projected(value: t.Any, like: t.Any) -> t.Any:
    """The part of ``value`` that ``like`` has keys for. A list is compared whole."""
    if isinstance(like, dict) and isinstance(value, dict):
        return {key: _projected(value[key], inner) for key, inner in like.items() if key in value}
    return value


def differs(before: Object, after: Object, desired: Object, manager: str) -> bool:
    """Whether applying ``desired`` made ``after`` out of ``before``.

    Another controller may write between reading and applying; only what we ask for, or no longer ask
    for, counts as a change of ours.
    """
    old, new = cleaned(before), cleaned(after)
    if old == new:
        return False
    if _projected(old, desired) != _projected(new, desired):
        return True
    return bool(owned_fields(before, manager) != owned_fields(after, manager))


def change_of(
    cluster: str,
    before: Object | None,
    after: Object,
    desired: Object,
    *,
    manager: str,
    mask: bool = True,
    diff: bool = True,
) -> Change:
    """The Change between the live object before and the server's answer to applying ``desired``."""
    action = CREATED
    if before is not None:
        action = CHANGED if differs(before, after, desired, manager) else UNCHANGED
    show = diff and action != UNCHANGED
    meta = after.get("metadata") or {}
    return Change(
        cluster=cluster,
        kind=str(after.get("kind") or desired.get("kind")),
        name=str(meta.get("name", "")),
        namespace=str(meta.get("namespace") or ""),
        action=action,
        before=shown(before, mask=mask) if show else "",
        after=shown(after, mask=mask) if show else "",
    )
