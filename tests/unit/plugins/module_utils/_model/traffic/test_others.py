# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of others that are in the way of a policy's."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.others import Other, others_of, refusal

Object = dict[str, t.Any]
HOST = "reviews.shop.svc.cluster.local"


def made(kind: str, name: str = "theirs", *, ours: bool = False, **spec: t.Any) -> Object:
    labels = owner_labels("traffic", "shop") if ours else {"app.kubernetes.io/managed-by": "Helm"}
    meta = {"name": name, "namespace": "shop", "labels": labels, "managedFields": [{"manager": "helm"}]}
    return {"kind": kind, "metadata": meta, "spec": spec}


WANTED = [made("DestinationRule", "reviews-traffic", ours=True, host=HOST)]


def found(*live: Object, wanted: t.Iterable[Object] | None = None) -> list[Other]:
    return others_of(WANTED if wanted is None else wanted, live, lambda obj: has_our_labels(obj, "shop", "traffic"))


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
