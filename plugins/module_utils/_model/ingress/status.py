# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether controllers of others have done their part for a route, by the conditions that they write.

- Gateway and HTTPRoute: https://gateway-api.sigs.k8s.io/guides/implementers/#resource-conditions
- Certificate and CertificateRequest: https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.CertificateCondition
"""

from __future__ import annotations

import typing as t

__all__ = [
    "UNSEEN",
    "certificate_failed",
    "certificate_ready",
    "gateway_ready",
    "newest_request",
    "request_says",
    "route_ready",
]

Object = t.Mapping[str, t.Any]
Live: t.TypeAlias = "Object | None"
Seen = tuple[bool, str]

_ABSENT = "it does not exist"
UNSEEN = "no controller has answered for it as it is now"
"""What is seen of an object that has no condition of its generation."""
_GATEWAY = ("Accepted", "Programmed")
_LISTENER = ("Accepted", "Programmed", "ResolvedRefs")
_ROUTE = ("Accepted", "ResolvedRefs")
_ISSUED = "Issued"


def gateway_ready(obj: Live) -> Seen:
    """Whether a Gateway and each of its listeners are served as they are now, and what was seen.

    A Gateway is accepted while one of its listeners is good, so each of them counts.
    """
    if obj is None:
        return False, _ABSENT
    status = obj.get("status") or {}
    generation = _generation(obj)
    done, seen = _all_true(status.get("conditions"), _GATEWAY, generation)
    by_name = {one.get("name"): one for one in status.get("listeners") or []}
    wrong = [] if done else [seen]
    for listener in (obj.get("spec") or {}).get("listeners") or []:
        name = listener.get("name")
        good, seen = _all_true((by_name.get(name) or {}).get("conditions"), _LISTENER, generation)
        if not good:
            wrong.append(f"listener {name}: {seen}")
    # A listener says the cause, the Gateway only that there is one.
    said = [one for one in reversed(wrong) if not one.endswith(UNSEEN)] or wrong[:1]
    return not wrong, "; ".join(said) or "accepted and programmed"


def route_ready(obj: Live) -> Seen:
    """Whether each Gateway that an HTTPRoute names has taken it as it is now, and what was seen."""
    if obj is None:
        return False, _ABSENT
    own = str((obj.get("metadata") or {}).get("namespace") or "")
    told = [one for one in (obj.get("status") or {}).get("parents") or [] if isinstance(one, t.Mapping)]
    for parent in (obj.get("spec") or {}).get("parentRefs") or []:
        answers = [one for one in told if _parent(one.get("parentRef") or {}, own) == _parent(parent, own)]
        judged = [_all_true(one.get("conditions"), _ROUTE, _generation(obj)) for one in answers]
        if not any(good for good, _seen in judged):
            return False, next((seen for _good, seen in judged if seen != UNSEEN), UNSEEN)
    return True, "accepted, and what it names is there"


def certificate_ready(obj: Live) -> Seen:
    """Whether cert-manager has issued a Certificate as it is now, and what was seen."""
    if obj is None:
        return False, _ABSENT
    found = _condition((obj.get("status") or {}).get("conditions"), "Ready", _generation(obj))
    if not found:
        return False, UNSEEN
    return found.get("status") == "True", _words(found)


def certificate_failed(obj: Live) -> str:
    """Why cert-manager gave the issuance up for the next hour or longer; "" while it has not."""
    found = _condition(((obj or {}).get("status") or {}).get("conditions"), "Issuing", _generation(obj or {}))
    if not found or found.get("status") != "False" or found.get("reason") == _ISSUED:
        return ""
    return _words(found)


def newest_request(requests: t.Iterable[Object], certificate: str) -> Live:
    """The last CertificateRequest of a Certificate."""

    def is_of(request: Object) -> bool:
        owners = request["metadata"].get("ownerReferences") or []
        return any(one.get("kind") == "Certificate" and one.get("name") == certificate for one in owners)

    mine = [request for request in requests if is_of(request)]
    return max(
        mine, key=lambda one: (str(one["metadata"].get("creationTimestamp")), one["metadata"]["name"]), default=None
    )


def request_says(request: Object) -> str:
    """What a CertificateRequest waits for, or why it failed."""
    conditions = (request.get("status") or {}).get("conditions")
    found = {kind: _condition(conditions, kind, 0) for kind in ("Denied", "InvalidRequest", "Ready", "Approved")}
    for kind in ("Denied", "InvalidRequest"):
        if found[kind].get("status") == "True":
            return _words(found[kind])
    if found["Ready"]:
        return _words(found["Ready"])
    return "no issuer has answered" if found["Approved"] else "nobody has approved it"


def _parent(ref: Object, namespace: str) -> tuple[str, str, str]:
    """What tells a parent reference apart from others of a route."""
    return str(ref.get("namespace") or namespace), str(ref.get("name")), str(ref.get("sectionName") or "")


def _all_true(conditions: t.Any, kinds: t.Sequence[str], generation: int) -> Seen:
    """Whether all conditions are true, and the first that is not."""
    found = [_condition(conditions, kind, generation) for kind in kinds]
    if not any(found):
        return False, UNSEEN
    for kind, one in zip(kinds, found, strict=True):
        if not one:
            return False, f"{kind}: {UNSEEN}"
        if one.get("status") != "True":
            return False, _words(one)
    return True, ""


def _condition(conditions: t.Any, kind: str, generation: int) -> Object:
    """A condition that was written for this generation of its object, or a later one; {} where there is none.

    The API server itself writes Accepted and Programmed of a new Gateway, as Unknown and without a generation.
    """
    for one in conditions or []:
        if one.get("type") == kind and int(one.get("observedGeneration") or 0) >= generation:
            return t.cast("Object", one)
    return {}


def _generation(obj: Object) -> int:
    return int((obj.get("metadata") or {}).get("generation") or 0)


def _words(condition: Object) -> str:
    """A condition as a person reads it: ``Ready is False: DoesNotExist: no such Secret``."""
    said = [f"{condition.get('type')} is {condition.get('status')}", condition.get("reason"), condition.get("message")]
    return ": ".join(str(part) for part in said if part)
