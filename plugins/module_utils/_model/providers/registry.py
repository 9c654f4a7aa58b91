# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All providers, and all variables that an inventory may set. ``docs/variables.md`` is generated from it."""

from __future__ import annotations

import typing as t

from ..inventory.cluster_variables import CLUSTERS
from ..inventory.fleet import Cluster
from ..inventory.mesh_variables import MESH
from ..inventory.variable import CLUSTER, Reader, Variable
from .base import Provider, Values
from .gke import Gke
from .kind import Kind
from .kubeconfig import Kubeconfig

__all__ = [
    "PROVIDERS",
    "VARIABLES",
    "front_door_kind",
    "is_access",
    "may_be_stored",
    "of_roles",
    "prefixes",
    "provider_of",
    "provider_of_host",
    "providers_by_variable",
    "register",
    "text",
    "value",
]

PROVIDERS: dict[str, Provider] = {}
"""By name, in the order of messages. The first one is the default."""
VARIABLES: dict[str, Variable] = {}
"""By name. :func:`register` fills both."""
_UNKNOWN = Provider()
_READER = Reader(VARIABLES)
text, value = _READER.text, _READER.value
"""The value of a variable on a host, or its default: as text, or as it is. KeyError for an unknown variable."""


def register(provider: Provider) -> None:
    """Add a provider, so that ``cluster_provider`` may name it."""
    PROVIDERS[provider.name] = provider
    described = ", ".join(f"`{one.name}` ({one.description})" for one in PROVIDERS.values())
    which = Variable(
        "cluster_provider",
        CLUSTER,
        f"Where the cluster comes from: {described}.",
        default=next(iter(PROVIDERS)),
        choices=tuple(PROVIDERS),
    )
    VARIABLES.update({variable.name: variable for variable in (*MESH, which, *CLUSTERS, *provider.variables)})


for _provider in (Kind(), Gke(), Kubeconfig()):
    register(_provider)


def provider_of(cluster: Cluster) -> Provider:
    """The provider of a cluster."""
    return PROVIDERS.get(cluster.provider, _UNKNOWN)


def front_door_kind(kinds: t.Iterable[str]) -> str:
    """Which front door a fleet has: it is before clusters of one kind. "" for none.

    Args:
        kinds: what :attr:`Provider.front_door` says of each cluster's provider.
    """
    given = set(kinds)
    return next((kind for kind in ("google", "engine", "files") if kind in given), "")


def provider_of_host(variables: Values) -> Provider:
    """The provider that a host's variables name."""
    return PROVIDERS.get(text(variables, "cluster_provider"), _UNKNOWN)


def providers_by_variable() -> dict[str, list[str]]:
    """For each variable that is valid for some providers only, the names of these."""
    found: dict[str, list[str]] = {}
    for provider in PROVIDERS.values():
        for variable in provider.variables:
            if variable.scope == CLUSTER:
                found.setdefault(variable.name, []).append(provider.name)
    return found


def prefixes() -> tuple[str, ...]:
    """Prefixes of the variables of this collection's inventories; variables with other names are not read."""
    return ("mesh_", "cluster_", "fleet_", *(p.prefix for p in PROVIDERS.values() if p.prefix))


def may_be_stored(name: str) -> bool:
    """Whether a value of the variable may be in a private file of the run: it shapes the mesh, and opens nothing."""
    return name in VARIABLES and not is_access(name)


def is_access(name: str) -> bool:
    """Whether the variable says how a cluster is reached, or opens something: only who connects needs it."""
    known = VARIABLES.get(name)
    return known is not None and (known.secret or known.connects)


def of_roles() -> frozenset[str]:
    """Variables of roles with one of these prefixes: the roles' own specifications check their values."""
    return frozenset().union(*(provider.of_roles for provider in PROVIDERS.values()))
