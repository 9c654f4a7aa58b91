# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bodies that a discovery document allows, and the same with one fault: for tests by property."""

from __future__ import annotations

import copy
import typing as t

from hypothesis import strategies as st

from .standin.schema import is_output

__all__ = ["bodies", "broken"]

Json = dict[str, t.Any]

_DEEPEST = 4
_FORMS = {
    "google-datetime": "2026-01-01T00:00:00Z",
    "google-duration": "3.5s",
    "google-fieldmask": "name",
    "byte": "AAAA",
}


def bodies(schemas: t.Mapping[str, Json], name: str) -> st.SearchStrategy[Json]:
    """Messages ``name`` with some of their fields."""
    return _fields(schemas, schemas[name], 0)


def _fields(schemas: t.Mapping[str, Json], schema: Json, depth: int) -> st.SearchStrategy[t.Any]:
    if schema.get("additionalProperties"):
        inner = _value(schemas, schema["additionalProperties"], depth + 1)
        return st.dictionaries(st.sampled_from(["a", "b-c"]), inner, max_size=2)
    usable = {k: v for k, v in (schema.get("properties") or {}).items() if not is_output(v)}
    if not usable or depth > _DEEPEST:
        return st.just({})

    @st.composite
    def some(draw: st.DrawFn) -> Json:
        names = draw(st.lists(st.sampled_from(sorted(usable)), unique=True, min_size=1, max_size=4))
        return {name: draw(_value(schemas, usable[name], depth + 1)) for name in names}

    return some()


def _value(schemas: t.Mapping[str, Json], wanted: Json, depth: int) -> st.SearchStrategy[t.Any]:
    if "$ref" in wanted:
        return _fields(schemas, schemas[wanted["$ref"]], depth)
    kind, form = wanted.get("type"), str(wanted.get("format") or "")
    if kind == "array":
        return st.lists(_value(schemas, wanted["items"], depth), max_size=2)
    if kind == "object":
        return _fields(schemas, wanted, depth)
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(0, 2**31 - 1)
    if form in ("int64", "uint64"):
        return st.integers(0, 2**63 - 1).map(str)
    if kind == "number":
        return st.floats(0, 1e6)
    if "enum" in wanted:
        return st.sampled_from(wanted["enum"])
    if "pattern" in wanted:
        return st.from_regex(wanted["pattern"], fullmatch=True)
    return st.just(_FORMS[form]) if form in _FORMS else st.text(max_size=8)


# -- faults ------------------------------------------------------------------------------------


def broken(
    draw: st.DrawFn, schemas: t.Mapping[str, Json], name: str, body: Json, *, where: str = ""
) -> tuple[Json, str]:
    """The body with one fault somewhere in it, and what was done to it."""
    places = list(_places(schemas, schemas[name], body, ()))
    spoilt = copy.deepcopy(body)
    path, schema, kind = draw(st.sampled_from(places))
    at: t.Any = spoilt
    for step in path[:-1]:
        at = at[step]
    if kind == "message":
        inner = at[path[-1]] if path else spoilt
        inner["noSuchField"] = 1
        return spoilt, f"{path}: unknown field"
    wrong = draw(st.sampled_from(_wrong(schema)))
    at[path[-1]] = wrong
    return spoilt, f"{path}: {wrong!r}"


def _places(
    schemas: t.Mapping[str, Json], schema: Json, value: t.Any, path: tuple[t.Any, ...]
) -> t.Iterator[tuple[tuple[t.Any, ...], Json, str]]:
    """Where an error can be put: messages get an unknown field, everything else a wrong value."""
    if "$ref" in schema:
        yield path, schema, "value"
        schema = schemas[schema["$ref"]]
    elif path:
        yield path, schema, "value"
    if schema.get("type") == "array":
        for index, item in enumerate(value):
            yield from _places(schemas, schema["items"], item, (*path, index))
    elif schema.get("type") == "object":
        rest = schema.get("additionalProperties")
        if not rest:
            yield path, schema, "message"
        for key, inner in value.items():
            yield from _places(schemas, (schema.get("properties") or {}).get(key) or rest, inner, (*path, key))


def _wrong(schema: Json) -> list[t.Any]:
    """Values that are not of this type."""
    kind, form = schema.get("type"), str(schema.get("format") or "")
    if "$ref" in schema or kind == "object":
        return ["text", 3, True, [1]]
    if kind == "array":
        return ["text", 3, True]
    if kind == "boolean":
        return ["yes", 1, {}]
    if kind == "integer":
        return ["many", 2**40, 1.5, True, {}]
    if form in ("int64", "uint64"):
        return ["many", str(2**70), True, {}]
    if kind == "number":
        return ["much", True, {}]
    wrong: list[t.Any] = [3, True, {}, ["text"]]
    if "enum" in schema:
        wrong.append("NO_SUCH_WORD")
    if form in _FORMS:
        wrong.append("!")
    if "pattern" in schema:
        wrong.append("Not This!")
    return wrong
