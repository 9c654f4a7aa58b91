# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests that the documents allow and Google refuses: each service's own rules, by plain HTTP."""

from __future__ import annotations

import typing as t

import pytest

from .caller import Caller, error
from .standin.server import StandIn

Json = dict[str, t.Any]

V1 = "/compute/v1/projects/p"
HERE = f"{V1}/regions/us-west1"
CLUSTERS = "/v1/projects/p/locations/us-west1-a/clusters"
POOL = f"{CLUSTERS}/west/nodePools/nodes"
HUB = "/v1/projects/p/locations/us-west1/memberships"
NETWORK = "projects/p/global/networks/mesh"
LINK = "//container.googleapis.com/projects/p/locations/us-west1-a/clusters/west"
HOSTS = {"gkehub": "gkehub.googleapis.com", "iam": "cloudresourcemanager.googleapis.com"}
HOSTS["apis"] = "serviceusage.googleapis.com"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Caller]:
    """A network, a cluster and its membership."""
    with StandIn(tmp_path_factory.mktemp("standin"), duration=0.01) as standin:
        caller = Caller(standin)
        caller.done("POST", f"{V1}/global/networks", {"name": "mesh", "autoCreateSubnetworks": False})
        pools = [{"name": "nodes", "initialNodeCount": 1}]
        caller.done("POST", CLUSTERS, {"cluster": {"name": "west", "nodePools": pools}})
        caller("POST", f"{HUB}?membershipId=west", member(LINK), host=HOSTS["gkehub"])
        caller.settle()
        yield caller


def member(link: str, **authority: str) -> Json:
    return {"endpoint": {"gkeCluster": {"resourceLink": link}}, **({"authority": authority} if authority else {})}


def cluster(**fields: t.Any) -> Json:
    return {"cluster": {"name": "new", "initialNodeCount": 1, **fields}}


def pools(*found: Json) -> Json:
    return {"cluster": {"name": "new", "nodePools": [{"name": "nodes", "initialNodeCount": 1, **one} for one in found]}}


def ranges(*found: str) -> Json:
    blocks = [{"cidrBlock": one} for one in found]
    return {"ipEndpointsConfig": {"authorizedNetworksConfig": {"enabled": True, "cidrBlocks": blocks}}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (cluster(nodePools=[{"name": "nodes", "initialNodeCount": 1}]), "must not be set with"),
        (pools({}, {}), "unique names"),
        (pools({"name": "No_1"}), "must match regex"),
        (pools({"config": {"diskSizeGb": 5}}), "at least 12 GB"),
        (pools({"config": {"labels": {"two words": "x"}}}), "Invalid node label"),
        (pools({"config": {"taints": [{"key": "edge", "value": "only"}]}}), "EFFECT_UNSPECIFIED"),
        (pools({"autoscaling": {"enabled": True, "minNodeCount": 5, "maxNodeCount": 2}}), "must not be less"),
        (cluster(controlPlaneEndpointsConfig=ranges("10.0.0.300/8")), "Invalid CIDR block"),
        (cluster(locations=["europe-north1-a"]), "is not a zone of region"),
        (cluster(workloadIdentityConfig={"workloadPool": "other.svc.id.goog"}), "p.svc.id.goog"),
        (
            cluster(networkConfig={"defaultEnablePrivateNodes": True}, ipAllocationPolicy={"useIpAliases": False}),
            "VPC-native",
        ),
    ],
)
def test_clusters_that_gke_does_not_make(ask: Caller, body: Json, words: str) -> None:
    assert words in error(ask("POST", CLUSTERS, body), 400)["message"]
    assert error(ask("GET", f"{CLUSTERS}/new"), 404)


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", f"{POOL}:setSize", {"nodeCount": -1}),
        ("POST", f"{POOL}:setAutoscaling", {"autoscaling": {"enabled": True, "minNodeCount": 3, "maxNodeCount": 1}}),
        ("PUT", POOL, {"diskSizeGb": 5}),
        ("GET", "/v1/projects/p/locations/mars-west1/clusters", None),
    ],
)
def test_changes_that_gke_does_not_take(ask: Caller, verb: str, path: str, body: Json | None) -> None:
    error(ask(verb, path, body), 400)


def firewall(**fields: t.Any) -> Json:
    return {"name": "rule", "network": NETWORK, "allowed": [{"IPProtocol": "tcp"}], **fields}


def nat(**fields: t.Any) -> Json:
    every = "ALL_SUBNETWORKS_ALL_IP_RANGES"
    return {"name": "r", "network": NETWORK, "nats": [{"name": "n", "sourceSubnetworkIpRangesToNat": every, **fields}]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"{V1}/global/firewalls", firewall(allowed=[{"IPProtocol": "icmp", "ports": ["80"]}]), 400),
        (f"{V1}/global/firewalls", firewall(allowed=[{"IPProtocol": "tcp", "ports": ["99999"]}]), 400),
        (f"{V1}/global/firewalls", firewall(allowed=[{"IPProtocol": "tcp", "ports": ["90-80"]}]), 400),
        (f"{V1}/global/firewalls", firewall(targetTags=["No_Tag"]), 400),
        (f"{HERE}/subnetworks", {"name": "s", "network": NETWORK, "ipCidrRange": "169.254.0.0/20"}, 400),
        (
            f"{HERE}/subnetworks",
            {"name": "s", "network": NETWORK, "ipCidrRange": "10.9.0.0/20", "region": "us-east1"},
            400,
        ),
        (f"{HERE}/routers", nat(natIpAllocateOption="MANUAL_ONLY"), 400),
        (
            f"{HERE}/routers",
            nat(natIpAllocateOption="AUTO_ONLY", natIps=["projects/p/regions/us-west1/addresses/a"]),
            400,
        ),
        (
            f"{HERE}/routers",
            nat(natIpAllocateOption="MANUAL_ONLY", natIps=["projects/p/regions/us-west1/addresses/a"]),
            404,
        ),
    ],
)
def test_networks_that_compute_does_not_make(ask: Caller, path: str, body: Json, status: int) -> None:
    error(ask("POST", path, body), status)


def test_an_address_of_a_nat_is_in_use(ask: Caller) -> None:
    address = f"{HERE}/addresses/out"
    ask.done("POST", f"{HERE}/addresses", {"name": "out"})
    ask.done("POST", f"{HERE}/routers", nat(natIpAllocateOption="MANUAL_ONLY", natIps=[address.partition("/v1/")[2]]))
    assert "already being used by" in error(ask("DELETE", address), 400)["message"]
    ask.done("DELETE", f"{HERE}/routers/r")
    ask.done("DELETE", address)


def test_pages_have_a_largest_size(ask: Caller) -> None:
    error(ask("GET", f"{V1}/global/networks?maxResults=501"), 400)
    error(ask("GET", f"{HUB}?pageSize=-1", host=HOSTS["gkehub"]), 400)


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("POST", f"{HUB}?membershipId=second", member(LINK), 409),
        ("POST", f"{HUB}?membershipId=far", {"authority": {"issuer": "http://far.example"}}, 400),
        ("PATCH", f"{HUB}/west?updateMask=name", {"name": "east"}, 400),
        ("PATCH", f"{HUB}/west?updateMask=endpoint", member(LINK.replace("west", "east")), 400),
        (
            "POST",
            "/v1/projects/p/locations/global/features?featureId=servicemesh",
            {"spec": {"multiclusteringress": {"configMembership": "projects/p/locations/us-west1/memberships/west"}}},
            400,
        ),
    ],
)
def test_what_the_fleet_does_not_take(ask: Caller, verb: str, path: str, body: Json, status: int) -> None:
    error(ask(verb, path, body, host=HOSTS["gkehub"]), status)


def binding(role: str = "roles/viewer", who: str = "user:a@b.example", **more: t.Any) -> Json:
    return {"policy": {"bindings": [{"role": role, "members": [who], **more}]}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "policy"),
        (binding(who="bob"), "unknown type"),
        (binding(role="viewer"), "must be in the form"),
        (binding(role="roles/container.amdin"), "is not supported for this resource"),
        (binding(condition={"title": "soon", "expression": "true"}), "version 3"),
    ],
)
def test_policies_that_iam_does_not_take(ask: Caller, body: Json, words: str) -> None:
    answer = ask("POST", "/v1/projects/p:setIamPolicy", body, host=HOSTS["iam"])
    assert words in error(answer, 400)["message"]


def test_a_policy_has_no_version_two(ask: Caller) -> None:
    body = {"options": {"requestedPolicyVersion": 2}}
    error(ask("POST", "/v1/projects/p:getIamPolicy", body, host=HOSTS["iam"]), 400)


def test_apis_are_asked_for_and_switched_on_in_small_numbers(ask: Caller) -> None:
    base = "/v1/projects/p/services"
    many = [f"names=projects/p/services/s{i}.googleapis.com" for i in range(31)]
    error(ask("GET", f"{base}:batchGet?{'&'.join(many)}", host=HOSTS["apis"]), 400)
    error(ask("GET", f"{base}:batchGet?names=projects/q/services/dns.googleapis.com", host=HOSTS["apis"]), 400)
    for names, status in (([], 400), ([f"s{i}.googleapis.com" for i in range(21)], 400), (["no.googleapis.com"], 403)):
        error(ask("POST", f"{base}:batchEnable", {"serviceIds": names}, host=HOSTS["apis"]), status)
