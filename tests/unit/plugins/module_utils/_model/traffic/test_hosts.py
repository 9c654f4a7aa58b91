# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What live objects of Istio's say."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.hosts import (
    fits,
    hosts_of,
    named_by,
    namespace_of,
    subsets_of,
)

FULL = "reviews.shop.svc.cluster.local"


def made(kind: str, **spec: t.Any) -> dict[str, t.Any]:
    return {"kind": kind, "metadata": {"name": "x", "namespace": "shop"}, "spec": spec}


def test_a_short_name_is_one_of_the_objects_namespace() -> None:
    assert hosts_of(made("DestinationRule", host="reviews")) == (FULL,)
    assert hosts_of(made("VirtualService", hosts=["reviews", "a.example"])) == (FULL, "a.example")
    assert hosts_of(made("VirtualService", hosts=["*"])) == ("*",)
    assert hosts_of(made("ServiceEntry", hosts=["reviews.shop.global"])) == ("reviews.shop.global",)
    assert hosts_of({"kind": "Service", "metadata": {"name": "x"}}) == ()


def test_a_pattern_fits_what_ends_as_it_does() -> None:
    assert fits("*", FULL)
    assert fits("*.shop.svc.cluster.local", FULL)
    assert not fits("*.hop.svc.cluster.local", FULL)
    assert not fits(FULL, FULL), "it is no pattern"
    assert namespace_of(FULL) == namespace_of("reviews.shop.global") == "shop"
    assert namespace_of("*") == ""


def test_routes_of_a_gateway_alone_are_not_for_sidecars() -> None:
    assert hosts_of(made("VirtualService", hosts=["reviews"], gateways=["shop/door"])) == ()
    assert hosts_of(made("VirtualService", hosts=["reviews"], gateways=["shop/door", "mesh"])) == (FULL,)


def test_every_way_of_a_route_names_its_subset() -> None:
    def to(subset: str, host: str = "reviews") -> dict[str, t.Any]:
        return {"destination": {"host": host, "subset": subset}}

    service = made(
        "VirtualService",
        http=[
            {"route": [to("v1"), to("v2", FULL)], "mirror": to("v3")["destination"]},
            {"mirrors": [to("v4")], "redirect": {"uri": "/"}},
            {"route": [{"destination": {"host": "reviews"}}]},
        ],
        tcp=[{"route": [to("v5")]}],
        tls=[{"route": [to("v6", "other")]}],
    )
    assert named_by(service) == {
        *((FULL, f"v{number}") for number in range(1, 6)),
        (FULL, ""),
        ("other.shop.svc.cluster.local", "v6"),
    }
    assert named_by(None) == named_by(made("VirtualService")) == frozenset()


def test_subsets_of_a_rule_by_name() -> None:
    assert subsets_of(made("DestinationRule", subsets=[{"name": "v1"}])) == {"v1": {"name": "v1"}}
    assert subsets_of(None) == subsets_of(made("DestinationRule")) == {}
