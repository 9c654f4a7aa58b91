# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.authorized import blocks, keep_unnamed, view
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    cluster_specs,
    with_egress,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

Vars = dict[str, t.Any]
WEST: Vars = {
    "cluster_region": "us-west1",
    "gke_authorized_networks": ["198.51.100.7/32"],
    "cluster_pod_cidr": "10.16.0.0/16",
    "gke_node_cidr": "10.8.0.0/22",
}
NORTH: Vars = {"cluster_region": "europe-north1", "cluster_pod_cidr": "10.17.0.0/16", "gke_node_cidr": "10.8.4.0/22"}
CORP: Vars = {**NORTH, "gke_network": "corp"}
OWN: Vars = {
    "cluster_provider": "kubeconfig",
    "cluster_kubeconfig": "/k",
    "cluster_region": "eu",
    "cluster_egress": ["192.0.2.0/28"],
}
NAT = {("shop-prod", network, region): [address] for network, region, address in (
    ("corp", "europe-north1", "203.0.113.9/32"),
    ("mesh-shop", "us-west1", "203.0.113.8/32"),
    ("mesh-shop", "europe-north1", "203.0.113.7/32"),
)}  # fmt: skip


def west_of(**others: Vars) -> ClusterSpec:
    """The GKE cluster west in a fleet with these others, which all watch it."""
    base = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod"}
    fleet = read_fleet({host: {**base, **v} for host, v in {"west": WEST, **others}.items()})
    return with_egress(cluster_specs(fleet, members(fleet))["west"], NAT)


def kept(
    live: ClusterSpec, wanted: ClusterSpec, named: t.Container[str], *forget: str
) -> tuple[list[str], FleetError | None]:
    """What the authorized networks become where ``live`` are there, in words; and what is said of it."""
    spec, error = keep_unnamed(wanted, blocks(live), named, forget)
    return view(blocks(spec)), error


def test_ranges_for_clusters_have_their_names() -> None:
    assert view(blocks(west_of(north=NORTH, own=OWN))) == [
        "10.16.0.0/15 (north, west)",
        "10.8.0.0/21 (north, west)",
        "192.0.2.0/28 (own)",
        "198.51.100.7/32",
        "203.0.113.7/32 (north)",
    ]


@pytest.mark.parametrize("others", [{"north": NORTH}, {"north": CORP}, {"north": OWN}], ids=["vpc", "nat", "declared"])
def test_what_is_there_for_an_unnamed_cluster_stays(others: dict[str, Vars]) -> None:
    before = west_of(**others)
    now, error = kept(before, west_of(), {"west"})
    assert [text for text in view(blocks(before)) if "north" in text or "198" in text] == now
    assert error is not None and error.cluster == "west" and "does not name north" in error.what
    assert "-e peering_forget=north" in error.next_step
    # And in the next run too.
    again, _error = keep_unnamed(west_of(), blocks(before), {"west"})
    assert (kept(again, west_of(), {"west"})[0], str(kept(again, west_of(), {"west"})[1])) == (now, str(error))


@pytest.mark.parametrize("others", [{"north": NORTH}, {"north": CORP}, {"north": OWN}], ids=["vpc", "nat", "declared"])
def test_what_is_forgotten_goes(others: dict[str, Vars]) -> None:
    assert kept(west_of(**others), west_of(), {"west"}, "north") == (["198.51.100.7/32"], None)


def test_a_cluster_that_is_named_decides_by_its_variables() -> None:
    moved = {**OWN, "cluster_egress": ["192.0.2.16/28"]}
    now, error = kept(west_of(own=OWN), west_of(own=moved), {"west", "own"})
    assert "192.0.2.16/28 (own)" in now and error is None
    assert not any("192.0.2.0/28" in text for text in now)


def test_what_the_inventory_or_a_person_added_is_not_kept() -> None:
    live = [{"cidrBlock": "192.0.2.9/32"}, {"cidrBlock": "192.0.2.8/32", "displayName": "the office west"}]
    assert keep_unnamed(west_of(), live, {"west"}) == (west_of(), None)
    assert view(live) == ["192.0.2.8/32", "192.0.2.9/32"]


def test_a_range_that_others_need_too_keeps_the_name() -> None:
    both = {"a": OWN, "b": OWN}
    now, error = kept(west_of(**both), west_of(a=OWN), {"west", "a"})
    assert "192.0.2.0/28 (a, b)" in now and error is None


MANY = {f"cluster-with-a-long-name-{n:02d}": OWN for n in range(9)}
RANGE = "192.0.2.0/28"


def among_many(here: t.Collection[str], *forget: str, **moved: Vars) -> tuple[str, str]:
    """What the range of MANY becomes where these of them are in the inventory and none watches west; what is said."""
    ranges = [("192.0.2.0/30", name) for name in here]
    spec, error = keep_unnamed(west_of(**moved), blocks(west_of(**MANY)), {"west", *here}, forget, ranges)
    return next((text for text in view(blocks(spec)) if text.startswith("192.0.2.")), ""), error.what if error else ""


def test_many_names_are_cut_and_counted() -> None:
    (block,) = [b for b in blocks(west_of(**MANY)) if b["cidrBlock"] == RANGE]
    assert block["displayName"] == "mesh.fleet cluster-with-a-long-name-00 +8"
    hidden = dict(list(MANY.items())[1:])
    now, said = among_many([])
    assert now == f"{RANGE} (cluster-with-a-long-name-00, +8)"
    assert "does not name cluster-with-a-long-name-00, 8 more whose names did not fit, which" in said
    elsewhere = {"cluster-with-a-long-name-00": {**OWN, "cluster_egress": ["192.0.2.16/28"]}}
    now, said = among_many(list(elsewhere), **elsewhere)
    assert now == "192.0.2.0/27 (cluster-with-a-long-name-00, +8)" and "8 clusters whose names did not fit" in said
    # All of them are in the inventory, which wants them here no more.
    assert among_many([*MANY]) == ("", "")
    # Where three of those that are not shown are missing, they stay, and no forgotten name takes them along.
    for forget in ((), ("gone",)):
        now, said = among_many([*MANY][:6], *forget)
        assert now == f"{RANGE} (cluster-with-a-long-name-00, +3)"
        assert "does not name 3 clusters whose names did not fit, which may reach its API server" in said
    assert among_many([*MANY][:6], *[*MANY][6:]) == ("", "")
    assert among_many([], *MANY) == ("", "") and among_many([], *hidden)[0].startswith(RANGE)


def test_who_is_counted_is_not_counted_twice() -> None:
    """Those that are back are counted by their own ranges again, and what is missing is the same as before."""
    before = blocks(west_of(**MANY))
    here = dict(list(MANY.items())[:6])
    spec, _error = keep_unnamed(west_of(**here), before, {"west", *here}, (), [(RANGE, name) for name in here])
    assert view(blocks(spec)) == view(before)


def test_a_cut_without_a_number_is_at_least_one_more() -> None:
    live = [{"cidrBlock": RANGE, "displayName": "mesh.fleet a +"}]
    spec, error = keep_unnamed(west_of(), live, {"west", "a"}, (), [(RANGE, "a"), ("198.51.100.0/28", "b")])
    assert f"{RANGE} (a, +1)" in view(blocks(spec)) and error is not None
    assert keep_unnamed(west_of(), live, {"west", "a", "b"}, (), [(RANGE, "a"), (RANGE, "b")]) == (west_of(), None)


def test_everybody_is_nothing_to_keep() -> None:
    before = blocks(west_of(own=OWN))
    fleet_open = {**WEST, "gke_authorized_networks": []}
    base = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod"}
    fleet = read_fleet({"west": {**base, **fleet_open}})
    open_to_all = cluster_specs(fleet, members(fleet))["west"]
    assert keep_unnamed(open_to_all, before, {"west"}) == (open_to_all, None)


def test_more_than_google_accepts_is_refused() -> None:
    live = [{"cidrBlock": f"192.0.{n}.0/32", "displayName": "mesh.fleet gone"} for n in range(0, 200, 2)]
    with pytest.raises(FleetError, match="101 authorized networks") as caught:
        keep_unnamed(west_of(), live, {"west"})
    assert "peering_forget=gone" in caught.value.next_step
