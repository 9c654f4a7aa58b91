# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a fleet is made of: defaults, the environment, connections."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import summary
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet


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


@pytest.mark.parametrize(("given", "directory"), [("~/fleets", "/home/me/fleets/shop"), ("/srv", "/srv/shop")])
def test_the_folder_of_a_fleet_may_be_in_the_home(given: str, directory: str) -> None:
    here = Environment(state_dir="/state", expand=lambda path: path.replace("~", "/home/me"))
    assert read_fleet({"west": {"fleet_name": "shop", "fleet_dir": given}}, here).directory == directory


def test_the_environment_names_a_project_for_gke_hosts() -> None:
    gke = {"cluster_provider": "gke"}
    hosts = {"west": gke, "north": {**gke, "gke_project": "own"}, "fra": {"cluster_provider": "kubeconfig"}}
    made = read_fleet(hosts, Environment(variables={"GCP_PROJECT": "from-env"}))
    projects = {name: cluster.variables.get("gke_project") for name, cluster in made.clusters.items()}
    assert projects == {"west": "from-env", "north": "own", "fra": None}
    assert "gke_project" not in read_fleet(hosts).clusters["west"].variables
    assert "gke_project" not in gke
