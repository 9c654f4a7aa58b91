# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters in Google Cloud, each by itself."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import PROVIDERS
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    PLACE,
    only_problem,
    problems_of,
)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({}, "west gke_project is missing | set gke_project to the ID of your project, or the environment"),
        ({"gke_project": "Shop"}, 'west gke_project "Shop" is not a project ID'),
        ({"gke_project": "123456789012"}, 'west gke_project "123456789012" is a project number'),
        ({"gke_project": "shop-prod", "gke_endpoint": "vpn"}, 'west gke_endpoint "vpn" is unknown'),
        (
            {"gke_project": "shop-prod", "gke_projects": "x"},
            "west gke_projects is not a variable of this collection | did",
        ),
        ({"gke_project": "shop-prod", "gke_spot": "perhaps"}, 'west gke_spot "perhaps" is not true or false'),
        ({"gke_project": "shop-prod", "gke_node_count": -1}, "west gke_node_count -1 is not a whole number"),
        (
            {"gke_project": "shop-prod", "gke_auth_kind": "serviceaccount"},
            'west gke_auth_kind "serviceaccount" is given without a credential | set gke_service_account_file or',
        ),
    ],
)
def test_what_google_needs(variables: dict[str, t.Any], problem: str) -> None:
    found = only_problem(cluster_provider="gke", **variables)
    assert found.startswith(problem)


def test_the_environment_has_what_a_host_leaves_out() -> None:
    gke = {**PLACE, "cluster_provider": "gke"}
    named = {"GCP_PROJECT": "shop-prod"}
    assert problems_of({"west": gke}, environment=Environment(variables=named)) == []
    for kind, variable in (("serviceaccount", "GCP_SERVICE_ACCOUNT_FILE"), ("accesstoken", "GCP_ACCESS_TOKEN")):
        hosts = {"west": {**gke, "gke_auth_kind": kind}}
        assert len(problems_of(hosts, environment=Environment(variables=named))) == 1
        assert problems_of(hosts, environment=Environment(variables={**named, variable: "x"})) == []


def test_gke_zone_and_name() -> None:
    found = problems_of({"1" + "x" * 40: {**PLACE, "cluster_provider": "gke", "cluster_zone": "europe-north1-a"}})
    assert "the name is not one that GKE accepts" in found[0]
    assert 'cluster_zone "europe-north1-a" is not in region "us-west1"' in found[1]


def test_pods_of_autopilot_wait_for_their_nodes() -> None:
    gke = PROVIDERS["gke"]
    assert gke.patience({"gke_mode": "autopilot"}) > gke.patience({}) == 1
    assert PROVIDERS["kind"].patience({"gke_mode": "autopilot"}) == 1
