# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names and values of variables, each by itself."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import table
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    BY_URL,
    PLACE,
    only_problem,
    problems_of,
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"cluster_provider": "kinnd"}, 'cluster_provider "kinnd" is unknown | one of: kind, gke, kubeconfig'),
        ({"cluster_region": False}, "cluster_region false is a boolean, not text"),
        ({"mesh_revison": "x"}, "mesh_revison is not a variable of this collection | did you mean mesh_revision?"),
        ({"cluster_qqqq": "x"}, "see docs/variables.md"),
        ({"mesh_peers": "east"}, 'mesh_peers "east" is text, not a list | mesh_peers: [east]'),
        ({"cluster_peer_endpoint": "http://192.0.2.1"}, "does not begin with https://"),
        ({"cluster_peer_endpoint": "https://h:99999"}, "is not an address"),
        ({"cluster_pod_cidr": "10.0.0.0"}, "has no prefix length"),
        ({"cluster_pod_cidr": "10.0.0.1/16"}, "has host bits set | 10.0.0.0/16 is the range"),
        ({"cluster_pod_cidr": "fd00::/48"}, "is not an IPv4 range"),
        ({"cluster_pod_cidr": "ten"}, "is not a range in CIDR form"),
        ({"cluster_labels": {"a b": "c"}}, "is not a label's name"),
        ({"cluster_labels": {"a": 1}}, "has a value for a that is not text"),
        ({"cluster_labels": "x"}, "is not a dictionary"),
        ({"mesh_pods": {"node_selectors": {}}}, "has node_selectors, which is unknown | did you mean node_selector?"),
        ({"mesh_pods": []}, "is not a dictionary"),
        ({"mesh_cni": "maybe"}, "is not true or false"),
        ({"cluster_platform": "rke2"}, "is unknown | one of: gke, k3d"),
        ({"mesh_network": "a b"}, "is not a Kubernetes label value"),
    ],
)
def test_a_wrong_variable_of_a_cluster(variables: dict[str, t.Any], expected: str) -> None:
    assert expected in only_problem(**variables)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"mesh_trust_domain": "A_b"}, "is not a DNS name"),
        ({"mesh_istio_version": 1.31}, "mesh_istio_version 1.31 is a number, not text | put it in quotes"),
        ({"mesh_istio_version": "v1.31.1"}, 'mesh_istio_version "v1.31.1" is not a version x.y.z | for example 1.31.1'),
        ({"mesh_istio_version": "1.9.0"}, "mesh_istio_version 1.9.0 is older than 1.24"),
        ({"mesh_hub": "https://hub"}, "is not an image repository"),
        ({"mesh_tag": "a b"}, "is not an image tag"),
        ({"mesh_id": "Shop One"}, "is not a DNS-1123 label | lower-case letters"),
        ({"mesh_exports": {}}, "mesh_exports {} is not a list"),
        ({"mesh_global_range": "fd00::/112"}, "is not an IPv4 range"),
        ({"mesh_global_range_ipv6": "10.0.0.0/16"}, "is not an IPv6 range in CIDR form"),
        ({"mesh_global_range_ipv6": "fd00::"}, "has no prefix length | for example fd00::/112"),
        ({"mesh_global_range_ipv6": "fd00::1/112"}, "has host bits set | fd00::/112 is the range that holds it"),
    ],
)
def test_a_wrong_variable_of_the_fleet(variables: dict[str, t.Any], expected: str) -> None:
    assert any(expected in line for line in problems_of({h: {**PLACE, **variables} for h in ("west", "east")}))


def test_secrets_are_in_no_problem() -> None:
    hosts = {
        "a": {**PLACE, "cluster_api_token": "sesame", "cluster_api_tokn": "sesame", "cluster_provider": "kubeconfig"},
        "b": {**BY_URL, "cluster_api_token": ["sesame"], "cluster_api_url": "https://u:sesame@192.0.2.1"},
        "c": {**BY_URL, "cluster_api_ca": "sesame", "cluster_peer_endpoint": "https://sesame@["},
    }
    found = check(hosts)
    assert len(found) >= 6
    assert "sesame" not in repr(found) + table(found)
