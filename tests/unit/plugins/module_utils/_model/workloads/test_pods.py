# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pods of ours ask for, and the pods of dry runs."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads import pods, probe, sample

POD = {"node_selector": {"pool": "mesh"}, "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}}


def fleet(**variables: t.Any) -> Fleet:
    return read_fleet({"west": {"cluster_provider": "kubeconfig", **variables}})


def specs(it: Fleet) -> list[dict[str, t.Any]]:
    """The pods of the probe and the sample."""
    west = it.clusters["west"]
    objects = probe.probe_objects(it, west, {"sample.py": ""}, image="x", created=True)
    for role in sample.ROLES:
        objects += sample.sample_objects(west, role, {"sample.py": ""}, image="x")
    return [o["spec"]["template"]["spec"] for o in objects if o["kind"] == "Deployment"]


def test_pods_have_what_restricted_demands() -> None:
    for spec in specs(fleet()):
        # The containers that an injector adds inherit this one.
        assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
        (container,) = spec["containers"]
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize(("platform", "user"), [("", 1000), ("k3s", 1000), ("openshift", None)])
def test_only_where_the_platform_gives_a_user_none_is_fixed(platform: str, user: int | None) -> None:
    it = fleet(cluster_platform=platform)
    asked = [pods.trial_pod(it.clusters["west"], "x")["spec"], *specs(it)]
    found = [c["securityContext"] for spec in asked for c in spec["containers"]]
    assert {(c.get("runAsUser"), c.get("runAsGroup"), c["runAsNonRoot"]) for c in found} == {(user, user, True)}


def test_pods_go_where_the_inventory_says() -> None:
    it = fleet(mesh_pods=POD)
    for spec in [*specs(it), pods.trial_pod(it.clusters["west"], "x", {"cpu": "5m"})["spec"]]:
        assert spec["nodeSelector"] == {"pool": "mesh"}
        assert spec["containers"][0]["resources"] == {"requests": {}, "limits": {"cpu": "1", "memory": "64Mi"}}


@pytest.mark.parametrize("cni", [True, False])
def test_without_the_agent_a_sidecar_brings_a_privileged_init(cni: bool) -> None:
    west: Cluster = fleet().clusters["west"]
    proxy = {"limits": {"cpu": "1"}}
    spec = pods.sidecar_pod(west, "x", {"cpu": "5m"}, proxy, cni=cni)["spec"]
    added = spec.get("initContainers") or []
    assert [c["resources"] for c in spec["containers"]] == [{"requests": {"cpu": "5m"}}, proxy]
    assert [c["resources"] for c in added] == ([] if cni else [proxy])
    assert ["NET_ADMIN" in c["securityContext"]["capabilities"]["add"] for c in added] == ([] if cni else [True])
    assert ("securityContext" in pods.system_pod("x", {}, cni=cni)["spec"]) is cni
