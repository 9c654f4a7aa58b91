# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What preflight says of clusters whose control plane Google runs."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check

GOOGLE = {
    "cluster_provider": "gke",
    "gke_project": "shop-prod",
    "cluster_region": "us-west1",
    "mesh_control_plane": "managed",
}
OWN = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/own", "cluster_region": "eu-de"}


def said(**hosts: dict[str, t.Any]) -> list[str]:
    return [f"{p.host} {p.statement} | {p.hint}" for p in check(hosts)]


def managed(**more: t.Any) -> dict[str, t.Any]:
    return {**GOOGLE, **more}


@pytest.mark.parametrize(
    "hosts",
    [
        {"west": managed(), "north": managed()},
        {"west": managed(mesh_trust_domain="gke.mesh"), "north": managed(mesh_trust_domain="gke.mesh")},
        {"west": managed(mesh_istio_version="1.30.0"), "north": managed(mesh_istio_version="1.30.0")},
        {"west": managed(mesh_peers=["north"]), "north": managed()},
        {"west": managed(mesh_peers=[]), "north": managed(), "south": managed()},
        {"west": managed(gke_mode="autopilot"), "north": managed(gke_mode="autopilot")},
        {"west": managed(), "fra": {**OWN, "mesh_network": "elsewhere"}},
        {
            "west": managed(mesh_revision="1-31", mesh_namespace="mesh"),
            "fra": {**OWN, "mesh_revision": "1-31", "mesh_namespace": "mesh"},
        },
    ],
)
def test_what_goes_together(hosts: dict[str, dict[str, t.Any]]) -> None:
    assert said(**hosts) == []


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        (
            {"west": managed(), "north": managed(mesh_network="far")},
            "north mesh_network is far, west's is local-flat: Google's control planes know one network, "
            "without gateways between | set flat",
        ),
        (
            {"west": managed(gke_network="one"), "north": managed(gke_network="two")},
            "north gke_network is two, west's is one: managed clusters share one VPC | name one VPC for all of them",
        ),
        (
            {
                "west": managed(gke_fleet_project="shop-prod"),
                "north": managed(gke_fleet_project="shop-prod", gke_project="shop-edge"),
            },
            "north gke_project is shop-edge, west's is shop-prod: managed clusters share one VPC, projects "
            "do not | make them in one project, name one gke_network_project for all (Shared VPC), or run an istiod "
            "there",
        ),
        (
            {
                "west": managed(gke_network_project="shop-net", gke_fleet_project="shop-prod"),
                "north": managed(gke_project="team-b", gke_fleet_project="shop-prod"),
            },
            "north gke_network_project is team-b, west's is shop-net: managed clusters share one VPC, projects "
            "do not | make them in one project, name one gke_network_project for all (Shared VPC), or run an istiod "
            "there",
        ),
        (
            {"west": managed(mesh_peers=["north"]), "north": managed(), "south": managed()},
            "west mesh_peers leaves out south: Google's control planes see all others or none | "
            "leave it out for all, or set it to [] for none",
        ),
        (
            {"west": managed(mesh_peers=["fra"]), "fra": OWN},
            'west mesh_peers "fra" has an istiod of this collection, which Google\'s control plane does not see | '
            "leave mesh_peers out: all managed clusters",
        ),
        (
            {"west": managed(), "fra": {**OWN, "mesh_peers": ["west"]}},
            'fra mesh_peers "west" has a control plane that Google runs, which is a mesh of its own | '
            "leave it out, or run an istiod there too",
        ),
        (
            {"west": managed(mesh_revision="1-31")},
            'west mesh_revision "1-31" has no effect: Google runs the control planes | leave it out',
        ),
        (
            {"west": managed(mesh_namespace="mesh")},
            'west mesh_namespace "mesh" has no effect: Google runs the control planes | leave it out',
        ),
        (
            {"west": managed(), "edge": {**OWN, "mesh_role": "remote", "mesh_primary": "west"}},
            'edge mesh_primary "west" has a managed control plane, which serves no remotes | '
            "one whose mesh_control_plane is istiod",
        ),
        (
            {"fra": {**OWN, "mesh_control_plane": "managed"}},
            'fra mesh_control_plane "managed" does not go with provider "kubeconfig" | Google runs it on GKE only',
        ),
    ],
)
def test_what_cannot_be_is_reported_with_a_way_out(hosts: dict[str, dict[str, t.Any]], problem: str) -> None:
    assert said(**hosts) == [problem]


def test_a_managed_remote_is_reported_once() -> None:
    found = said(west=managed(mesh_role="remote", mesh_primary="fra"), fra=OWN)
    assert found == [
        'west mesh_control_plane "managed" does not go with mesh_role remote | '
        "a managed control plane serves its own cluster"
    ]


def test_google_brings_an_agent_of_its_own() -> None:
    (found,) = said(west=managed(mesh_cni=True))
    assert found == "west mesh_cni has no effect: Google brings a CNI agent | leave it out"
    assert said(west=managed(mesh_cni=True), fra={**OWN, "mesh_network": "elsewhere", "mesh_cni": True}) == []
