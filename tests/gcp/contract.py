# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests held against Google's discovery documents by other means than the stand-in's.

The documents' schemas are turned into JSON Schema and judged by the library ``jsonschema``: what the stand-in's own
reader let through by mistake is found here.
"""

from __future__ import annotations

import functools
import json
import re
import typing as t

import jsonschema
from googleapiclient.discovery_cache import get_static_doc

__all__ = ["OUR_AGENT", "breaches", "json_schema", "known_methods"]

Json = dict[str, t.Any]

OUR_AGENT = "mesh.fleet"
"""The client that our own requests name; google.cloud's modules name another."""

_WHOLE = {"type": ["integer", "string"], "pattern": r"^-?\d+$"}
_FORBIDDEN: Json = {"not": {}}
_OUTPUT = re.compile(r"^\W*output[ -]?only", re.IGNORECASE)


@functools.cache
def _document(service: str, version: str) -> Json:
    found: Json = json.loads(get_static_doc(service, version))
    return found


@functools.cache
def known_methods(service: str, version: str) -> t.Mapping[str, Json]:
    """Methods of a document by their id."""

    def walk(part: Json) -> t.Iterator[tuple[str, Json]]:
        for method in (part.get("methods") or {}).values():
            yield method["id"], method
        for inner in (part.get("resources") or {}).values():
            yield from walk(inner)

    return dict(walk(_document(service, version)))


def _converted(part: Json) -> Json:
    if "$ref" in part:
        return {"$ref": f"#/$defs/{part['$ref']}"}
    if part.get("readOnly") or _OUTPUT.match(str(part.get("description") or "")):
        return _FORBIDDEN
    kind, form = part.get("type"), part.get("format")
    if kind == "any":
        return {}
    if kind == "array":
        return {"type": "array", "items": _converted(part["items"])}
    if kind == "object":
        rest = part.get("additionalProperties")
        return {
            "type": "object",
            "properties": {name: _converted(inner) for name, inner in (part.get("properties") or {}).items()},
            "additionalProperties": _converted(rest) if rest else False,
        }
    if kind == "integer" or form in ("int64", "uint64"):
        return dict(_WHOLE)
    out: Json = {"type": kind}
    if "enum" in part:
        out["enum"] = part["enum"]
    if "pattern" in part:
        out["pattern"] = f"^(?:{part['pattern']})$"
    return out


@functools.cache
def json_schema(service: str, version: str, name: str) -> Json:
    """A message of the document as JSON Schema. What only Google may write is not allowed in it."""
    schemas = _document(service, version)["schemas"]
    return {"$ref": f"#/$defs/{name}", "$defs": {key: _converted(part) for key, part in schemas.items()}}


@functools.cache
def _validator(service: str, version: str, name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema(service, version, name))


def breaches(entry: Json) -> list[str]:
    """What is wrong with a request that the stand-in accepted and logged; [] for nothing.

    google.cloud's modules send ``kind``, which only Google writes: from them such fields pass. google-auth sends null
    for what it leaves out when it impersonates, which means the same.
    """
    service = entry["method"].partition(".")[0]
    method = known_methods(service, entry["version"])[entry["method"]]
    request = (method.get("request") or {}).get("$ref")
    if not request:
        return [f"{entry['method']}: a body where none belongs"] if entry.get("body") else []
    body = entry.get("body") or {}
    if service == "iamcredentials":
        body = {name: value for name, value in body.items() if value is not None}
    found = []
    for error in _validator(service, entry["version"], request).iter_errors(body):
        where = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "not" and OUR_AGENT not in entry.get("agent", ""):
            continue
        found.append(f"{entry['method']}: {where}: {error.message}")
    return found
