# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio import helm_values as wiring

from ..fleets import SERVED, TWO, fleet


def test_values_of_a_primary() -> None:
    it = fleet(TWO, mesh_network="per_cluster")
    release = wiring.istiod_release(it, it.clusters["west"], "chart", hub="registry/istio", tag="1.31.1")
    assert (release.name, release.namespace) == ("istiod", "istio-system")
    assert release.values == {
        "ownerName": "mesh.fleet",
        "meshFleet": "local",
        "global": {
            "network": "west",
            "multiCluster": {"clusterName": "west"},
            "meshID": "shop",
            "hub": "registry/istio",
            "tag": "1.31.1",
        },
        "meshConfig": {
            "trustDomain": "shop.example",
            "defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}},
        },
    }


def test_a_remotes_values_name_its_primary_and_bring_no_istiod() -> None:
    it = fleet(SERVED, mesh_network="per_cluster")
    edge = it.clusters["edge"]
    assert wiring.istiod_release(it, edge, "chart", hub="h", tag="t", primary_address="10.0.0.1").values == {
        "ownerName": "mesh.fleet",
        "meshFleet": "local",
        "profile": "remote",
        "global": {
            "network": "edge",
            "multiCluster": {"clusterName": "edge"},
            "remotePilotAddress": "10.0.0.1",
        },
        "istiodRemote": {"injectionPath": "/inject/cluster/edge/net/edge"},
        "configMap": True,
        "meshConfig": {"trustDomain": it.trust_domain},
    }
    assert wiring.base_release(it, edge, "chart").values["profile"] == "remote"


def test_only_a_primary_that_serves_remotes_is_external() -> None:
    it = fleet({**SERVED, "west": {}})
    values = {name: wiring.istiod_release(it, it.clusters[name], "c").values["global"] for name in ("fra", "west")}
    served = wiring.istiod_release(it, it.clusters["west"], "c", serves_others=True)
    assert served.values["global"]["externalIstiod"] is True, "remotes that the inventory does not name"
    assert values["fra"]["externalIstiod"] is True
    assert "externalIstiod" not in values["west"]


def test_a_revision_is_in_names_and_values_and_default_is_empty() -> None:
    plain, canary = fleet(TWO), fleet(TWO, mesh_revision="canary")
    assert "revision" not in wiring.istiod_release(plain, plain.clusters["west"], "c").values
    release = wiring.istiod_release(canary, canary.clusters["west"], "c")
    assert (release.name, release.values["revision"]) == ("istiod-canary", "canary")
    assert wiring.base_release(canary, canary.clusters["west"], "c").values["defaultRevision"] == "canary"
    assert wiring.gateway_release(canary, canary.clusters["west"], "c", wiring.INGRESS).values["revision"] == "canary"
    assert wiring.webhook_name(plain) == "istio-sidecar-injector"
    assert wiring.webhook_name(canary) == "istio-sidecar-injector-canary"
    assert wiring.webhook_name(fleet(TWO, mesh_namespace="mesh")) == "istio-sidecar-injector-mesh"


def test_a_users_values_come_last_and_replace_lists() -> None:
    it = fleet(TWO)
    fleet_wide = {"meshConfig": {"trustDomain": "mine", "list": [1, 2]}, "global": {"tag": "mine"}}
    of_cluster = {"meshConfig": {"list": [3]}}
    values = wiring.istiod_release(it, it.clusters["west"], "c", tag="x", user=(fleet_wide, of_cluster)).values
    assert values["meshConfig"]["trustDomain"] == "mine"
    assert values["meshConfig"]["list"] == [3]
    assert values["global"]["tag"] == "mine"
    assert values["global"]["meshID"] == "shop"
    assert fleet_wide["meshConfig"]["list"] == [1, 2]


def test_an_istiod_that_reads_exports_is_told_which() -> None:
    it = fleet({**TWO, **SERVED})
    values = wiring.istiod_release(it, it.clusters["west"], "c", exports_api="multicluster.x-k8s.io/v1alpha1").values
    assert values["pilot"]["env"] == {
        "ENABLE_MCS_SERVICE_DISCOVERY": "true",
        "ENABLE_MCS_HOST": "true",
        "MCS_API_GROUP": "multicluster.x-k8s.io",
        "MCS_API_VERSION": "v1alpha1",
    }
    assert "pilot" not in wiring.istiod_release(it, it.clusters["west"], "c").values


def test_fixed_replicas_turn_autoscaling_off() -> None:
    it = fleet(TWO)
    assert wiring.istiod_release(it, it.clusters["west"], "c", replicas=2).values["autoscaleEnabled"] is False
    assert wiring.gateway_release(it, it.clusters["west"], "c", wiring.INGRESS, replicas=2).values["autoscaling"] == {
        "enabled": False
    }


@pytest.mark.parametrize(
    ("hosts", "network", "choice", "wanted"),
    [
        (TWO, "flat", "auto", []),
        (TWO, "flat", "always", ["west", "east"]),
        (TWO, "per_cluster", "auto", ["west", "east"]),
        (TWO, "per_cluster", "never", []),
        (SERVED, "flat", "auto", ["fra"]),
        (SERVED, "flat", "never", ["fra"]),
        (SERVED, "per_cluster", "auto", ["fra", "edge"]),
    ],
)
def test_east_west_gateways_stand_where_they_are_needed(
    hosts: dict[str, t.Any], network: str, choice: str, wanted: list[str]
) -> None:
    it = fleet(hosts, mesh_network=network)
    assert [c.name for c in it.clusters.values() if wiring.eastwest_wanted(it, c, choice)] == wanted


def test_the_namespace_has_network_primary_and_our_mark() -> None:
    it = fleet(SERVED, mesh_network="per_cluster")
    edge = wiring.system_namespace(it, it.clusters["edge"], created=True)["metadata"]
    assert edge["labels"]["topology.istio.io/network"] == "edge"
    assert edge["annotations"] == {
        "mesh.fleet/created": "true",
        "topology.istio.io/controlPlaneClusters": "fra",
    }
    assert "annotations" not in wiring.system_namespace(it, it.clusters["fra"], created=False)["metadata"]


def test_our_releases_name_their_fleet_in_their_values() -> None:
    it = fleet(TWO)
    west = it.clusters["west"]
    for release in (
        wiring.base_release(it, west, "c"),
        wiring.istiod_release(it, west, "c"),
        wiring.gateway_release(it, west, "c", wiring.EASTWEST),
    ):
        assert wiring.release_owner(release.values) == it.name
    assert wiring.release_owner({"global": {"meshID": "theirs"}}) is None
    # As earlier versions wrote them.
    assert wiring.release_owner({"ownerName": "mesh.fleet"}) == ""
    assert wiring.release_owner({"labels": {"mesh.fleet/part-of": "gateways"}}) == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
LAYER = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(LAYER, LAYER)
def test_merging_keeps_every_value_of_the_last_layer(first: dict[str, t.Any], last: dict[str, t.Any]) -> None:
    def within(part: t.Any, whole: t.Any) -> bool:
        if isinstance(part, dict):
            return isinstance(whole, dict) and all(key in whole and within(part[key], whole[key]) for key in part)
        return bool(part == whole)

    both = wiring.merged(first, last)
    assert within(last, both)
    assert set(both) == set(first) | set(last)
    assert wiring.merged(both, last) == both


SECCOMP = {"type": "RuntimeDefault"}
PODS = {
    "node_selector": {"pool": "mesh"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "image_pull_secrets": ["pull"],
    "resources": {"limits": {"cpu": "1"}},
}


def test_with_the_cni_agent_everything_passes_restricted() -> None:
    it = fleet(TWO, mesh_cni=True)
    west = it.clusters["west"]
    values = wiring.istiod_release(it, west, "c").values
    assert values["pilot"] == {"cni": {"enabled": True}}
    assert values["seccompProfile"] == values["global"]["proxy"]["seccompProfile"] == SECCOMP
    security = wiring.gateway_release(it, west, "c", wiring.INGRESS).values["securityContext"]
    assert security["seccompProfile"] == SECCOMP
    assert security["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]


def test_without_it_the_charts_have_their_own_values() -> None:
    it = fleet(TWO)
    west = it.clusters["west"]
    for release in (wiring.istiod_release(it, west, "c"), wiring.gateway_release(it, west, "c", wiring.INGRESS)):
        assert not {"pilot", "seccompProfile", "securityContext", "nodeSelector"} & set(release.values)
        assert "proxy" not in release.values.get("global", {})


def test_the_agents_release_has_images_platform_and_values() -> None:
    it = fleet(TWO, mesh_cni=True, cluster_platform="k3s", mesh_pods=PODS)
    release = wiring.cni_release(
        it, it.clusters["west"], "c", namespace="kube-system", hub="h", tag="t", user={"cniBinDir": "/bin"}
    )
    assert (release.name, release.namespace) == ("istio-cni", "kube-system")
    assert release.values["global"] == {"platform": "k3s", "hub": "h", "tag": "t", "imagePullSecrets": ["pull"]}
    assert release.values["cniBinDir"] == "/bin"
    assert wiring.release_owner(release.values) == it.name


def test_pods_of_istiod_and_gateways_go_where_the_inventory_says() -> None:
    it = fleet(TWO, mesh_pods=PODS)
    west = it.clusters["west"]
    istiod = wiring.istiod_release(it, west, "c", user=[{"nodeSelector": {"pool": "control"}}]).values
    assert istiod["nodeSelector"] == {"pool": "control"}, "the user's values win"
    assert istiod["tolerations"] == PODS["tolerations"]
    assert istiod["global"]["imagePullSecrets"] == ["pull"]
    gateway = wiring.gateway_release(it, west, "c", wiring.INGRESS).values
    assert gateway["nodeSelector"] == {"pool": "mesh"}
    assert gateway["imagePullSecrets"] == [{"name": "pull"}]
    assert "resources" not in gateway


@pytest.mark.parametrize(
    ("variables", "user", "enabled"),
    [
        ({}, (), False),
        ({"mesh_cni": True}, (), True),
        ({"cluster_platform": "openshift"}, (), True),
        ({"cluster_platform": "openshift", "mesh_cni": False}, (), True),
        ({}, ({"pilot": {"cni": {"enabled": True}}}, {}), True),
        ({}, ({"cni": {"enabled": True}},), True),
        ({"mesh_cni": True}, ({"pilot": {"cni": {"enabled": True}}}, {"pilot": {"cni": {"enabled": False}}}), False),
    ],
)
def test_who_sets_up_the_network_of_pods(
    variables: dict[str, t.Any], user: tuple[dict[str, t.Any], ...], enabled: bool
) -> None:
    assert wiring.cni_enabled(fleet(TWO, **variables).clusters["west"], user) is enabled


def test_openshift_has_the_agent_unless_something_else_brings_it() -> None:
    assert fleet(TWO, cluster_platform="openshift").clusters["west"].cni
    assert not fleet(TWO, cluster_platform="openshift", mesh_cni=False).clusters["west"].cni
    assert not fleet(TWO, cluster_platform="k3s").clusters["west"].cni


def test_a_release_is_recorded_as_gke_would_make_it() -> None:
    agent = wiring.Release(wiring.CNI, "kube-system", "chart", {"hub": "h"})
    assert wiring.recorded_release(agent, "gke").values == {"hub": "h", "cni": {"cniBinDir": "/home/kubernetes/bin"}}
    assert wiring.recorded_release(agent, "") == agent
    own = wiring.Release(wiring.CNI, "kube-system", "chart", {"cni": {"cniBinDir": "/opt"}})
    assert wiring.recorded_release(own, "gke") == own
    base = wiring.Release(wiring.BASE, "istio-system", "chart")
    assert wiring.recorded_release(base, "gke") == base
