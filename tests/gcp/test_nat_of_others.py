# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud NAT that is there already, and does not serve our subnets."""

from __future__ import annotations

import dataclasses
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
        (PRIMARY, True),
        ({**EVERYTHING, "type": "PRIVATE"}, False),
        (listed("corp-west"), True),
        (listed("corp-west", which="PRIMARY_IP_RANGE"), True),
        (listed("other"), False),
    ],
)
def test_a_nat_serves_nodes_and_pods_of_a_subnet(clusters: list[ClusterSpec], nat: Json, does: bool) -> None:
    assert serves(router(nat)[1], clusters[0]) is does


def keeping(clusters: list[ClusterSpec]) -> list[ClusterSpec]:
    """The clusters with pods that call the internet with their own addresses."""
    passed = {"networkConfig": {"defaultSnatStatus": {"disabled": True}}}
    return [dataclasses.replace(w, passed=passed) for w in clusters]


def test_pods_that_keep_their_addresses_need_their_range(clusters: list[ClusterSpec]) -> None:
    west = keeping(clusters)[0]
    assert serves(router(EVERYTHING)[1], west)
    assert not serves(router(PRIMARY)[1], west)
    assert not serves(router(listed("corp-west", which="PRIMARY_IP_RANGE"))[1], west)
    nat = listed("corp-west")
    subnet = nat["subnetworks"][0]
    subnet["sourceIpRangesToNat"] = ["PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"]
    subnet["secondaryIpRangeNames"] = ["pods"]
    assert serves(router(nat)[1], west)
    subnet["secondaryIpRangeNames"] = ["other"]
    assert not serves(router(nat)[1], west)


def planned(clusters: list[ClusterSpec], *routers: tuple[tuple[str, str], Json], **more: t.Any) -> t.Any:
    places = {w.place: w for w in reversed(clusters)}
    fixed, addresses = more.pop("fixed", ()), more.pop("addresses", {})
    return plan_nat(places, fixed, dict(routers), addresses, MARK, clusters, **more)


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
    assert (planned(clusters, router(PRIMARY)).routers, planned(clusters, router(PRIMARY)).unknown) == ([], {})
    mine = keeping(clusters)
    plan = planned(mine, router(PRIMARY))
    assert plan.routers == []
    [problem] = list(plan.unknown.values())
    assert (problem.what, problem.cluster) == ("its NAT does not serve pods", "west")
    assert "cluster_egress" in problem.next_step
    plan = planned(mine, router(PRIMARY), other_egress={"west", "second"})
    assert (plan.routers, plan.unknown) == ([], {})


def test_a_way_out_is_enough_where_nat_of_others_is(clusters: list[ClusterSpec]) -> None:
    assert planned(clusters, router(listed("other")), other_egress={"west", "second"}).routers == []
    (step,) = planned(clusters, router(listed("other")), other_egress={"west"}).routers
    assert [s["name"].rpartition("/")[2] for s in step.body["nats"][0]["subnetworks"]] == ["corp-second"]
    # Where there is none, ours is made as for all others.
    assert planned(clusters, other_egress={"west", "second"}).routers


def test_several_routers_together_serve_a_place(clusters: list[ClusterSpec]) -> None:
    first, second = router(listed("corp-west"), name="a"), router(listed("corp-second"), name="b")
    plan = planned(clusters, first, second)
    assert (plan.routers, plan.unknown) == ([], {})
    ours = router(listed("corp-second"), MARK, "corp-us-west1")
    plan = planned(clusters, first, ours)
    assert (plan.routers, plan.unknown) == ([], {})


def test_addresses_of_all_routers_that_serve_are_known(clusters: list[ClusterSpec]) -> None:
    def at(name: str, subnet: str) -> tuple[tuple[str, str], Json]:
        return router({**listed(subnet), "natIps": [f"https://x/regions/us-west1/addresses/{name}"]}, name=name)

    first, second, third = at("a", "corp-west"), at("b", "corp-second"), at("c", "other")
    found = {("us-west1", n): {"address": f"203.0.113.{i}"} for i, n in enumerate("abc")}
    place = clusters[0].place
    plan = planned(clusters, first, second, third, fixed={place}, addresses=found)
    assert (plan.routers, plan.egress) == ([], {place: ["203.0.113.0/32", "203.0.113.1/32"]})
    # One of them does not say its addresses; also where its cluster is not in the play.
    second = router(listed("corp-second"), name="b")
    assert place in planned(clusters, first, second, fixed={place}, addresses=found).unknown
    assert place in planned(clusters[:1], first, second, fixed={place}, addresses=found, everybody=clusters).unknown
    # Ours gets one, beside those of others.
    ours = router(listed("corp-second"), MARK, "corp-us-west1")
    plan = planned(clusters, first, ours, fixed={place}, addresses=found)
    (step,) = plan.routers
    assert (step.body["name"], step.body["nats"][0]["natIpAllocateOption"]) == ("corp-us-west1", "MANUAL_ONLY")
    assert plan.egress[place] == ["203.0.113.0/32", "address of NAT in us-west1, to be reserved"]


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


# Our router is there, without NAT; NAT of others beside ours, with addresses that peers must know.


def applied(ask: Caller, plan: t.Any) -> None:
    """What the action asks of Google for a plan."""
    base = "/compute/v1/projects/shop-prod/regions"
    for region, name in plan.addresses:
        ask.done("POST", f"{base}/{region}/addresses", {"name": name, "addressType": "EXTERNAL"})
    for step in plan.routers:
        where = f"{base}/{step.region}/routers"
        if step.patch:
            ask.done("PATCH", f"{where}/{step.body['name']}", step.body)
        else:
            ask.done("POST", where, step.body)


def seen(standin: StandIn, folder: str) -> dict[tuple[str, str], Json]:
    """What is there, by region and name."""
    found = standin.cloud.under(f"compute/projects/shop-prod/regions/*/{folder}/*")
    return {(key.split("/")[4], item["name"]): item for key, item in found}


def vpc(standin: StandIn) -> Caller:
    ask = Caller(standin)
    ask.done("POST", "/compute/v1/projects/shop-prod/global/networks", {"name": "corp", "autoCreateSubnetworks": False})
    return ask


def bare_router(name: str = "corp-us-west1", description: str = MARK, *nats: Json) -> Json:
    return {
        "name": name,
        "description": description,
        "network": "projects/shop-prod/global/networks/corp",
        **({"nats": list(nats)} if nats else {}),
    }


def live_plan(clusters: list[ClusterSpec], standin: StandIn, **more: t.Any) -> t.Any:
    routers, addresses = seen(standin, "routers"), seen(standin, "addresses")
    return planned(clusters, *routers.items(), addresses=addresses, **more)


@pytest.mark.parametrize("others", [{}, {"nats": [{"name": "theirs", **listed("other")}]}], ids=["alone", "beside"])
def test_our_router_without_nat_gets_one(google_cloud: StandIn, clusters: list[ClusterSpec], others: Json) -> None:
    ask = vpc(google_cloud)
    here = "/compute/v1/projects/shop-prod/regions/us-west1/routers"
    ask.done("POST", here, bare_router())
    if others:
        ask.done("POST", here, {**bare_router("theirs", "theirs"), **others})
    error(ask("POST", here, bare_router()), 409)
    plan = live_plan(clusters, google_cloud)
    assert [(step.patch, step.host) for step in plan.routers] == [(True, "west")]
    applied(ask, plan)
    assert live_plan(clusters, google_cloud).routers == []
    assert all(serves(seen(google_cloud, "routers")["us-west1", "corp-us-west1"], w) for w in clusters)


def test_a_private_nat_on_our_router_stays(clusters: list[ClusterSpec]) -> None:
    where, ours = router({"type": "PRIVATE", **EVERYTHING}, MARK, "corp-us-west1")
    (step,) = planned(clusters, (where, ours)).routers
    assert step.patch
    assert step.body["nats"][0] == ours["nats"][0]
    assert [nat["name"] for nat in step.body["nats"]] == ["nat", "nat-public"]


def test_a_router_of_others_with_our_name_is_named(clusters: list[ClusterSpec]) -> None:
    for nat in ({"type": "PRIVATE", **EVERYTHING}, listed("other")):
        plan = planned(clusters, router(nat, "of the network team", "corp-us-west1"))
        assert plan.routers == []
        problem = next(iter(plan.unknown.values()))
        assert len(plan.unknown) == 1
        assert problem.what == "router corp-us-west1 exists, and this fleet did not make it"
        assert "of the network team" in problem.seen and "cluster_egress" in problem.next_step


def test_beside_nat_of_others_the_first_run_reserves(google_cloud: StandIn, clusters: list[ClusterSpec]) -> None:
    ask = vpc(google_cloud)
    here = "/compute/v1/projects/shop-prod/regions/us-west1/routers"
    nat = {"name": "theirs", "natIpAllocateOption": "AUTO_ONLY", **listed("other")}
    ask.done("POST", here, bare_router("theirs", "theirs", nat))
    place = clusters[0].place
    plan = live_plan(clusters, google_cloud, fixed={place})
    assert plan.unknown == {}
    assert plan.egress == {place: ["address of NAT in us-west1, to be reserved"]}
    assert plan.addresses == [("us-west1", "corp-us-west1-nat")]
    applied(ask, plan)
    # The second run changes nothing, and knows the address.
    again = live_plan(clusters, google_cloud, fixed={place})
    (address,) = seen(google_cloud, "addresses").values()
    assert (again.routers, again.addresses, again.unknown) == ([], [], {})
    assert again.egress == {place: [f"{address['address']}/32"]}


def test_an_address_is_reserved_for_peers_outside_the_play(clusters: list[ClusterSpec]) -> None:
    place = clusters[0].place
    plan = plan_nat({}, {place}, dict([router(listed("other"))]), {}, MARK, (), (), clusters)
    assert (plan.routers, plan.unknown) == ([], {})
    assert plan.addresses == [("us-west1", "corp-us-west1-nat")]
