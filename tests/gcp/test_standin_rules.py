# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stand-in knows of Google beyond the documents: in use, not ready, overlapping, changed meanwhile."""

from __future__ import annotations

import typing as t

import pytest

from .caller import Caller, error
from .standin.server import StandIn

Json = dict[str, t.Any]

V1 = "/compute/v1/projects/p"
HERE = f"{V1}/regions/us-west1"
CLUSTERS = "/v1/projects/p/locations/us-west1-a/clusters"
WEST = f"{CLUSTERS}/west"


@pytest.fixture
def ask(google_cloud: StandIn) -> Caller:
    google_cloud.cloud.duration = 0.01
    return Caller(google_cloud)


@pytest.fixture
def vpc(ask: Caller) -> Caller:
    """A network with a subnet for clusters."""
    ask.done("POST", f"{V1}/global/networks", {"name": "mesh", "autoCreateSubnetworks": False})
    ask.done("POST", f"{HERE}/subnetworks", subnet("west", "10.0.0.0/20", "10.16.0.0/14", "10.32.0.0/20"))
    return ask


def subnet(name: str, nodes: str, pods: str, services: str) -> Json:
    return {
        "name": name,
        "network": "projects/p/global/networks/mesh",
        "ipCidrRange": nodes,
        "secondaryIpRanges": [
            {"rangeName": "pods", "ipCidrRange": pods},
            {"rangeName": "services", "ipCidrRange": services},
        ],
    }


def cluster(name: str = "west", **more: t.Any) -> Json:
    return {
        "cluster": {
            "name": name,
            "network": "mesh",
            "subnetwork": "west",
            "ipAllocationPolicy": {
                "useIpAliases": True,
                "clusterSecondaryRangeName": "pods",
                "servicesSecondaryRangeName": "services",
            },
            "nodePools": [{"name": "nodes", "initialNodeCount": 2}],
            **more,
        }
    }


# The network.


def test_what_google_adds(vpc: Caller) -> None:
    found = vpc("GET", f"{V1}/global/networks/mesh").json()
    assert (found["mtu"], found["routingConfig"]) == (1460, {"routingMode": "REGIONAL"})
    assert [s.rsplit("/", 1)[-1] for s in found["subnetworks"]] == ["west"]
    rule = {"name": "in", "network": f"{V1}/global/networks/mesh", "allowed": [{"IPProtocol": "tcp"}]}
    vpc.done("POST", f"{V1}/global/firewalls", rule)
    found = vpc("GET", f"{V1}/global/firewalls/in").json()
    assert (found["direction"], found["priority"], found["disabled"]) == ("INGRESS", 1000, False)
    assert found["sourceRanges"] == ["0.0.0.0/0"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("global/networks", {"name": "mesh"}, 409, "already exists"),
        ("regions/us-west1/subnetworks", subnet("west", "10.1.0.0/20", "10.64.0.0/14", "10.33.0.0/20"), 409, "exists"),
        ("regions/us-east1/subnetworks", subnet("x", "10.17.0.0/20", "10.64.0.0/14", "10.33.0.0/20"), 400, "conflicts"),
        ("regions/us-east1/subnetworks", subnet("x", "10.1.0.0/20", "10.16.0.0/16", "10.33.0.0/20"), 400, "conflicts"),
        ("regions/us-east1/subnetworks", subnet("x", "10.1.0.0/20", "10.1.0.0/16", "10.33.0.0/20"), 400, "overlap"),
        ("regions/us-east1/subnetworks", subnet("x", "10.1.0.1/20", "10.64.0.0/14", "10.33.0.0/20"), 400, "host bits"),
        ("regions/us-east1/subnetworks", subnet("x", "10.1.0.0/30", "10.64.0.0/14", "10.33.0.0/20"), 400, "prefix"),
        ("regions/us-west9/subnetworks", subnet("x", "10.1.0.0/20", "10.64.0.0/14", "10.33.0.0/20"), 404, "us-west9"),
        ("global/firewalls", {"name": "x", "network": "global/networks/no", "allowed": [{}]}, 404, "was not found"),
        ("global/firewalls", {"name": "x", "network": "global/networks/mesh"}, 400, "Exactly one of"),
        ("regions/us-west1/routers", {"name": "x"}, 400, "'resource.network' not specified"),
    ],
)
def test_refused(vpc: Caller, path: str, body: Json, status: int, said: str) -> None:
    assert said in error(vpc("POST", f"{V1}/{path}", body), status)["message"]


def test_one_nat_for_everything_in_a_network_and_region(vpc: Caller) -> None:
    nat = {"name": "nat", "natIpAllocateOption": "AUTO_ONLY"}
    nat["sourceSubnetworkIpRangesToNat"] = "ALL_SUBNETWORKS_ALL_IP_RANGES"
    router = {"network": "projects/p/global/networks/mesh", "nats": [nat]}
    vpc.done("POST", f"{HERE}/routers", {"name": "one", **router})
    assert "NAT for all" in error(vpc("POST", f"{HERE}/routers", {"name": "two", **router}), 400)["message"]
    vpc.done("POST", f"{V1}/regions/us-east1/routers", {"name": "two", **router})


def test_what_is_in_use_stays(vpc: Caller) -> None:
    vpc.done("POST", CLUSTERS, cluster())
    refused = error(vpc("DELETE", f"{HERE}/subnetworks/west"), 400)
    assert refused["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    assert "clusters/west" in refused["message"]
    assert "already being used by" in error(vpc("DELETE", f"{V1}/global/networks/mesh"), 400)["message"]
    fingerprint = vpc("GET", f"{HERE}/subnetworks/west").json()["fingerprint"]
    change = {"fingerprint": fingerprint, "secondaryIpRanges": []}
    assert "already being used by" in error(vpc("PATCH", f"{HERE}/subnetworks/west", change), 400)["message"]
    vpc.done("DELETE", WEST)
    vpc.done("DELETE", f"{HERE}/subnetworks/west")
    assert "subnetworks" not in vpc("GET", f"{V1}/global/networks/mesh").json()
    vpc.done("DELETE", f"{V1}/global/networks/mesh")
    assert vpc("GET", f"{V1}/global/networks/mesh").status_code == 404


def test_a_change_of_a_subnet_names_the_state_it_was_made_for(vpc: Caller) -> None:
    refused = error(vpc("PATCH", f"{HERE}/subnetworks/west", {"fingerprint": "AAAA"}), 412)
    assert refused["errors"][0]["reason"] == "conditionNotMet"


def test_patch_merges_and_put_replaces(vpc: Caller) -> None:
    path = f"{V1}/global/firewalls"
    rule = {"name": "in", "network": "global/networks/mesh", "allowed": [{"IPProtocol": "tcp"}], "description": "x"}
    vpc.done("POST", path, {**rule, "sourceRanges": ["10.0.0.0/8"]})
    vpc.done("PATCH", f"{path}/in", {"name": "in", "sourceRanges": ["10.1.0.0/16"]})
    found = vpc("GET", f"{path}/in").json()
    assert (found["description"], found["sourceRanges"]) == ("x", ["10.1.0.0/16"])
    vpc.done("PUT", f"{path}/in", {k: v for k, v in rule.items() if k != "description"})
    found = vpc("GET", f"{path}/in").json()
    assert "description" not in found
    assert found["sourceRanges"] == ["0.0.0.0/0"]


def test_what_is_at_work_is_not_ready(ask: Caller) -> None:
    ask.standin.cloud.duration = 60
    assert ask("POST", f"{V1}/global/networks", {"name": "mesh"}).json()["status"] == "RUNNING"
    assert ask("GET", f"{V1}/global/networks/mesh").status_code == 404
    refused = error(ask("POST", f"{HERE}/subnetworks", subnet("x", "10.0.0.0/20", "10.1.0.0/16", "10.2.0.0/20")), 400)
    assert refused["errors"][0]["reason"] == "resourceNotReady"
    assert "already exists" in error(ask("POST", f"{V1}/global/networks", {"name": "mesh"}), 409)["message"]


def test_operations_are_where_their_resource_is(vpc: Caller) -> None:
    operation = vpc("POST", f"{HERE}/routers", {"name": "r", "network": "global/networks/mesh"}).json()
    assert vpc("GET", f"{HERE}/operations/{operation['name']}").json()["targetLink"].endswith("/routers/r")
    assert vpc("GET", f"{V1}/global/operations/{operation['name']}").status_code == 404
    vpc.settle()
    vpc.standin.cloud.fail("compute.routers.delete", 0, "a peer is up")
    operation = vpc.done("DELETE", f"{HERE}/routers/r")
    found = vpc("GET", f"{HERE}/operations/{operation['name']}").json()
    assert (found["status"], found["httpErrorStatusCode"]) == ("DONE", 400)
    assert found["error"]["errors"][0]["message"] == "a peer is up"
    assert vpc("GET", f"{HERE}/routers/r").status_code == 200


# Clusters.


def test_a_cluster_is_returned_with_googles_defaults(vpc: Caller) -> None:
    asked = cluster(releaseChannel={"channel": "STABLE"}, networkConfig={"defaultEnablePrivateNodes": False})
    vpc.done("POST", CLUSTERS, asked)
    found = vpc("GET", WEST).json()
    assert len(found) > 2 * len(asked["cluster"])
    assert (found["status"], found["clusterIpv4Cidr"], found["servicesIpv4Cidr"]) == (
        "RUNNING",
        "10.16.0.0/14",
        "10.32.0.0/20",
    )
    assert found["autopilot"] == {}
    # What is false is left out, except where it has a presence of its own.
    assert "spot" not in found["nodePools"][0]["config"]
    assert found["nodePools"][0]["autoscaling"] == {}
    assert found["networkConfig"]["defaultEnablePrivateNodes"] is False
    assert found["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["allowExternalTraffic"] is False
    assert vpc("GET", CLUSTERS).json()["clusters"] == [found]


def test_without_a_public_endpoint_the_private_one_is_shown(vpc: Caller) -> None:
    ends = {"ipEndpointsConfig": {"enablePublicEndpoint": False}}
    vpc.done("POST", CLUSTERS, cluster(controlPlaneEndpointsConfig=ends))
    found = vpc("GET", WEST).json()
    ip = found["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    assert found["endpoint"] == ip["privateEndpoint"] == found["privateClusterConfig"]["privateEndpoint"]
    assert "publicEndpoint" not in ip


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (CLUSTERS, cluster(), 409, "Already exists: projects/p/locations/us-west1-a/clusters/west."),
        (CLUSTERS, cluster("x"), 400, "already used by another cluster"),
        (CLUSTERS, cluster("x", network="no"), 400, 'Network "no" does not exist'),
        (CLUSTERS, cluster("x", subnetwork="no"), 400, 'Subnetwork "no" does not exist'),
        (CLUSTERS, cluster("X"), 400, "must match regex"),
        (CLUSTERS, cluster("x", nodePools=[]), 400, "initial_node_count"),
        (CLUSTERS, cluster("x", autopilot={"enabled": True}), 400, "Autopilot"),
        (CLUSTERS, cluster("x", resourceLabels={"Team": "x"}), 400, "Invalid resource label"),
        (CLUSTERS, cluster("x", privateClusterConfig={"masterIpv4CidrBlock": "10.9.0.0/24"}), 400, "must be 28"),
        (CLUSTERS.replace("us-west1-a", "us-west1-x"), cluster("x"), 400, "does not exist"),
        (f"{WEST}/nodePools", {"nodePool": {"name": "nodes"}}, 409, "clusters/west/nodePools/nodes."),
        (f"{WEST}/nodePools", {"nodePool": {"name": "N"}}, 400, "must match regex"),
        (f"{WEST}/nodePools/no:setSize", {"nodeCount": 1}, 404, "nodePools/no."),
        (f"{WEST}:setResourceLabels", {"resourceLabels": {}, "labelFingerprint": "AAAA"}, 400, "fingerprint"),
    ],
)
def test_refused_for_a_cluster(vpc: Caller, path: str, body: Json, status: int, said: str) -> None:
    vpc.done("POST", CLUSTERS, cluster())
    assert said in error(vpc("POST", path, body), status)["message"]


@pytest.mark.parametrize(
    ("update", "status", "word"),
    [
        ({"desiredReleaseChannel": {"channel": "RAPID"}, "etag": "0"}, 409, "ABORTED"),
        ({"desiredReleaseChannel": {"channel": "RAPID"}, "desiredFleet": {"project": "p"}}, 400, "INVALID_ARGUMENT"),
        ({"desiredDatapathProvider": "ADVANCED_DATAPATH"}, 400, "INVALID_ARGUMENT"),
        (
            {
                "desiredControlPlaneEndpointsConfig": {
                    "ipEndpointsConfig": {
                        "authorizedNetworksConfig": {
                            "enabled": True,
                            "cidrBlocks": [{"cidrBlock": f"10.0.{n}.0/24"} for n in range(101)],
                        }
                    }
                }
            },
            400,
            "INVALID_ARGUMENT",
        ),
    ],
)
def test_updates_that_are_refused(vpc: Caller, update: Json, status: int, word: str) -> None:
    vpc.done("POST", CLUSTERS, cluster())
    assert error(vpc("PUT", WEST, {"update": update}), status)["status"] == word


def test_one_operation_at_a_time(vpc: Caller) -> None:
    vpc.done("POST", CLUSTERS, cluster())
    etag = vpc("GET", WEST).json()["etag"]
    vpc.standin.cloud.duration = 60
    change = {"update": {"desiredReleaseChannel": {"channel": "RAPID"}}}
    assert vpc("PUT", WEST, change).status_code == 200
    assert vpc("GET", WEST).json()["status"] == "RECONCILING"
    for verb, path, body in (
        ("PUT", WEST, change),
        ("DELETE", WEST, None),
        ("POST", f"{WEST}/nodePools/nodes:setSize", {"nodeCount": 3}),
        ("POST", f"{WEST}/nodePools", {"nodePool": {"name": "more"}}),
    ):
        refused = error(vpc(verb, path, body), 400)
        assert refused["status"] == "FAILED_PRECONDITION"
        assert refused["message"].startswith("Cluster is running incompatible operation operation-")
        assert refused["details"][0]["reason"] == "CLUSTER_ALREADY_HAS_OPERATION"
    for operation in vpc.standin.cloud.operations.values():
        operation.end = 0
    vpc.settle()
    found = vpc("GET", WEST).json()
    assert (found["status"], found["releaseChannel"]) == ("RUNNING", {"channel": "RAPID"})
    assert found["etag"] != etag


# Places that do not answer.


def test_places_that_do_not_answer_are_named(vpc: Caller) -> None:
    vpc.done("POST", CLUSTERS, cluster())
    vpc.standin.cloud.unreachable.add("us-west1-a")
    everywhere = CLUSTERS.replace("us-west1-a", "-")
    assert vpc("GET", everywhere).json() == {"missingZones": ["us-west1-a"]}
    assert error(vpc("GET", WEST), 503)["status"] == "UNAVAILABLE"
    hub = "gkehub.googleapis.com"
    found = vpc("GET", "/v1/projects/p/locations/-/memberships", host=hub).json()
    assert found == {"unreachable": ["us-west1-a"]}
    assert vpc("GET", f"{V1}/aggregated/subnetworks").status_code == 503
