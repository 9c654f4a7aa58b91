# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apps of the inventory as objects of each cluster."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import (
    App,
    SampleOptions,
    namespace_object,
    plan_cluster,
    pods_without_sidecar,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps_reading import parse_apps, sample_apps
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

PROGRAM = {"sample.py": "print()", "page.html": "<p>"}
OURS = {"mesh.fleet/fleet": "local", "mesh.fleet/part-of": "apps"}


def fleet(**extra: dict[str, t.Any]) -> Fleet:
    hosts: dict[str, dict[str, t.Any]] = {
        "west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"},
        "east": {"cluster_region": "europe-north1", "cluster_zone": "europe-north1-a"},
    }
    for name, values in extra.items():
        hosts.setdefault(name, {"cluster_region": "r"}).update(values)
    return read_fleet(hosts)


def sample(**changes: t.Any) -> SampleOptions:
    values: dict[str, t.Any] = {
        "where": {"caller": {"v1": ("west",)}, "producer": {"v1": ("east",)}},
        "image": "python:3",
        "program": PROGRAM,
        "hosts": ("*",),
    }
    return SampleOptions(**{**values, **changes})


def names(objects: t.Iterable[dict[str, t.Any]], kind: str = "") -> list[str]:
    return sorted(f"{o['kind']} {o['metadata']['name']}" for o in objects if kind in ("", o["kind"]))


def service(name: str = "shop", **spec: t.Any) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}], **spec},
    }


def test_each_part_of_the_pair_has_a_stub_of_the_other() -> None:
    west = plan_cluster(fleet(), "west", [], sample())
    east = plan_cluster(fleet(), "east", [], sample())
    assert west.running == ["sample-caller"]
    assert west.stubs == ["istio-apps/sample-producer"]
    assert east.stubs == ["istio-apps/sample-caller"]
    assert names(west.objects) == [
        "ConfigMap sample-program",
        "Deployment sample-caller-v1",
        "Gateway sample-caller",
        "Service sample-caller",
        "Service sample-producer",
        "ServiceAccount sample-caller-sa",
        "VirtualService sample-caller",
    ]
    assert west.namespaces == {"istio-apps": True}
    assert [w.manifest["metadata"]["name"] for w in west.workloads] == ["sample-caller-v1"]


def test_both_in_one_cluster_share_the_program() -> None:
    plan = plan_cluster(
        fleet(), "west", [], sample(where={"caller": {"v1": ("west",)}, "producer": {"v1": ("west", "east")}})
    )
    assert names(plan.objects, "ConfigMap") == ["ConfigMap sample-program"]
    assert names(plan.objects, "Deployment") == ["Deployment sample-caller-v1", "Deployment sample-producer-v1"]
    assert plan.stubs == []


def test_a_pod_of_the_sample_has_no_privileges() -> None:
    plan = plan_cluster(fleet(), "west", [], sample())
    deployment = next(o for o in plan.objects if o["kind"] == "Deployment")
    assert deployment["metadata"]["labels"] == {
        **OURS,
        "app": "sample-caller",
        "version": "v1",
        "mesh.fleet/app": "sample-caller",
    }
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == {"app": "sample-caller", "version": "v1"}
    assert pod["spec"]["serviceAccountName"] == "sample-caller-sa"
    container = pod["spec"]["containers"][0]
    assert container["securityContext"] == {
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["resources"]["requests"] == {"cpu": "10m", "memory": "256Mi"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/actuator/health/liveness", "port": 8080}
    assert container["readinessProbe"]["httpGet"] == {"path": "/actuator/health/readiness", "port": 8080}
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert (env["SAMPLE_CLUSTER"], env["SAMPLE_ZONE"]) == ("west", "us-west1-a")


def test_a_changed_program_replaces_the_pods() -> None:
    def annotation(program: dict[str, str]) -> str:
        plan = plan_cluster(fleet(), "west", [], sample(program=program))
        deployment = next(o for o in plan.objects if o["kind"] == "Deployment")
        return str(deployment["spec"]["template"]["metadata"]["annotations"]["mesh.fleet/program"])

    assert annotation(PROGRAM) == annotation(dict(reversed(PROGRAM.items())))
    assert annotation(PROGRAM) != annotation({**PROGRAM, "sample.py": "print(1)"})


def test_a_stub_is_the_same_service_but_not_exposed() -> None:
    live = service(type="LoadBalancer", ports=[{"name": "http", "port": 80, "nodePort": 30080}], clusterIP="10.0.0.9")
    app = App(name="shop", namespace="shop", clusters=("east",), manifests=(live,))
    before = copy.deepcopy(live)
    stub = plan_cluster(fleet(), "west", [app]).objects[0]
    assert stub["metadata"] == {
        "name": "shop",
        "namespace": "shop",
        "labels": {**OURS, "mesh.fleet/app": "shop", "mesh.fleet/stub": "true"},
    }
    assert stub["spec"] == {"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80}]}
    assert live == before


def test_a_headless_stub_stays_headless() -> None:
    app = App(name="db", namespace="db", clusters=("east",), manifests=(service("db", clusterIP="None"),))
    assert plan_cluster(fleet(), "west", [app]).objects[0]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize(
    ("stub_in", "expected"),
    [("callers", ("west",)), ("all", ("west", "far")), ("none", ()), (("far",), ("far",))],
)
def test_stubs_are_where_stub_in_names_them(stub_in: t.Any, expected: tuple[str, ...]) -> None:
    three = fleet(far={"mesh_peers": ["west"]})
    app = App(name="a", namespace="a", clusters=("east",), manifests=(service(),), stub_in=stub_in)
    assert app.stubs(three) == expected


def test_a_remote_gets_the_stubs_that_its_primary_may_call() -> None:
    mixed = fleet(edge={"mesh_role": "remote", "mesh_primary": "west"})
    plan = plan_cluster(mixed, "edge", [], sample())
    assert sorted(plan.stubs) == ["istio-apps/sample-caller", "istio-apps/sample-producer"]
    assert names(plan.objects, "Gateway") == []


def test_exposure_can_be_left_out() -> None:
    assert names(plan_cluster(fleet(), "west", [], sample(expose=False)).objects, "Gateway") == []
    assert names(plan_cluster(fleet(), "west", [], sample(hosts=())).objects, "Gateway") == []
    nobody = plan_cluster(fleet(), "west", [], sample(where={"producer": {"v1": ("west",)}}))
    assert names(nobody.objects, "Gateway") == []


def test_injection_is_by_revision() -> None:
    two = fleet()
    west = two.clusters["west"]
    default = namespace_object(two, west, "shop", inject=True, created=False)
    assert default["metadata"]["labels"] == {**OURS, "istio-injection": "enabled"}
    canary = namespace_object(fleet(west={"mesh_revision": "1-31"}), west, "shop", inject=True, created=True)
    assert canary["metadata"]["labels"] == {**OURS, "istio.io/rev": "1-31"}
    assert canary["metadata"]["annotations"] == {"mesh.fleet/created": "true"}
    assert namespace_object(two, west, "shop", inject=False, created=False)["metadata"]["labels"] == OURS


def test_objects_without_a_namespace_get_the_apps_own() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    custom = {"apiVersion": "x.example/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": ""}}
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "other"}}
    app = App(name="shop", namespace="shop", clusters=("west",), manifests=(service(), role, custom, other))
    objects = plan_cluster(fleet(), "west", [app]).objects
    assert [o["metadata"].get("namespace") for o in objects] == ["shop", None, None, "other"]


def test_two_apps_may_not_have_the_same_object() -> None:
    one = App(name="a", namespace="shop", clusters=("west",), manifests=(service(),))
    two = App(name="b", namespace="shop", clusters=("west",), manifests=(service(),))
    with pytest.raises(FleetError) as caught:
        plan_cluster(fleet(), "west", [one, two])
    assert str(caught.value).startswith('west Service shop/shop: apps "a" and "b" both have it')


def test_a_namespace_cannot_be_with_and_without_sidecars() -> None:
    apps = [App(name=n, namespace="shop", clusters=("west",), inject=n == "a") for n in ("a", "b")]
    with pytest.raises(FleetError) as caught:
        plan_cluster(fleet(), "west", apps)
    assert "one app needs sidecars in this namespace, another must have none" in str(caught.value)


def test_the_control_planes_namespace_is_not_ours_to_label() -> None:
    app = App(name="a", namespace="istio-system", clusters=("west",), manifests=(service(),))
    assert plan_cluster(fleet(), "west", [app]).namespaces == {}


def test_one_error_names_all_problems_of_apps() -> None:
    raw: list[t.Any] = [
        {"name": "Shop", "manifests": [service()]},
        {"name": "a", "clusters": ["wst"], "manifests": [service()]},
        {"name": "b"},
        {"name": "c", "manifests": [{"kind": "Service"}]},
        {"name": "d", "manifest": [service()], "files": "x.yml"},
        {"name": "e", "files": ["x.yml"], "wait_timeout": 0},
        {"name": "f", "chart": {"version": "1"}},
        {"name": "g", "files": ["x"], "inject": "perhaps"},
        "h",
        {"name": "i", "files": ["x"], "clusters": "west"},
    ]
    with pytest.raises(FleetError) as caught:
        parse_apps(fleet(), raw)
    text = str(caught.value)
    for expected in (
        "10 problems in the apps of the inventory, nothing was touched",
        'apps_list[0].name: "Shop" is not a DNS label',
        'apps_list[1] "a".clusters: "wst" is not a cluster of this fleet, did you mean "west"?',
        'apps_list[2] "b": one of manifests, files, template, chart is needed, none given',
        'apps_list[3] "c".manifests[0]: apiVersion, metadata.name missing',
        'apps_list[4] "d": there is no key manifest, did you mean "manifests"?',
        'apps_list[5] "e".wait_timeout: seconds, at least 1, not 0',
        'apps_list[6] "f".chart: a mapping with ref',
        "apps_list[7] \"g\".inject: true or false, not 'perhaps'",
        "apps_list[8]: a mapping with a name is expected, not str",
        "apps_list[9] \"i\".clusters: all, or a list of clusters is expected, not 'west'",
    ):
        assert expected in text


def test_an_app_has_defaults() -> None:
    (app,) = parse_apps(fleet(), [{"name": "shop", "manifests": service()}])
    assert app == App(name="shop", namespace="shop", clusters=("west", "east"), manifests=(service(),))


def test_services_of_a_chart_can_have_stubs() -> None:
    raw = [{"name": "l", "clusters": ["east"], "chart": {"ref": "l"}, "services": [{"name": "ledger", "port": 90}]}]
    apps = parse_apps(fleet(), raw)
    stub = plan_cluster(fleet(), "west", apps).objects[0]
    assert stub["spec"] == {"ports": [{"name": "http", "port": 90}], "selector": {"app": "ledger"}}
    assert plan_cluster(fleet(), "east", apps).objects == []


def test_where_the_sample_runs() -> None:
    assert sample_apps(fleet(), {"caller": "all", "producer": ["east"], "probe": "none"}) == {
        "caller": {"v1": ("west", "east")},
        "producer": {"v1": ("east",)},
        "probe": {"v1": ()},
    }
    several = {"producer": {"v1": ["west"], "v2": "all", "v3": "none"}}
    assert sample_apps(fleet(), several) == {"producer": {"v1": ("west",), "v2": ("west", "east"), "v3": ()}}
    with pytest.raises(FleetError) as caught:
        sample_apps(fleet(), {"caler": "all", "producer": ["east", "eats"]})
    assert '"caler" is not a role of the sample, did you mean "caller"?' in str(caught.value)
    assert '"eats" is not a cluster of this fleet, did you mean "east"?' in str(caught.value)
    with pytest.raises(FleetError) as caught:
        sample_apps(fleet(), {"producer": {"V_1": ["west"], "v2": ["wets"], "v" * 41: "all"}})
    assert 'apps_sample.producer: "V_1" is no version' in str(caught.value)
    assert f'"{"v" * 41}" is no version' in str(caught.value)
    assert 'apps_sample.producer.v2: "wets" is not a cluster' in str(caught.value)


def test_versions_are_deployments_of_one_service() -> None:
    where = {"producer": {"v1": ("west",), "v2": ("west",), "v3": ("east",)}}
    of = fleet(south={})
    west, east, south = (plan_cluster(of, name, [], sample(where=where)) for name in of.clusters)
    assert names(west.objects, "Deployment") == ["Deployment sample-producer-v1", "Deployment sample-producer-v2"]
    assert names(east.objects, "Deployment") == ["Deployment sample-producer-v3"]
    assert names(west.objects, "Service") == names(east.objects, "Service") == ["Service sample-producer"]
    assert (west.running, west.stubs, east.stubs) == (["sample-producer"], [], [])
    assert names(south.objects, "Deployment") == []
    assert south.stubs == ["istio-apps/sample-producer"]


def test_pods_without_a_sidecar() -> None:
    def pod(name: str, *containers: str, **more: t.Any) -> dict[str, t.Any]:
        return {
            "metadata": {"name": name, **more.get("metadata", {})},
            "spec": {"containers": [{"name": c} for c in containers], **more.get("spec", {})},
            "status": {"phase": more.get("phase", "Running")},
        }

    pods = [
        pod("with", "app", "istio-proxy"),
        pod("native", "app", spec={"initContainers": [{"name": "istio-proxy"}]}),
        pod("without", "app"),
        pod("opted-out", "app", metadata={"labels": {"sidecar.istio.io/inject": "false"}}),
        pod("on-the-host", "app", spec={"hostNetwork": True}),
        pod("going", "app", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        pod("done", "app", phase="Succeeded"),
    ]
    assert pods_without_sidecar(pods) == ["without"]
