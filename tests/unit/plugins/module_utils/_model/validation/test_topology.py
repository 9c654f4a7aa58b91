# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How clusters fit together."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    BY_URL,
    OWN,
    PLACE,
    only_problem,
    problems_of,
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"cluster_region": ""}, "cluster_region is missing | cluster_region: us-west1"),
        ({"cluster_region": None, "cluster_zone": "eu-de-1"}, 'only a zone "eu-de-1" | cluster_region: eu-de'),
        ({"mesh_role": "remote"}, "mesh_primary is missing for a remote | one of: east"),
        ({"mesh_role": "remote", "mesh_primary": "eas"}, 'did you mean "east"?'),
        ({"mesh_role": "remote", "mesh_primary": "west"}, 'mesh_primary "west" is the remote itself'),
        ({"mesh_primary": "east"}, "is set, but the cluster is a primary itself"),
        ({"mesh_control_plane": "managed"}, 'does not go with provider "kind"'),
        ({"mesh_peers": ["est"]}, 'mesh_peers "est" is not a cluster of this fleet | did you mean "east"?'),
        ({"mesh_peers": ["west"]}, 'mesh_peers "west" is the cluster itself'),
        ({"mesh_peers": ["east", "east"]}, 'mesh_peers "east" is listed twice'),
        ({"mesh_peers": [7]}, "mesh_peers 7 is not a cluster's name"),
        ({"cluster_kubeconfig": "x"}, 'cluster_kubeconfig does not go with provider "kind"'),
        ({"cluster_peer_endpoint": "https://127.1.2.3:6443"}, "is loopback"),
        ({"cluster_peer_endpoint": "https://localhost"}, "is loopback"),
        ({"cluster_peer_endpoint": "https://[::1]:6443"}, "is loopback"),
    ],
)
def test_a_cluster_that_does_not_fit(variables: dict[str, t.Any], expected: str) -> None:
    assert expected in only_problem(**variables)


def test_loopback_is_valid_where_no_peer_calls_it() -> None:
    loop = {**BY_URL, "cluster_api_url": "https://127.0.0.1:6443"}
    assert problems_of({"own": loop}) == []
    assert problems_of({"own": {**loop, "cluster_peer_endpoint": "https://192.0.2.1"}, "east": PLACE}) == []


def test_remotes() -> None:
    remote = {**PLACE, "mesh_role": "remote"}
    found = problems_of(
        {
            "west": PLACE,
            "one": {**remote, "mesh_primary": "two"},
            "two": {**remote, "mesh_primary": "west", "mesh_peers": ["west"]},
            "three": {**remote, "mesh_primary": "away"},
            "four": {**remote, "mesh_primary": "crowd"},
            "five": {**remote, "mesh_primary": "west", "mesh_id": "other"},
            "six": {**remote, "mesh_primary": "west", "mesh_control_plane": "managed", "cluster_provider": "gke"},
        },
        groups={"all": ["away", "west"], "crowd": ["west"]},
    )
    text = "\n".join(found)
    assert 'one mesh_primary "two" is a remote itself | one of: west' in text
    assert "two mesh_peers means nothing for a remote: its primary watches for it" in text
    assert 'three mesh_primary "away" is a host, but not a cluster of this fleet' in text
    assert 'four mesh_primary "crowd" is a group, not a cluster' in text
    assert 'five mesh_primary "west" is of mesh "local", this cluster of "other"' in text
    assert 'six mesh_control_plane "managed" does not go with mesh_role remote' in text


def test_one_address_for_two_clusters_is_refused() -> None:
    own = {**PLACE, "cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/own"}
    same = {"cluster_peer_endpoint": "https://API.example:443/"}
    found = problems_of({"west": {**own, **same}, "east": {**BY_URL, "cluster_api_url": "https://api.example"}})
    assert found == [
        'east cluster_api_url "https://api.example" is west\'s too: peers would not reach both | '
        "each cluster's own address, at which the other clusters' pods reach its API server"
    ]
    other = {"cluster_peer_endpoint": "https://api.example/k8s/clusters/east"}
    assert problems_of({"west": {**own, **same}, "east": {**own, **other}}) == []


def test_a_remote_and_its_primary_agree_about_the_cni_agent() -> None:
    remote = {**OWN, "mesh_role": "remote", "mesh_primary": "west"}
    (found,) = problems_of({"west": {**PLACE, "mesh_cni": True}, "edge": remote})
    assert "edge mesh_cni differs from that of its primary west" in found
    assert "mesh_cni: true" in found
    assert problems_of({"west": {**PLACE, "mesh_cni": True}, "edge": {**remote, "cluster_platform": "openshift"}}) == []
