# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values held against the schemas of a discovery document, as Google's front end does it.

A value that fits comes back as Google would keep it: without nulls and without what only Google may write (it
ignores that instead of refusing it), numbers of 64 bits as text and smaller ones as numbers.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t

__all__ = ["Reader", "is_output", "scalar"]

Json = dict[str, t.Any]

_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_FORMS = {
    "google-datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"),
    "google-duration": re.compile(r"-?\d{1,12}(\.\d{1,9})?s"),
    "google-fieldmask": re.compile(r"[A-Za-z][\w.`/-]*(,[A-Za-z][\w.`/-]*)*|\*|"),
}
_WORDS = {
    "google-datetime": "type.googleapis.com/google.protobuf.Timestamp",
    "google-duration": "type.googleapis.com/google.protobuf.Duration",
    "google-fieldmask": "type.googleapis.com/google.protobuf.FieldMask",
    "byte": "TYPE_BYTES",
}
_OUTPUT = re.compile(r"\W*output[ -]?only", re.IGNORECASE)


def is_output(wanted: t.Mapping[str, t.Any]) -> bool:
    """Whether a property is Google's alone: the newer documents say so by a flag, the older ones in words."""
    return bool(wanted.get("readOnly")) or bool(_OUTPUT.match(str(wanted.get("description") or "")))


class Wrong(Exception):
    """A scalar that is not of its type."""


def scalar(wanted: Json, value: t.Any) -> t.Any:
    """A value of a simple type as Google would keep it. Raises Wrong."""
    kind, form = wanted.get("type"), str(wanted.get("format") or "")
    if kind == "any":
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "integer" or form in ("int64", "uint64"):
        return _integer(value, form, as_text=kind == "string")
    if kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if kind == "string" and isinstance(value, str):
        if "enum" in wanted and value not in wanted["enum"]:
            raise Wrong
        if form in _FORMS and not _FORMS[form].fullmatch(value):
            raise Wrong
        if form == "byte":
            _bytes(value)
        return value
    raise Wrong


def _integer(value: t.Any, form: str, *, as_text: bool) -> int | str:
    """Numbers may come as text and the other way round."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.0+)?", str(value)):
        raise Wrong
    number = int(str(value).partition(".")[0])
    low, high = _RANGES.get(form, _RANGES["int64"])
    if not low <= number <= high:
        raise Wrong
    return str(number) if as_text else number


def _bytes(value: str) -> None:
    try:
        base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Wrong from None


def word(wanted: t.Mapping[str, t.Any]) -> str:
    """A type as Google's messages name it."""
    form = str(wanted.get("format") or "")
    if "$ref" in wanted:
        return f"type.googleapis.com/{wanted['$ref']}"
    if "enum" in wanted:
        return "TYPE_ENUM"
    kind = {"boolean": "BOOL", "integer": "INT32"}.get(str(wanted.get("type")), str(wanted.get("type")).upper())
    return _WORDS.get(form) or f"TYPE_{form.upper() or kind}"


class Reader:
    """Reads one body.

    Args:
        schemas: the document's.
        method: id of the method, to which "required" may be bound; "" for none.
    """

    def __init__(self, schemas: t.Mapping[str, Json], method: str = "") -> None:
        self.schemas, self.method = schemas, method
        self.violations: list[tuple[str, str]] = []
        """Where, and what is wrong there."""
        self.missing: list[str] = []
        self.patterns: list[tuple[str, str, str]] = []
        """Texts that miss their pattern: where, the text, the pattern."""
        self.ignored: list[str] = []
        """What only Google writes and was sent nevertheless."""

    def message(self, name: str, value: t.Any, at: str) -> t.Any:
        """The message ``name`` ("Cluster")."""
        schema = self.schemas[name]
        if schema.get("type") == "any":
            return value
        if not isinstance(value, dict):
            self._wrong({"$ref": name}, value, at)
            return {}
        return self._fields(schema, value, at)

    def _fields(self, schema: Json, value: Json, at: str) -> Json:
        properties: Json = schema.get("properties") or {}
        kept: Json = {}
        for key, inner in value.items():
            where = f"{at}.{key}" if at else key
            wanted = properties.get(key) or schema.get("additionalProperties")
            if wanted is None:
                place = f" at '{at}'" if at else ""
                text = f'Invalid JSON payload received. Unknown name "{key}"{place}: Cannot find field.'
                self.violations.append((at, text))
            elif inner is None:
                continue
            elif key in properties and is_output(wanted):
                self.ignored.append(where)
            else:
                kept[key] = self.value(wanted, inner, where)
        for key, wanted in properties.items():
            needed = (wanted.get("annotations") or {}).get("required") or ()
            if self.method in needed and key not in kept and not is_output(wanted):
                self.missing.append(f"{at}.{key}" if at else key)
        return kept

    def value(self, wanted: Json, value: t.Any, at: str) -> t.Any:
        """A value of any type."""
        if "$ref" in wanted:
            return self.message(wanted["$ref"], value, at)
        kind = wanted.get("type")
        if kind == "array":
            if not isinstance(value, list):
                self._wrong(wanted, value, at)
                return []
            return [self.value(wanted["items"], item, f"{at}[{i}]") for i, item in enumerate(value)]
        if kind == "object":
            if not isinstance(value, dict):
                self._wrong(wanted, value, at)
                return {}
            return self._fields(wanted, value, at)
        try:
            found = scalar(wanted, value)
        except Wrong:
            self._wrong(wanted, value, at)
            return None
        pattern = wanted.get("pattern")
        if pattern and isinstance(found, str) and not re.fullmatch(pattern, found):
            self.patterns.append((at, found, pattern))
        return found

    def _wrong(self, wanted: Json, value: t.Any, at: str) -> None:
        if isinstance(value, list) and wanted.get("type") != "array":
            above, _dot, key = at.rpartition(".")
            place = f" at '{above}'" if above else ""
            text = f'Invalid JSON payload received. Unknown name "{key}"{place}: '
            text += "Proto field is not repeating, cannot start list."
        else:
            text = f"Invalid value at '{at}' ({word(wanted)}), {json.dumps(value)}"
        self.violations.append((at, text))
