# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pod, service and container ranges."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    OWN,
    PLACE,
    only_problem,
    problems_of,
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"cluster_pod_cidr": "10.0.0.0/25"}, "is too small | a node needs a /24"),
        ({"cluster_pod_cidr": "0.0.0.0/1"}, "is too large"),
        ({"cluster_service_cidr": "10.0.0.0/29"}, "is too small"),
        ({"cluster_service_cidr": "172.0.0.0/11"}, "kube-apiserver accepts at most a /12"),
    ],
)
def test_a_range_of_a_wrong_size(variables: dict[str, t.Any], expected: str) -> None:
    assert expected in only_problem(**variables)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"fleet_pod_range": "10.16.0.0/20"}, "has no free /16 left for west and 1 more"),
        ({"fleet_engine_network": "10.99.0.0/29"}, "is too small"),
    ],
)
def test_a_range_of_the_fleet_that_is_too_small(variables: dict[str, t.Any], expected: str) -> None:
    assert any(expected in line for line in problems_of({h: {**PLACE, **variables} for h in ("west", "east")}))


def test_ranges_follow_what_istio_needs() -> None:
    same = {"cluster_pod_cidr": "10.1.0.0/16", "cluster_service_cidr": "10.2.0.0/16"}
    flat = problems_of({"a": {**OWN, **same}, "b": {**OWN, **same}})
    assert len(flat) == 1
    assert "b cluster_pod_cidr 10.1.0.0/16 overlaps a's 10.1.0.0/16 | choose another, free here: 10.3.0.0/16" in flat[0]
    apart = {"mesh_network": "per_cluster"}
    assert problems_of({"a": {**OWN, **same, **apart}, "b": {**OWN, **same, **apart}}) == []
    mixed = problems_of(
        {"a": {**OWN, "cluster_pod_cidr": "10.1.0.0/16"}, "b": {**OWN, "cluster_service_cidr": "10.1.4.0/24"}}
    )
    assert "b cluster_service_cidr 10.1.4.0/24 overlaps a's pod range 10.1.0.0/16" in mixed[0]
    itself = problems_of(
        {"a": {**OWN, **apart, "cluster_pod_cidr": "10.1.0.0/16", "cluster_service_cidr": "10.1.4.0/24"}}
    )
    assert "a cluster_service_cidr 10.1.4.0/24 overlaps its own pod range 10.1.0.0/16" in itself[0]


def test_local_clusters_share_nothing_on_any_network() -> None:
    apart = {**PLACE, "mesh_network": "per_cluster"}
    both = problems_of({h: {**apart, "cluster_service_cidr": "10.2.0.0/16"} for h in ("a", "b")})
    assert len(both) == 1
    assert "b cluster_service_cidr 10.2.0.0/16 overlaps a's 10.2.0.0/16" in both[0]
    engine = {"fleet_engine_network": "10.89.0.0/16"}
    (found,) = problems_of({"a": {**PLACE, **engine, "cluster_pod_cidr": "10.89.7.0/24"}})
    assert "a cluster_pod_cidr 10.89.7.0/24 overlaps the container network 10.89.0.0/16" in found


def test_an_allocated_range_does_not_move() -> None:
    found = problems_of({"west": PLACE, "own": {**OWN, "mesh_network": "far", "cluster_pod_cidr": "10.16.9.0/24"}})
    assert len(found) == 1
    assert "own cluster_pod_cidr 10.16.9.0/24 overlaps west's 10.16.0.0/16, allocated from fleet_pod_range" in found[0]
