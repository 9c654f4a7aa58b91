# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a control plane writes of an object into its status: all that is known of it where nobody sees its proxies.

The form is Istio's ("Configuration Status Field"). Google's control planes write there what they could not apply
("Resolving configuration issues": the errors are recorded on the configuration that caused them).
"""

from __future__ import annotations

import typing as t

__all__ = ["complaints"]

_ON_ITS_WAY = "stillPropagating"
_LEVELS = ("error", "warn")


def complaints(obj: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with an object, by its status; none if that is about an earlier state of it."""
    status = obj.get("status") or {}
    generation = int(obj["metadata"].get("generation") or 0)
    if int(status.get("observedGeneration") or generation) < generation:
        return []
    found = [_message(one) for one in status.get("validationMessages") or [] if _level(one).startswith(_LEVELS)]
    for one in status.get("conditions") or []:
        seen = int(one.get("observedGeneration") or generation)
        if str(one.get("status")) == "False" and one.get("reason") != _ON_ITS_WAY and seen >= generation:
            found.append(f"{one.get('type')}: {one.get('message') or one.get('reason') or 'no reason'}")
    return found


def _level(message: t.Mapping[str, t.Any]) -> str:
    return str(message.get("level") or "").lower()


def _message(message: t.Mapping[str, t.Any]) -> str:
    kind = message.get("type") or {}
    code = str(message.get("code") or kind.get("code") or "")
    text = str(message.get("message") or kind.get("name") or message.get("documentationUrl") or "no reason")
    return f"{code}: {text}" if code else text
