# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove secrets from everything that is shown: a change stays visible, the value does not."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import typing as t

from ..logins import without_logins
from ..metadata import annotations_of

__all__ = ["masked", "scrub", "secret_at"]

_KEY = secrets.token_bytes(32)
"""Of this process alone: a digest shows that a value changed, and can't be looked up in a dictionary."""

_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*")
_BEARER = re.compile(
    r"\b((?i:bearer)) (?!(?i:authentication|authorization|certificates?|credentials?)\b)[\w.~+/=-]{8,}"
    r"|\b((?i:basic)) (?=[\w.~+/=-]*(?:[0-9=]|[a-z][A-Z]|[A-Z]{2}))[\w.~+/=-]{8,}"  # in base64, not a word
)
_NAMED = ("client-key-data", "password", "token")
"""Keys whose text is a secret, whatever it is."""
_CONFIG = re.compile(
    rf"""(?mx)
    ( (?:^\s*(?:-\ )?|[{{,]\s*) ["']?(?:{"|".join(_NAMED)})["']?:
      (?:[ \t]*|\s*\n\s*(?![^\s:]+:(?:\s|$))) )      # nothing, if a mapping begins in the next line
    (?! (?:[{{\[][ \t]*$ | (?:""|\'\'|null|~|{{}}|\[\])(?:[,}}\s]|$)) )  # nothing, if it begins here or is empty
    (?: "(?:[^"\\]|\\.)*" | '[^']*' | \S+ )"""
)
_ECHOED = re.compile(r"(&value\.value\w*\{).*?\}|(Value:|Invalid value: )(\"(?:[^\"\\]|\\.)*\"|\S+)", re.DOTALL)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def scrub(text: str, *, secret: bool = False) -> str:
    """``text`` without private keys, tokens and credentials.

    Args:
        secret: it is about a Secret: values that an API server repeats in it are removed too.
    """
    text = _PEM.sub(r"(\1, masked)", text)
    text = _JWT.sub("(token, masked)", text)
    text = _BEARER.sub(lambda found: f"{found[1] or found[2]} (masked)", text)
    text = _CONFIG.sub(r"\1(masked)", text)
    text = without_logins(text)
    if secret:
        text = _ECHOED.sub("(value, masked)", text)
    return text


def masked(obj: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A copy of a manifest that may be shown.

    A Secret's values become ``(masked, <length> characters, #<digest>)``; the digest differs from run
    to run but is equal for equal values within one. So does the text of a key such as ``password`` anywhere, and
    private keys, tokens and credentials inside other texts go.
    """
    copy: dict[str, t.Any] = _walk(dict(obj))
    if obj.get("kind") == "Secret":
        for field in ("data", "stringData"):
            if isinstance(obj.get(field), dict):
                copy[field] = {key: _digest(value) for key, value in obj[field].items()}
        notes = dict(annotations_of(copy))
        if _LAST_APPLIED in notes:
            notes[_LAST_APPLIED] = "(masked)"
            copy["metadata"] = {**copy["metadata"], "annotations": notes}
    return copy


def secret_at(obj: t.Mapping[str, t.Any]) -> str:
    """Where a manifest has something that :func:`masked` hides, as ``data.key``; "" where it hides nothing.

    A CRD has no secret: it describes values, by examples too.
    """
    return "" if obj.get("kind") == "CustomResourceDefinition" else ".".join(_differing(obj, masked(obj)))


def _differing(value: t.Any, other: t.Any) -> list[str]:
    """The way to the first place where two of the same shape differ."""
    if isinstance(value, dict) and isinstance(other, dict):
        pairs: t.Iterable[tuple[t.Any, t.Any]] = ((key, inner) for key, inner in value.items())
    elif isinstance(value, list) and isinstance(other, list):
        pairs = enumerate(value)
    else:
        return []
    return next(([str(key), *_differing(inner, other[key])] for key, inner in pairs if inner != other[key]), [])


def _digest(value: t.Any) -> str:
    text = str(value)
    mark = hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()[:8]
    return f"(masked, {len(text)} characters, #{mark})"


def _walk(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {
            key: _digest(inner) if key in _NAMED and inner and isinstance(inner, str) else _walk(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_walk(inner) for inner in value]
    if isinstance(value, str):
        return scrub(value)
    return value
