# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which requests Google knows, and what they may hold: read from Google's own discovery documents."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing as t
import urllib.parse

from googleapiclient.discovery_cache import get_static_doc

from .errors import Refused
from .schema import Reader, Wrong, scalar, word

__all__ = ["SERVICES", "Checked", "Method", "Refused", "Service", "services"]

Json = dict[str, t.Any]

SERVICES = (
    ("container", "v1"),
    ("gkehub", "v1"),
    ("compute", "v1"),
    ("cloudresourcemanager", "v1"),
    ("cloudresourcemanager", "v3"),
    ("serviceusage", "v1"),
    ("serviceusage", "v1beta1"),
    ("iam", "v1"),
    ("iamcredentials", "v1"),
)
"""Services that the stand-in answers for, with their versions."""

# Called "Required" in its description, but Google accepts a request that changes something else without them.
# Those of SetMaintenancePolicyRequest are the older way to say its name; Terraform's provider sends the name alone.
_NOT_REQUIRED = frozenset(
    {
        "SetMaintenancePolicyRequest.clusterId",
        "SetMaintenancePolicyRequest.projectId",
        "SetMaintenancePolicyRequest.zone",
        "UpdateNodePoolRequest.imageType",
        "UpdateNodePoolRequest.nodeVersion",
    }
)


class Checked(t.NamedTuple):
    """A request that the document allows: its query and body, typed and cleaned, and what of the body is ignored."""

    params: Json
    body: Json
    ignored: list[str]


@dataclasses.dataclass(frozen=True)
class Method:
    """One method of a service."""

    id: str
    verb: str
    pattern: re.Pattern[str]
    parameters: Json
    request: str
    service: Service = dataclasses.field(repr=False)

    def check(self, path: t.Mapping[str, str], query: t.Mapping[str, list[str]], body: t.Any) -> Checked:
        """What was asked, with its types; Refused for what the document does not allow."""
        for name, value in path.items():
            wanted = self.parameters.get(name) or {}
            if wanted.get("pattern") and wanted["location"] == "path" and not re.fullmatch(wanted["pattern"], value):
                text = f"Invalid value '{value}'. Values must match the following regular expression: "
                raise Refused(400, text + f"'{wanted['pattern']}'", reason="invalidParameter")
        params = self._query(query)
        if not self.request:
            if body not in (None, {}):
                name = next(iter(body)) if isinstance(body, dict) else ""
                raise _broken([("", f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')])
            return Checked(params, {}, [])
        reader = Reader(self.service.schemas, self.id)
        at = "" if self.request.endswith("Request") else "resource"
        kept = reader.message(self.request, {} if body is None else body, at)
        _judge(reader)
        for name, wanted in (self.service.schemas[self.request].get("properties") or {}).items():
            if not at and name not in kept and _told_required(wanted) and f"{self.request}.{name}" not in _NOT_REQUIRED:
                raise Refused(400, f"{name} is required.", violations=[(name, "required")])
        self._check_mask(str(params.get("updateMask") or ""))
        return Checked(params, kept, reader.ignored)

    def _query(self, query: t.Mapping[str, list[str]]) -> Json:
        wanted = {k: p for k, p in self.parameters.items() if p["location"] == "query"}
        found: Json = {}
        for name, values in query.items():
            parameter = wanted.get(name) or self.service.standard.get(name)
            if parameter is None:
                text = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                raise _broken([("", text + f"Field '{name}' could not be found in request message.")])
            typed = [_typed(name, v, parameter) for v in values]
            if name in wanted:
                found[name] = typed if parameter.get("repeated") else typed[-1]
        for name, parameter in wanted.items():
            needed = parameter.get("required") or (self.service.name != "compute" and _told_required(parameter))
            if needed and name not in found:
                raise Refused(400, f"Required parameter is missing: {name}", reason="required")
        if "fields" in query:
            raise Refused(501, "the stand-in gives whole answers only")
        return found

    def _check_mask(self, mask: str) -> None:
        """A mask names fields of the body's message."""
        for path in filter(None, (p.strip() for p in mask.split(","))):
            schema: Json = self.service.schemas[self.request]
            for part in path.split("."):
                properties = schema.get("properties") or {}
                name = re.sub(r"_([a-z])", lambda m: m[1].upper(), part)
                if name not in properties:
                    if schema.get("additionalProperties"):
                        break
                    raise Refused(400, f"Invalid field mask: {path} is not a field of {self.request}.")
                schema = properties[name]
                schema = self.service.schemas[schema["$ref"]] if "$ref" in schema else schema


def _told_required(wanted: Json) -> bool:
    return str(wanted.get("description") or "").startswith("Required.")


def _broken(violations: list[tuple[str, str]]) -> Refused:
    return Refused(400, "\n".join(text for _at, text in violations), violations=violations)


def _judge(reader: Reader) -> None:
    if reader.violations:
        raise _broken(reader.violations)
    for at in reader.missing:
        raise Refused(400, f"Required field '{at}' not specified", reason="required")
    for at, text, pattern in reader.patterns:
        raise Refused(400, f"Invalid value for field '{at}': '{text}'. Must be a match of regex '{pattern}'")


def _typed(name: str, value: str, parameter: Json) -> t.Any:
    try:
        if parameter.get("type") == "boolean":
            return {"true": True, "false": False}[value.lower()]
        found = scalar(parameter, value)
        low, high = parameter.get("minimum"), parameter.get("maximum")
        if parameter.get("type") == "integer" and not float(low or "-inf") <= found <= float(high or "inf"):
            raise Wrong
    except (KeyError, Wrong):
        text = f"Invalid value at '{name}' ({word(parameter)}), \"{value}\""
        raise _broken([(name, text)]) from None
    return found


class Service:
    """A service's methods and schemas."""

    def __init__(self, name: str, version: str) -> None:
        doc = json.loads(get_static_doc(name, version))
        self.name, self.version = name, version
        self.host = urllib.parse.urlsplit(doc["rootUrl"]).netloc
        self.base = "/" + doc["servicePath"]
        self.schemas: Json = doc["schemas"]
        self.standard: Json = doc["parameters"]
        self.methods: list[Method] = []
        self._collect(doc)

    def _collect(self, part: Json) -> None:
        for method in (part.get("methods") or {}).values():
            path = self.base + method.get("flatPath", method["path"])
            pieces = re.split(r"\{\+?(\w+)\}", path)
            # A project may belong to a domain ("example.com:shop"); elsewhere a colon begins a custom verb.
            pattern = "".join(
                (f"(?P<{piece}>[^/]+)" if (self.name, piece) == ("compute", "project") else f"(?P<{piece}>[^/:]+)")
                if index % 2
                else re.escape(piece)
                for index, piece in enumerate(pieces)
            )
            request = (method.get("request") or {}).get("$ref", "")
            parameters = method.get("parameters") or {}
            self.methods.append(
                Method(method["id"], method["httpMethod"], re.compile(pattern), parameters, request, self)
            )
        for inner in (part.get("resources") or {}).values():
            self._collect(inner)

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method of this request, and the values in its path.

        The path with fewest values wins: ``firewallPolicies/getEffectiveFirewalls`` names no policy.
        """
        fitting = [
            (method, {k: urllib.parse.unquote(v) for k, v in match.groupdict().items()})
            for method in self.methods
            if method.verb == verb and (match := method.pattern.fullmatch(path))
        ]
        return min(fitting, key=lambda one: len(one[1]), default=None)

    def method(self, name: str) -> Method:
        """By its id ("container.projects.locations.clusters.create")."""
        return next(m for m in self.methods if m.id == name)

    def check_schema(self, name: str, value: t.Any, at: str) -> None:
        """Refused when ``value`` is no message ``name``."""
        reader = Reader(self.schemas)
        reader.message(name, value, at)
        _judge(reader)


@functools.cache
def services() -> tuple[Service, ...]:
    """All of them, read once."""
    return tuple(Service(name, version) for name, version in SERVICES)
