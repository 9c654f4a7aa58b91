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

__all__ = ["holds_key", "masked", "scrub"]

_KEY = secrets.token_bytes(32)
"""Of this process alone: a digest shows that a value changed, and can't be looked up in a dictionary."""

_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*")
_BEARER = re.compile(r"(?i)\b(bearer|basic) [\w.~+/=-]{8,}")
_CONFIG = re.compile(r"(?m)^(\s*(?:- )?[\"']?(?:client-key-data|token|password)[\"']?:\s*)\S+")
_ECHOED = re.compile(r"(&value\.value\w*\{).*?\}|(Value:|Invalid value: )(\"(?:[^\"\\]|\\.)*\"|\S+)", re.DOTALL)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def scrub(text: str, *, secret: bool = False) -> str:
    """``text`` without private keys, tokens and credentials.

    Args:
        secret: it is about a Secret: values that an API server repeats in it are removed too.
    """
    text = _PEM.sub(r"(\1, masked)", text)
    text = _JWT.sub("(token, masked)", text)
    text = _BEARER.sub(r"\1 (masked)", text)
    text = _CONFIG.sub(r"\1(masked)", text)
    text = without_logins(text)
    if secret:
        text = _ECHOED.sub("(value, masked)", text)
    return text


def masked(obj: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A copy of a manifest that may be shown.

    A Secret's values become ``(masked, <length> characters, #<digest>)``; the digest differs from run
    to run but is equal for equal values within one. Elsewhere private keys and tokens inside strings go.
    """
    copy: dict[str, t.Any] = {key: _walk(value) for key, value in obj.items()}
    if obj.get("kind") == "Secret":
        for field in ("data", "stringData"):
            if isinstance(obj.get(field), dict):
                copy[field] = {key: _digest(value) for key, value in obj[field].items()}
        notes = dict(annotations_of(copy))
        if _LAST_APPLIED in notes:
            notes[_LAST_APPLIED] = "(masked)"
            copy["metadata"] = {**copy["metadata"], "annotations": notes}
    return copy


def holds_key(value: t.Any) -> bool:
    """Whether a text in ``value`` (a manifest, a list, a text) holds a private key or a token."""
    if isinstance(value, dict):
        return any(holds_key(inner) for inner in value.values())
    if isinstance(value, list):
        return any(holds_key(inner) for inner in value)
    return isinstance(value, str) and bool(_PEM.search(value) or _JWT.search(value))


def _digest(value: t.Any) -> str:
    text = str(value)
    mark = hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()[:8]
    return f"(masked, {len(text)} characters, #{mark})"


def _walk(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _walk(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner) for inner in value]
    if isinstance(value, str):
        return scrub(value)
    return value
