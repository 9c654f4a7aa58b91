# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read Google's answers: bodies, operations of all services, and how long to wait before the next try."""

from __future__ import annotations

import contextlib
import email.utils
import time
import typing as t

from ..errors import GoogleError
from ..meanings import failed_operation

__all__ = ["check_operation", "decode", "describe", "is_done", "last_part", "retry_after", "says_not_found"]

Json = dict[str, t.Any]
_DONE_STATES = ("DONE", "ABORTED")


def is_done(operation: Json) -> bool:
    """Whether an operation of any service has ended, with or without success."""
    return bool(operation.get("done")) or operation.get("status") in _DONE_STATES


def describe(operation: Json) -> str:
    """An operation in a few words."""
    kind = operation.get("operationType") or (operation.get("metadata") or {}).get("verb") or ""
    state = operation.get("status") or ("DONE" if operation.get("done") else "RUNNING")
    detail = operation.get("detail") or operation.get("statusMessage") or ""
    return " ".join(str(part) for part in ("operation", operation.get("name"), kind, state, detail) if part)


def check_operation(operation: Json, cluster: str = "", obj: str = "") -> None:
    """Raise GoogleError when an operation that has ended failed."""
    error = operation.get("error")
    if not error and operation.get("status") == "ABORTED":
        error = {"message": "aborted"}
    if not error:
        return
    with contextlib.suppress(KeyError, IndexError, TypeError):
        error = {**error["errors"][0], "message": "; ".join(e["message"] for e in error["errors"])}
    message = str(error.get("message") or error)
    # Some operations hold the message twice.
    which = {k: v for k, v in operation.items() if k not in ("detail", "statusMessage") or str(v) not in message}
    meaning = failed_operation(message, project=_project_of(operation))
    raise GoogleError(
        meaning.what,
        status=0,
        kind=meaning.kind,
        cluster=cluster,
        obj=obj,
        seen=f"{message} ({describe(which)})",
        means=meaning.means,
        next_step=meaning.next_step,
    )


def _project_of(operation: Json) -> str:
    """The project of an operation's target, where its link holds it; else ""."""
    _before, _projects, rest = str(operation.get("targetLink") or operation.get("selfLink") or "").partition(
        "projects/"
    )
    return rest.partition("/")[0]


def says_not_found(answer: t.Any) -> bool:
    """Whether an answer of requests is Google's own 404: a proxy that has no such page says nothing of Google's."""
    if answer.status_code != 404:
        return False
    try:
        error = answer.json().get("error")
    except (ValueError, AttributeError):
        return False
    return isinstance(error, dict) and error.get("code") == 404


def decode(answer: t.Any, cluster: str = "", obj: str = "") -> Json:
    """The JSON of an answer of requests; an empty one is {}.

    Raises GoogleError for anything but a JSON object, without its text, which may hold anything.
    """
    if not answer.content:
        return {}
    found: t.Any = None
    with contextlib.suppress(ValueError):
        found = answer.json()
    if isinstance(found, dict):
        return found
    kind, place = answer.headers.get("Content-Type") or "of no type", answer.url.partition("?")[0]
    raise GoogleError(
        "the answer does not come from Google",
        status=answer.status_code,
        cluster=cluster,
        obj=obj,
        seen=f"{answer.status_code} {kind} from {place}",
        means="something in between answers instead of Google: a proxy, or the login page of a network",
        next_step="check the proxy that HTTPS_PROXY names and this machine's network; then run again",
    )


def retry_after(text: str | None) -> float:
    """Seconds that the server asked us to wait; it may name a time instead."""
    if not text:
        return 0.0
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def last_part(url: t.Any) -> str:
    """The name at the end of a resource's URL or path; "" for none."""
    return str(url or "").rpartition("/")[2]
