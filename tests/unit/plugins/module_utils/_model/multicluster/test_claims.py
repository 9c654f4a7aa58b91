# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that HTTPRoutes serve at the ingress gateway; those of VirtualServices are in test_front_door_gateways.py."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.claims import Claim, route_claims

SERVICE = "istio-ingressgateway"
AT = f"{SERVICE}.istio-system.svc.cluster.local"


def gateway(*hostnames: str, address: str = AT, kind: str = "Hostname", namespace: str = "istio-system") -> t.Any:
    listeners = [{"name": f"l{n}", "port": 80, **({"hostname": h} if h else {})} for n, h in enumerate(hostnames)]
    spec = {"addresses": [{"type": kind, "value": address}] if address else [], "listeners": listeners}
    return {"metadata": {"name": "in", "namespace": namespace}, "spec": spec}


def route(*hostnames: str, parent: dict[str, t.Any] | None = None, **backend: str) -> t.Any:
    rules = [{"backendRefs": [{"name": "web", **backend}]}]
    refs = [{"name": "in", "namespace": "istio-system", **(parent or {})}]
    spec = {"parentRefs": refs, "hostnames": list(hostnames), "rules": rules}
    return {"metadata": {"name": "theirs", "namespace": "apps"}, "spec": spec}


def found(gateways: list[t.Any], one: t.Any) -> list[Claim]:
    return route_claims(gateways, [one], SERVICE, "istio-system")


@pytest.mark.parametrize(
    ("listeners", "hostnames", "hosts"),
    [
        ([""], ["shop.example"], ["shop.example"]),
        (["*.example"], ["shop.example"], ["shop.example"]),
        (["shop.example"], ["*.example"], ["shop.example"]),
        (["shop.example"], [], ["shop.example"]),
        ([""], [], ["*"]),
        (["other.example"], ["shop.example"], []),
        (["a.example", "b.example"], ["*.example"], ["a.example", "b.example"]),
    ],
)
def test_a_route_serves_what_its_listeners_have_too(listeners: list[str], hostnames: list[str], hosts: t.Any) -> None:
    assert [claim.host for claim in found([gateway(*listeners)], route(*hostnames))] == hosts


def test_what_a_route_leads_to_is_known() -> None:
    (claim,) = found([gateway("")], route("shop.example", namespace="shop"))
    assert claim == Claim("shop.example", "HTTPRoute apps/theirs", ("web.shop",))
    assert found([gateway("")], route("shop.example"))[0].services == ("web.apps",)
    redirect = route("shop.example")
    redirect["spec"]["rules"] = [{"filters": [{"type": "RequestRedirect"}]}]
    assert found([gateway("")], redirect)[0].services == ()


@pytest.mark.parametrize(
    "elsewhere",
    [
        gateway("", address=""),
        gateway("", kind="IPAddress"),
        gateway("", address=f"{SERVICE}.other.svc.cluster.local"),
        gateway("", address="other.istio-system.svc.cluster.local"),
        gateway("", namespace="apps"),
    ],
)
def test_a_gateway_elsewhere_serves_nothing_here(elsewhere: t.Any) -> None:
    assert found([elsewhere], route("shop.example")) == []


def test_only_the_listener_that_a_route_names_counts() -> None:
    two = [gateway("a.example", "b.example")]
    assert [c.host for c in found(two, route("*.example", parent={"sectionName": "l1"}))] == ["b.example"]
    assert found(two, route("*.example", parent={"port": 443})) == []
    assert found(two, route("*.example", parent={"kind": "Service", "group": ""})) == []
    short = gateway("", address=SERVICE)
    assert found([short], route("shop.example")), "a short name is in the Gateway's own namespace"
