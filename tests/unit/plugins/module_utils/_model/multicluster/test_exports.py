# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exported services as data: what is wrong with them, and what GKE's objects say of them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import (
    export_problems,
    import_ready,
    missing_sources,
    offer,
    parse_exports,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

CLUSTERS = ("west", "north")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("orders.shop", "is not a dictionary"),
        ({"service": "orders", "to": "all"}, "is not name.namespace"),
        ({"service": "orders.shop.svc", "to": "all"}, "is not name.namespace"),
        ({"service": "orders.shop", "too": "all"}, "mesh_exports[0].too is unknown"),
        ({"service": "orders.shop", "mtls": "yes"}, "is neither true nor false"),
        ({"service": "orders.shop", "to": "some"}, "neither all nor a list"),
        ({"service": "orders.shop", "to": ["wst"]}, 'did you mean "west"?'),
    ],
)
def test_a_wrong_export_is_named(entry: t.Any, said: str) -> None:
    with pytest.raises(FleetError) as wrong:
        parse_exports([entry], CLUSTERS)
    assert said in str(wrong.value)


def test_an_export_reaches_the_clusters_that_it_names() -> None:
    everywhere, here = parse_exports([{"service": "a.x"}, {"service": "b.x", "to": ["west"]}], CLUSTERS)
    assert (everywhere.reaches("north"), here.reaches("north"), here.reaches("west")) == (True, False, True)
    assert everywhere.host == "a.x.svc.clusterset.local"
    assert not everywhere.mtls
    assert parse_exports([{"service": "a.x", "mtls": True}], CLUSTERS)[0].mtls
    with pytest.raises(FleetError, match="twice"):
        parse_exports([{"service": "a.x"}, {"service": "a.x"}], CLUSTERS)


def test_an_import_is_ready_when_it_has_an_address() -> None:
    assert import_ready(None) == (False, "there is no ServiceImport yet")
    assert import_ready({"spec": {"type": "ClusterSetIP"}})[0] is False
    assert import_ready({"spec": {"type": "ClusterSetIP", "ips": ["10.0.0.9"]}}) == (True, "10.0.0.9")
    assert import_ready({"spec": {"type": "Headless"}})[0] is True


def test_an_import_names_the_clusters_whose_pods_it_includes() -> None:
    sources = {"west": "shop-west", "north": "north"}
    live = {"status": {"clusters": [{"cluster": "projects/100/locations/us-west1/memberships/shop-west"}]}}
    assert missing_sources(live, sources) == ["north"]
    assert missing_sources({"status": {}}, sources) == []
    assert missing_sources(None, sources) == []


def test_conditions_that_report_a_problem_of_an_export() -> None:
    conditions = [
        {"type": "Valid", "status": "True"},
        {"type": "Ready", "status": "False", "reason": "Pending", "message": "no endpoints"},
        {"type": "Conflict", "status": "True", "reason": "PortConflict"},
        {"type": "Other", "status": "Unknown"},
    ]
    assert export_problems({"status": {"conditions": conditions}}) == [
        "Ready is False (Pending: no endpoints)",
        "Conflict is True (PortConflict)",
    ]
    assert export_problems({}) == []
    assert export_problems(None) == ["there is no ServiceExport any more"]


def test_kind_and_ports_of_a_service_in_words() -> None:
    web = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 53, "protocol": "UDP"}]}}
    assert offer(web) == "port 53/UDP, 80 (http)"
    assert offer({"spec": {"clusterIP": "None", "ports": [{"port": 80}]}}) == "headless, port 80"
    assert offer({"spec": {}}) == "no port"
