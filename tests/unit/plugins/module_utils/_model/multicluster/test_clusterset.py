# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service of the clusterset: what comes of Services that differ, and what each cluster is told of it."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import (
    Source,
    export_conditions,
    import_clusters,
    mcs_version,
    merge,
    service_export,
    service_import,
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


def test_an_export_names_the_service_alone() -> None:
    made = service_export(ORDERS, "multicluster.x-k8s.io/v1beta1")
    assert made == {
        "apiVersion": "multicluster.x-k8s.io/v1beta1",
        "kind": "ServiceExport",
        "metadata": {"name": "orders", "namespace": "shop"},
    }


def test_an_import_names_its_clusters_in_order() -> None:
    assert import_clusters(["west", "east"]) == [{"cluster": "east"}, {"cluster": "west"}]
