# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies as an inventory has them, checked before anything is touched."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem, as_line, table
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import Findings, lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import read_policies
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["checked_policies", "refused"]


def checked_policies(fleet: Fleet, given: t.Any, variable: str = "mesh_traffic") -> tuple[list[Policy], list[str]]:
    """Policies as data, and warnings about them.

    Raises FleetError with all problems that can be known without a cluster.
    """
    policies, problems = read_policies(given, fleet.clusters, variable)
    findings = Findings(problems) + lint(fleet, policies)
    if findings.problems:
        raise refused(findings.problems)
    return policies, [as_line(warning) for warning in findings.warnings]


def refused(problems: t.Sequence[Problem]) -> FleetError:
    """An error that lists problems of policies."""
    return FleetError(table(problems))
