# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a failed task of the collection google.cloud reports, as a FleetError.

Its modules return Google's answer in three forms: the body as the text of a Python dictionary after some words, with
the request as another key; an operation's errors as a list; or plain text.
"""

from __future__ import annotations

import ast
import json
import re
import typing as t
import urllib.parse

from ...errors import FleetError
from ..errors import explain
from ..meanings import AGAIN, API_OFF, BUSY, RATES, failed_operation

__all__ = ["is_temporary", "module_failure"]

_BODY = re.compile(r"GCP returned error: (?P<body>\{.*\})", re.DOTALL)
_VERBS = {"POST": "insert", "DELETE": "delete", "GET": "get", "PATCH": "patch", "PUT": "update"}
_NO_WAY = re.compile(r"'(?P<error>\w+)' object has no attribute 'message'")
"""google.cloud fails while it reports an error of the connection; only the kind of that error is left."""
_IN_USE = "already being used by"
_PARTS = {"compute.networks.delete": "the VPC", "compute.subnetworks.delete": "the subnet"}
_PAGE = re.compile(r"Invalid JSON response with error: .*\bError (?P<code>5\d\d) \(", re.DOTALL)
"""A page of Google's front ends, in place of a body."""
_LENGTH = 300


def is_temporary(result: t.Mapping[str, t.Any]) -> bool:
    """Whether a task failed for a reason that passes by itself: our own client tries again after the same answers.

    An API that is off is one: our client has asked the same API before, so it was just enabled, and does not hold
    everywhere yet.
    """
    words = str(result.get("msg") or "")
    if not result.get("failed"):
        return False
    page = _PAGE.search(words)
    if page:
        return int(page["code"]) in AGAIN
    found = _BODY.search(words)
    body = _literal(found["body"]) if found else None
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, t.Mapping):
        return False
    told = explain(int(error.get("code") or 0), json.dumps(body).encode(), _method(result.get("request") or {}), "")
    return told.status in AGAIN or told.reason in RATES or told.kind in (API_OFF, BUSY)


def module_failure(result: t.Mapping[str, t.Any], what: str) -> FleetError:
    """The first failure of a result, which may be that of a loop.

    Args:
        result: of a failed task, as Ansible registers it.
        what: what the task does; the name of the failed item is added.
    """
    failed = next((one for one in result.get("results") or [] if one.get("failed")), result)
    item = failed.get("item")
    named = f"{what} {item['name']}" if isinstance(item, t.Mapping) and item.get("name") else what
    project = str(((failed.get("invocation") or {}).get("module_args") or {}).get("project") or "")
    words = str(failed.get("msg") or "").strip()
    errors = _literal(words)
    if isinstance(errors, list):
        return _operation(errors, named, project)
    found = _BODY.search(words)
    body = _literal(found["body"]) if found else None
    if isinstance(body, dict):
        request = failed.get("request") or {}
        error = body.get("error")
        error = error if isinstance(error, t.Mapping) else {}
        method = _method(request)
        message = str(error.get("message") or "")
        if _IN_USE in message and method in _PARTS:
            return _still_used(_PARTS[method], message, named)
        return explain(int(error.get("code") or 0), json.dumps(body).encode(), method, project, obj=named)
    connection = _NO_WAY.search(words)
    if connection:
        return FleetError(
            "Google does not answer",
            obj=named,
            seen=connection["error"],
            means="this machine cannot reach Google, or does not trust something in between",
            next_step="check network, proxy (HTTPS_PROXY), DNS and the proxy's certificate; then run again",
        )
    return FleetError(
        "google.cloud could not do it",
        obj=named,
        seen=" ".join(words.split())[:_LENGTH],
        next_step="correct what it names; then run again",
    )


def _literal(words: str) -> t.Any:
    """The value of a Python literal, else None: Ansible turns every message into text."""
    try:
        return ast.literal_eval(words)
    except (ValueError, SyntaxError):
        return None


def _method(request: t.Mapping[str, t.Any]) -> str:
    """The name of the request's method, ``compute.networks.insert``, as far as its URL shows."""
    parts = [part for part in urllib.parse.urlsplit(str(request.get("url") or "")).path.split("/") if part]
    verb = str(request.get("method") or "")
    place = next((i for i, part in enumerate(parts) if part in ("global", "regions", "zones")), -1)
    kind = place + (1 if place >= 0 and parts[place] == "global" else 2)
    if place < 0 or kind >= len(parts):
        return "compute"
    return f"compute.{parts[kind]}.{_VERBS.get(verb, verb.lower())}"


def _still_used(part: str, message: str, what: str) -> FleetError:
    return FleetError(
        f"{part} could not be removed",
        obj=what,
        seen=" ".join(message.split())[:_LENGTH],
        means="it holds something that this fleet did not make, such as leftovers of a GKE load balancer",
        next_step="gcloud compute network-endpoint-groups list, firewall-rules list: delete what nobody needs; "
        "then run again",
    )


def _operation(errors: t.Sequence[t.Any], what: str, project: str) -> FleetError:
    """An operation that failed after it had begun: it has no HTTP status, only a code."""
    known = [e for e in errors if isinstance(e, t.Mapping)]
    seen = "; ".join(" ".join(str(e.get("message") or e.get("code") or e).split()) for e in known) or str(errors)
    quota = any("QUOTA" in str(e.get("code")) for e in known)
    found = failed_operation(f"{seen} quota" if quota else seen, project=project)
    return FleetError(found.what, obj=what, seen=seen, means=found.means, next_step=found.next_step)
