# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of exported services, and of those that are not."""

from __future__ import annotations

from ..inventory.problems import Problem
from ..multicluster.exports import read_exports
from ..providers.base import Hosts, text
from .shared import distinct

__all__ = ["check"]

UNEXPORTED = "mesh_unexported_services"


def check(hosts: Hosts) -> list[Problem]:
    """All problems of ``mesh_exports``, which is a list, and of ``mesh_unexported_services``."""
    problems: list[Problem] = []
    for host, value in distinct(hosts, "mesh_exports"):
        _exports, found = read_exports(value, hosts)
        problems += [Problem(host, p.variable, p.value, p.message, p.hint) for p in found]
    for host, variables in hosts.items():
        if text(variables, UNEXPORTED) == "own_cluster" and text(variables, "mesh_control_plane") == "managed":
            message = "cannot be: Google runs the control plane of this cluster, which has no such setting"
            problems.append(
                Problem(host, UNEXPORTED, "own_cluster", message, "everywhere, or mesh_control_plane: istiod")
            )
    return problems
