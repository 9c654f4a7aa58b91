# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of the actions about the Google fleet: whose members, and a client for its project."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import (
    GOOGLE_OPTIONS,
    project_environment,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.client import HubClient
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    Member,
    fleet_project,
    members,
)
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import client_of

__all__ = ["GOOGLE_OPTIONS", "GoogleFleetAction", "Scope"]


_Client = t.TypeVar("_Client", bound=HubClient)


@dataclasses.dataclass(frozen=True)
class Scope:
    """The run's part of the Google fleet."""

    fleet: Fleet
    everybody: dict[str, Member]
    """All GKE clusters of the inventory, whatever --limit says."""
    play: dict[str, Member]
    """Those of the play."""
    project: str
    """That hosts the Google fleet; "" without GKE clusters."""


class GoogleFleetAction(FleetAction):
    """An action that runs once for the fleet's GKE clusters."""

    def scope(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Scope:
        fleet = self.fleet(task_vars, variables=project_environment(args))
        everybody = members(fleet)
        inside = {str(host) for host in task_vars["ansible_play_hosts"]}
        play = {host: member for host, member in everybody.items() if host in inside}
        return Scope(fleet, everybody, play, fleet_project(everybody))

    def google(self, args: dict[str, t.Any], scope: Scope) -> Google:
        """A client for the fleet project, with the task's credentials, else those of the inventory's first cluster."""
        first = scope.fleet.clusters[next(iter(scope.everybody))]
        return client_of(args, first, scope.project, self.say)

    def hub(self, client: type[_Client], args: dict[str, t.Any], scope: Scope, google: Google | None = None) -> _Client:
        """A client for the Google fleet: for its memberships, or for its features."""
        return client(
            google or self.google(args, scope),
            scope.fleet.name,
            timeout=float(args["timeout"]),
            dry_run=self.check_mode,
            # A run switches the API on first; and while it is off, there is nothing to leave.
            off_is_empty=(self.check_mode and bool(args.get("enable_apis"))) or args["state"] == "absent",
        )

    @staticmethod
    def nothing(why: str = "no GKE clusters") -> dict[str, t.Any]:
        """There is nothing to do."""
        return result(summary=why, errors={})
