# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One fleet with istiods of ours and control planes of Google's: each cluster gets what its own one understands."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed import Managed
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.exposure import cross_network_gateway
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    EASTWEST,
    INGRESS,
    eastwest_wanted,
    gateway_release,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import summary
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import call_pairs, expected_identity
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.checks import state_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import (
    App,
    SampleOptions,
    namespace_object,
    plan_cluster,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import probe_objects
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

GOOGLE = {"cluster_provider": "gke", "gke_project": "shop-prod", "mesh_control_plane": "managed"}


def fleet(**more: t.Any) -> Fleet:
    """West and north are Google's, fra is ours with a revision, a namespace and a network of its own."""
    shared = {
        "fleet_name": "shop",
        "mesh_trust_domain": "gke.mesh",
        "mesh_revision": "1-31",
        "mesh_namespace": "mesh",
        "cluster_region": "us-west1",
        **more,
    }
    fra = {"cluster_provider": "kubeconfig", "mesh_network": "frankfurt"}
    hosts: dict[str, dict[str, t.Any]] = {"west": GOOGLE, "north": GOOGLE, "fra": fra}
    return read_fleet({name: {**shared, **values} for name, values in hosts.items()})


def test_namespaces_ask_the_injector_that_is_there() -> None:
    made = fleet()
    west, fra = made.clusters["west"], made.clusters["fra"]
    assert control_plane_of(made, west).injection_label == {"istio-injection": "enabled"}
    assert control_plane_of(made, fra).injection_label == {"istio.io/rev": "1-31"}
    for cluster in (west, fra):
        wanted = control_plane_of(made, cluster).injection_label
        app = namespace_object(made, cluster, "shop", inject=True, created=False)
        probe = probe_objects(made, cluster, {}, image="i", created=False)[0]
        assert wanted.items() <= app["metadata"]["labels"].items()
        assert wanted.items() <= probe["metadata"]["labels"].items()
        assert sum(key.startswith("istio") for key in app["metadata"]["labels"]) == 1


def test_google_signs_for_the_project_that_hosts_its_fleet() -> None:
    made = fleet()
    assert control_plane_of(made, made.clusters["west"]).trust_domain == "shop-prod.svc.id.goog"
    assert control_plane_of(made, made.clusters["fra"]).trust_domain == "gke.mesh"
    hosted = fleet(gke_fleet_project="shop-fleet")
    assert control_plane_of(hosted, hosted.clusters["west"]).trust_domain == "shop-fleet.svc.id.goog"
    here = Environment(variables={"GCP_PROJECT": "from-env"})
    bare = read_fleet({"west": {"cluster_provider": "gke", "mesh_control_plane": "managed"}}, here)
    assert control_plane_of(bare, bare.clusters["west"]).trust_domain == "from-env.svc.id.goog"


def test_identities_are_those_of_the_callers_control_plane() -> None:
    made = fleet()
    assert expected_identity(made, "west", "a", "b") == "spiffe://shop-prod.svc.id.goog/ns/a/sa/b"
    assert expected_identity(made, "fra", "a", "b") == "spiffe://gke.mesh/ns/a/sa/b"


def test_gateways_stay_out_of_googles_namespace() -> None:
    made = fleet()
    west, fra = made.clusters["west"], made.clusters["fra"]
    assert (control_plane_of(made, west).namespace, control_plane_of(made, fra).namespace) == ("istio-system", "mesh")
    assert [control_plane_of(made, c).gateways_namespace() for c in (west, fra)] == ["istio-ingress", "mesh"]
    assert [control_plane_of(made, c).gateways_namespace("edge") for c in (west, fra)] == ["edge", "edge"]
    with pytest.raises(FleetError, match="leave gateways_namespace out"):
        control_plane_of(made, west).gateways_namespace("istio-system")


def test_a_managed_gateway_is_completed_by_google() -> None:
    made = fleet()
    west = gateway_release(made, made.clusters["west"], "gateway", INGRESS)
    assert west.namespace == "istio-ingress"
    assert not {"revision", "networkGateway"} & set(west.values)
    assert "istioNamespace" not in west.values["global"]
    fra = gateway_release(made, made.clusters["fra"], "gateway", INGRESS)
    assert (fra.namespace, fra.values["revision"]) == ("mesh", "1-31")


@pytest.mark.parametrize("choice", ["auto", "always", "never"])
def test_managed_clusters_have_no_east_west_gateway(choice: str) -> None:
    made = fleet()
    for name in ("west", "north"):
        assert not eastwest_wanted(made, made.clusters[name], choice)
        assert cross_network_gateway(made, made.clusters[name]) == []


def test_the_managed_clusters_network_asks_no_gateway_of_others() -> None:
    made = fleet()
    assert set(made.networks()) == {"shop-flat", "frankfurt"}
    assert not eastwest_wanted(made, made.clusters["fra"])
    assert cross_network_gateway(made, made.clusters["fra"]) == []
    ours = read_fleet({name: {"mesh_network": "per_cluster"} for name in ("fra", "oslo")})
    assert eastwest_wanted(ours, ours.clusters["fra"])
    assert cross_network_gateway(ours, ours.clusters["fra"])[0]["spec"]["selector"] == {
        "istio": EASTWEST.removeprefix("istio-")
    }


def test_the_page_is_exposed_in_a_version_that_google_knows() -> None:
    made = fleet()
    options = SampleOptions(
        where={"caller": {"v1": tuple(made.clusters)}}, image="i", program={"sample.py": ""}, hosts=("*",)
    )
    for name, version in (("west", "v1beta1"), ("fra", "v1")):
        objects = plan_cluster(made, name, [], options).objects
        apis = {o["apiVersion"] for o in objects if "istio" in o["apiVersion"]}
        assert apis == {f"networking.istio.io/{version}"}


def test_googles_namespace_is_not_ours_to_label() -> None:
    made = fleet()
    apps = [App(name="a", namespace="istio-system", clusters=("west", "fra"))]
    assert plan_cluster(made, "west", apps).namespaces == {}
    assert plan_cluster(made, "fra", apps).namespaces == {"istio-system": True}


def test_stubs_lead_from_managed_to_managed_and_no_further() -> None:
    made = fleet()
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    app = App(name="a", namespace="shop", clusters=("north",), manifests=(service,))
    assert app.stubs(made) == ("west",)
    good, bad = call_pairs(made, made.clusters)
    # Nobody else may be called from fra, whose control plane is another: it calls itself.
    assert good == [("west", "north"), ("north", "west"), ("fra", "fra")]
    assert len(bad) == 4


def test_preflight_says_whose_trust_domain_it_is() -> None:
    said = summary(fleet())
    assert said == (
        "3 clusters, 0 directed peers, 2 networks; Google runs 2 control planes, trust domain shop-prod.svc.id.goog"
    )


# -- verify ------------------------------------------------------------------------------------


def checks(facts: Facts) -> dict[tuple[str, str], str]:
    found = state_checks(fleet(), {facts.cluster: facts}, leaf_hours=1, signer_days=7)
    return {(c.group, c.name): c.state for c in found}


def test_what_google_does_not_show_is_skipped_and_said() -> None:
    facts = Facts("west", probe="p", sidecar=True, proxy_cluster="cn-shop-prod-us-west1-west", proxy_network="shop-vpc")
    found = checks(facts)
    assert found == {("control plane", "west"): "skipped", ("sidecar", "west"): "ok", ("credentials", "west"): "ok"}
    skipped = next(c for c in state_checks(fleet(), {"west": facts}, leaf_hours=1, signer_days=7))
    assert "Google runs it" in skipped.seen


def test_a_missing_sidecar_is_reported_for_google_too() -> None:
    facts = Facts("west", probe="p", sidecar=False)
    assert checks(facts)["sidecar", "west"] == "failed"
    found = state_checks(fleet(), {"west": facts}, leaf_hours=1, signer_days=7)
    assert "gke_fleet stage with --limit west" in next(c.next_step for c in found if c.group == "sidecar")


def test_googles_roots_and_ours_are_not_compared() -> None:
    facts = {"west": Facts("west", proxy_roots="theirs"), "fra": Facts("fra", root_config="ours")}
    found = state_checks(fleet(), facts, leaf_hours=1, signer_days=7)
    assert {(c.name, c.state) for c in found if c.group == "root"} == {("fra", "ok")}


def test_advice_about_an_istiod_becomes_advice_about_google() -> None:
    made = fleet()
    plane = control_plane_of(made, made.clusters["west"])
    means, step = plane.advice("north", "probe-north", "no address", "run the peering stage with --limit west,north")
    assert "not read probe-north" in means
    assert "asm-options" in step
    assert "gke_fleet stage with --limit west,north" in step
    denied = "an AuthorizationPolicy of north denies this caller", "allow the identity there"
    assert plane.advice("north", "probe-north", *denied) == denied
    assert plane.advice("west", "probe-north", "", "") == ("", "")


# -- peering -----------------------------------------------------------------------------------


def test_managed_clusters_join_all_or_none() -> None:
    peers: dict[str, dict[str, t.Any]] = {
        "west": {},
        "north": {"mesh_peers": []},
        "south": {"mesh_peers": ["west", "north"]},
        "east": {"mesh_peers": ["fra"]},
    }
    hosts = {"fra": {}, **{name: {**GOOGLE, **values} for name, values in peers.items()}}
    made = read_fleet(hosts)
    planes = {name: Managed(made, made.clusters[name]) for name in peers}
    assert planes["west"].peering_mode() == "connected"
    assert planes["north"].peering_mode() == "disconnected"
    with pytest.raises(FleetError, match="chooses among"):
        planes["south"].peering_mode()
    with pytest.raises(FleetError) as foreign:
        planes["east"].peering_mode()
    assert "fra has no managed control plane" in str(foreign.value)
