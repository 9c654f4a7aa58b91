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
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.admission import Pods
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.admission import check_admission
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.cni_agent import Agent

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


def asked(
    plane: control_plane.ControlPlane, it: Fleet, namespace: str, agent: str = "", **values: t.Any
) -> FleetError | None:
    """What is said of a run whose sample is in ``namespace``; ``values``: of istiod."""

    async def run() -> None:
        connection = Connection(kubeconfig=str(plane.kubeconfig), context="admin")
        async with Kube.connect(connection, cluster="west") as kube:
            said = Pods([values], {wiring.INGRESS: ()}, sample_namespace=namespace)
            await check_admission(kube, it, it.clusters["west"], Agent(agent, bool(agent)), said)

    try:
        asyncio.run(run())
    except FleetError as error:
        return error
    return None


@pytest.mark.parametrize("level", ["there", "not there"])
def test_a_dry_run_tells_before_anything_is_written(strict: control_plane.ControlPlane, level: str) -> None:
    name = space(strict, "") if level == "there" else "nowhere"
    said = str(asked(strict, fleet(), name))
    assert "its PodSecurity refuses pods with a sidecar" in said
    assert f"Namespace {name}" in said
    assert "set mesh_cni: true, or label the namespace pod-security.kubernetes.io/enforce=privileged" in said
    assert asked(strict, fleet(mesh_cni=True), name, "kube-system") is None
    if level == "there":
        strict.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=privileged")
        assert f"Namespace {name}" not in str(asked(strict, fleet(), name))


def test_the_agent_needs_a_namespace_that_allows_it(strict: control_plane.ControlPlane) -> None:
    name = space(strict, "")
    said = str(asked(strict, fleet(mesh_cni=True), "kube-system", name))
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


def rule(plane: control_plane.ControlPlane, namespace: str, kind: str, spec: Manifest, **used: str) -> None:
    """A LimitRange, or a ResourceQuota with what a controller would write of its use."""
    manifest = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "all", "namespace": namespace}, "spec": spec}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    if kind == "ResourceQuota":
        hard = spec["hard"]
        status = {"hard": hard, "used": {name: used.get(name, "0") for name in hard}}
        patch = json.dumps({"status": status})
        plane.kubectl(
            "patch", "resourcequota", "all", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch
        )


LIMITS = {"resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}}
HARD = {"requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "1", "limits.memory": "1Gi"}


def test_a_quota_that_demands_limits_is_met(strict: control_plane.ControlPlane) -> None:
    name = space(strict)
    rule(strict, name, "ResourceQuota", {"hard": HARD})
    assert "must specify limits.cpu" in refusal(strict, workloads(fleet())[0], name)
    assert [refusal(strict, one, name) for one in workloads(fleet(mesh_pods=LIMITS))] == [""] * 4
    it, proxy = (
        fleet(mesh_cni=True),
        {"global": {"proxy": {"resources": {**LIMITS["resources"], "requests": {"memory": "64Mi"}}}}},
    )
    said = asked(strict, it, name)
    assert said is not None and "its ResourceQuota refuses pods with a sidecar" in said.what
    assert "must specify limits.cpu" in said.seen and "mesh_pods" in said.next_step
    # The quota is less than a sidecar asks for by itself.
    said = asked(strict, fleet(mesh_cni=True, mesh_pods=LIMITS), name)
    assert said is not None and "ResourceQuota that is used up" in said.what
    assert "global.proxy.resources in control_plane_values" in said.next_step
    assert asked(strict, fleet(mesh_cni=True, mesh_pods=LIMITS), name, **proxy) is None


def test_a_quota_used_up_by_what_runs_already_is_none_of_it(strict: control_plane.ControlPlane) -> None:
    name, it = space(strict), fleet(mesh_cni=True)
    rule(strict, name, "ResourceQuota", {"hard": {"pods": "3"}}, pods="3")
    said = asked(strict, it, name)
    assert said is not None and "exceeded quota" in said.seen and "less is left of the quota" in said.means
    (running,) = [one for one in workloads(it) if one["metadata"]["name"] == "sample-caller-v1"]
    running["metadata"] |= {"namespace": name, "labels": {"mesh.fleet/fleet": it.name}}
    strict.kubectl("create", "-f", "-", stdin=json.dumps(running))
    assert asked(strict, it, name) is None


def test_the_agent_meets_a_quota_as_its_chart_does(strict: control_plane.ControlPlane, tmp_path: Path) -> None:
    """It requests what the chart says, and one that runs on every node has the quota's pods already."""
    name, other, it = space(strict, "privileged"), space(strict), fleet(mesh_cni=True)
    rule(strict, name, "ResourceQuota", {"hard": {"requests.cpu": "1", "requests.memory": "1Gi", "pods": "2"}})
    assert asked(strict, it, other, name) is None
    full = {"status": {"used": {"requests.cpu": "200m", "requests.memory": "200Mi", "pods": "2"}}}
    patch = ("patch", "resourcequota", "all", "-n", name, "--subresource=status", "--type=merge", "-p")
    strict.kubectl(*patch, json.dumps(full))
    said = asked(strict, it, other, name)
    assert said is not None and "ResourceQuota that is used up refuses Istio's CNI agent" in said.what
    release = wiring.cni_release(it, it.clusters["west"], chart("cni"), namespace=name)
    daemons = rendered(release, tmp_path)["DaemonSet", "istio-cni-node"]
    daemons["metadata"]["namespace"] = name
    strict.kubectl("create", "-f", "-", stdin=json.dumps(daemons))
    try:
        assert asked(strict, it, other, name) is None
    finally:
        # For the tests that follow it would be an agent of somebody else's.
        strict.kubectl("delete", "-f", "-", stdin=json.dumps(daemons))


@pytest.mark.parametrize(
    ("spec", "seen", "settings", "proxy"),
    [
        ({"max": {"memory": "512Mi"}}, "maximum memory usage per Container is 512Mi, but limit is 1Gi", {},
         {"limits": {"memory": "512Mi"}}),
        ({"min": {"cpu": "50m"}}, "minimum cpu usage per Container is 50m, but request is 10m",
         {"requests": {"cpu": "50m"}}, {}),
        ({"default": {"memory": "128Mi"}}, "must be less than or equal to memory limit of 128Mi",
         {"requests": {"memory": "64Mi"}}, {}),
        ({"maxLimitRequestRatio": {"cpu": "4"}}, "max limit to request ratio per Container is 4",
         {"limits": {"cpu": "40m"}}, {"requests": {"cpu": "500m"}}),
    ],
    ids=["max", "min", "default", "ratio"],
)  # fmt: skip
def test_a_limit_range_is_named_and_met(
    strict: control_plane.ControlPlane, spec: Manifest, seen: str, settings: Manifest, proxy: Manifest
) -> None:
    name = space(strict)
    rule(strict, name, "LimitRange", {"limits": [{"type": "Container", **spec}]})
    before = strict.kubectl("get", "pods", "--all-namespaces", "-o", "name")
    said = asked(strict, fleet(mesh_cni=True), name)
    rule_of = "API server" if "default" in spec else "LimitRange"
    assert said is not None and said.what == f"its {rule_of} refuses pods with a sidecar"
    assert (said.obj, seen in said.seen) == (f"Namespace {name}", True), said.seen
    it = fleet(mesh_cni=True, mesh_pods={"resources": settings})
    assert asked(strict, it, name, **{"global": {"proxy": {"resources": proxy}}}) is None
    assert strict.kubectl("get", "pods", "--all-namespaces", "-o", "name") == before


def test_limits_of_istiod_and_gateways_are_named(strict: control_plane.ControlPlane) -> None:
    system, other = space(strict), space(strict)
    it = fleet(mesh_cni=True, mesh_namespace=system)
    rule(strict, system, "LimitRange", {"limits": [{"type": "Container", "max": {"memory": "512Mi"}}]})
    small = {"resources": {"requests": {"memory": "256Mi"}, "limits": {"memory": "512Mi"}}}
    said = asked(strict, it, other)
    assert said is not None and said.what == "its API server refuses istiod"
    assert "must be less than or equal to memory limit of 512Mi" in said.seen
    assert "set resources in control_plane_istiod_values" in said.next_step
    said = asked(strict, it, other, **small)
    assert said is not None and said.what == "its LimitRange refuses the ingress gateway"
    assert "set resources in gateways_values" in said.next_step


def test_limits_of_a_namespace_that_stands_in_say_nothing(strict: control_plane.ControlPlane) -> None:
    rule(strict, "default", "LimitRange", {"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]})
    try:
        assert asked(strict, fleet(mesh_cni=True), "nowhere") is None
    finally:
        strict.kubectl("delete", "limitrange", "all", "-n", "default")


def test_a_role_asks_with_its_variables(strict: control_plane.ControlPlane, tmp_path: Path) -> None:
    system, apps, edge = space(strict), space(strict), space(strict)
    for name in (system, apps, edge):
        rule(strict, name, "LimitRange", {"limits": [{"type": "Container", "max": {"memory": "512Mi"}}]})
    small = {"resources": {"requests": {"memory": "128Mi"}, "limits": {"memory": "256Mi"}}}
    shared = {"cluster_provider": "kubeconfig", "cluster_region": "eu-de", "fleet_dir": str(tmp_path / "state")}
    shared |= {"mesh_cni": True, "mesh_namespace": system, "gateways_namespace": edge, "apps_sample_namespace": apps}
    hosts = {"west": {"cluster_kubeconfig": str(strict.kubeconfig)}}

    def said(**variables: t.Any) -> tuple[int, str]:
        fleet = {"vars": {**shared, **variables}, "hosts": hosts}
        ran = run_plays(tmp_path, fleet, role_play("preflight", trust_root="provided"))
        return ran.code, " ".join(ran.output.split())

    # What is not wanted is not asked about.
    met: dict[str, t.Any] = {"gateways_ingress": False, "apps_sample": {"caller": [], "producer": "none"}}
    code, text = said(**met, control_plane_istiod_values=small)
    assert code == 0, text
    met = {"apps_sample": {"caller": "all"}, "gateways_eastwest": "always"}
    for what, more in (
        ("istiod", {"control_plane_istiod_values": small}),
        ("the east-west gateway", {"gateways_eastwest_values": small}),
        (
            "the ingress gateway",
            {"gateways_values": {"resources": {"limits": {"memory": "1Gi"}}}, "gateways_ingress_values": small},
        ),
        ("pods with a sidecar", {"control_plane_values": {"global": {"proxy": small}}}),
    ):
        code, text = said(**met)
        assert code != 0 and f"refuses {what}" in text, text
        met |= more
    strict.kubectl("-n", apps, "create", "secret", "generic", "registry")
    code, text = said(**met, mesh_pods={"image_pull_secrets": ["registry"]})
    assert code == 0, text
    assert (
        f"no Secret registry in namespace {system}, {edge}, mesh-verify, kube-system, which image_pull_secrets" in text
    )


def test_what_nodes_and_policies_demand_reaches_every_pod(strict: control_plane.ControlPlane, tmp_path: Path) -> None:
    """As the API server has it: of probe, sample, istiod and gateways, as Istio's own charts make them."""
    name = space(strict)
    tolerated = {"key": "dedicated", "operator": "Equal", "value": "mesh", "effect": "NoSchedule"}
    settings = {"node_selector": {"pool": "mesh"}, "tolerations": [tolerated], "image_pull_secrets": ["registry"]}
    it = fleet(mesh_cni=True, mesh_pods={**settings, **LIMITS})
    west = it.clusters["west"]
    ours = workloads(it)
    objects = rendered(wiring.istiod_release(it, west, chart(*ISTIOD), hub="hub", tag="1.31.1"), tmp_path)
    theirs = [objects["Deployment", "istiod"]]
    # The chart names the Secret in the account, from which the API server's plugin takes it.
    assert objects["ServiceAccount", "istiod"]["imagePullSecrets"] == [{"name": "registry"}]
    for gateway in (wiring.INGRESS, wiring.EASTWEST):
        objects = rendered(wiring.gateway_release(it, west, chart("gateway"), gateway), tmp_path)
        theirs.append(objects["Deployment", gateway])
    for number, workload in enumerate([*ours, *theirs]):
        template = workload["spec"]["template"]
        meta = {**template["metadata"], "name": f"settings-{number}", "namespace": name}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
        made = json.loads(strict.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod)))
        spec = made["spec"]
        assert spec["nodeSelector"] == {"pool": "mesh"}, workload["metadata"]
        assert tolerated in spec["tolerations"]
        if workload["metadata"]["name"] != "istiod":
            assert spec["imagePullSecrets"] == [{"name": "registry"}]
        if workload in ours:
            assert [c["resources"]["limits"] for c in spec["containers"]] == [LIMITS["resources"]["limits"]]
