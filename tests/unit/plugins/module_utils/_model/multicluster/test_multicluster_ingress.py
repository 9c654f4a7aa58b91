# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exports, front door and managed control planes as plain data."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.mesh_status import in_words
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import (
    export_troubles,
    import_lacks,
    import_ready,
    offer,
    parse_exports,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_reading import parse_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import (
    differing,
    door_objects,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    config_cluster,
    fleet_project,
    members,
    needed_features,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

CLUSTERS = ("west", "north")


def fleet(**hosts: dict[str, t.Any]) -> Fleet:
    shared = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "us-west1"}
    return Fleet.from_inventory({name: {**shared, **v} for name, v in hosts.items()})


# -- exports -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("orders.shop", "is not a dictionary"),
        ({"service": "orders", "to": "all"}, "is not name.namespace"),
        ({"service": "orders.shop.svc", "to": "all"}, "is not name.namespace"),
        ({"service": "orders.shop", "too": "all"}, "mesh_exports[0].too is unknown"),
        ({"service": "orders.shop", "to": "some"}, "neither all nor a list"),
        ({"service": "orders.shop", "to": ["wst"]}, 'did you mean "west"?'),
    ],
)
def test_a_wrong_export_is_named(entry: t.Any, said: str) -> None:
    with pytest.raises(FleetError) as wrong:
        parse_exports([entry], CLUSTERS)
    assert said in str(wrong.value)


def test_exports_reach_whom_they_are_for() -> None:
    everywhere, here = parse_exports([{"service": "a.x"}, {"service": "b.x", "to": ["west"]}], CLUSTERS)
    assert (everywhere.reaches("north"), here.reaches("north"), here.reaches("west")) == (True, False, True)
    assert everywhere.host == "a.x.svc.clusterset.local"
    with pytest.raises(FleetError, match="twice"):
        parse_exports([{"service": "a.x"}, {"service": "a.x"}], CLUSTERS)


def test_an_import_has_arrived_when_it_has_an_address() -> None:
    assert import_ready(None) == (False, "there is no ServiceImport yet")
    assert import_ready({"spec": {"type": "ClusterSetIP"}})[0] is False
    assert import_ready({"spec": {"type": "ClusterSetIP", "ips": ["10.0.0.9"]}}) == (True, "10.0.0.9")
    assert import_ready({"spec": {"type": "Headless"}})[0] is True


def test_an_import_names_the_clusters_whose_pods_it_has() -> None:
    sources = {"west": "shop-west", "north": "north"}
    live = {"status": {"clusters": [{"cluster": "projects/100/locations/us-west1/memberships/shop-west"}]}}
    assert import_lacks(live, sources) == ["north"]
    assert import_lacks({"status": {}}, sources) == []
    assert import_lacks(None, sources) == []


def test_conditions_of_an_export_that_speak_against_it_are_told() -> None:
    conditions = [
        {"type": "Valid", "status": "True"},
        {"type": "Ready", "status": "False", "reason": "Pending", "message": "no endpoints"},
        {"type": "Conflict", "status": "True", "reason": "PortConflict"},
        {"type": "Other", "status": "Unknown"},
    ]
    assert export_troubles({"status": {"conditions": conditions}}) == [
        "Ready is False (Pending: no endpoints)",
        "Conflict is True (PortConflict)",
    ]
    assert export_troubles({}) == []
    assert export_troubles(None) == ["there is no ServiceExport any more"]


def test_what_clusters_offer_is_compared_in_words() -> None:
    web = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 53, "protocol": "UDP"}]}}
    assert offer(web) == "port 53/UDP, 80 (http)"
    assert offer({"spec": {"clusterIP": "None", "ports": [{"port": 80}]}}) == "headless, port 80"
    assert offer({"spec": {}}) == "no port"


def test_a_door_tells_of_services_that_differ() -> None:
    one = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}
    other = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 9090}]}}
    assert differing("web.shop", {"west": one, "north": dict(one)}) == ""
    assert "in north than in west" in differing("web.shop", {"west": one, "north": other})


# -- the front door ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "more", "said"),
    [
        ([{"service": "web.shop", "cluster": "west"}], {}, "did you mean clusters?"),
        ([{"service": "web.shop", "clusters": ["wst"]}], {}, 'did you mean "west"?'),
        ([{"service": "web.shop", "path": "pay"}], {}, "begins with /"),
        ([{"service": "web.shop", "path": "/pay/*"}], {}, "is no path"),
        ([{"service": "web.shop", "port": "http"}], {}, "is no port"),
        ([{"service": "web.shop", "health": {"url": "/"}}], {}, "is no health check"),
        ([{"service": "web.shop"}, {"service": "pay.bank", "path": "/pay"}], {}, "several namespaces"),
        ([{"service": "web.shop"}, {"service": "pay.shop"}], {}, "any host/ goes to web.shop already"),
        ([{"service": "web.shop"}, {"service": "web.shop", "path": "/a", "port": 81}], {}, "one backend"),
        ([{"service": "web.shop"}], {"https_redirect": True}, "front_door_certificates"),
    ],
)
def test_a_wrong_door_is_named(routes: t.Any, more: dict[str, t.Any], said: str) -> None:
    with pytest.raises(FleetError) as wrong:
        parse_door("front-door", routes, CLUSTERS, **more)
    assert said in str(wrong.value)


def test_ports_come_from_the_service() -> None:
    door = parse_door("door", [{"service": "web.shop", "port": 443, "health": "/ready"}], CLUSTERS)
    live = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}, {"port": 443, "targetPort": "https"}]}}
    config, service, ingress = door_objects(door, {"web": live}, {"web": ["us-west1-a/west"]}, "")
    # Google means the pods' port: without one they are asked where they serve.
    assert config["spec"]["healthCheck"] == {"type": "HTTP", "requestPath": "/ready"}
    assert service["spec"]["template"]["spec"]["ports"][0]["targetPort"] == "https"
    assert service["metadata"]["annotations"] == {"beta.cloud.google.com/backend-config": '{"ports": {"443": "web"}}'}
    assert ingress["spec"]["template"]["spec"] == {"backend": {"serviceName": "web", "servicePort": 443}}
    live["spec"]["ports"][1]["appProtocol"] = "https"
    door = parse_door("door", [{"service": "web.shop", "port": 443, "health": {"path": "/r", "port": 8443}}], CLUSTERS)
    config, service, _ingress = door_objects(door, {"web": live}, {}, "")
    assert config["spec"]["healthCheck"] == {"type": "HTTPS", "requestPath": "/r", "port": 8443}
    assert service["metadata"]["annotations"]["networking.gke.io/app-protocols"] == '{"port-443": "HTTPS"}'
    assert "appProtocol" not in service["spec"]["template"]["spec"]["ports"][0]
    with pytest.raises(FleetError, match="has no port 443"):
        door_objects(door, {"web": {"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}}, {}, "")
    with pytest.raises(FleetError, match="selects no pods"):
        door_objects(door, {"web": {"spec": {"ports": [{"port": 443}]}}}, {}, "")


# -- members -----------------------------------------------------------------------------------


def test_members_are_named_by_the_inventory() -> None:
    made = fleet(west={"cluster_zone": "us-west1-a", "gke_name": "shop-west"}, fra={"cluster_provider": "kubeconfig"})
    west = next(iter(members(made).values()))
    assert west.resource_link == "//container.googleapis.com/projects/shop-prod/locations/us-west1-a/clusters/shop-west"
    assert west.name == "projects/shop-prod/locations/us-west1/memberships/shop-west"
    assert west.link == "us-west1-a/shop-west"
    with pytest.raises(FleetError, match="project is not named"):
        members(fleet(west={"gke_project": ""}))
    two = members(fleet(west={"gke_project": "a"}, north={"gke_project": "b"}))
    with pytest.raises(FleetError, match="several Google fleets"):
        fleet_project(two)
    together = {"gke_fleet_project": "host"}
    made = fleet(west={"gke_project": "a", **together}, north={"gke_project": "b", **together})
    assert fleet_project(members(made)) == "host"


def test_the_config_cluster_is_one_of_them() -> None:
    made = fleet(west={"gke_config_cluster": "north"}, north={"gke_config_cluster": "north"})
    assert config_cluster(made, members(made)) == "north"
    plain = fleet(west={}, north={})
    assert config_cluster(plain, members(plain)) == "west"
    lost = fleet(west={"gke_config_cluster": "nrth"})
    with pytest.raises(FleetError, match="is not a GKE cluster"):
        config_cluster(lost, members(lost))


def test_features_follow_from_the_inventory() -> None:
    assert needed_features(fleet(west={})) == []
    managed = fleet(west={"mesh_control_plane": "managed", "mesh_exports": [{"service": "a.x"}]})
    assert needed_features(managed, front_door=True) == [
        "servicemesh",
        "multiclusterservicediscovery",
        "multiclusteringress",
    ]


# -- managed control planes --------------------------------------------------------------------

MANAGED = {"mesh_control_plane": "managed"}


def test_codes_become_words() -> None:
    assert in_words("CLUSTER_HAS_ZERO_NODES") == "the cluster has no nodes"
    assert in_words("QUOTA_EXCEEDED_BACKEND_SERVICES") == "the project's quota of backend services is used up"
    assert in_words("SOMETHING_QUITE_NEW") == "something quite new"
