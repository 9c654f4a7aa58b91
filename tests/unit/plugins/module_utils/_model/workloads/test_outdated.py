# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which workloads have to be restarted after a variable of the inventory changed: a test for each variable."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.outdated import (
    Workload,
    injected_workloads,
    outdated_workloads,
    restart_commands,
    restarted,
)

BEFORE: dict[str, t.Any] = {"cluster_provider": "kubeconfig", "mesh_id": "shop", "mesh_trust_domain": "shop.mesh"}


def fleet_of(name: str = "west", **variables: t.Any) -> Fleet:
    return read_fleet({host: {**BEFORE, **variables} for host in (name, "east")})


def pod(owner: str = "web-5d", kind: str = "ReplicaSet", revision: str = "default", **env: str) -> dict[str, t.Any]:
    """A pod that was injected in the cluster west of the fleet as it was before."""
    values = {"ISTIO_META_NETWORK": "shop-flat", "ISTIO_META_CLUSTER_ID": "west", "TRUST_DOMAIN": "shop.mesh", **env}
    proxy = {"name": "istio-proxy", "env": [{"name": name, "value": value} for name, value in values.items()]}
    return {
        "metadata": {
            "name": f"{owner}-x", "namespace": "shop", "annotations": {"istio.io/rev": revision},
            "labels": {"pod-template-hash": "5d"},
            "ownerReferences": [{"kind": kind, "name": owner, "controller": True}] if kind else [],
        },
        "spec": {"containers": [{"name": "web"}], "initContainers": [proxy]},
        "status": {"phase": "Running"},
    }  # fmt: skip


WEB = Workload("shop", "Deployment", "web")


@pytest.mark.parametrize(
    ("name", "changed", "differs"),
    [
        ("west", {}, []),
        ("west", {"mesh_network": "per_cluster"}, ["network shop-flat"]),
        ("west", {"mesh_id": "new"}, ["network shop-flat"]),
        ("west", {"mesh_trust_domain": "new.mesh"}, ["trust domain shop.mesh"]),
        ("new", {}, ["cluster west"]),
        ("west", {"mesh_role": "remote", "mesh_primary": "east"}, []),
        ("west", {"mesh_peers": []}, []),
        ("west", {"cluster_region": "eu-de"}, []),
        ("west", {"mesh_namespace": "istio"}, []),
    ],
)
def test_a_changed_variable(name: str, changed: dict[str, t.Any], differs: list[str]) -> None:
    fleet = fleet_of(name, **changed)
    found = outdated_workloads(fleet, fleet.clusters[name], [pod()])
    assert found == ({WEB: differs} if differs else {})


def test_a_sidecar_that_is_older_than_the_federation() -> None:
    fleet = fleet_of(mesh_federation={"peers": []})
    assert outdated_workloads(fleet, fleet.clusters["west"], [pod()]) == {WEB: ["no roots of peers"]}
    assert outdated_workloads(fleet, fleet.clusters["west"], [pod(PROXY_CONFIG_XDS_AGENT="true")]) == {}


def test_pods_of_others_and_pods_that_end_are_left_out() -> None:
    fleet = fleet_of(mesh_network="per_cluster")
    ending = pod()
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    done = [{**pod(), "status": {"phase": phase}} for phase in ("Succeeded", "Failed")]
    left_out = [ending, *done, pod(revision="other")]
    assert outdated_workloads(fleet, fleet.clusters["west"], left_out) == {}
    assert list(outdated_workloads(fleet, fleet.clusters["west"], [*left_out, pod()])) == [WEB]
    other = pod()
    other["spec"]["initContainers"][0]["name"] = "web"
    bare: dict[str, t.Any] = {"metadata": {"name": "bare"}}
    assert outdated_workloads(fleet, fleet.clusters["west"], [other, bare, {**bare, "spec": {}}]) == {}
    # Where Google runs the control plane, its settings are not the inventory's.
    managed = {"cluster_provider": "gke", "cluster_region": "us-west1", "mesh_control_plane": "managed"}
    theirs = read_fleet({"west": {**BEFORE, **managed, "gke_project": "shop-prod"}})
    injected = pod(revision=theirs.revision, ISTIO_META_CLUSTER_ID="cn-shop-prod-us-west1-west")
    assert outdated_workloads(theirs, theirs.clusters["west"], [injected]) == {}


def test_a_sidecar_is_found_wherever_it_runs() -> None:
    fleet = fleet_of(mesh_network="per_cluster", mesh_trust_domain="new.mesh")
    west = fleet.clusters["west"]
    classic = pod()
    classic["spec"] = {"containers": classic["spec"]["initContainers"]}
    classic["metadata"]["annotations"], classic["status"] = {}, None
    both = {WEB: ["network shop-flat", "trust domain shop.mesh"]}
    assert outdated_workloads(fleet, west, [classic]) == both
    # What a sidecar does not say is not compared; a value from elsewhere is no value.
    silent = pod()
    silent["spec"]["initContainers"][0]["env"] = [{"name": "TRUST_DOMAIN", "valueFrom": {}}]
    assert outdated_workloads(fleet, west, [silent]) == {WEB: ["trust domain "]}
    silent["spec"]["initContainers"][0].pop("env")
    assert outdated_workloads(fleet, west, [silent]) == {}
    # Of several pods of a workload the first one says how it differs.
    assert outdated_workloads(fleet, west, [pod(TRUST_DOMAIN="new.mesh"), pod()]) == {WEB: ["network shop-flat"]}


def test_workloads_that_the_fleet_injected() -> None:
    fleet = fleet_of(mesh_network="per_cluster")
    west = fleet.clusters["west"]
    ending = pod("ending")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    pods = [pod("db", "StatefulSet"), pod(), pod(), ending, pod("a", "Job", revision="other")]
    pods += [pod("b", "Job", ISTIO_META_CLUSTER_ID="Kubernetes"), {"metadata": {"name": "bare"}}]
    assert injected_workloads(fleet, west, pods) == [WEB, Workload("shop", "StatefulSet", "db")]
    managed = {"cluster_provider": "gke", "cluster_region": "us-west1", "mesh_control_plane": "managed"}
    theirs = read_fleet({"west": {**BEFORE, **managed, "gke_project": "shop-prod"}})
    assert injected_workloads(theirs, theirs.clusters["west"], [pod(revision=theirs.revision)]) == []


def test_what_a_pod_belongs_to() -> None:
    fleet = fleet_of(mesh_network="per_cluster")

    def owner(**metadata: t.Any) -> str:
        one = pod()
        one["metadata"].update(metadata)
        found = list(outdated_workloads(fleet, fleet.clusters["west"], [one]))
        assert len(found) == 1
        return str(found[0])

    assert owner(labels={}) == "ReplicaSet shop/web-5d", "made by hand: no Deployment stands behind it"
    assert owner(labels={"pod-template-hash": "d"}) == "ReplicaSet shop/web-5d"
    assert owner(ownerReferences=[{"kind": "Node", "name": "n"}]) == "Pod shop/web-5d-x"
    assert owner(ownerReferences=None, namespace=None) == "Pod /web-5d-x"
    none = {"kind": "ReplicaSet", "name": "web-None", "controller": True}
    assert owner(labels={}, ownerReferences=[none]) == "ReplicaSet shop/web-None"
    job = {"kind": "Job", "name": "web-5d", "controller": True}
    assert owner(ownerReferences=[{"kind": "Node", "name": "n"}, job]) == "Job shop/web-5d"


def test_each_workload_is_named_once_with_what_restarts_it() -> None:
    fleet = fleet_of(mesh_network="per_cluster")
    pods = [pod(), pod(), pod("db", "StatefulSet"), pod("once", ""), pod("job", "Job")]
    found = list(outdated_workloads(fleet, fleet.clusters["west"], pods))
    assert [str(w) for w in found] == [
        "Deployment shop/web", "Job shop/job", "Pod shop/once-x", "StatefulSet shop/db",
    ]  # fmt: skip
    assert restart_commands(found[:1]) == "kubectl -n shop rollout restart deployment web"
    assert "make Pod shop/once-x anew" in restart_commands(found)
    assert restart_commands(found * 2).endswith("and 3 more")
    assert "more" not in restart_commands((found * 2)[:5])
    assert restarted(WEB, "now") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {"annotations": {"mesh.fleet/restarted-for-injection": "now"}}}},
    }
