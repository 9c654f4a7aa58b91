# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edges of providers that must be asked how their clusters are reached.

A provider names its own (``Provider.edge``), a module with the functions of :class:`Edge`. It is imported for a fleet
that has a cluster of that provider, and for no other: without such clusters nobody needs the provider's libraries, or
waits for their import.
"""

from __future__ import annotations

import importlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.base import Provider
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import PROVIDERS, provider_of

__all__ = ["Edge", "check", "edge_of", "with_connections"]

_PLUGINS = __name__.partition(".plugin_utils.")[0]


class Edge(t.Protocol):
    """What a provider's edge can do."""

    def with_connections(self, fleet: Fleet) -> Fleet:
        """The fleet whose clusters of this provider are looked up when somebody connects; nothing is asked before."""

    def login(self, cluster: Cluster) -> None:
        """Prove that there are credentials which the provider accepts; raises FleetError when not."""

    def check(self, fleet: Fleet) -> list[Problem]:
        """What the provider's own documents say against the inventory; nothing is asked."""


def edge_of(provider: Provider) -> Edge | None:
    """The edge of a provider; None where the inventory knows how its clusters are reached."""
    if not provider.edge:
        return None
    return t.cast(Edge, importlib.import_module(f"{_PLUGINS}.{provider.edge}"))


def check(fleet: Fleet) -> list[Problem]:
    """What the edges of the fleet's providers say against the inventory."""
    edges = {provider.name: edge_of(provider) for provider in map(provider_of, fleet.clusters.values())}
    return [problem for edge in edges.values() if edge for problem in edge.check(fleet)]


def with_connections(fleet: Fleet) -> Fleet:
    """The fleet with a connection for each cluster, asked for by the edges of those providers that it has."""
    there = {provider_of(cluster).name for cluster in fleet.clusters.values()}
    for provider in PROVIDERS.values():
        edge = edge_of(provider) if provider.name in there else None
        fleet = edge.with_connections(fleet) if edge else fleet
    return fleet
