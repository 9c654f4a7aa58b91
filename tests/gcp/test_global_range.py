# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A subnet of others in the VPC that uses the range of global names: named before anything is made."""

from __future__ import annotations

import typing as t

import pytest

from .caller import Caller
from .cluster_runs import HOSTS
from .standin.server import StandIn
from .test_preflight import PROJECT, Look, said

Json = dict[str, t.Any]
BASE = f"/compute/v1/projects/{PROJECT}"
POLICIES: list[Json] = [{"service": "ledger.bank", "global": True, "timeout": "5s"}]


@pytest.fixture
def look(google_cloud: StandIn, options: Json) -> Look:
    """Two new clusters in a VPC of others with a subnet of class E."""
    ask = Caller(google_cloud)
    ask.done("POST", f"{BASE}/global/networks", {"name": "corp", "autoCreateSubnetworks": False})
    body = {
        "name": "labs",
        "network": f"projects/{PROJECT}/global/networks/corp",
        "ipCidrRange": "10.90.0.0/22",
        "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "240.241.8.0/21"}],
    }
    ask.done("POST", f"{BASE}/regions/us-west1/subnetworks", body)
    found = Look(google_cloud, options)
    found.hosts = {name: {**v, "gke_network": "corp", "mesh_traffic": POLICIES} for name, v in HOSTS.items()}
    return found


def test_a_subnet_of_others_in_the_range_is_named(look: Look) -> None:
    found = look()
    assert [problem.cluster for problem in found.problems] == list(HOSTS), said(found)
    assert "mesh_global_range 240.241.0.0/16 overlaps a subnet of the VPC" in said(found)
    assert "240.241.8.0/21 of subnet us-west1/labs" in said(found)
    assert "choose another mesh_global_range" in said(found)


def test_a_first_cluster_without_policies_hides_none(look: Look) -> None:
    del look.hosts[next(iter(look.hosts))]["mesh_traffic"]
    assert "overlaps a subnet of the VPC" in said(look())


def test_another_range_is_free(look: Look) -> None:
    look.more = {"mesh_global_range": "240.242.0.0/16"}
    assert said(look()) == ""


def test_without_global_names_the_range_is_nobodys(look: Look) -> None:
    for variables in look.hosts.values():
        variables["mesh_traffic"] = [{"service": "ledger.bank", "timeout": "5s"}]
    assert said(look()) == ""
