# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google's refusals mean, and what to do: one place for all services."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t
import urllib.parse

from ..errors import FleetError

__all__ = [
    "AGAIN",
    "MORE_QUOTA",
    "QUOTA",
    "RATES",
    "GoogleError",
    "explain",
    "no_answer",
    "part_missing",
    "permission_in",
]

_PERMISSION = re.compile(r"[\"'](?P<name>[a-z]+(?:\.[A-Za-z]+){2,})[\"']|\b(?P<bare>[a-z]+\.[A-Za-z]+\.[A-Za-z]+)\b")
_NEEDED = {
    "cloudresourcemanager.projects.get": "resourcemanager.projects.get",
    "cloudresourcemanager.projects.getIamPolicy": "resourcemanager.projects.getIamPolicy",
    "cloudresourcemanager.projects.setIamPolicy": "resourcemanager.projects.setIamPolicy",
    "serviceusage.services.batchEnable": "serviceusage.services.enable",
    "serviceusage.services.batchGet": "serviceusage.services.get",
}
"""Permissions of methods whose answers do not name them."""
_API = re.compile(r"\b(?P<name>[a-z]+\.googleapis\.com)\b")

AGAIN = (429, 500, 502, 503, 504)
"""Statuses of answers that pass by themselves."""
RATES = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
"""Reasons, with 403 or 429, for too many requests in a short time. Their messages speak of a quota too."""
QUOTA = "a quota of the project is used up"
MORE_QUOTA = "ask for more (console: IAM & Admin, Quotas), choose another region or fewer nodes; then run again"


class GoogleError(FleetError):
    """A refusal of Google's. ``status`` is the HTTP status (0: a failed operation), ``reason`` Google's word for it."""

    def __init__(self, what: str, *, status: int, reason: str = "", **more: str) -> None:
        super().__init__(what, **more)
        self.status = status
        self.reason = reason


def explain(status: int, content: bytes, method: str, project: str, *, cluster: str = "", obj: str = "") -> GoogleError:
    """An answer that is not a success, with its meaning and the next step."""
    error: dict[str, t.Any] = {}
    with contextlib.suppress(ValueError, AttributeError, UnicodeDecodeError):
        found = json.loads(content).get("error")
        error = found if isinstance(found, dict) else {}  # another server may send text
    message = " ".join(str(error.get("message") or content[:200].decode("utf-8", "replace")).split())
    infos = [d for d in error.get("details") or [] if isinstance(d, dict)]
    legacy = [e for e in error.get("errors") or [] if isinstance(e, dict)]
    reasons = [str(d["reason"]) for d in (*infos, *legacy) if d.get("reason")]
    reason = reasons[0] if reasons else str(error.get("status") or "")
    metadata: dict[str, str] = {}
    for info in infos:
        metadata.update(info.get("metadata") or {})
    what, means, next_step = _verdict(status, message, reasons, metadata, method, project)
    return GoogleError(
        what,
        status=status,
        reason=reason,
        cluster=cluster,
        obj=obj,
        seen=f"{status} {message} ({method})",
        means=means,
        next_step=next_step,
    )


def _verdict(
    status: int, message: str, reasons: list[str], metadata: dict[str, str], method: str, project: str
) -> tuple[str, str, str]:
    """What failed, what it means, and the next step."""
    if status == 401:
        return (
            "Google does not accept the credentials",
            "the token has expired, or is not one of Google's",
            "get a new one (gcloud auth application-default login, or a service account key); then run again",
        )
    disabled = {"SERVICE_DISABLED", "accessNotConfigured"} & set(reasons) or "has not been used in project" in message
    if status == 403 and disabled:
        named = _API.search(message)
        api = metadata.get("service") or (named["name"] if named else f"{method.partition('.')[0]}.googleapis.com")
        return (
            f"API {api} is disabled in project {project}",
            "nobody has switched it on",
            f"set gke_enable_apis: true, or run `gcloud services enable {api} --project {project}`; then run again",
        )
    fast = status in (403, 429) and bool(RATES & set(reasons))
    if "quota" in message.lower() and status in (403, 429) and not fast:
        return QUOTA, "", MORE_QUOTA
    if status == 403 and not fast:
        permission = metadata.get("permission") or permission_in(message) or _NEEDED.get(method, "")
        return (
            f"permission {permission} is missing" if permission else "Google does not allow it",
            f"the account has no role in project {project} that allows {method}",
            f"grant a role with {permission or 'that permission'} (see roles/{_role_of(method)}/README.md)",
        )
    if status == 404:
        return "Google does not know it", "", f"check the names, and that the account may read project {project}"
    if status == 409:
        return "it exists already, or another operation on it is running", "", "run again when that is over"
    if status == 400 and ("CLUSTER_ALREADY_HAS_OPERATION" in reasons or "incompatible operation" in message):
        return "another operation on it is running", "Google runs one at a time", "run again when that is over"
    if status == 429 or fast:
        return "Google asks for fewer requests", "a rate quota of the project", "run again in a minute"
    if status >= 500:
        return "Google reports an error of its own", "", "run again; status.cloud.google.com lists outages"
    return "Google refuses the request", "", "correct what the answer names; then run again"


def _role_of(method: str) -> str:
    """The role of this collection that calls such methods."""
    return "gke_cluster" if method.partition(".")[0] in ("compute", "container") else "gke_fleet"


def permission_in(message: str) -> str:
    """The permission that a message names; "" for none. The name of an API looks like one."""
    names = (found["name"] or found["bare"] for found in _PERMISSION.finditer(message))
    return next((name for name in names if not name.endswith(".googleapis.com")), "")


def no_answer(error: Exception, url: str, cluster: str, obj: str) -> FleetError:
    """No connection, no name or no answer, for as long as requests are tried again."""
    host = urllib.parse.urlsplit(url).netloc
    return FleetError(
        f"{host} does not answer",
        cluster=cluster,
        obj=obj,
        seen=" ".join(str(error).split())[:200],
        means="this machine cannot reach Google",
        next_step="check network, proxy (HTTPS_PROXY) and DNS; then run again",
    )


def part_missing(places: t.Iterable[str], method: str, project: str) -> FleetError:
    """A list over all locations that lacks some of them."""
    # Also "projects/p/locations/us-west1" and "zones/us-west1-a".
    named = sorted({str(place).rsplit("/", 1)[-1] for place in places})
    return FleetError(
        f"Google does not answer for {', '.join(named)}",
        obj=f"project {project}",
        seen=f"a list without these locations ({method})",
        means="an outage of that location, on Google's side",
        next_step="run again; status.cloud.google.com lists outages",
    )
