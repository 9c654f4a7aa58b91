# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of policies of calls to services."""

from __future__ import annotations

from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from ..providers.base import Hosts
from ..traffic.lint import lint
from ..traffic.reading import read_policies
from .shared import distinct

__all__ = ["check", "warnings"]


def check(hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
    """All problems of ``mesh_traffic``, which is a list; those that depend on the clusters where a fleet is given."""
    problems: list[Problem] = []
    values = distinct(hosts, "mesh_traffic")
    for host, value in values:
        policies, found = read_policies(value, hosts)
        # Of policies that differ between clusters, which is a problem of its own, nobody knows which ones hold.
        if fleet is not None and len(values) == 1:
            found = found + lint(fleet, policies).problems
        problems += [Problem(host, p.variable, p.value, p.message, p.hint) for p in found]
    return problems


def warnings(fleet: Fleet) -> list[Problem]:
    """What may be wrong with the policies of a fleet without problems."""
    first = next(iter(fleet.clusters.values()), None)
    policies, _none = read_policies(first.variables.get("mesh_traffic") if first else None, fleet.clusters)
    return lint(fleet, policies).warnings
