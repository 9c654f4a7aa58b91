# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of the clients of one project's Google fleet: requests that both need, and how long to wait."""

from __future__ import annotations

import json
import typing as t

from ...errors import FleetError
from ..access.roles import project_number
from ..api.polling import PollTimeout, poll_until
from ..api.session import Google
from ..errors import GoogleError
from ..meanings import API_OFF

__all__ = ["HubClient", "shown"]

Json = dict[str, t.Any]


class HubClient:
    """One project's fleet.

    Args:
        google: the client; its project is the fleet's.
        fleet_name: ours, the label of what we make.
        timeout: seconds for one operation.
        dry_run: plan only.
        off_is_empty: whether a fleet whose API is off counts as empty.
        interval: longest pause between two polls, in seconds; by default 10.
    """

    def __init__(
        self,
        google: Google,
        fleet_name: str,
        *,
        timeout: float = 600,
        dry_run: bool = False,
        off_is_empty: bool = False,
        interval: float | None = None,
    ) -> None:
        self.google = google
        self.fleet_name = fleet_name
        self.timeout = timeout
        self.dry_run = dry_run
        self.off_is_empty = off_is_empty
        self.interval = interval
        self.parent = f"projects/{google.project}/locations/global"
        self._numbers: dict[str, str] = {}
        self.last: dict[str, Json] = {}
        """Features as they were read last, by ID."""

    def memberships(self) -> list[Json]:
        """All of the project, in every location: one request a page."""
        anywhere = f"projects/{self.google.project}/locations/-"
        return self.listed("memberships", anywhere)

    def listed(self, kind: str, parent: str) -> list[Json]:
        """All ``memberships`` or ``features`` of a location."""
        try:
            return self.google.pages("gkehub", f"projects.locations.{kind}.list", "resources", parent=parent)
        except GoogleError as error:
            self.check_off(error)
            return []

    def check_off(self, error: GoogleError) -> None:
        """Raise ``error``, unless it is that the API is off and that counts as an empty fleet."""
        if not (self.off_is_empty and error.kind == API_OFF):
            raise error

    def number(self, project: str) -> str:
        """The number of a project, by its ID; requested once."""
        if project not in self._numbers:
            self._numbers[project] = project_number(self.google, project)
        return self._numbers[project]

    def wait_until(
        self,
        look: t.Callable[[], tuple[bool, str]],
        what: str,
        *,
        cluster: str = "",
        obj: str = "",
        timeout: float | None = None,
    ) -> str:
        """Poll until ``look`` says that it is done; return what was seen then."""
        seconds = self.timeout if timeout is None else timeout
        try:
            return poll_until(look, seconds, longest=self.interval)
        except PollTimeout as up:
            raise FleetError(
                f"{what} after {seconds:.3g} s",
                cluster=cluster,
                obj=obj,
                seen=up.seen,
                means="Google continues with it",
                next_step="run again; or allow more time",
            ) from up


def shown(value: t.Mapping[str, t.Any]) -> str:
    """For ``--diff``; "" for nothing."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n" if value else ""
