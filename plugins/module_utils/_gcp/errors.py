# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's refusals as errors; meanings.py says what they mean."""

from __future__ import annotations

import contextlib
import json
import typing as t
import urllib.parse

from ..errors import FleetError
from .meanings import API_OFF, OFF, OTHER, PERMISSION, RATES, UNKNOWN, verdict

__all__ = ["GoogleError", "explain", "no_answer", "part_missing"]


class GoogleError(FleetError):
    """A refusal of Google's. ``status`` is the HTTP status (0: a failed operation), ``reason`` Google's word for it."""

    def __init__(self, what: str, *, status: int, reason: str = "", kind: str = "", **more: str) -> None:
        super().__init__(what, **more)
        self.status = status
        self.reason = reason
        allowed = status != 403 or reason in RATES
        self.kind = kind or (API_OFF if reason in OFF else OTHER if allowed else PERMISSION)
        """One of those of meanings.py."""


def explain(status: int, content: bytes, method: str, project: str, *, cluster: str = "", obj: str = "") -> GoogleError:
    """An answer that is not a success, with its meaning and the next step."""
    error: dict[str, t.Any] = {}
    with contextlib.suppress(ValueError, AttributeError, UnicodeDecodeError):
        found = json.loads(content).get("error")
        error = found if isinstance(found, dict) else {}  # another server may send text
    message = " ".join(str(error.get("message") or content[:1000].decode("utf-8", "replace")).split())
    infos = [d for d in error.get("details") or [] if isinstance(d, dict)]
    legacy = [e for e in error.get("errors") or [] if isinstance(e, dict)]
    reasons = [str(d["reason"]) for d in (*infos, *legacy) if d.get("reason")]
    reason = reasons[0] if reasons else str(error.get("status") or "")
    metadata: dict[str, str] = {}
    for info in infos:
        metadata.update(info.get("metadata") or {})
    found = verdict(status, message, reasons, metadata, method, project)
    return GoogleError(
        found.what,
        status=status,
        # Google says that an API is off also where it is its own project in which it is.
        reason="" if found.kind != API_OFF and reason in OFF else reason,
        kind=found.kind,
        cluster=cluster,
        obj=obj,
        seen=f"{status} {message} ({method}){_rest(infos) if found == UNKNOWN else ''}",
        means=found.means,
        next_step=found.next_step,
    )


def _rest(infos: t.Sequence[dict[str, t.Any]]) -> str:
    """What the details of an answer say besides: of a refusal that nobody here knows, all is shown."""
    rest = [{k: v for k, v in info.items() if k != "@type"} for info in infos]
    return f"; details {json.dumps(rest)}" if any(rest) else ""


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
