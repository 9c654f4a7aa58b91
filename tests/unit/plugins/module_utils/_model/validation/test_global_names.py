# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges of global names against everything else, and sidecars that must resolve the names."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    GKE,
    OWN,
    PLACE,
    problems_of,
    problems_with,
)

BOTH = {"west": OWN, "east": OWN}
NAMED: dict[str, t.Any] = {"mesh_traffic": [{"service": "orders.shop", "global": True}]}


def test_the_defaults_overlap_nothing() -> None:
    assert problems_with(BOTH, **NAMED) == []
    assert problems_with({"west": PLACE, "east": PLACE}, **NAMED) == []


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ({"cluster_pod_cidr": "240.0.0.0/8"}, "overlaps west's pod range 240.0.0.0/8 | choose another"),
        ({"cluster_service_cidr": "240.241.64.0/20"}, "overlaps west's service range 240.241.64.0/20"),
    ],
)
def test_ranges_of_pods_and_services(used: dict[str, t.Any], said: str) -> None:
    hosts = {"west": {**OWN, **used}, "east": OWN}
    (problem,) = problems_with(hosts, **NAMED)
    assert problem.startswith("(fleet) mesh_global_range 240.241.0.0/16 ")
    assert said in problem
    assert problems_with(hosts) == [], "nobody needs addresses"
    assert problems_with(hosts, **NAMED, mesh_global_range="241.0.0.0/16") == []
    other = {"mesh_traffic": [{"service": "orders.shop.global", "timeout": "5s"}]}
    assert len(problems_with(hosts, **other)) == 1


def test_the_container_network_and_googles_ranges() -> None:
    local = {"west": PLACE, "east": PLACE}
    (problem,) = problems_with(local, mesh_global_range="10.99.0.0/16", fleet_engine_network="10.99.4.0/22")
    assert "overlaps the container network 10.99.4.0/22 | choose another, free here: 240.241.0.0/16" in problem
    google = {"west": {**GKE, "gke_node_cidr": "10.7.0.0/22", "gke_control_plane_cidr": "10.8.0.0/28"}}
    (problem,) = problems_with(google, mesh_global_range="10.7.0.0/24")
    assert "overlaps west's range of nodes 10.7.0.0/22" in problem
    (problem,) = problems_with(google, mesh_global_range="10.8.0.0/24")
    assert "overlaps west's range of the control plane 10.8.0.0/28" in problem


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mesh_global_range": "240.240.7.0/24"}, "overlaps 240.240.0.0/16, of which Istio gives addresses itself"),
        ({"mesh_global_range_ipv6": "2001:2::/64"}, "overlaps 2001:2::/48, of which Istio gives addresses itself"),
        ({"mesh_global_range": "224.0.0.0/16"}, "holds addresses that nothing can be called by"),
        ({"mesh_global_range": "127.1.0.0/16"}, "holds addresses that nothing can be called by"),
        ({"mesh_global_range": "169.254.0.0/24"}, "holds addresses that nothing can be called by"),
        ({"mesh_global_range_ipv6": "ff02::/112"}, "a part of your own fd00::/8"),
    ],
)
def test_ranges_that_are_nobodys(given: dict[str, str], said: str) -> None:
    (problem,) = problems_with(BOTH, **given)
    assert said in problem


def test_sidecars_must_resolve_the_names() -> None:
    off = {**OWN, "control_plane_dns_capture": False}
    (problem,) = problems_with({"west": off, "east": OWN}, **NAMED)
    assert "west control_plane_dns_capture false keeps callers from resolving orders.shop.global" in problem
    assert problems_with({"west": off, "east": OWN}) == []
    own = {"control_plane_istiod_values": {"meshConfig": {"defaultConfig": {"x": "ISTIO_META_DNS_CAPTURE"}}}}
    assert problems_with({"west": {**off, **own}, "east": OWN}, **NAMED) == []
    remote = {**off, "mesh_role": "remote", "mesh_primary": "east"}
    assert problems_with({"east": OWN, "west": remote}, **NAMED) == [], "those of a remote are told by its primary"


def test_policies_with_problems_are_told_as_such() -> None:
    wrong = {"mesh_traffic": [{"service": "orders", "global": True}]}
    assert all("mesh_global" not in line for line in problems_of({"west": {**OWN, **wrong}}))


def test_exported_names_need_sidecars_that_resolve_or_dns() -> None:
    exported: dict[str, t.Any] = {"mesh_exports": [{"service": "orders.shop"}]}
    off = {"west": {**OWN, "control_plane_dns_capture": False}, "east": OWN}
    (problem,) = problems_with(off, **exported)
    assert "keeps callers from resolving orders.shop.svc.clusterset.local" in problem
    assert problems_with(off, **exported, services_dns=True) == []
    assert problems_with(BOTH, **exported) == []
    used = {"west": {**OWN, "cluster_pod_cidr": "240.0.0.0/8"}, "east": OWN}
    (problem,) = problems_with(used, **exported)
    assert "mesh_global_range" in problem
