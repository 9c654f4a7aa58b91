# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The APIs of a Google Cloud project: which are on, and switch on those that are off."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError
from ...results import CREATED, UNCHANGED, Change
from ..api.polling import retry_refused
from ..api.run_memory import run_memory
from ..api.session import Google
from ..api.settling import note_change
from ..errors import GoogleError
from ..meanings import API_OFF

__all__ = ["CLUSTER_APIS", "ApiStates", "api_states", "enable_apis", "is_off", "known_number", "read_with_apis"]

CLUSTER_APIS = ("compute.googleapis.com", "container.googleapis.com")
_AT_ONCE = 20
"""services.batchEnable accepts no more."""
_Answer = t.TypeVar("_Answer")


@dataclasses.dataclass(frozen=True)
class ApiStates:
    """Which of the APIs asked for are on in a project, and the project's number, which the answer holds besides."""

    on: frozenset[str]
    number: str


def api_states(google: Google, apis: t.Sequence[str]) -> ApiStates:
    """Ask for all of them in one request.

    What was on when this run asked before is not asked for again: where it is off by now, Google refuses what needs it.
    What was off is.
    """
    parent = f"projects/{google.project}"
    with run_memory(_about(google, google.project)) as known:
        seen = ApiStates(frozenset(known.get("on") or []), str(known.get("number") or ""))
    if seen.number and set(apis) <= seen.on:
        return seen
    names = [f"{parent}/services/{api}" for api in apis]
    found = google.call("serviceusage", "services.batchGet", parent=parent, names=names).get("services") or []
    numbers = {str(s["name"]).split("/")[1] for s in found}
    number = next((n for n in numbers if n.isdigit()), "")
    on = frozenset(str(s["name"]).rsplit("/", 1)[-1] for s in found if s.get("state") == "ENABLED")
    with run_memory(_about(google, google.project)) as known:
        known["on"] = sorted(({*(known.get("on") or [])} - {*apis}) | on)
        known["number"] = number or str(known.get("number") or "")
    return ApiStates(on, number)


def known_number(google: Google, project: str, found: str = "") -> str:
    """The number of a project as this run knows it by now; "" for one that it does not know.

    Args:
        google: a client.
        project: the project's ID.
        found: the number, where it was just read: it is kept.
    """
    with run_memory(_about(google, project)) as known:
        if found:
            known["number"] = found
        return str(known.get("number") or "")


def _about(google: Google, project: str) -> dict[str, str]:
    return {"project": project, "endpoint": google.settings.endpoint, "of": "APIs and number"}


def is_off(error: GoogleError) -> bool:
    """Whether Google refuses because the method's API is off in the project."""
    return error.kind == API_OFF


def enable_apis(
    google: Google,
    apis: t.Sequence[str],
    *,
    allowed: bool,
    timeout: float,
    dry_run: bool,
    states: ApiStates | None = None,
) -> list[Change]:
    """Switch on those that are off.

    Args:
        google: client of the project.
        apis: names, as ``gkehub.googleapis.com``.
        allowed: whether an API may be switched on.
        timeout: seconds.
        dry_run: switch nothing on.
        states: what they are, where they were read already.

    Raises:
        FleetError: APIs are off and may not be switched on; it names them.
    """
    parent = f"projects/{google.project}"
    on = (states or api_states(google, apis)).on
    off = [api for api in apis if api not in on]
    if off and not allowed:
        raise FleetError(
            f"API {off[0]} is disabled" if len(off) == 1 else f"{len(off)} APIs are disabled",
            obj=f"project {google.project}",
            seen=", ".join(off),
            next_step=f"set gke_enable_apis: true, or run `gcloud services enable {' '.join(off)} "
            f"--project {google.project}`; then run again",
        )
    if not dry_run:
        for start in range(0, len(off), _AT_ONCE):
            some = off[start : start + _AT_ONCE]
            operation = google.call("serviceusage", "services.batchEnable", parent=parent, body={"serviceIds": some})
            google.wait("serviceusage", operation, timeout, obj=f"APIs {', '.join(some)}")
            note_change(google.project)
    return [Change("", "API", api, CREATED if api in off else UNCHANGED) for api in apis]


def read_with_apis(
    google: Google,
    read: t.Callable[[], _Answer],
    empty: _Answer,
    *,
    allowed: bool,
    timeout: float,
    dry_run: bool,
) -> tuple[_Answer, list[Change]]:
    """Read something of Compute Engine or GKE; only where Google answers that an API is off, switch CLUSTER_APIS on.

    Args:
        google: client of the project.
        read: asks Google.
        empty: what ``read`` returns for a project that holds nothing: the answer where check mode leaves an API off.
        allowed: whether an API may be switched on; if not, Google's refusal is raised.
        timeout: seconds until the API has to answer. Google needs some minutes.
        dry_run: switch nothing on.

    Returns:
        What was read, and the APIs as changes.
    """
    try:
        return read(), []
    except GoogleError as error:
        if not allowed or not is_off(error):
            raise
    changes = enable_apis(google, CLUSTER_APIS, allowed=True, timeout=timeout, dry_run=dry_run)
    return empty if dry_run else retry_refused(read, is_off, timeout), changes
