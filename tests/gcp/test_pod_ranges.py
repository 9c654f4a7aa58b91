# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Further ranges of pods of two clusters that overlap: named before anything is made."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.pod_ranges import PodRanges
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import read_network

from .caller import Caller
from .cluster_runs import HOSTS, fleet_of, wanted_of
from .standin.server import StandIn
from .test_preflight import PROJECT, Look, said

Json = dict[str, t.Any]
BASE = f"/compute/v1/projects/{PROJECT}"
MORE = {"west": "10.200.0.0/16", "north": "10.200.128.0/17"}


@pytest.fixture
def look(google_cloud: StandIn, options: Json) -> Look:
    """Two new clusters in VPCs of others, one each, whose subnets have a further range."""
    found, ask = Look(google_cloud, options), Caller(google_cloud)
    for number, (name, variables) in enumerate(HOSTS.items()):
        nodes, pods, services = f"10.90.{number * 4}.0/22", f"10.{100 + number}.0.0/16", f"10.{110 + number}.0.0/20"
        network = f"projects/{PROJECT}/global/networks/corp-{name}"
        ask.done("POST", f"{BASE}/global/networks", {"name": f"corp-{name}", "autoCreateSubnetworks": False})
        second = {"pods": pods, "services": services, "more": MORE[name]}
        body = {
            "name": f"corp-{name}",
            "network": network,
            "ipCidrRange": nodes,
            "secondaryIpRanges": [{"rangeName": one, "ipCidrRange": cidr} for one, cidr in second.items()],
        }
        ask.done("POST", f"{BASE}/regions/{variables['cluster_region']}/subnetworks", body)
        found.hosts[name] = {
            **variables,
            "gke_network": f"corp-{name}",
            "gke_subnetwork": f"corp-{name}",
            "gke_node_cidr": nodes,
            "cluster_pod_cidr": pods,
            "cluster_service_cidr": services,
            "gke_additional_pod_ranges": ["more"],
        }
    return found


def test_further_ranges_that_overlap_are_named(look: Look) -> None:
    found = look()
    (problem,) = found.problems
    assert problem.cluster == "north"
    assert "secondary range more 10.200.128.0/17 overlaps pods of another cluster" in str(problem)
    assert "10.200.0.0/16, secondary range more of west" in str(problem)


def test_only_ranges_that_are_used_count(look: Look) -> None:
    del look.hosts["west"]["gke_additional_pod_ranges"]
    assert said(look()) == ""


def test_between_mesh_networks_ranges_may_overlap(look: Look) -> None:
    look.more = {"mesh_network": "per_cluster"}
    assert said(look()) == ""


@pytest.mark.parametrize("one_subnet", [False, True])
def test_pods_of_all_clusters_count_but_those_of_one_subnet(look: Look, one_subnet: bool) -> None:
    look.hosts["north"]["cluster_pod_cidr"] = "10.200.0.0/16"
    del look.hosts["north"]["gke_additional_pod_ranges"]
    if one_subnet:
        place = {name: look.hosts["west"][name] for name in ("cluster_region", "gke_network", "gke_subnetwork")}
        look.hosts["north"] |= {**place, "gke_node_cidr": look.hosts["west"]["gke_node_cidr"], "gke_adopt": True}
    fleet = fleet_of(look.hosts)
    everybody = list(wanted_of(fleet).values())
    failed = PodRanges(fleet).add(everybody, read_network(look._google(PROJECT)))
    assert set(failed) == (set() if one_subnet else {"west"})
    assert one_subnet or failed["west"].seen == "10.200.0.0/16, cluster_pod_cidr of north"
