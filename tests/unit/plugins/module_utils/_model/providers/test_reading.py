# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a fleet is made of: defaults, the environment, connections."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import summary
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet, with_environment


def test_a_fleet_of_nothing_but_names_takes_every_default() -> None:
    fleet = read_fleet({"west": {}, "east": {"cluster_provider": ""}}, Environment(state_dir="/state"))
    assert (fleet.name, fleet.mesh_id, fleet.trust_domain) == ("local", "local", "cluster.local")
    assert (fleet.istio_version, fleet.revision, fleet.namespace) == ("1.31.1", "default", "istio-system")
    west = fleet.clusters["west"]
    assert (west.provider, west.role, west.primary, west.control_plane) == ("kind", "primary", "west", "istiod")
    assert west.network == "local-flat"
    assert west.peers is None
    assert fleet.directory == "/state/local"
    assert west.connection.kubeconfig == "/state/local/kubeconfigs/west.yaml"
    assert summary(fleet) == "2 clusters, 2 directed peers, 1 network"


def test_a_token_is_in_no_text_of_a_fleet() -> None:
    own = {"cluster_provider": "kubeconfig", "cluster_api_url": "https://1.2.3.4", "cluster_api_token": "sesame"}
    assert "sesame" not in repr(read_fleet({"own": own}))


def located(value: str, host: str, many: bool) -> str:
    return f"/inventories/{host}/{value}{' and more' if many else ''}"


def test_every_path_is_that_of_its_host() -> None:
    here = Environment(state_dir="/state", locate=located)
    hosts = {
        "west": {
            "cluster_provider": "kubeconfig",
            "cluster_kubeconfig": "kube",
            "fleet_dir": "f",
            "fleet_name": "shop",
        },
        "east": {"cluster_provider": "gke", "gke_service_account_file": "key.json", "fleet_dir": "f"},
    }
    fleet = read_fleet(hosts, here)
    assert fleet.directory == "/inventories/west/f/shop"
    assert fleet.clusters["west"].connection.kubeconfig == "/inventories/west/kube and more"
    assert fleet.clusters["east"].variables["gke_service_account_file"] == "/inventories/east/key.json"
    assert hosts["east"]["gke_service_account_file"] == "key.json"


@pytest.mark.parametrize("later", [False, True])
def test_a_path_of_all_clusters_is_that_of_the_first(later: bool) -> None:
    """They may be in several folders, and a task may read one of them alone."""
    own = {"cluster_provider": "kubeconfig", "fleet_dir": "f", "cluster_kubeconfig": "kube"}
    hosts: dict[str, t.Any] = {host: Counted(dict(own)) if later else dict(own) for host in ("west", "east")}
    both = with_environment(hosts, Environment(locate=located))
    assert {variables["fleet_dir"] for variables in both.values()} == {"/inventories/west/f"}
    assert both["east"]["cluster_kubeconfig"] == "/inventories/east/kube and more"
    alone = read_fleet({"east": hosts["east"]}, Environment(locate=located, first="west"))
    assert alone.directory == "/inventories/west/f/local"


def test_a_path_is_located_when_it_is_read() -> None:
    lazy = Counted({"cluster_provider": "kubeconfig", "cluster_kubeconfig": "kube"})
    west = read_fleet({"west": lazy}, Environment(locate=located)).clusters["west"]
    assert lazy.reads["cluster_kubeconfig"] == 0
    assert west.connection.kubeconfig == "/inventories/west/kube and more"


def test_the_environment_names_a_project_for_gke_hosts() -> None:
    gke = {"cluster_provider": "gke"}
    hosts = {"west": gke, "north": {**gke, "gke_project": "own"}, "fra": {"cluster_provider": "kubeconfig"}}
    made = read_fleet(hosts, Environment(variables={"GCP_PROJECT": "from-env"}))
    projects = {name: cluster.variables.get("gke_project") for name, cluster in made.clusters.items()}
    assert projects == {"west": "from-env", "north": "own", "fra": None}
    assert "gke_project" not in read_fleet(hosts).clusters["west"].variables
    assert "gke_project" not in gke


class Counted(t.Mapping[str, t.Any]):
    """Variables that count how often each is read."""

    def __init__(self, values: dict[str, t.Any]) -> None:
        self.values_of = values
        self.reads: collections.Counter[str] = collections.Counter()

    def __getitem__(self, name: str) -> t.Any:
        value = self.values_of[name]
        self.reads[name] += 1
        return value

    def __contains__(self, name: object) -> bool:
        return name in self.values_of

    def __iter__(self) -> t.Iterator[str]:
        return iter(self.values_of)

    def __len__(self) -> int:
        return len(self.values_of)


OF_CONNECTIONS = {
    "cluster_api_url": "https://1.2.3.4",
    "cluster_api_token": "sesame",
    "cluster_api_ca": "ca",
    "cluster_kubeconfig": "/own",
    "cluster_context": "there",
    "cluster_peer_endpoint": "https://5.6.7.8",
    "cluster_region": "eu",
    "cluster_zone": "eu-a",
}


@pytest.mark.parametrize("provider", ["kind", "kubeconfig", "gke"])
def test_how_a_cluster_is_reached_is_read_when_somebody_needs_it(provider: str) -> None:
    own = Counted({"cluster_provider": provider, "gke_nodes": 1, **OF_CONNECTIONS})
    cluster = read_fleet({"own": own}, Environment(variables={"GCP_PROJECT": "p"})).clusters["own"]
    assert not own.reads.keys() & {*OF_CONNECTIONS, "gke_nodes"}
    assert (cluster.region, cluster.zone, cluster.peer_endpoint) == ("eu", "eu-a", "https://5.6.7.8")
    if provider != "kind":
        assert (cluster.connection.server, cluster.connection.token) == ("https://1.2.3.4", "sesame")
    assert cluster.connection is cluster.connection


def test_the_environment_fills_in_what_is_read_later() -> None:
    gke = {"cluster_provider": "gke"}
    hosts = {"west": Counted({**gke, "gke_nodes": 1}), "north": Counted({**gke, "gke_project": "own"})}
    made = read_fleet(hosts, Environment(variables={"GCP_PROJECT": "from-env"})).clusters
    assert dict(made["west"].variables) == {**gke, "gke_nodes": 1, "gke_project": "from-env"}
    assert dict(made["north"].variables) == {**gke, "gke_project": "own"}
    assert len(made["west"].variables) == 3 and "gke_project" in made["west"].variables
    assert "gke_zone" not in made["west"].variables and made["west"].variables.get("gke_zone") is None


def test_another_connection_leaves_the_cluster_as_it_was() -> None:
    own = Counted({"cluster_provider": "kubeconfig", **OF_CONNECTIONS})
    cluster = read_fleet({"own": own}).clusters["own"]
    there = dataclasses.replace(cluster.connection, server="https://9.9.9.9")
    own.reads.clear()
    other = cluster.with_connection(lambda: there)
    assert not own.reads
    assert (other.connection, other.name, other.region) == (there, "own", "eu")
    assert cluster.connection.server == "https://1.2.3.4"
