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


def test_pods_of_others_and_pods_that_end_are_left_out() -> None:
    fleet = fleet_of(mesh_network="per_cluster")
    ending = pod()
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    done = {**pod(), "status": {"phase": "Succeeded"}}
    assert outdated_workloads(fleet, fleet.clusters["west"], [ending, done, pod(revision="other")]) == {}


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
    template = restarted(WEB, "now")["spec"]["template"]["metadata"]
    assert template == {"annotations": {"mesh.fleet/restarted-for-injection": "now"}}
