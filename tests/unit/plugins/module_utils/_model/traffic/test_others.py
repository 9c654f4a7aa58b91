# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of others that are in the way of a policy's."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.others import (
    Other,
    others_of,
    refusal,
    wider_in_words,
    wider_of,
)

Object = dict[str, t.Any]
HOST = "reviews.shop.svc.cluster.local"
ROOT = "istio-system"


def made(kind: str, name: str = "theirs", *, ours: bool = False, where: str = "shop", **spec: t.Any) -> Object:
    labels = owner_labels("traffic", "shop") if ours else {"app.kubernetes.io/managed-by": "Helm"}
    meta = {"name": name, "namespace": where, "labels": labels, "managedFields": [{"manager": "helm"}]}
    return {"kind": kind, "metadata": meta, "spec": spec}


WANTED = [made("DestinationRule", "reviews-traffic", ours=True, host=HOST)]


def found(*live: Object, wanted: t.Iterable[Object] | None = None) -> list[Other]:
    return others_of(
        WANTED if wanted is None else wanted, live, lambda obj: has_our_labels(obj, "shop", "traffic"), ROOT
    )


def test_objects_for_the_same_host_are_found() -> None:
    rule, routes = made("DestinationRule", host="reviews"), made("VirtualService", hosts=["reviews"])
    assert [(one.host, one.obj) for one in found(rule, routes)] == [(HOST, rule), (HOST, routes)]


def test_ours_and_those_for_other_hosts_are_in_nobodys_way() -> None:
    assert found(made("DestinationRule", "reviews-traffic", ours=True, host=HOST)) == []
    assert (
        found(made("DestinationRule", host="orders"), made("VirtualService", hosts=["reviews"], gateways=["door"]))
        == []
    )
    assert found(made("ServiceEntry", hosts=[HOST])) == []
    assert found(made("DestinationRule", host=HOST), wanted=[]) == []


def test_an_entry_is_in_the_way_of_an_entry_alone() -> None:
    entry = made("ServiceEntry", "reviews.global-traffic", ours=True, hosts=["reviews.shop.global"])
    theirs = made("ServiceEntry", hosts=["reviews.shop.global"])
    (one,) = found(theirs, wanted=[entry])
    assert one.obj == theirs
    for said in ("", "it is a ServiceEntry"):
        step = refusal(one, "reviews.shop", "west", said).next_step
        assert step == "remove ServiceEntry shop/theirs, or the policy; traffic_adopt does not take it over"


def test_a_name_that_is_taken_is_found() -> None:
    (one,) = found(made("DestinationRule", "reviews-traffic", host="something-else"))
    assert one.by_name
    assert one.host == HOST
    text = str(refusal(one, "reviews.shop", "west"))
    assert "it has the name of an object that the policy makes" in text
    assert "rename or remove DestinationRule shop/reviews-traffic; or set traffic_adopt: true" in text


def test_the_owner_is_named_with_policy_cluster_and_remedy() -> None:
    theirs = made("VirtualService", hosts=["reviews"])
    theirs["metadata"]["annotations"] = {"meta.helm.sh/release-name": "shop"}
    text = str(refusal(found(theirs)[0], "reviews.shop from west", "west"))
    assert text.startswith("west VirtualService shop/theirs: reviews.shop from west: it is for ")
    assert "owner: Helm release shop, helm" in text
    assert "remove VirtualService shop/theirs, or the policy; or set traffic_adopt: true" in text
    theirs["metadata"]["labels"]["mesh.fleet/fleet"] = "other"
    assert "fleet other" in str(refusal(found(theirs)[0], "reviews.shop", "west"))


SUBSETS = [made("DestinationRule", "reviews-traffic", ours=True, host=HOST, subsets=[{"name": "v1"}])]
ROUTES = [made("VirtualService", "reviews-traffic", ours=True, hosts=[HOST])]
PATTERN = "*.shop.svc.cluster.local"


def wider(*live: Object, wanted: t.Sequence[Object] = ()) -> list[str]:
    wanted = list(wanted or WANTED)

    def is_ours(obj: Object) -> bool:
        return has_our_labels(obj, "shop", "traffic")

    found = wider_of(wanted, live, is_ours, ROOT)
    return [wider_in_words(one, wanted, "west", ROOT) for one in found]


def test_a_rule_for_a_pattern_is_named_and_in_nobodys_way() -> None:
    for pattern, where in ((PATTERN, "shop"), ("*", ROOT), ("*.local", ROOT)):
        theirs = made("DestinationRule", where=where, host=pattern)
        assert found(theirs, wanted=SUBSETS) == []
        (text,) = wider(theirs, wanted=SUBSETS)
        assert text == (
            f"west: DestinationRule {where}/theirs (owner: helm) is for {pattern}, and so for {HOST}. Istio takes the "
            "rule for the host itself: the policy's holds, and what this one says, as of TLS or limits, does not. It "
            "was left alone"
        )
    for other in ("*.shops.svc.cluster.local", "*.orders.svc.cluster.local", "reviews"):
        assert wider(made("DestinationRule", host=other)) == []
    assert wider(made("DestinationRule", host=PATTERN), wanted=ROUTES) == [], "the policy says nothing of connections"
    assert wider(made("DestinationRule", ours=True, host=PATTERN)) == []


def test_a_pattern_in_the_callers_namespace_comes_first() -> None:
    theirs = made("DestinationRule", where="web", host="*.local")
    (one,) = found(theirs, wanted=SUBSETS)
    text = str(refusal(one, "reviews.shop", "west"))
    assert "Istio takes it in place of the policy's rule for callers in namespace web, so the policy was not" in text
    assert wider(theirs, wanted=SUBSETS) == [], "it was refused"
    assert found(theirs) == [], "without subsets no call is lost"
    (text,) = wider(theirs)
    assert "Callers in namespace web get it in place of what the policy says of connections" in text


def test_routes_for_a_pattern_are_named() -> None:
    theirs = made("VirtualService", hosts=["orders", PATTERN], exportTo=[".", "web"])
    (text,) = wider(theirs, wanted=[*ROUTES, *WANTED])
    assert f"is for {PATTERN}, for callers in shop, web, and so for {HOST}" in text
    assert "the policy's hold, and these do not" in text
    (text,) = wider(theirs)
    assert "The policy makes no routes, so these hold beside what it says of connections" in text
    assert wider(made("VirtualService", hosts=[PATTERN], gateways=["door"]), wanted=ROUTES) == []


def test_of_many_hosts_three_are_named_and_entries_too() -> None:
    ours = [made("ServiceEntry", "h", ours=True, hosts=[f"h{number}.shop.global"]) for number in range(5)]
    (text,) = wider(made("ServiceEntry", hosts=["*.global"]), wanted=ours)
    assert "and so for h0.shop.global, h1.shop.global, h2.shop.global and 2 more. Istio takes the one for" in text


def test_for_which_callers_theirs_is_taken_is_said() -> None:
    selector = {"matchLabels": {"app": "web", "tier": "1"}}
    for theirs, means in (
        (made("DestinationRule", host=HOST), "Istio takes one of both, and nobody knows which"),
        (
            made("VirtualService", hosts=[HOST], exportTo=["."]),
            "Istio takes one of both for callers in shop, and nobody",
        ),
        (
            made("DestinationRule", host=HOST, workloadSelector=selector),
            "Istio takes it in place of the policy's rule for callers in shop with labels app=web, tier=1, so",
        ),
        (
            made("DestinationRule", where="web", host=HOST),
            "Istio takes it in place of the policy's rule for callers in namespace web, so",
        ),
    ):
        assert means in str(refusal(found(theirs)[0], "reviews.shop", "west"))
