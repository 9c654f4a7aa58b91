# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What clusters hold, as policies see it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import TRAFFIC, Port, SeenPod, is_stub, see
from tests.policies import live


@pytest.mark.parametrize(
    ("port", "spoken", "is_http"),
    [
        (Port(80), "", False),
        (Port(80, "http"), "http", True),
        (Port(80, "HTTP-web"), "http", True),
        (Port(80, "web"), "", False),
        (Port(80, "httpx"), "", False),
        (Port(80, "grpc-web"), "grpc-web", True),
        (Port(80, "grpc-web-a"), "grpc-web", True),
        (Port(80, "grpc-a"), "grpc", True),
        (Port(443, "https"), "https", False),
        (Port(80, "tcp-db"), "tcp", False),
        (Port(80, "tcp-db", "http"), "http", True),
        (Port(80, "http", "tcp"), "tcp", False),
        (Port(80, "web", "kubernetes.io/h2c"), "http2", True),
        (Port(53, "http", "", "UDP"), "udp", False),
    ],
)
def test_what_a_port_speaks(port: Port, spoken: str, is_http: bool) -> None:
    assert (port.spoken, port.is_http) == (spoken, is_http)
    assert port.speaks_http2 is (spoken in ("grpc", "grpc-web", "http2"))


def test_services_pods_and_namespaces() -> None:
    seen = see(live(["west"]), "local")["west"]
    service = seen.service("reviews", "shop")
    assert service is not None
    assert service.ports == (Port(9080, "http", "", "TCP", 8080),)
    assert seen.pods_of(service) == [SeenPod("shop", (("app", "reviews"), ("version", v))) for v in ("v1", "v2")]
    assert seen.namespaces == {"shop"}
    assert seen.service("reviews", "other") is None


def test_a_service_that_a_policy_made_is_not_there() -> None:
    for labels, there in (
        (owner_labels(TRAFFIC, "local"), False),
        (owner_labels(TRAFFIC, "other"), True),
        (owner_labels("apps", "local"), True),
    ):
        objects = live(["west"])["west"]
        objects[1]["metadata"] = {**objects[1]["metadata"], "labels": labels}
        assert (see({"west": objects}, "local")["west"].service("reviews", "shop") is not None) is there


def test_what_was_not_read_is_not_known() -> None:
    objects = [one for one in live(["west"])["west"] if one["kind"] == "Service"]
    seen = see({"west": objects}, "local")["west"]
    assert (seen.pods, seen.namespaces) == (None, None)
    assert see({"west": objects, **live(["east"])}, "local")["west"].pods == {}, "pods were read, and it has none"
    service = see({"west": [{"kind": "Service", "metadata": {"name": "a", "namespace": "b"}}]}, "local")[
        "west"
    ].service("a", "b")
    assert service is not None
    assert (service.ports, service.selector) == ((), ())
    assert not service.selects(SeenPod("b"))


def test_a_service_that_somebody_wrote_over_ours_is_theirs() -> None:
    stub: dict[str, t.Any] = {
        "kind": "Service",
        "metadata": {
            "name": "reviews",
            "labels": owner_labels(TRAFFIC, "shop"),
            "managedFields": [
                {"manager": "mesh.fleet", "fieldsV1": {"f:spec": {}}},
                {"manager": "kubectl", "fieldsV1": {"f:metadata": {}}},
                {"manager": "cloud", "subresource": "status", "fieldsV1": {"f:spec": {}}},
            ],
        },
    }
    assert is_stub(stub, "shop")
    assert not is_stub(stub, "other")
    assert not is_stub(stub, "shop", "demo")
    stub["metadata"]["managedFields"].append({"manager": "helm", "fieldsV1": {"f:spec": {}}})
    assert not is_stub(stub, "shop")
