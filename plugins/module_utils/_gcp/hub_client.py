# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One project's Google fleet: who asks, and how long."""

from __future__ import annotations

import json
import time
import typing as t

from ..errors import FleetError
from .session import Google

__all__ = ["HubClient", "shown"]

Json = dict[str, t.Any]
LOOKS = (1.0, 10.0)
"""Seconds between two looks at a state: at first, and at most. Hub has no watch."""


class HubClient:
    """One project's fleet.

    Args:
        google: the client; its project is the fleet's.
        fleet_name: ours, written on what we make.
        timeout: seconds for one operation.
        dry_run: plan only.
    """

    def __init__(self, google: Google, fleet_name: str, *, timeout: float = 600, dry_run: bool = False) -> None:
        self.google = google
        self.fleet_name = fleet_name
        self.timeout = timeout
        self.dry_run = dry_run
        self.parent = f"projects/{google.project}/locations/global"

    def memberships(self) -> list[Json]:
        """All of the project, in every place: one request a page."""
        anywhere = f"projects/{self.google.project}/locations/-"
        return self.google.pages("gkehub", "projects.locations.memberships.list", "resources", parent=anywhere)

    def until(
        self,
        look: t.Callable[[], tuple[bool, str]],
        what: str,
        *,
        cluster: str = "",
        obj: str = "",
        timeout: float | None = None,
    ) -> str:
        """Look again and again until it is done; what was seen then."""
        seconds = self.timeout if timeout is None else timeout
        deadline, pause = time.monotonic() + seconds, LOOKS[0]
        while True:
            done, seen = look()
            if done:
                return seen
            left = deadline - time.monotonic()
            if left <= 0:
                raise FleetError(
                    f"{what} after {seconds:.3g} s",
                    cluster=cluster,
                    obj=obj,
                    seen=seen,
                    means="Google goes on with it",
                    next_step="run again; or allow more time",
                )
            time.sleep(min(pause, left))  # between two looks: Hub has no watch
            pause = min(pause * 1.5, LOOKS[1])


def shown(value: t.Mapping[str, t.Any]) -> str:
    """For ``--diff``; "" for nothing."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n" if value else ""
