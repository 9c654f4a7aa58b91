# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real Helm by our roles and actions: which cluster it works on, and what its record says afterwards."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from . import control_plane
from .nodes import await_everything, everything
from .plays import Ran, role_play, run_plays
from .test_mesh_roles import CHARTS, fleet_of, release


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart that shows its values in a ConfigMap."""
    folder = tmp_path_factory.mktemp("charts") / "shown"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "shown", "version": "1.0.0"}))
    write_template(folder, "values: {{ toJson .Values | quote }}")
    return folder


def write_template(chart: Path, line: str) -> None:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n"
    (chart / "templates" / "config.yaml").write_text(f"{head}  {line}\n")


class Play:
    """Runs plays on ``west``, which is ``api``."""

    def __init__(self, api: control_plane.ControlPlane, tmp: Path) -> None:
        self.tmp, self.environment = tmp, dict[str, str]()
        self.fleet = fleet_of(api, str(control_plane.program("helm")))

    def __call__(self, play: dict[str, t.Any], *arguments: str) -> Ran:
        return run_plays(self.tmp, self.fleet, play, *arguments, environment=self.environment, shell=False)

    def good(self, play: dict[str, t.Any], *arguments: str) -> str:
        done = self(play, *arguments)
        assert done.code == 0, done.output
        return done.output

    def release(self, *arguments: str, state: str = "present", **release: t.Any) -> str:
        """A run of the action helm_release for one release of namespace ``default``."""
        options = {"releases": [{"name": "shown", "namespace": "default", **release}], "state": state}
        options["helm"] = str(control_plane.program("helm"))
        task = {"name": "Do", "mesh.fleet.helm_release": options}
        return self.good({"name": "R", "hosts": "all", "gather_facts": False, "tasks": [task]}, *arguments)


@pytest.fixture
def play(api: control_plane.ControlPlane, tmp_path: Path) -> Play:
    return Play(api, tmp_path)


def test_helm_has_what_a_list_and_a_vault_hold(api: control_plane.ControlPlane, play: Play, chart: Path) -> None:
    """The context is in one file, the rest encrypted in another one; then a file with a colon in its name."""
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["certificate-authority"] = str(api.directory / "ca.crt")
    contexts = {"contexts": config.pop("contexts"), "current-context": "token"}
    (play.tmp / "contexts").write_text(yaml.safe_dump(contexts))
    secret = VaultSecret(b"sesame")
    (play.tmp / "rest").write_bytes(VaultLib([("default", secret)]).encrypt(yaml.safe_dump(config), secret))
    (play.tmp / "password").write_text("sesame")
    values = play.fleet["vars"]
    values |= {"cluster_kubeconfig": f"{play.tmp}/missing:{play.tmp}/contexts:{play.tmp}/rest", "cluster_context": ""}
    out = play.release(f"--vault-password-file={play.tmp}/password", "-vvvv", chart=str(chart), values={"a": "vaulted"})
    assert "vaulted" in api.kubectl("get", "configmap", "shown", "-o", "json")
    assert control_plane.ADMIN_TOKEN not in out
    marker = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shown-too", "namespace": "default"}}
    task = {"name": "Do", "mesh.fleet.objects": {"objects": [marker], "kubeconfig": values["cluster_kubeconfig"]}}
    ours = {"name": "R", "hosts": "all", "gather_facts": False, "tasks": [task]}
    play.good(ours, f"--vault-password-file={play.tmp}/password")
    refused = play(ours)
    assert refused.code
    assert "no vault password is loaded" in refused.output
    values["cluster_kubeconfig"] = str(play.tmp / "a:b")
    (play.tmp / "rest").rename(play.tmp / "a:b")
    (play.tmp / "a:b").write_text(yaml.safe_dump({**config, **contexts}))
    play.release(chart=str(chart), values={"a": "colon"})
    assert "colon" in api.kubectl("get", "configmap", "shown", "-o", "json")
    play.release(state="absent")
    api.kubectl("delete", "configmap", "shown-too")


@pytest.mark.slow
@pytest.mark.usefixtures("nodes")
def test_helm_works_on_the_inventorys_cluster(
    api: control_plane.ControlPlane, plane: control_plane.ControlPlane, play: Play, chart: Path
) -> None:
    """Whatever the environment of whoever starts Ansible says, as AWX's credential for Kubernetes does."""
    play.environment = {
        "KUBECONFIG": str(plane.kubeconfig),
        "K8S_AUTH_KUBECONFIG": str(plane.kubeconfig),
        "K8S_AUTH_CONTEXT": "token",
        "K8S_AUTH_HOST": plane.server,
        "K8S_AUTH_API_KEY": control_plane.ADMIN_TOKEN,
        "K8S_AUTH_VERIFY_SSL": "false",
        "HELM_KUBEAPISERVER": plane.server,
        "HELM_KUBETOKEN": control_plane.ADMIN_TOKEN,
        "HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "true",
        "HELM_KUBECONTEXT": "limited",
        "HELM_NAMESPACE": "kube-public",
        "HELM_DRIVER": "configmap",
        "HELM_PLUGINS": "/nowhere",
    }
    elsewhere, before = everything(plane), everything(api)
    app = {"name": "shop", "clusters": ["west"], "chart": {"ref": str(chart)}, "inject": False}
    stages = {**STAGES, "apps": {"apps_list": [app], "apps_sample": {}}}
    for role, variables in stages.items():
        play.good(role_play(role, **variables))
    made = {name for name in everything(api) - before if name.startswith("Secret/") and "sh.helm.release" in name}
    assert {name.split("/")[1] for name in made} == {"istio-system", "shop"}
    assert everything(plane) == elsewhere
    for role in reversed(stages):
        play.good(role_play(role, tasks="absent"))
    assert not [name for name in everything(api) if "sh.helm.release" in name]
    assert everything(plane) == elsewhere


STRINGS = ("1234e56", "y", "no", "0x1F", "012", "1_000", "2026-01-01", "null", "~", "", "1.0", "\u2028 \x7f 😀", "a: b")


def shown(api: control_plane.ControlPlane) -> dict[str, t.Any]:
    data: dict[str, str] = json.loads(api.kubectl("-n", "default", "get", "cm", "shown", "-o", "json"))["data"]
    values: dict[str, t.Any] = json.loads(data["values"])
    return values


def test_strings_stay_strings(api: control_plane.ControlPlane, play: Play, chart: Path) -> None:
    values = {"strings": list(STRINGS), "more": {"on": True, "half": 0.5, "many": 12345678901, "none": [None, {}]}}
    assert "1 of 1 releases changed" in play.release(chart=str(chart), values=values)
    found = shown(api)
    assert found["strings"] == list(STRINGS)
    assert found["more"] == values["more"]
    assert "0 of 1 releases changed" in play.release(chart=str(chart), values=values)


def test_a_release_without_values_is_changed(api: control_plane.ControlPlane, play: Play, chart: Path) -> None:
    play.release(chart=str(chart))
    write_template(chart, 'values: \'{"template": "second"}\'')
    assert "1 of 1 releases changed" in play.release(chart=str(chart))
    assert shown(api) == {"template": "second"}
    assert "0 of 1 releases changed" in play.release(chart=str(chart))
    write_template(chart, "values: {{ toJson .Values | quote }}")
    assert "1 of 1 releases changed" in play.release(chart=str(chart), values={"later": 1})
    assert shown(api) == {"later": 1}
    assert "1 of 1 releases changed" in play.release(state="absent")
    assert "0 of 1 releases changed" in play.release(state="absent")


def test_a_change_that_did_not_come_is_a_failure(play: Play, chart: Path, tmp_path: Path) -> None:
    """As with a Helm that somebody put a program of his own in front of: it says that all is well."""
    play.release(chart=str(chart))
    idle = tmp_path / "helm"
    idle.write_text('#!/bin/sh\n[ "$1" != version ] || printf v3.22.0\n')
    idle.chmod(0o755)
    options = {"helm": str(idle), "releases": [{"name": "shown", "namespace": "default", "chart": str(chart)}]}
    for change, why in (({"values": {"a": 1}}, "its values differ"), ({}, "it is still revision")):
        options["releases"] = [{"name": "shown", "namespace": "default", "chart": str(chart), **change}]
        write_template(chart, "values: changed" if not change else "values: {{ toJson .Values | quote }}")
        task = {"name": "Do", "mesh.fleet.helm_release": options}
        done = play({"name": "R", "hosts": "all", "gather_facts": False, "tasks": [task]})
        assert done.code != 0, done.output
        assert "Helm said that it was done, and its record says otherwise" in done.output
        assert why in done.output
    play.release(state="absent")


STAGES: dict[str, dict[str, t.Any]] = {
    "control_plane": {"control_plane_require_cacerts": False, "control_plane_replicas": 1},
    "gateways": {"gateways_eastwest": "always"},
}


def damage(api: control_plane.ControlPlane) -> None:
    """What people do to a mesh; each was seen to outlive any number of runs."""

    def of(*arguments: str) -> None:
        api.kubectl("-n", "istio-system", *arguments)

    of("delete", "deployment", "istio-ingressgateway")
    of("scale", "deployment", "istiod", "--replicas=0")
    of("scale", "deployment", "istio-eastwestgateway", "--replicas=0")
    of("set", "env", "deployment/istiod", "BY_HAND=1")
    of("delete", "serviceaccount", "istio-reader-service-account")
    of("patch", "configmap", "istio", "-p", json.dumps({"data": {"mesh": "trustDomain: elsewhere"}}))
    of("delete", "mutatingwebhookconfiguration", "istio-sidecar-injector")
    of("delete", "validatingwebhookconfiguration", "istiod-default-validator")
    of("delete", "service", "istiod")
    of("delete", "clusterrole", "istiod-clusterrole-istio-system")
    of("delete", "crd", "wasmplugins.extensions.istio.io")
    port = [{"op": "remove", "path": "/spec/ports/0"}]
    of("patch", "service", "istio-ingressgateway", "--type=json", "-p", json.dumps(port))


def of_others(api: control_plane.ControlPlane) -> None:
    """What others own: an autoscaler, istiod in its webhook, a restart, marks of a tool."""
    name = "istio-ingressgateway"
    for change, words in (
        (
            {"webhooks": [{"name": "rev.validation.istio.io", "failurePolicy": "Fail"}]},
            ["--field-manager=pilot-discovery", "validatingwebhookconfiguration", "istio-validator-istio-system"],
        ),
        ({"metadata": {"annotations": {"tool": "x"}, "labels": {"team": "x"}}}, ["service", name]),
    ):
        api.kubectl("-n", "istio-system", "patch", *words, "-p", json.dumps(change))
    api.kubectl("-n", "istio-system", "rollout", "restart", f"deployment/{name}")


def seen(api: control_plane.ControlPlane, kind: str, name: str, path: str) -> str:
    return api.kubectl("-n", "istio-system", "get", kind, name, "-o", f"jsonpath={path}")


def gateway_of(name: str, **labels: str) -> dict[str, t.Any]:
    servers = [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]
    meta = {"name": name, "namespace": "istio-system", "labels": labels}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta, "spec": {"servers": servers}}


def take_down(api: control_plane.ControlPlane, play: Play, untouched: set[str]) -> None:
    """Teardown after Helm's records were lost: all that is ours goes, and what is others' stays."""
    theirs = [
        gateway_of("theirs"),
        gateway_of("other", **{"mesh.fleet/part-of": "gateways", "mesh.fleet/fleet": "other"}),
    ]
    for obj in theirs:
        api.kubectl("create", "-f", "-", stdin=json.dumps(obj))
    helm = [str(control_plane.program("helm")), "--kubeconfig", str(api.kubeconfig), "-n", "istio-system"]
    api.kubectl("-n", "istio-system", "delete", "secret", "-l", "owner=helm")
    assert "objects removed" in play.good(role_play("gateways", tasks="absent"))
    assert "istio-ingressgateway" not in api.kubectl("-n", "istio-system", "get", "deployment,service,sa,hpa,role")

    # A gateway of the same name that somebody else installed.
    by_hand = [*helm, "install", "istio-ingressgateway", f"{CHARTS}/gateway"]
    subprocess.run(by_hand, check=True, capture_output=True)
    assert "nothing there" in play.good(role_play("gateways", tasks="absent"))
    assert release(api, "istio-ingressgateway")["status"] == "deployed"
    subprocess.run([*helm, "uninstall", "istio-ingressgateway"], check=True, capture_output=True)
    for obj in theirs:
        api.kubectl("-n", "istio-system", "delete", "gateways.networking.istio.io", obj["metadata"]["name"])

    assert "objects removed" in play.good(role_play("control_plane", tasks="absent"))
    await_everything(api, untouched)


@pytest.mark.slow
@pytest.mark.usefixtures("nodes")
def test_objects_that_somebody_changed_are_put_right(api: control_plane.ControlPlane, play: Play) -> None:
    untouched = everything(api)
    for role, variables in STAGES.items():
        play.good(role_play(role, **variables))
    before, revisions = everything(api), release(api, "istiod")
    of_others(api)
    for role, variables in STAGES.items():
        assert "changed)" not in play.good(role_play(role, **variables))
    for count in ("3", "1"):
        autoscale = ["--subresource=scale", "--field-manager=kube-controller-manager", "-p"]
        patch = ["patch", "deployment", "istio-ingressgateway", *autoscale, f'{{"spec": {{"replicas": {count}}}}}']
        api.kubectl("-n", "istio-system", *patch)
        assert "changed)" not in play.good(role_play("gateways", **STAGES["gateways"]), "--check")
    assert seen(api, "deployment", "istio-ingressgateway", "{.spec.template.metadata.annotations}").count("restartedAt")
    assert seen(api, "service", "istio-ingressgateway", "{.metadata.annotations.tool}") == "x"

    damage(api)
    damaged = everything(api)
    planned = {role: play.good(role_play(role, **v), "--check", "--diff") for role, v in STAGES.items()}
    assert everything(api) == damaged
    for role, words in {
        "control_plane": ["changed by kubectl", "BY_HAND", "trustDomain: elsewhere", "it was deleted"],
        "gateways": [
            "Deployment istio-system/istio-ingressgateway (created)",
            "it was scaled to 0",
            "a field of it was removed",
        ],
    }.items():
        assert [word for word in words if word not in planned[role]] == [], planned[role]

    for role, variables in STAGES.items():
        assert "changed)" in play.good(role_play(role, **variables))
    gone = {name for name in before - everything(api) if not name.startswith(("Pod/", "ReplicaSet/"))}
    assert gone == set()
    assert seen(api, "deployment", "istiod", "{.spec.replicas}") == "1"
    assert seen(api, "deployment", "istio-eastwestgateway", "{.spec.replicas}") == "1"
    assert "BY_HAND" not in seen(api, "deployment", "istiod", "{.spec.template.spec.containers[0].env}")
    assert "elsewhere" not in seen(api, "configmap", "istio", "{.data.mesh}")
    assert "15021" in seen(api, "service", "istio-ingressgateway", "{.spec.ports}")
    assert seen(api, "service", "istio-ingressgateway", "{.metadata.annotations.tool}") == "x"
    assert release(api, "istiod") == revisions
    for role, variables in STAGES.items():
        assert "changed)" not in play.good(role_play(role, **variables))

    # What was added by hand does not outlive an upgrade either.
    api.kubectl("-n", "istio-system", "set", "env", "deployment/istiod", "BY_HAND=1")
    play.good(role_play("control_plane", control_plane_dns_capture=False, **STAGES["control_plane"]))
    assert "BY_HAND" not in seen(api, "deployment", "istiod", "{.spec.template.spec.containers[0].env}")
    take_down(api, play, untouched)
