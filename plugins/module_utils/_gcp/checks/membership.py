# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters that are members of another Google fleet than the inventory's: pure functions."""

from __future__ import annotations

import re
import typing as t

from ..._model.providers.google.members import Member
from ...errors import FleetError
from ..errors import GoogleError

__all__ = ["other_fleets"]

Json = t.Mapping[str, t.Any]
_MEMBERSHIP = re.compile(r"projects/(?P<project>[^/]+)/locations/[^/]+/memberships/[^/]+$")


def other_fleets(
    clusters: t.Iterable[tuple[Member, Json]], project: str, number: t.Callable[[], str]
) -> list[FleetError]:
    """An error for each cluster that a fleet of another project holds: GKE shows it with the cluster.

    Args:
        clusters: members as the inventory has them, with the cluster as Google has it.
        project: that hosts the inventory's Google fleet.
        number: returns its number; asked for only where Google names a project by its number.
    """
    found: list[FleetError] = []
    known = ""
    for member, live in clusters:
        fleet = live.get("fleet") or {}
        path = _MEMBERSHIP.search(str(fleet.get("membership") or ""))
        theirs = str(fleet.get("project") or (path["project"] if path else ""))
        if not theirs or theirs == project:
            continue
        if theirs.isdigit():
            try:
                known = known or number()
            except GoogleError:
                return found  # the number may not be read: the fleet's stage will see
            if theirs == known:
                continue
        found.append(
            FleetError(
                "it is a member of another Google fleet",
                cluster=member.host,
                obj=f"projects/{member.project}/locations/{member.location}/clusters/{member.cluster}",
                seen=f"its fleet is that of project {theirs}, the inventory's is that of {project}",
                means="a cluster is a member of one fleet, and only the clusters of one fleet become one mesh",
                next_step=f"set gke_fleet_project: {theirs} for all clusters, or unregister it there: `gcloud "
                f"container fleet memberships unregister {member.membership} --gke-cluster={member.link} "
                f"--project={theirs}`",
            )
        )
    return found
