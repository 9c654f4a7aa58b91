# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster takes that enforces PodSecurity everywhere, and quotas; Istio's own injector makes the pods."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio import helm_values as wiring
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads import probe, sample
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.admission import check_admission

from . import control_plane
from .plays import role_play, run_plays
from .test_charts import ISTIOD, chart, rendered

Manifest = dict[str, t.Any]
_NUMBERS = itertools.count(1)
EVERYWHERE = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {"enforce": "baseline", "enforce-version": "latest"},
                "exemptions": {"namespaces": ["kube-system"]},
            },
        }
    ],
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[control_plane.ControlPlane]:
    """An API server that enforces level baseline where no label says otherwise, and nothing in kube-system."""
    file = tmp_path_factory.mktemp("admission") / "config.yaml"
    file.write_text(yaml.safe_dump(EVERYWHERE))
    running = control_plane.start(tmp_path_factory.mktemp("strict"), f"--admission-control-config-file={file}")
    yield running
    running.stop()


def fleet(**variables: t.Any) -> Fleet:
    return read_fleet({"west": {"cluster_provider": "kubeconfig", "mesh_id": "shop", **variables}})


def space(plane: control_plane.ControlPlane, level: str = "restricted", name: str = "") -> str:
    name = name or f"pods-{next(_NUMBERS)}"
    plane.kubectl("create", "namespace", name)
    if level:
        plane.kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={level}")
    return name


def workloads(it: Fleet) -> list[Manifest]:
    """Deployments of the probe and the sample."""
    west = it.clusters["west"]
    objects = probe.probe_objects(it, west, {"sample.py": ""}, image="nowhere/none:1", created=True)
    for role in sample.ROLES:
        objects += sample.sample_objects(west, role, {"sample.py": ""}, image="nowhere/none:1")
    return [one for one in objects if one["kind"] == "Deployment"]


def refusal(plane: control_plane.ControlPlane, workload: Manifest, namespace: str) -> str:
    """What the API server has against a pod of a workload, or ""."""
    template = workload["spec"]["template"]
    meta = {**template["metadata"], "name": f"pod-{next(_NUMBERS)}", "namespace": namespace}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    file = plane.directory / f"{meta['name']}.json"
    file.write_text(json.dumps(pod))
    command = [str(control_plane.program("kubectl")), f"--kubeconfig={plane.kubeconfig}", "create", "--dry-run=server"]
    done = subprocess.run([*command, "-f", str(file)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def injected(it: Fleet, workload: Manifest, tmp_path: Path) -> Manifest:
    """The workload as Istio's own injector makes it with our values."""
    west = it.clusters["west"]
    objects = rendered(wiring.istiod_release(it, west, chart(*ISTIOD), hub="hub", tag="1.31.1"), tmp_path)
    injector = objects["ConfigMap", "istio-sidecar-injector"]["data"]
    files = {"inject": injector["config"], "values": injector["values"]}
    files |= {"mesh": objects["ConfigMap", "istio"]["data"]["mesh"], "app": yaml.safe_dump(workload)}
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    # With a revision it asks no cluster for one.
    command = [str(control_plane.program("istioctl")), "kube-inject", "--revision=default"]
    command += [f"--injectConfigFile={tmp_path}/inject.yaml", f"--meshConfigFile={tmp_path}/mesh.yaml"]
    command += [f"--valuesFile={tmp_path}/values.yaml", f"--filename={tmp_path}/app.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = [one for one in yaml.safe_load_all(done.stdout) if one]
    return t.cast("Manifest", found)


@pytest.mark.parametrize("platform", ["", "openshift"])
def test_probe_and_sample_pass_restricted(strict: control_plane.ControlPlane, platform: str) -> None:
    name = space(strict)
    variables = {"cluster_platform": platform} if platform else {}
    assert [refusal(strict, one, name) for one in workloads(fleet(**variables))] == [""] * 4


def test_with_the_agent_injected_pods_pass_restricted(strict: control_plane.ControlPlane, tmp_path: Path) -> None:
    name, it = space(strict), fleet(mesh_cni=True)
    for number, one in enumerate(workloads(it)):
        (tmp_path / str(number)).mkdir()
        found = injected(it, one, tmp_path / str(number))
        spec = found["spec"]["template"]["spec"]
        assert "istio-proxy" in {c["name"] for c in [*spec["containers"], *spec.get("initContainers", [])]}
        assert refusal(strict, found, name) == ""


def test_without_it_they_are_refused_as_the_dry_run_says(strict: control_plane.ControlPlane, tmp_path: Path) -> None:
    name, it = space(strict, ""), fleet()
    said = refusal(strict, injected(it, workloads(it)[0], tmp_path), name)
    assert "violates PodSecurity" in said
    assert "NET_ADMIN" in said


def test_istiod_and_gateways_pass_restricted_with_the_agent(strict: control_plane.ControlPlane, tmp_path: Path) -> None:
    name, it = space(strict), fleet(mesh_cni=True)
    west = it.clusters["west"]
    objects = rendered(wiring.istiod_release(it, west, chart(*ISTIOD), hub="hub", tag="1.31.1"), tmp_path)
    assert refusal(strict, objects["Deployment", "istiod"], name) == ""
    for gateway in (wiring.INGRESS, wiring.EASTWEST):
        objects = rendered(wiring.gateway_release(it, west, chart("gateway"), gateway), tmp_path)
        assert refusal(strict, objects["Deployment", gateway], name) == ""


async def _asked(plane: control_plane.ControlPlane, it: Fleet, injected: str, agent: str, cni: bool) -> str:
    connection = Connection(kubeconfig=str(plane.kubeconfig), context="admin")
    async with Kube.connect(connection, cluster="west") as kube:
        try:
            await check_admission(
                kube, it.clusters["west"], cni=cni, system=["not-there-yet"], injected=[injected], agent=agent
            )
        except FleetError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("level", ["there", "not there"])
def test_a_dry_run_tells_before_anything_is_written(strict: control_plane.ControlPlane, level: str) -> None:
    name = space(strict, "") if level == "there" else "nowhere"
    said = asyncio.run(_asked(strict, fleet(), name, "", False))
    assert "its PodSecurity refuses pods with a sidecar" in said
    assert f"Namespace {name}" in said
    assert "set mesh_cni: true, or label the namespace pod-security.kubernetes.io/enforce=privileged" in said
    assert asyncio.run(_asked(strict, fleet(mesh_cni=True), name, "kube-system", True)) == ""
    if level == "there":
        strict.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=privileged")
        assert asyncio.run(_asked(strict, fleet(), name, "", False)) == ""


def test_the_agent_needs_a_namespace_that_allows_it(strict: control_plane.ControlPlane) -> None:
    name = space(strict, "")
    said = asyncio.run(_asked(strict, fleet(mesh_cni=True), name, name, True))
    assert "its PodSecurity refuses Istio's CNI agent" in said
    assert "control_plane_cni_namespace" in said


@pytest.mark.parametrize("role", ["preflight", "control_plane"])
def test_a_role_stops_before_it_writes(strict: control_plane.ControlPlane, tmp_path: Path, role: str) -> None:
    hosts = {"west": {"cluster_kubeconfig": str(strict.kubeconfig)}}
    shared = {"cluster_provider": "kubeconfig", "cluster_region": "eu-de", "fleet_dir": str(tmp_path / "state")}
    before = strict.kubectl("get", "namespaces", "-o", "name")
    ran = run_plays(
        tmp_path,
        {"vars": shared, "hosts": hosts},
        role_play(role, trust_root="provided", control_plane_require_cacerts=False),
    )
    assert ran.code != 0
    assert "its PodSecurity refuses pods with a sidecar" in ran.output
    assert strict.kubectl("get", "namespaces", "-o", "name") == before


def test_a_quota_that_demands_limits_is_met(strict: control_plane.ControlPlane) -> None:
    name = space(strict)
    hard = {"requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "1", "limits.memory": "1Gi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all", "namespace": name}}
    strict.kubectl("create", "-f", "-", stdin=json.dumps({**quota, "spec": {"hard": hard}}))
    # A controller would write what is used.
    status = json.dumps({"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}})
    strict.kubectl("patch", "resourcequota", "all", "-n", name, "--subresource=status", "--type=merge", "-p", status)
    assert "must specify limits.cpu" in refusal(strict, workloads(fleet())[0], name)
    limits = {"resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}}
    assert [refusal(strict, one, name) for one in workloads(fleet(mesh_pods=limits))] == [""] * 4
