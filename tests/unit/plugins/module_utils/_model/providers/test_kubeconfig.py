# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters that exist already."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    BY_URL,
    OWN,
    PLACE,
    problems_of,
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({**PLACE, "cluster_provider": "kubeconfig"}, "cluster_kubeconfig is missing"),
        ({**BY_URL, "cluster_kubeconfig": "x"}, "which one leads to the cluster?"),
        ({**BY_URL, "cluster_api_token": None}, "cluster_api_token is missing beside cluster_api_url"),
        ({**BY_URL, "cluster_api_ca": None}, "cluster_api_ca is missing beside cluster_api_url"),
        (
            {**BY_URL, "cluster_api_ca": "/etc/ca.pem"},
            "cluster_api_ca (text of 11 characters) is not a PEM certificate",
        ),
        ({**BY_URL, "cluster_api_url": "https://127.0.0.1:6443"}, "is loopback: no peer can use it"),
        ({**BY_URL, "cluster_context": "x"}, "cluster_context belongs to cluster_kubeconfig"),
        ({**OWN, "cluster_api_token": "x"}, "cluster_api_token belongs to cluster_api_url"),
    ],
)
def test_ways_to_a_cluster(variables: dict[str, t.Any], expected: str) -> None:
    found = problems_of({"east": PLACE, "own": variables})
    assert len(found) == 1, found
    assert expected in found[0]
