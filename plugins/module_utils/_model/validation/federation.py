# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of a federation as far as the inventory says; the peers' files are read by the stages that use them."""

from __future__ import annotations

from ..control_planes.registry import control_plane_of
from ..federation.settings import VARIABLE, is_federated, read_peers
from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from ..providers.base import Hosts
from .shared import distinct

__all__ = ["check"]


def check(hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
    """What is wrong with ``mesh_federation``.

    Args:
        hosts: by cluster its known and valid variables.
        fleet: the fleet of these hosts; None if their ranges are invalid.
    """
    if fleet is None:
        return []
    problems: list[Problem] = []
    for _host, value in distinct(hosts, VARIABLE):
        problems += read_peers(value, fleet.trust_domain)[1]
        managed = [c.name for c in fleet.clusters.values() if control_plane_of(fleet, c).foreign_ca]
        if managed and is_federated(value):
            message = f"needs istiods of ours, and {', '.join(managed)} have Google's control plane"
            problems.append(Problem("", VARIABLE, "", message, "mesh_control_plane: istiod, or no federation"))
    return problems
