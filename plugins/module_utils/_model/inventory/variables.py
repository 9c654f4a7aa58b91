# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every ``mesh_*``, ``cluster_*``, ``fleet_*`` and ``gke_*`` variable that an inventory may hold.

The one register of their names, types and defaults, filled by ``variables_mesh.py``, ``variables_cluster.py``,
``variables_google.py`` and ``variables_login.py``: ``fleet.py`` takes its defaults from here, ``checks.py`` its
rules, and ``docs/variables.md`` is made from it.
"""

from __future__ import annotations

import json
import typing as t

from ..providers.google.login_variables import LOGIN
from ..providers.google.variables import GOOGLE
from .cluster_variables import CLUSTERS
from .mesh_variables import MESH
from .variable import CLUSTER, FLEET, PROVIDERS, Variable

__all__ = [
    "CLUSTER",
    "FAULTY",
    "FLEET",
    "OF_ROLES",
    "PREFIXES",
    "PROVIDERS",
    "VARIABLES",
    "Variable",
    "text",
    "value",
]

FAULTY = "?"
"""Stands, within the checks, for a value that was given and is wrong."""

PREFIXES = ("mesh_", "cluster_", "fleet_", "gke_")
"""Variables that belong to this collection's model."""
OF_ROLES = frozenset(
    {
        "gke_cluster_delete",
        "gke_cluster_interval",
        "gke_cluster_timeout",
        "gke_fleet_apis",
        "gke_fleet_bindings",
        "gke_fleet_features",
        "gke_fleet_mesh_timeout",
        "gke_fleet_revoke",
        "gke_fleet_timeout",
    }
)
"""Variables of roles that begin like ours; the roles' own specifications check their values."""

VARIABLES: t.Mapping[str, Variable] = {variable.name: variable for variable in (*MESH, *CLUSTERS, *GOOGLE, *LOGIN)}


def value(variables: t.Mapping[str, t.Any], name: str) -> t.Any:
    """A host's value of the variable, or its default when it is missing, null or empty.

    Raises KeyError for a name that is not registered.
    """
    known = VARIABLES[name]
    given = variables.get(name)
    return known.default if given is None or given == "" else given


def text(variables: t.Mapping[str, t.Any], name: str) -> str:
    """:func:`value` as text, a dictionary as JSON; "" where there is neither value nor default."""
    found = value(variables, name)
    if isinstance(found, t.Mapping):
        return json.dumps(found, default=str)
    return "" if found is None else str(found)
