# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service of the clusterset: what comes of Services that differ, and what each cluster is told of it."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import (
    EXPORTED_AT,
    Merged,
    Source,
    export_conditions,
    exported_at,
    import_clusters,
    later_than,
    mcs_version,
    merge,
    service_export,
    service_import,
    shared_pod_names,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import Export
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
NOW = "2026-03-01T00:00:00Z"
HTTP = {"name": "http", "port": 80}
ORDERS = Export("orders", "shop")


def source(cluster: str, *ports: t.Mapping[str, t.Any], at: str = OLD, **spec: t.Any) -> Source:
    return Source(cluster, {"spec": {"ports": list(ports), **spec}}, at)


def told(*sources: Source) -> list[tuple[str, str]]:
    return [(conflict.cluster, conflict.reason) for conflict in merge(sources).conflicts]


def test_same_services_conflict_in_nothing() -> None:
    here = source("west", {**HTTP, "protocol": "TCP", "targetPort": 8080, "nodePort": 30080})
    merged = merge([here, source("north", {**HTTP, "targetPort": "web"})])
    assert merged.conflicts == ()
    assert merged.ports == ({"name": "http", "port": 80, "protocol": "TCP"},)


def test_ports_are_united_and_the_lack_is_told() -> None:
    grpc = {"name": "grpc", "port": 9000}
    sources = [source("west", HTTP), source("north", HTTP, grpc, at=NEW)]
    assert [port["name"] for port in merge(sources).ports] == ["http", "grpc"]
    assert told(*sources) == [("west", "PortConflict")]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "http", "port": 81},
        {"name": "web", "port": 80},
        {"name": "http", "port": 80, "protocol": "UDP"},
        {"name": "http", "port": 80, "appProtocol": "kubernetes.io/h2c"},
    ],
    ids=["number", "name", "protocol", "app-protocol"],
)
def test_oldest_export_decides_on_a_port(other: dict[str, t.Any]) -> None:
    sources = [source("aaa", other, at=NEW), source("west", HTTP, at=OLD)]
    assert merge(sources).ports == ({"name": "http", "port": 80, "protocol": "TCP"},)
    assert told(*sources) == [("aaa", "PortConflict")]


def test_ports_keep_names_and_numbers_unique() -> None:
    crossed = source("north", {"name": "http", "port": 81}, {"name": "web", "port": 80}, at=NEW)
    merged = merge([source("west", HTTP), crossed])
    assert [port["name"] for port in merged.ports] == ["http"]
    assert [conflict.cluster for conflict in merged.conflicts] == ["north", "north"]


def test_unnamed_is_a_name_too() -> None:
    assert told(source("west", {"port": 80}), source("north", {"port": 81}, at=NEW)) == [("north", "PortConflict")]


def test_oldest_export_decides_on_headless() -> None:
    sources = [source("north", HTTP, at=NEW), source("west", HTTP, clusterIP="None")]
    assert merge(sources).headless
    assert told(*sources) == [("north", "TypeConflict")]


@pytest.mark.parametrize(
    ("seconds", "reason"), [(None, "SessionAffinityConflict"), (60, "SessionAffinityConfigConflict")]
)
def test_oldest_export_decides_on_affinity(seconds: int | None, reason: str) -> None:
    other = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": seconds}}}
    newer = source("north", HTTP, at=NEW, **(other if seconds else {"sessionAffinity": "None"}))
    older = source("west", HTTP, sessionAffinity="ClientIP")
    assert merge([newer, older]).affinity_seconds == 10800
    assert told(newer, older) == [("north", reason)]


def test_headless_service_has_no_affinity() -> None:
    sources = [
        source("west", HTTP, clusterIP="None", sessionAffinity="ClientIP"),
        source("north", HTTP, clusterIP="None", at=NEW),
    ]
    assert merge(sources).affinity_seconds == 0
    assert told(*sources) == []


@pytest.mark.parametrize("at", [(OLD, OLD, OLD), (OLD, "", NEW), ("", "", "")])
def test_order_of_sources_changes_nothing(at: tuple[str, ...]) -> None:
    given = [source(name, {"name": "http", "port": 80 + i}, at=at[i]) for i, name in enumerate("abc")]
    first, *others = [merge(order) for order in itertools.permutations(given)]
    assert all(other == first for other in others)


def test_export_that_is_not_there_yet_is_the_newest() -> None:
    assert told(source("aaa", {"name": "http", "port": 81}, at=""), source("west", HTTP)) == [("aaa", "PortConflict")]


def test_only_the_differing_cluster_is_told_of_a_conflict() -> None:
    merged = merge([source("west", HTTP), source("north", {"name": "http", "port": 81}, at=NEW)])
    valid, mine = export_conditions(merged, "north", None, NOW)
    assert (valid["type"], valid["status"]) == ("Valid", "True")
    assert (mine["status"], mine["reason"]) == ("True", "PortConflict")
    assert mine["message"] == "has port 81/TCP (http), but port 80/TCP (http) in west, which exported it first"
    _valid, other = export_conditions(merged, "west", None, NOW)
    assert (other["status"], other["reason"]) == ("False", "NoConflicts")


def test_condition_is_written_once() -> None:
    merged = merge([source("west", HTTP)])
    had = export_conditions(merged, "west", None, OLD)
    assert export_conditions(merged, "west", {"status": {"conditions": had}}, NOW) == []


def test_condition_keeps_its_time_until_it_turns() -> None:
    conflicting = merge([source("west", HTTP), source("north", {"name": "http", "port": 81}, at=NEW)])
    for status, since in (("True", OLD), ("False", NOW)):
        live = {"status": {"conditions": [{"type": "Conflict", "status": status, "lastTransitionTime": OLD}]}}
        _valid, condition = export_conditions(conflicting, "north", live, NOW)
        assert condition["lastTransitionTime"] == since


def test_import_has_the_address_and_what_was_merged() -> None:
    merged = merge([source("west", HTTP, sessionAffinity="ClientIP")])
    made = service_import(ORDERS, merged, ["240.240.0.9"], "multicluster.x-k8s.io/v1alpha1")
    assert made["apiVersion"] == "multicluster.x-k8s.io/v1alpha1"
    assert made["spec"] == {
        "type": "ClusterSetIP",
        "ips": ["240.240.0.9"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
    }


def test_headless_import_has_no_address() -> None:
    made = service_import(
        ORDERS, merge([source("west", HTTP, clusterIP="None")]), ["240.240.0.9"], "multicluster.x-k8s.io/v1beta1"
    )
    assert made["spec"]["type"] == "Headless"
    assert "ips" not in made["spec"]


@pytest.mark.parametrize(
    ("north", "version"),
    [(("v1alpha1", "v1beta1"), "v1alpha1"), (("v1alpha1",), "v1alpha1"), (("v1beta1",), "v1beta1")],
)
def test_istiod_is_told_a_version_that_all_serve(north: tuple[str, ...], version: str) -> None:
    assert mcs_version({"west": ("v1alpha1", "v1beta1"), "north": north}) == version


def test_clusters_without_a_common_version_are_told() -> None:
    with pytest.raises(FleetError) as raised:
        mcs_version({"west": ("v1alpha1",), "north": ("v1beta1",)})
    assert "west: v1alpha1; north: v1beta1" in str(raised.value)


def test_an_export_names_the_service_and_its_age() -> None:
    made = service_export(ORDERS, "multicluster.x-k8s.io/v1beta1", None, NOW)
    assert made == {
        "apiVersion": "multicluster.x-k8s.io/v1beta1",
        "kind": "ServiceExport",
        "metadata": {"name": "orders", "namespace": "shop", "annotations": {"mesh.fleet/exported-at": NOW}},
    }


def test_age_of_an_export_stays() -> None:
    dated = {"metadata": {"creationTimestamp": NEW, "annotations": {EXPORTED_AT: OLD}}}
    former = {"metadata": {"creationTimestamp": NEW}}
    assert [exported_at(one, NOW) for one in (dated, former, None)] == [OLD, NEW, NOW]
    assert service_export(ORDERS, "v", dated, NOW)["metadata"]["annotations"] == {EXPORTED_AT: OLD}
    assert "annotations" not in service_export(ORDERS, "v", former, NOW)["metadata"]


@pytest.mark.parametrize(
    ("ages", "later"),
    [
        ([], NOW),
        ([OLD, NEW], NOW),
        ([NOW, OLD], "2026-03-01T00:00:01Z"),
        (["2026-12-31T23:59:59Z"], "2027-01-01T00:00:00Z"),
        (["yesterday", "9999-12-31T23:59:59Z", "2026-03-01"], "2026-03-01T00:00:01Z"),
    ],
    ids=["none", "older", "same-second", "clock-ahead", "edited"],
)
def test_what_is_exported_next_is_the_youngest(ages: list[str], later: str) -> None:
    assert later_than(ages, NOW) == later


def test_exports_of_one_second_do_not_say_first() -> None:
    one, other = source("north", HTTP, at=NOW), source("west", {"name": "http", "port": 81}, at=NOW)
    (conflict,) = merge([other, one]).conflicts
    assert conflict.message.endswith("in north, whose name comes first, as both exported it at once")


SECONDS = st.integers(0, 3).map(lambda second: f"2026-03-01T00:00:0{second}Z")
SPECS = st.fixed_dictionaries(
    {
        "ports": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["http", "grpc"]), "port": st.integers(80, 82)}),
            min_size=1,
            max_size=2,
            unique_by=lambda port: port["name"],
        ),
        "clusterIP": st.sampled_from(["None", "10.0.0.1"]),
        "sessionAffinity": st.sampled_from(["None", "ClientIP"]),
    }
)
EXPORTS = st.dictionaries(st.sampled_from(["east", "north", "south", "west"]), st.tuples(SPECS, SECONDS), min_size=1)


def exported(services: t.Mapping[str, t.Any], live: t.Mapping[str, t.Any], now: str) -> Merged:
    return merge([Source(name, {"spec": spec}, exported_at(live.get(name), now)) for name, spec in services.items()])


@settings(max_examples=100, deadline=None)
@given(EXPORTS, st.randoms(use_true_random=False), st.data())
def test_whoever_writes_first_the_next_run_says_the_same(given_: dict[str, t.Any], chance: t.Any, data: t.Any) -> None:
    services = {name: spec for name, (spec, _second) in given_.items()}
    there = data.draw(st.sets(st.sampled_from(sorted(services))))
    live: dict[str, t.Any] = {name: {"metadata": {"creationTimestamp": given_[name][1]}} for name in there}
    now = later_than([exported_at(one, "") for one in live.values()], "2026-03-01T00:00:02Z")
    first = exported(services, live, now)
    for name in set(services) - there:
        # Servers write when they come to it, by clocks of their own.
        made = service_export(ORDERS, "v", None, now)
        live[name] = {"metadata": {**made["metadata"], "creationTimestamp": data.draw(SECONDS)}}
    if there:
        oldest = min(there, key=lambda name: (given_[name][1], name))
        assert first.headless is (services[oldest]["clusterIP"] == "None"), "what was there decides"
    shuffled = list(services.items())
    chance.shuffle(shuffled)
    second = exported(dict(shuffled), live, "2026-03-01T00:10:00Z")
    assert second == first
    for name, export in live.items():
        had = {**export, "status": {"conditions": export_conditions(first, name, export, now)}}
        assert export_conditions(second, name, had, "2026-03-01T00:10:00Z") == []


def test_an_import_names_its_clusters_in_order() -> None:
    assert import_clusters(["west", "east"]) == [{"cluster": "east"}, {"cluster": "west"}]


def stateful_set(name: str, **labels: str) -> dict[str, t.Any]:
    return {"metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": labels}}}}


def test_pods_of_one_name_are_told_by_cluster() -> None:
    west = [
        stateful_set("db", app="db", tier="x"),
        stateful_set("other", app="other"),
        stateful_set("db-west", app="db"),
    ]
    east = [stateful_set("db", app="db"), stateful_set("other", app="other"), stateful_set("db-east", app="db")]
    assert shared_pod_names({"west": west, "east": east}, {"app": "db"}) == {"db": ["east", "west"]}
    assert shared_pod_names({"west": west}, {"app": "db"}) == {}
    assert shared_pod_names({"west": west, "east": east}, {}) == {}, "a Service without a selector selects no pods"
