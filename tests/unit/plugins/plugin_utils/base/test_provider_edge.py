# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A provider's edge is imported for fleets with a cluster of it, and only for those."""

from __future__ import annotations

import importlib
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import PROVIDERS
from ansible_collections.mesh.fleet.plugins.plugin_utils.base import provider_edge
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

GKE = {"cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "us-west1"}


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The edges that are imported."""
    names: list[str] = []
    load = importlib.import_module

    def note(name: str) -> t.Any:
        names.append(name.partition(".plugins.")[2])
        return load(name)

    monkeypatch.setattr(provider_edge.importlib, "import_module", note)
    return names


def test_a_fleet_without_gke_imports_nothing_of_google(imported: list[str]) -> None:
    made = read_fleet({"west": {}, "fra": {"cluster_provider": "kubeconfig"}}, environment())
    assert provider_edge.with_connections(made) == made
    assert imported == []


def test_a_gke_cluster_gets_a_lookup_from_its_edge(imported: list[str]) -> None:
    own = {**GKE, "cluster_kubeconfig": "/k"}
    made = provider_edge.with_connections(read_fleet({"west": {}, "gke": GKE, "own": own}, environment()))
    assert imported == ["module_utils._gcp.clusters.connections"]
    assert {name for name, c in made.clusters.items() if c.connection.lookup} == {"gke"}


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_edge_that_is_named_has_its_functions(name: str) -> None:
    edge = provider_edge.edge_of(PROVIDERS[name])
    assert edge is None or all(map(callable, (edge.with_connections, edge.login, edge.check)))


def test_edges_say_what_their_documents_know() -> None:
    odd = {**GKE, "gke_cluster_fields": {"color": "red"}}
    (found,) = provider_edge.check(read_fleet({"west": {}, "gke": odd, "plain": GKE}, environment()))
    assert (found.host, found.variable) == ("gke", "gke_cluster_fields.color")
    assert provider_edge.check(read_fleet({"west": {}}, environment())) == []
