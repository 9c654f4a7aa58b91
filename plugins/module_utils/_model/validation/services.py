# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of exported services."""

from __future__ import annotations

from ..inventory.problems import Problem
from ..multicluster.exports import read_exports
from ..providers.base import Hosts
from .shared import distinct

__all__ = ["check"]


def check(hosts: Hosts) -> list[Problem]:
    """All problems of ``mesh_exports``, which is a list."""
    problems: list[Problem] = []
    for host, value in distinct(hosts, "mesh_exports"):
        _exports, found = read_exports(value, hosts)
        problems += [Problem(host, p.variable, p.value, p.message, p.hint) for p in found]
    return problems
