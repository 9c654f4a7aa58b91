# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which requests Google knows, and what their bodies may hold: read from Google's own discovery documents."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing as t
import urllib.parse

from googleapiclient.discovery_cache import get_static_doc

__all__ = ["SERVICES", "Method", "Refused", "Service", "services"]

Json = dict[str, t.Any]

SERVICES = (
    ("container", "v1"),
    ("gkehub", "v1"),
    ("compute", "v1"),
    ("cloudresourcemanager", "v1"),
    ("cloudresourcemanager", "v3"),
    ("serviceusage", "v1"),
    ("iam", "v1"),
)
"""Services that the stand-in answers for, with their versions."""

# Every method takes these.
_STANDARD = {"alt", "fields", "key", "prettyPrint", "quotaUser", "access_token", "userIp", "$.xgafv"}


class Refused(Exception):
    """An answer that is an error, in the form Google gives them.

    Args:
        status: the HTTP status.
        message: what Google says.
        reason: ErrorInfo's reason, or "".
        metadata: ErrorInfo's metadata.
        retry_after: seconds for the header Retry-After, or None.
    """

    WORDS: t.ClassVar[dict[int, str]] = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        409: "ALREADY_EXISTS",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        501: "UNIMPLEMENTED",
        503: "UNAVAILABLE",
    }

    def __init__(
        self,
        status: int,
        message: str,
        *,
        word: str = "",
        reason: str = "",
        metadata: t.Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.reason = status, message, reason
        self.word = word or self.WORDS.get(status, "UNKNOWN")
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after

    def body(self) -> Json:
        error: Json = {"code": self.status, "message": self.message, "status": self.word}
        if self.reason:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [
                {"@type": kind, "reason": self.reason, "domain": "googleapis.com", "metadata": self.metadata}
            ]
        return {"error": error}


@dataclasses.dataclass(frozen=True)
class Method:
    """One method of a service."""

    id: str
    verb: str
    pattern: re.Pattern[str]
    parameters: Json
    request: str
    service: Service = dataclasses.field(repr=False)

    def check(self, query: t.Mapping[str, list[str]], body: t.Any) -> Json:
        """The query's parameters with their types; Refused for what the document does not allow."""
        wanted = {k: p for k, p in self.parameters.items() if p["location"] == "query"}
        found: Json = {}
        for name, values in query.items():
            if name in _STANDARD:
                continue
            if name not in wanted:
                raise Refused(
                    400, f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
                )
            found[name] = [_typed(name, v, wanted[name]) for v in values]
            if not wanted[name].get("repeated"):
                found[name] = found[name][-1]
        for name, parameter in wanted.items():
            if parameter.get("required") and name not in found:
                raise Refused(400, f"Required parameter is missing: {name}")
        if self.request:
            if body is None:
                body = {}
            self.service.check_schema(self.request, body, "")
        elif body not in (None, {}):
            raise Refused(400, f"{self.id} takes no request body")
        return found


def _typed(name: str, value: str, parameter: Json) -> t.Any:
    kind = parameter.get("type")
    try:
        if kind == "boolean":
            return {"true": True, "false": False}[value.lower()]
        if kind == "integer":
            return int(value)
    except (KeyError, ValueError):
        raise Refused(400, f"Invalid value at '{name}' (TYPE_{str(kind).upper()}), \"{value}\"") from None
    if parameter.get("enum") and value not in parameter["enum"]:
        raise Refused(400, f"Invalid value at '{name}', \"{value}\"")
    return value


class Service:
    """A service's methods and schemas."""

    def __init__(self, name: str, version: str) -> None:
        doc = json.loads(get_static_doc(name, version))
        self.name, self.version = name, version
        self.host = urllib.parse.urlsplit(doc["rootUrl"]).netloc
        self.base = "/" + doc["servicePath"]
        self.schemas: Json = doc["schemas"]
        self.methods: list[Method] = []
        self._collect(doc)

    def _collect(self, part: Json) -> None:
        for method in (part.get("methods") or {}).values():
            path = self.base + method.get("flatPath", method["path"])
            pieces = re.split(r"\{\+?(\w+)\}", path)
            pattern = "".join(
                f"(?P<{piece}>[^/:]+)" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
            )
            request = (method.get("request") or {}).get("$ref", "")
            self.methods.append(
                Method(
                    method["id"],
                    method["httpMethod"],
                    re.compile(pattern),
                    method.get("parameters") or {},
                    request,
                    self,
                )
            )
        for inner in (part.get("resources") or {}).values():
            self._collect(inner)

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that answers this request, and what stands in its path."""
        for method in self.methods:
            if method.verb == verb and (match := method.pattern.fullmatch(path)):
                return method, {k: urllib.parse.unquote(v) for k, v in match.groupdict().items()}
        return None

    def check_schema(self, name: str, value: t.Any, at: str) -> None:
        """Refused when value is not what schema name describes; at is where it stands."""
        schema = self.schemas[name]
        if not isinstance(value, dict):
            raise Refused(400, f"Invalid value at '{at or name}' ({name}), {json.dumps(value)}")
        properties = schema.get("properties") or {}
        for key, inner in value.items():
            where = f"{at}.{key}" if at else key
            if key in properties:
                self._check(properties[key], inner, where)
            elif schema.get("additionalProperties"):
                self._check(schema["additionalProperties"], inner, where)
            else:
                place = f" at '{at}'" if at else ""
                raise Refused(400, f'Invalid JSON payload received. Unknown name "{key}"{place}: Cannot find field.')

    def _check(self, wanted: Json, value: t.Any, at: str) -> None:
        if value is None:
            return
        if "$ref" in wanted:
            self.check_schema(wanted["$ref"], value, at)
            return
        kind, form = wanted.get("type"), wanted.get("format", "")
        right = True
        if kind == "array":
            right = isinstance(value, list)
            for index, item in enumerate(value if right else ()):
                self._check(wanted["items"], item, f"{at}[{index}]")
        elif kind == "object":
            right = isinstance(value, dict)
            for key, item in value.items() if right else ():
                self._inner(wanted, key, item, at)
        elif kind == "boolean":
            right = isinstance(value, bool)
        elif kind == "integer" or (kind == "string" and form in ("int64", "uint64")):
            right = not isinstance(value, bool) and re.fullmatch(r"-?\d+", str(value)) is not None
        elif kind == "number":
            right = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif kind == "string":
            right = isinstance(value, str) and ("enum" not in wanted or value in wanted["enum"])
        if not right:
            raise Refused(400, f"Invalid value at '{at}' ({form or kind}), {json.dumps(value)}")

    def _inner(self, wanted: Json, key: str, item: t.Any, at: str) -> None:
        properties = wanted.get("properties") or {}
        if key in properties:
            self._check(properties[key], item, f"{at}.{key}")
        elif wanted.get("additionalProperties"):
            self._check(wanted["additionalProperties"], item, f"{at}.{key}")
        else:
            raise Refused(400, f"Invalid JSON payload received. Unknown name \"{key}\" at '{at}': Cannot find field.")


@functools.cache
def services() -> tuple[Service, ...]:
    """All of them, read once."""
    return tuple(Service(name, version) for name, version in SERVICES)
