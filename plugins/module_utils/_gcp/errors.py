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
"""What methods need whose services do not say it."""
_API = re.compile(r"\b(?P<name>[a-z]+\.googleapis\.com)\b")

AGAIN = (429, 500, 502, 503, 504)
"""Statuses of answers that pass by themselves."""
RATES = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
"""Google's words, with 403 or 429, for too many requests in a short time. The message speaks of a quota there too."""
QUOTA = "a quota of the project is used up"
MORE_QUOTA = "ask for more (console: IAM & Admin, Quotas), choose another region or fewer nodes; then run again"


class GoogleError(FleetError):
    """What Google answered. ``status`` is the HTTP status (0: a failed operation), ``reason`` Google's word for it."""

    def __init__(self, what: str, *, status: int, reason: str = "", **more: str) -> None:
        super().__init__(what, **more)
        self.status = status
        self.reason = reason


def explain(status: int, content: bytes, method: str, project: str, *, cluster: str = "", obj: str = "") -> GoogleError:
    """An answer that is no success, with its meaning and the next step."""
    error: dict[str, t.Any] = {}
    with contextlib.suppress(ValueError, AttributeError, UnicodeDecodeError):
        found = json.loads(content).get("error")
        error = found if isinstance(found, dict) else {}  # of another server it may be a word
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
    """What failed, what it means, what to do."""
    if status == 401:
        return (
            "Google does not accept the credentials",
            "the token has expired or is of another place",
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
            f"grant a role with {permission or 'that permission'} (roles/{_role_of(method)}/README.md lists them)",
        )
    if status == 404:
        return "Google does not know it", "", f"check the names, and that the account may see project {project}"
    if status == 409:
        return "it exists already, or something else is being done to it", "", "run again when that is over"
    if status == 400 and ("CLUSTER_ALREADY_HAS_OPERATION" in reasons or "incompatible operation" in message):
        return "something else is being done to it", "Google does one thing at a time", "run again when that is over"
    if status == 429 or fast:
        return "Google asks for fewer requests", "a rate quota of the project", "run again in a minute"
    if status >= 500:
        return "Google has trouble of its own", "", "run again; status.cloud.google.com tells about outages"
    return "Google refuses the request", "", "mend what the answer names; then run again"


def _role_of(method: str) -> str:
    """The role of ours that calls such methods."""
    return "gke_cluster" if method.partition(".")[0] in ("compute", "container") else "gke_fleet"


def permission_in(message: str) -> str:
    """The permission that a message names; "" for none. The name of an API looks like one."""
    names = (found["name"] or found["bare"] for found in _PERMISSION.finditer(message))
    return next((name for name in names if not name.endswith(".googleapis.com")), "")


def no_answer(error: Exception, url: str, cluster: str, obj: str) -> FleetError:
    """No connection, no name, no answer in time, for as long as we were ready to try."""
    host = urllib.parse.urlsplit(url).netloc
    return FleetError(
        f"{host} does not answer",
        cluster=cluster,
        obj=obj,
        seen=" ".join(str(error).split())[:200],
        means="no way to Google from this machine",
        next_step="check network, proxy (HTTPS_PROXY) and DNS; then run again",
    )


def part_missing(places: t.Iterable[str], method: str, project: str) -> FleetError:
    """A list over all places that lacks some of them."""
    # "projects/p/locations/us-west1" and "zones/us-west1-a" name places too.
    named = sorted({str(place).rsplit("/", 1)[-1] for place in places})
    return FleetError(
        f"Google does not answer for {', '.join(named)}",
        obj=f"project {project}",
        seen=f"a list without what is there ({method})",
        means="an outage of that place, on Google's side",
        next_step="run again; status.cloud.google.com tells about outages",
    )
