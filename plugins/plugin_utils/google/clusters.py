# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of the actions about clusters and their network: what is wanted, by project, and its client.

The network's project is the clusters' own, or the host project of a Shared VPC.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import (
    GOOGLE_OPTIONS,
    project_environment,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import SharedVpc, network_roles
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    cluster_specs,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import client_of

__all__ = ["GOOGLE_OPTIONS", "GoogleClusterAction", "Part", "with_mesh_label"]

_MESH_LABEL = "mesh_id"


@dataclasses.dataclass(frozen=True)
class Part:
    """One project of the fleet: of clusters, or of their networks."""

    project: str
    everybody: list[ClusterSpec]
    """All its clusters, whatever --limit says; those on its networks are meant where networks are."""
    play: list[ClusterSpec]
    google: Google


def with_mesh_label(part: Part, number: t.Callable[[str], str]) -> Part:
    """The part, where clusters that Google's mesh serves carry the label by which it knows their mesh.

    It is ``mesh_id: proj-<number of the fleet's project>``
    (https://cloud.google.com/service-mesh/docs/onboarding/provision-control-plane); one in ``gke_labels`` stays.

    Args:
        part: one project of the fleet.
        number: returns a project's number; called only for a cluster with such a control plane.
    """

    def labelled(w: ClusterSpec) -> ClusterSpec:
        if not w.member.managed or _MESH_LABEL in w.own_labels:
            return w
        label = {_MESH_LABEL: f"proj-{number(w.member.fleet_project)}"}
        return dataclasses.replace(w, labels={**w.labels, **label})

    return dataclasses.replace(part, everybody=part.everybody, play=[labelled(w) for w in part.play])


class GoogleClusterAction(FleetAction):
    """An action that runs once for the fleet's GKE clusters, project by project."""

    def parts(
        self, args: dict[str, t.Any], task_vars: dict[str, t.Any], *, whole: bool = False, networks: bool = False
    ) -> tuple[Fleet, list[Part]]:
        """The fleet, and its projects that have clusters in the play; with ``whole`` the others too.

        With ``networks`` the projects are those of the clusters' networks.
        """
        fleet = self.fleet(task_vars, variables=project_environment(args))
        found = cluster_specs(fleet, members(fleet))
        inside = {str(host) for host in task_vars["ansible_play_hosts"]}
        parts = []

        def project_of(w: ClusterSpec) -> str:
            return w.network_project if networks else w.member.project

        for project in dict.fromkeys(project_of(w) for w in found.values()):
            everybody = [w for w in found.values() if project_of(w) == project]
            play = [w for w in everybody if w.host in inside]
            if play or (whole and inside & set(found)):
                first = fleet.clusters[(play or everybody)[0].host]
                parts.append(Part(project, everybody, play, client_of(args, first, project, self.say)))
        return fleet, parts

    def shared_vpc(self, fleet: Fleet, google: Google, args: dict[str, t.Any]) -> SharedVpc:
        """What is asked for before a cluster is on a network of the client's project that is not its own."""
        return SharedVpc(
            google,
            roles=network_roles(fleet),
            directory=fleet.directory,
            enable_apis=bool(args["enable_apis"]),
            timeout=float(args["timeout"]),
            dry_run=self.check_mode,
            say=self.say,
        )

    def to_result(
        self,
        changes: list[Change],
        failed: t.Mapping[str, FleetError],
        parts: list[Part],
        summary: str,
        missing: t.Mapping[str, FleetError] | None = None,
        **more: t.Any,
    ) -> dict[str, t.Any]:
        """The result, with what failed by host, and what hosts go on without."""
        return result(
            changes,
            summary=summary,
            with_diff=self.diff_mode,
            errors=failed,
            missing=missing,
            requests=sum(part.google.requests for part in parts),
            **more,
        )
