# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The apps role against a real API server: what is applied, pruned, waited for and removed."""

from __future__ import annotations

import asyncio
import json
import os
import socketserver
import threading
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import deployment_ready
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir

from . import control_plane
from .manifests import webhook
from .plays import role_play, run_plays

ROOT = Path(__file__).resolve().parents[2]
CHARTS = Path(os.environ.get("MESH_FLEET_CHARTS") or os.path.join(artifacts_dir(), "charts"))

Connect = t.Callable[..., Kube]


class Outcome(t.NamedTuple):
    code: int
    result: dict[str, t.Any]
    output: str

    @property
    def problem(self) -> dict[str, str]:
        """The only problem of a failed task."""
        ((problem,),) = self.result["problems"].values()
        return problem

    def actions(self) -> dict[str, str]:
        return {f"{o['kind']} {o['name']}": o["action"] for o in self.result["objects"]}

    def touched(self) -> dict[str, str]:
        return {name: action for name, action in self.actions().items() if action != "unchanged"}


class Role:
    """Runs the role on cluster ``west``; ``east`` is in the inventory and gets no request."""

    def __init__(self, folder: Path, plane: control_plane.ControlPlane) -> None:
        self.folder = folder
        self.plane = plane

    def __call__(self, *arguments: str, tasks: str = "main", **variables: t.Any) -> Outcome:
        common = {
            "cluster_provider": "kubeconfig",
            "cluster_kubeconfig": str(self.plane.kubeconfig),
        }
        fleet = {
            "vars": {**common, "apps_sample": {}, **variables},
            "hosts": {
                "west": {"cluster_context": "admin", "cluster_region": "us-west1", "cluster_zone": "us-west1-a"},
                "east": {"cluster_context": "nowhere", "cluster_region": "europe-north1"},
            },
        }
        done = run_plays(
            self.folder,
            fleet,
            role_play("apps", "west", tasks),
            *arguments,
            environment={"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_FORCE_COLOR": "0"},
        )
        try:
            data = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            raise AssertionError(done.output) from None
        return Outcome(done.code, data["plays"][0]["tasks"][-1]["hosts"]["west"], done.output)


@pytest.fixture
def role(tmp_path: Path, plane: control_plane.ControlPlane) -> t.Iterator[Role]:
    """The role; after the test it removes what is left."""
    running = Role(tmp_path, plane)
    plane.start_controllers()
    yield running
    gone = running(tasks="absent")
    assert gone.code == 0, gone.output


def in_cluster(connect: Connect, ask: t.Callable[[Kube], t.Awaitable[t.Any]]) -> t.Any:
    async def inside() -> t.Any:
        async with connect() as kube:
            return await ask(kube)

    return asyncio.run(inside())


def config(name: str, **data: str) -> dict[str, t.Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def service(name: str) -> dict[str, t.Any]:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def deployment(name: str, image: str = "nowhere.invalid/app:1") -> dict[str, t.Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}},
        },
    }


def app(name: str, *manifests: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "clusters": ["west"], "manifests": list(manifests), **more}


def test_apply_again_change_and_prune(role: Role, connect: Connect) -> None:
    two = [app("shop", config("settings", a="1"), service("shop")), app("bank", config("rates", b="2"))]
    planned = role("--check", "--diff", apps_list=two)
    assert planned.code == 0, planned.output
    assert planned.result["changed"]
    assert set(planned.touched().values()) == {"created"}
    assert in_cluster(connect, lambda kube: kube.get("v1", "Namespace", "shop")) is None

    first = role(apps_list=two)
    assert first.code == 0, first.output
    assert first.touched() == planned.touched()
    assert first.result["stage_line"] == "west shop, bank"
    namespace = in_cluster(connect, lambda kube: kube.get("v1", "Namespace", "shop"))
    assert namespace["metadata"]["labels"]["istio-injection"] == "enabled"
    assert namespace["metadata"]["annotations"]["mesh.fleet/created"] == "true"

    again = role(apps_list=two)
    assert (again.result["changed"], again.touched()) == (False, {})

    one = [app("shop", config("settings", a="3"), service("shop"))]
    expected = {"ConfigMap settings": "changed", "ConfigMap rates": "removed", "Namespace bank": "removed"}
    looked = role("--check", "--diff", apps_list=one)
    assert looked.touched() == expected
    assert "a: '3'" in json.dumps(looked.result["diff"])
    assert role(apps_list=one).touched() == expected
    assert in_cluster(connect, lambda kube: kube.get("v1", "Namespace", "bank")) is None


def test_a_stub_where_the_pods_are_elsewhere(role: Role, connect: Connect) -> None:
    elsewhere = {**app("shop", service("shop"), config("settings")), "clusters": ["east"]}
    done = role(apps_list=[elsewhere])
    assert done.result["stage_line"] == "west no apps, 1 stub"
    assert done.touched() == {"Namespace shop": "created", "Service shop": "created"}
    live = in_cluster(connect, lambda kube: kube.get("v1", "Service", "shop", "shop"))
    assert live["metadata"]["labels"]["mesh.fleet/stub"] == "true"
    # The same Service becomes the real one when the app comes here too.
    here = role(apps_list=[{**elsewhere, "clusters": "all"}])
    assert here.touched() == {"Service shop": "changed", "ConfigMap settings": "created"}
    live = in_cluster(connect, lambda kube: kube.get("v1", "Service", "shop", "shop"))
    assert "mesh.fleet/stub" not in live["metadata"]["labels"]


def test_files_and_templates(role: Role) -> None:
    (role.folder / "apps").mkdir()
    (role.folder / "apps" / "one.yml").write_text(yaml.safe_dump_all([config("one"), config("two")]))
    (role.folder / "where.yml.j2").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: where}\ndata: {zone: '{{ cluster_zone }}'}\n"
    )
    files = {"name": "files", "clusters": ["west"], "files": ["apps/*.yml"]}
    template = {"name": "template", "clusters": ["west"], "template": "where.yml.j2"}
    done = role("--diff", apps_list=[files, template])
    assert done.code == 0, done.output
    assert {"ConfigMap one", "ConfigMap two", "ConfigMap where"} <= set(done.touched())
    assert "zone: us-west1-a" in json.dumps(done.result["diff"])

    (role.folder / "where.yml.j2").write_text("a: {{ no_such_variable }}")
    failed = role(apps_list=[template])
    assert failed.code != 0
    assert failed.problem["what"] == 'the template of app "template" cannot be rendered'
    assert "no_such_variable" in failed.problem["seen"]

    (role.folder / "apps" / "one.yml").write_text("a: [")
    assert role(apps_list=[files]).problem["what"] == 'a file of app "files" is not YAML'
    assert "line " in role(apps_list=[files]).problem["seen"]
    missing = role(apps_list=[{**files, "files": "nothing*.yml"}])
    assert missing.problem["object"] == "nothing*.yml"


def test_bad_lists_touch_nothing(role: Role, connect: Connect) -> None:
    failed = role(apps_list=[app("good", config("c")), app("Bad", config("c")), {**app("x"), "clusters": ["wst"]}])
    assert failed.code != 0
    assert failed.problem["what"] == "3 problems in the apps of the inventory, nothing was touched"
    assert in_cluster(connect, lambda kube: kube.get("v1", "Namespace", "good")) is None


def test_a_namespace_of_others_is_unlabelled_not_deleted(role: Role, connect: Connect, namespace: str) -> None:
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": "x"}}}
    in_cluster(connect, lambda kube: kube.apply([theirs], manager="somebody"))
    assert role(apps_list=[app("guest", config("c"), namespace=namespace)]).code == 0
    live = in_cluster(connect, lambda kube: kube.get("v1", "Namespace", namespace))
    assert live["metadata"]["labels"]["istio-injection"] == "enabled"
    assert role(tasks="absent").code == 0
    live = in_cluster(connect, lambda kube: kube.get("v1", "Namespace", namespace))
    assert live["metadata"]["labels"] == {"team": "x", "kubernetes.io/metadata.name": namespace}
    assert in_cluster(connect, lambda kube: kube.get("v1", "ConfigMap", "c", namespace)) is None


def test_objects_of_others_in_our_namespace_keep_it(role: Role, connect: Connect, namespace: str) -> None:
    assert role(apps_list=[app("host", config("c"), namespace=namespace)]).code == 0
    stranger = {**config("stranger"), "metadata": {"name": "stranger", "namespace": namespace}}
    in_cluster(connect, lambda kube: kube.apply([stranger], manager="somebody"))
    gone = role(tasks="absent")
    assert gone.code == 0, gone.output
    assert gone.result["kept"] == [f"west: namespace {namespace} holds ConfigMap stranger"]
    assert in_cluster(connect, lambda kube: kube.get("v1", "ConfigMap", "stranger", namespace)) is not None


async def _patch_status(kube: Kube, path: str, status: dict[str, t.Any]) -> None:
    await kube.transport.request(
        "PATCH", f"{path}/status", body={"status": status}, content_type="application/merge-patch+json", obj=path
    )


def test_the_claim_of_an_app_stays_with_its_namespace(role: Role, connect: Connect, namespace: str) -> None:
    data = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    assert role(apps_list=[app("ledger", data, config("c"), namespace=namespace)]).code == 0
    gone = role(apps_list=[])
    assert gone.code == 0, gone.output
    assert gone.result["kept"] == [f"west: namespace {namespace} holds PersistentVolumeClaim data"]
    assert in_cluster(connect, lambda kube: kube.get("v1", "ConfigMap", "c", namespace)) is None
    kept = in_cluster(connect, lambda kube: kube.get("v1", "PersistentVolumeClaim", "data", namespace))
    assert kept["metadata"]["labels"]["mesh.fleet/fleet"] == "local"
    in_cluster(connect, lambda kube: kube.delete("v1", "Namespace", namespace))


def test_an_app_of_another_fleet_stays(role: Role, connect: Connect, namespace: str) -> None:
    assert role(apps_list=[app("host", config("c"), namespace=namespace)], fleet_name="apps-one").code == 0
    other = role(apps_list=[], fleet_name="apps-two")
    assert other.code == 0 and other.touched() == {}, other.output
    assert in_cluster(connect, lambda kube: kube.get("v1", "ConfigMap", "c", namespace)) is not None
    assert role(tasks="absent", fleet_name="apps-one").touched()["ConfigMap c"] == "removed"
    assert in_cluster(connect, lambda kube: kube.get("v1", "Namespace", namespace)) is None


async def _a_pod(kube: Kube, namespace: str) -> dict[str, t.Any]:
    """The pod that the controllers make."""

    def one(pods: t.Sequence[dict[str, t.Any]]) -> tuple[bool, str]:
        return bool(pods), f"{len(pods)} pods"

    return (await kube.wait_list("v1", "Pod", namespace, until=one, timeout=120))[0]


def test_an_app_that_never_becomes_ready_is_named_with_its_cause(role: Role, connect: Connect) -> None:
    assert role(apps_list=[app("slow", deployment("slow"), wait=False)]).code == 0

    async def cannot_pull(kube: Kube) -> None:
        name = (await _a_pod(kube, "slow"))["metadata"]["name"]
        clipboard = "\x1b]52;c;cm0=\x07"
        waiting = {"reason": "ImagePullBackOff", "message": f'{clipboard}pulling image "nowhere.invalid/app:1"'}
        container = {"name": "app", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
        status = {"phase": "Pending", "containerStatuses": [{**container, "state": {"waiting": waiting}}]}
        await _patch_status(kube, f"/api/v1/namespaces/slow/pods/{name}", status)

    in_cluster(connect, cannot_pull)
    failed = role(apps_list=[app("slow", deployment("slow"), wait_timeout=2)])
    problem = failed.problem
    assert problem["what"] == 'app "slow" did not become ready within 2 s'
    assert (problem["cluster"], problem["object"]) == ("west", "Deployment slow/slow")
    assert "container app: ImagePullBackOff" in problem["means"]
    assert problem["next"].startswith("correct the image's name")
    assert r"\x1b]52;c;cm0=\x07pulling" in problem["seen"] + problem["means"] and "\x1b" not in failed.output


def test_pods_without_a_sidecar_are_reported(role: Role, connect: Connect) -> None:
    apps = [app("bare", deployment("bare"))]
    assert role(apps_list=[{**apps[0], "wait": False}]).code == 0

    async def ready(kube: Kube) -> None:
        pod = await _a_pod(kube, "bare")
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "conditions": conditions}
        await _patch_status(kube, f"/api/v1/namespaces/bare/pods/{pod['metadata']['name']}", status)

    in_cluster(connect, ready)
    failed = role(apps_list=apps)
    problem = failed.problem
    assert problem["what"] == 'pods of app "bare" have no sidecar, though inject is true'
    assert problem["means"] == "no sidecar injector is installed in this cluster"
    assert role(apps_list=[{**apps[0], "inject": False}]).code == 0


def test_pods_without_a_sidecar_are_restarted_if_wanted(role: Role, connect: Connect) -> None:
    apps = [app("again", deployment("again"), wait_timeout=2)]
    assert role(apps_list=[{**apps[0], "wait": False}]).code == 0

    async def available(kube: Kube) -> str:
        pod = await _a_pod(kube, "again")
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await _patch_status(kube, f"/api/v1/namespaces/again/pods/{pod['metadata']['name']}", ready)
        # The controllers take their time; the role shall find it ready.
        await kube.wait("apps/v1", "Deployment", "again", "again", until=deployment_ready, timeout=120)
        return str(pod["metadata"]["name"])

    def another(pods: t.Sequence[dict[str, t.Any]]) -> tuple[bool, str]:
        names = {p["metadata"]["name"] for p in pods}
        return bool(names - {first}), f"pods {sorted(names)}"

    first = in_cluster(connect, available)
    # The new pod has no node to run on here: it is waited for in vain, but it is there.
    assert role(apps_list=apps, apps_restart_unsidecared=True).problem["what"].startswith('app "again"')
    in_cluster(connect, lambda kube: kube.wait_list("v1", "Pod", "again", until=another, timeout=120))
    assert role("--check", apps_list=apps).touched() == {}


def test_a_chart_comes_and_goes(role: Role, connect: Connect) -> None:
    chart = role.folder / "ledger"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: ledger\nversion: 1.0.0\n")
    (chart / "values.yaml").write_text("rate: 1\n")
    (chart / "templates" / "config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ledger}\ndata: {rate: '{{ .Values.rate }}'}\n"
    )
    helm = str(control_plane.program("helm"))
    entry = {"name": "ledger", "clusters": ["west"], "chart": {"ref": str(chart), "values": {"rate": 2}}}
    planned = role("--check", apps_list=[entry], apps_helm=helm)
    assert planned.code == 0, planned.output
    first = role(apps_list=[entry], apps_helm=helm)
    assert first.code == 0, first.output
    assert first.touched() == planned.touched()
    assert first.touched()["Release ledger"] == "created"
    live = in_cluster(connect, lambda kube: kube.get("v1", "ConfigMap", "ledger", "ledger"))
    assert live["data"] == {"rate": "2"}
    assert role(apps_list=[entry], apps_helm=helm).touched() == {}
    left = role(apps_list=[], apps_helm=helm)
    assert left.code == 0, left.output
    assert left.touched()["Release ledger"] == "removed"
    assert in_cluster(connect, lambda kube: kube.get("v1", "Namespace", "ledger")) is None


def test_what_another_tool_made_is_adopted_with_consent(role: Role, connect: Connect, namespace: str) -> None:
    chart = role.folder / "ledger"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: ledger\nversion: 1.0.0\n")
    (chart / "templates" / "config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ledger}\ndata: {rate: '2'}\n"
    )
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ledger", "namespace": namespace}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    in_cluster(connect, lambda kube: kube.apply([space, {**theirs, "data": {"own": "x"}}], manager="istioctl"))
    entry = {"name": "ledger", "namespace": namespace, "clusters": ["west"], "chart": {"ref": str(chart)}}
    helm = str(control_plane.program("helm"))
    stranger = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "sh.helm.release.v1.ledger.v1",
            "namespace": namespace,
            "labels": {"owner": "helm", "name": "ledger", "version": "1", "status": "deployed"},
        },
    }
    in_cluster(connect, lambda kube: kube.apply([stranger], manager="helm"))
    refused = role(apps_list=[entry], apps_helm=helm)
    assert refused.problem["object"] == f"release {namespace}/ledger" and "mesh_take_over" in refused.problem["next"]
    assert (
        in_cluster(connect, lambda kube: kube.list("v1", "ConfigMap", namespace, {"mesh.fleet/release": "ledger"}))
        == []
    )
    in_cluster(connect, lambda kube: kube.remove([stranger]))
    refused = role(apps_list=[entry], apps_helm=helm)
    assert refused.code != 0
    assert "mesh_take_over" in refused.problem["next"] and "Do not delete a CRD" in refused.problem["next"]
    taken = role(apps_list=[entry], apps_helm=helm, mesh_take_over=True)
    assert taken.code == 0, taken.output
    live = in_cluster(connect, lambda kube: kube.get("v1", "ConfigMap", "ledger", namespace))
    assert live["data"] == {"own": "x", "rate": "2"}
    assert role(apps_list=[], apps_helm=helm).code == 0


def test_a_chart_waits_for_a_webhook_that_is_silent(role: Role, connect: Connect) -> None:
    """As istiod's while it rolls: the first calls get no answer, then it is there again."""
    chart = role.folder / "patient"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: patient\nversion: 1.0.0\n")
    (chart / "templates" / "config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: patient, labels: {patient: 'yes'}}\ndata: {rate: '1'}\n"
    )
    entry = {"name": "patient", "clusters": ["west"], "chart": {"ref": str(chart), "values": {"rate": 2}}}
    asked: list[int] = []

    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked.append(1)
            if len(asked) > 1:
                role.plane.kubectl("delete", "validatingwebhookconfiguration", "patient", "--ignore-not-found")
            while self.request.recv(4096):
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hook = webhook("patient", server.server_address[1])
        hook["webhooks"][0] |= {"namespaceSelector": {}, "objectSelector": {"matchLabels": {"patient": "yes"}}}
        try:
            in_cluster(connect, lambda kube: kube.apply([hook]))
            done = role(apps_list=[entry], apps_helm=str(control_plane.program("helm")))
        finally:
            role.plane.kubectl("delete", "validatingwebhookconfiguration", "patient", "--ignore-not-found")
            server.shutdown()
    assert done.code == 0, done.output
    assert len(asked) > 1, "Helm was not refused, so this test shows nothing"
    assert in_cluster(connect, lambda kube: kube.get("v1", "ConfigMap", "patient", "patient"))["data"] == {"rate": "1"}


def test_istio_accepts_the_objects_that_expose_the_page(role: Role, connect: Connect) -> None:
    text = (CHARTS / "base" / "files" / "crd-all.gen.yaml").read_text()
    crds = [c for c in yaml.safe_load_all(text) if c and c["spec"]["group"] == "networking.istio.io"]
    in_cluster(connect, lambda kube: kube.apply(crds, manager="istio"))
    where: dict[str, t.Any] = {"apps_sample": {"caller": ["west"]}, "apps_sample_wait_timeout": 1}
    try:
        # "auto" finds no gateway in this cluster.
        assert role(**where).problem["what"].startswith('app "sample-caller"')
        find = [
            ("networking.istio.io/v1", kind, "sample-caller", "istio-apps") for kind in ("Gateway", "VirtualService")
        ]
        for what in find:
            assert in_cluster(connect, lambda kube, what=what: kube.get(*what)) is None
        # Asked for without a name under which: nothing is published for all the world by default.
        asked = {"apps_sample_expose": "always"}
        assert role(**where, **asked).problem["what"].endswith("apps_sample_hosts names no host")
        for what in find:
            assert in_cluster(connect, lambda kube, what=what: kube.get(*what)) is None
        where["apps_sample_hosts"] = ["*"]
        assert role(**where, **asked).problem["what"].startswith('app "sample-caller"')
        for what in find:
            assert in_cluster(connect, lambda kube, what=what: kube.get(*what)) is not None
        assert role("--check", **where, apps_sample_expose="never").touched() == {
            "Gateway sample-caller": "removed",
            "VirtualService sample-caller": "removed",
        }
    finally:
        in_cluster(connect, lambda kube: kube.remove(crds, wait=180))


def test_the_sample_pair(role: Role, connect: Connect) -> None:
    where = {"caller": ["west"], "producer": ["east"]}
    arguments = {"apps_sample": where, "apps_sample_image": "example.test/base:1", "apps_sample_expose": "never"}
    planned = role("--check", **arguments)
    assert planned.code == 0, planned.output
    assert planned.result["stage_line"] == "west sample-caller, 1 stub (planned)"
    # No node runs here, so that the pods cannot become ready; what is applied is the server's to judge.
    failed = role(**arguments, apps_sample_wait_timeout=1)
    assert failed.problem["what"] == 'app "sample-caller" did not become ready within 1 s'
    live = in_cluster(connect, lambda kube: kube.list("v1", "Service", "istio-apps"))
    assert sorted(s["metadata"]["name"] for s in live) == ["sample-caller", "sample-producer"]
    again = role("--check", **arguments)
    assert again.touched() == {}
