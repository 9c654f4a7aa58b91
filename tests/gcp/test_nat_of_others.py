# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud NAT that is there already, and does not serve our subnets."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import plan_nat, serves
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import ClusterSpec

from .caller import Caller, error
from .cluster_runs import fleet_of, wanted_of
from .standin.server import StandIn

Json = dict[str, t.Any]
MARK = "made by mesh.fleet for fleet shop"
HOSTS = {"west": {"cluster_region": "us-west1"}, "second": {"cluster_region": "us-west1"}}


@pytest.fixture(scope="module")
def clusters() -> list[ClusterSpec]:
    return list(wanted_of(fleet_of(HOSTS, gke_network="corp")).values())


def router(nat: Json, description: str = "theirs", name: str = "theirs") -> tuple[tuple[str, str], Json]:
    found = {"name": name, "network": "projects/shop-prod/global/networks/corp", "description": description}
    return ("us-west1", name), {**found, "nats": [{"name": "nat", "natIpAllocateOption": "AUTO_ONLY", **nat}]}


def listed(*names: str, which: str = "ALL_IP_RANGES") -> Json:
    subnets = [
        {"name": f"https://x/projects/shop-prod/regions/us-west1/subnetworks/{n}", "sourceIpRangesToNat": [which]}
        for n in names
    ]
    return {"sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS", "subnetworks": subnets}


EVERYTHING: Json = {"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
PRIMARY: Json = {"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"}


@pytest.mark.parametrize(
    ("nat", "does"),
    [
        (EVERYTHING, True),
        (PRIMARY, False),
        ({**EVERYTHING, "type": "PRIVATE"}, False),
        (listed("corp-west"), True),
        (listed("corp-west", which="PRIMARY_IP_RANGE"), False),
        (listed("other"), False),
    ],
)
def test_a_nat_serves_nodes_and_pods_of_a_subnet(clusters: list[ClusterSpec], nat: Json, does: bool) -> None:
    assert serves(router(nat)[1], clusters[0]) is does


def test_nodes_and_the_range_of_pods_together_are_served(clusters: list[ClusterSpec]) -> None:
    nat = listed("corp-west")
    subnet = nat["subnetworks"][0]
    subnet["sourceIpRangesToNat"] = ["PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"]
    subnet["secondaryIpRangeNames"] = ["pods"]
    assert serves(router(nat)[1], clusters[0])
    subnet["secondaryIpRangeNames"] = ["other"]
    assert not serves(router(nat)[1], clusters[0])


def planned(clusters: list[ClusterSpec], *routers: tuple[tuple[str, str], Json]) -> t.Any:
    places = {w.place: w for w in reversed(clusters)}
    return plan_nat(places, (), dict(routers), {}, MARK, clusters)


def test_beside_nat_for_other_subnets_ours_is_for_our_own(clusters: list[ClusterSpec]) -> None:
    plan = planned(clusters, router(listed("other")))
    (step,) = plan.routers
    assert not step.patch
    nat = step.body["nats"][0]
    assert nat["sourceSubnetworkIpRangesToNat"] == "LIST_OF_SUBNETWORKS"
    assert [s["name"].rpartition("/")[2] for s in nat["subnetworks"]] == ["corp-west", "corp-second"]
    # Then it is there, and a further cluster comes.
    ours = ("us-west1", step.body["name"]), {**step.body, "description": MARK}
    assert planned(clusters, router(listed("other")), ours).routers == []
    third = list(wanted_of(fleet_of({**HOSTS, "third": HOSTS["west"]}, gke_network="corp")).values())
    (step,) = planned(third, router(listed("other")), ours).routers
    assert step.patch
    assert [s["name"].rpartition("/")[2] for s in step.body["nats"][0]["subnetworks"]] == [
        "corp-west",
        "corp-second",
        "corp-third",
    ]


def test_private_nat_is_no_way_to_the_internet(clusters: list[ClusterSpec]) -> None:
    (step,) = planned(clusters, router({**EVERYTHING, "type": "PRIVATE"})).routers
    assert step.body["nats"][0]["sourceSubnetworkIpRangesToNat"] == "ALL_SUBNETWORKS_ALL_IP_RANGES"


def test_beside_nat_for_all_nodes_no_other_may_stand(clusters: list[ClusterSpec]) -> None:
    plan = planned(clusters, router(PRIMARY))
    assert plan.routers == []
    (problem,) = plan.unknown.values()
    assert problem.what == "its NAT does not serve pods"
    assert "cluster_egress" in problem.next_step


def test_the_stand_in_allows_what_google_allows(google_cloud: StandIn) -> None:
    ask = Caller(google_cloud)
    base = "/compute/v1/projects/shop-prod"
    ask.done("POST", f"{base}/global/networks", {"name": "corp", "autoCreateSubnetworks": False})
    here = f"{base}/regions/us-west1/routers"

    def body(name: str, nat: Json) -> Json:
        network = "projects/shop-prod/global/networks/corp"
        return {"name": name, "network": network, "nats": [{"name": "n", "natIpAllocateOption": "AUTO_ONLY", **nat}]}

    ask.done("POST", here, body("first", listed("other")))
    error(ask("POST", here, body("second", EVERYTHING)), 400)
    ask.done("POST", here, body("second", listed("corp-west")))
    ask.done("DELETE", f"{here}/first")
    ask.done("DELETE", f"{here}/second")
    ask.done("POST", here, body("first", PRIMARY))
    error(ask("POST", here, body("second", listed("corp-west"))), 400)
