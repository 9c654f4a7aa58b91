# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Orders of clusters and regions, as Istio keeps them: what Istio does with a setting is written here again."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.order import locality_setting, ranks
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Failover

from ..fleets import fleet


def of(**places: str) -> list[Cluster]:
    """Clusters, each with its region and, after a slash, its network."""
    hosts = {
        name: {"cluster_region": place.partition("/")[0], "mesh_network": place.partition("/")[2] or "flat"}
        for name, place in places.items()
    }
    return list(fleet(hosts).clusters.values())


def kept(setting: dict[str, t.Any], clusters: t.Sequence[Cluster], caller: Cluster) -> list[set[str]]:
    """Clusters as Istio's proxies of a caller's cluster prefer them; those of another network are gateways for them."""
    names = {
        "topology.istio.io/cluster": lambda c: c.name,
        "topology.istio.io/network": lambda c: c.network,
        "topology.kubernetes.io/region": lambda c: c.region if c.network == caller.network else "",
    }
    found: dict[int, set[str]] = {}
    for cluster in clusters:
        if "failoverPriority" in setting:
            wanted = [label.split("=") for label in setting["failoverPriority"]]
            assert len({label for label, _value in wanted}) == len(wanted), "Istio keeps one value for a label"
            missed = next((i for i, (label, value) in enumerate(wanted) if names[label](cluster) != value), len(wanted))
            priority = len(wanted) - missed
        else:
            to = [one["to"] for one in setting.get("failover", []) if one["from"] == caller.region]
            priority = 0 if cluster.region == caller.region else 1
            priority = 2 if priority and to and cluster.region != to[0] else priority
        found.setdefault(priority, set()).add(cluster.name)
    return [found[priority] for priority in sorted(found)]


THREE = of(west="us", east="us", north="eu")


@pytest.mark.parametrize(
    ("failover", "setting"),
    [
        (Failover("clusters", ("north",)), ["topology.istio.io/cluster=north"]),
        (
            Failover("clusters", ("west", "east")),
            ["topology.kubernetes.io/region=us", "topology.istio.io/cluster=west"],
        ),
        (Failover("clusters", ("west", "north")), None),
        (Failover("regions", ("eu",)), ["topology.istio.io/cluster=north"]),
        (Failover("regions", ("us", "eu")), ["topology.kubernetes.io/region=us"]),
    ],
)
def test_an_order_is_said_by_labels(failover: Failover, setting: list[str] | None) -> None:
    expected = {"enabled": True, "failoverPriority": setting} if setting else None
    assert locality_setting(failover, THREE, THREE[:1]) == expected


def test_a_network_is_a_step_where_no_region_is() -> None:
    clusters = of(west="us/one", east="ca/one", north="eu/two")
    setting = locality_setting(Failover("clusters", ("east", "west")), clusters, clusters[:1])
    assert setting == {
        "enabled": True,
        "failoverPriority": ["topology.istio.io/network=one", "topology.istio.io/cluster=east"],
    }


def test_a_region_is_no_label_of_another_networks_gateway() -> None:
    clusters = of(west="us/one", far="us/one", east="eu/two", south="eu/two", north="eu/three")
    west, east = clusters[0], clusters[2]
    american = Failover("regions", ("us",))
    assert locality_setting(american, clusters, [west]) == {
        "enabled": True,
        "failoverPriority": ["topology.kubernetes.io/region=us"],
    }
    assert locality_setting(american, clusters, [west, east]) == {
        "enabled": True,
        "failoverPriority": ["topology.istio.io/network=one"],
    }
    european = Failover("regions", ("eu",))
    assert locality_setting(european, clusters, [west]) is None, "neither one network nor a region's label"
    assert locality_setting(european, clusters, [east]) == {"enabled": True}, "their own region, by where pods are"


def test_three_regions_are_an_order_for_callers_in_the_first() -> None:
    clusters = of(west="us", east="ca", north="eu")
    order = Failover("regions", ("us", "eu"))
    assert locality_setting(order, clusters, clusters[:1]) == {
        "enabled": True,
        "failover": [{"from": "us", "to": "eu"}],
    }
    assert locality_setting(order, clusters, clusters[1:]) is None
    four = [*clusters, *of(south="au")]
    assert locality_setting(order, four, four[:1]) == {
        "enabled": True,
        "failover": [{"from": "us", "to": "eu"}],
    }, "the other two are equal"
    assert locality_setting(Failover("regions", ("us", "eu", "ca")), four, four[:1]) is None
    assert locality_setting(Failover("regions", ("us", "nowhere", "eu")), clusters, clusters[:1]) is not None


def test_an_order_of_one_rank_prefers_nothing() -> None:
    assert locality_setting(Failover("clusters", ("west",)), THREE[:1], THREE[:1]) == {"enabled": True}
    assert ranks(Failover("clusters", ("east",)), THREE).groups == ({"east"}, {"west", "north"})


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Fleet, Failover, Cluster]:
    count = draw(st.integers(1, 5))
    hosts = {
        f"c{i}": {
            "cluster_region": draw(st.sampled_from(["us", "ca", "eu", "au"])),
            "mesh_network": draw(st.sampled_from(["one", "two", "three"])),
        }
        for i in range(count)
    }
    made = fleet(hosts)
    mode = draw(st.sampled_from(["clusters", "regions"]))
    names = list(hosts) if mode == "clusters" else ["us", "ca", "eu"]
    order = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    return made, Failover(mode, tuple(order)), made.clusters[draw(st.sampled_from(list(hosts)))]


@given(drawn())
def test_what_istio_keeps_is_what_was_ordered(case: tuple[Fleet, Failover, Cluster]) -> None:
    made, failover, caller = case
    clusters = list(made.clusters.values())
    setting = locality_setting(failover, clusters, [caller])
    if setting is not None and len(ranks(failover, clusters).groups) > 1:
        assert kept(setting, clusters, caller) == [set(group) for group in ranks(failover, clusters).groups]
