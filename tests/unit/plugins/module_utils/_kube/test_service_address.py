# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Services of each type are reached, and what is waited for."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.service_address import (
    NO_SERVICE,
    has_address,
    service_address,
)


def service(kind: str, **more: t.Any) -> dict[str, t.Any]:
    ports = [{"port": 80, "nodePort": 31080}, {"port": 443, "nodePort": 31443}]
    return {"spec": {"type": kind, "clusterIP": "10.96.0.9", "ports": ports, **more}}


def node(*addresses: tuple[str, str], ready: str = "True") -> dict[str, t.Any]:
    return {
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
        }
    }


NODES = [
    node(("InternalIP", "10.0.0.1"), ("Hostname", "a"), ready="False"),
    node(("InternalIP", "10.0.0.2"), ("Hostname", "b")),
    node(("InternalIP", "10.0.0.3"), ("ExternalIP", "203.0.113.3")),
]


def test_a_load_balancer_is_waited_for() -> None:
    pending = service("LoadBalancer")
    assert not has_address(pending)[0]
    assert service_address(pending, NODES).described() == ""
    given = {**pending, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    assert has_address(given) == (True, "192.0.2.1")
    found = service_address(given)
    assert (found.host, found.at(80), found.at(443)) == ("192.0.2.1", "192.0.2.1", "192.0.2.1:443")
    assert not has_address(None)[0]


def test_external_addresses_need_no_load_balancer() -> None:
    for kind in ("LoadBalancer", "ClusterIP", "NodePort"):
        given = service(kind, externalIPs=["192.0.2.7"])
        assert has_address(given)[0]
        assert service_address(given, NODES).described() == "192.0.2.7"


def test_node_ports_are_told_with_ready_nodes() -> None:
    assert has_address(service("NodePort"))[0]
    found = service_address(service("NodePort"), NODES)
    assert found.hosts == ("10.0.0.2", "203.0.113.3")
    assert found.described() == "nodes 10.0.0.2, 203.0.113.3 (80→31080, 443→31443)"
    assert found.at(80) == "10.0.0.2:31080"
    assert not has_address(service("NodePort", ports=[{"port": 80}]))[0]


def test_an_address_within_the_cluster_is_enough_if_asked_for() -> None:
    assert has_address(service("ClusterIP"))[0]
    assert service_address(service("ClusterIP")).described() == "10.96.0.9 (within the cluster)"
    assert service_address(service("ClusterIP", clusterIP="None")).host == ""
    assert service_address(service("ClusterIP", clusterIPs=["fd00::9"])).at(443) == "[fd00::9]:443"


def test_none_is_no_service() -> None:
    assert service_address(None).type == NO_SERVICE
    assert service_address(None).described() == "without a Service"
