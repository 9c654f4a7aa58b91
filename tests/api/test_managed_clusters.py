# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles on a cluster whose control plane Google runs: a real API server, real Helm, and a webhook in Google's place."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.action.managed_mesh import ActionModule as ManagedMesh
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.injection import await_injection

from . import control_plane
from .injector import IMAGE, OWNED, Injector
from .loop import in_loop
from .nodes import ADDRESS, await_everything, await_pods, everything
from .plays import role_play, run_plays
from .test_mesh_roles import CHARTS

ROOT = Path(__file__).resolve().parent.parent.parent
SYSTEM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system", "labels": OWNED}}


@pytest.fixture(scope="module")
def google(api: control_plane.ControlPlane) -> t.Iterator[Injector]:
    """What Google has put there: its namespace, its settings, its webhook."""
    injector = Injector(api)
    setting = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio-asm-managed", "namespace": "istio-system", "labels": OWNED},
        "data": {"mesh": "trustDomain: shop-prod.svc.id.goog"},
    }
    for obj in (SYSTEM, setting, injector.configuration()):
        api.kubectl("apply", "--server-side", "--field-manager=google", "-f", "-", stdin=json.dumps(obj))
    yield injector
    injector.stop()


def shown(api: control_plane.ControlPlane, *what: str) -> t.Any:
    return json.loads(api.kubectl("get", *what, "-o", "json"))


class Play:
    """Runs a role of ours on the managed cluster ``west``; ``north`` is in the inventory and never asked."""

    def __init__(self, api: control_plane.ControlPlane, tmp: Path) -> None:
        self.api, self.tmp = api, tmp

    def __call__(self, role: str, *args: str, tasks: str = "main", ok: bool = True, **variables: t.Any) -> str:
        helm = str(control_plane.program("helm"))
        common = {
            "fleet_name": "managed",
            "fleet_dir": str(self.tmp / "state"),
            "mesh_trust_domain": "gke.mesh",
            "mesh_control_plane": "managed",
            "cluster_provider": "gke",
            "cluster_region": "us-west1",
            "gke_project": "shop-prod",
            "gateways_charts": CHARTS,
            "gateways_helm": helm,
            "gateways_timeout": 180,
            "apps_sample": {},
            **variables,
        }
        reached = {"cluster_kubeconfig": str(self.api.kubeconfig), "cluster_context": "admin"}
        fleet = {"vars": common, "hosts": {"west": reached, "north": {}}}
        done = run_plays(self.tmp, fleet, role_play(role, "west", tasks), *args)
        assert (done.code == 0) is ok, done.output
        return done.output


@pytest.fixture
def play(api: control_plane.ControlPlane, tmp_path: Path) -> Play:
    return Play(api, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("nodes")
def test_gateways_come_without_an_istiod_and_go_alone(
    api: control_plane.ControlPlane, google: Injector, play: Play
) -> None:
    system = shown(api, "namespace", "istio-system")
    before = everything(api)
    play("gateways", "--check", "--diff")
    assert everything(api) == before

    out = play("gateways", gateways_eastwest="always")
    assert ADDRESS in out
    assert "serves no east-west gateway" in out
    assert "istio-ingress" in google.asked
    space = shown(api, "namespace", "istio-ingress")["metadata"]
    assert space["labels"]["istio-injection"] == "enabled"
    assert "istio.io/rev" not in space["labels"]
    names = [d["metadata"]["name"] for d in shown(api, "deployments", "-A")["items"]]
    assert names == ["istio-ingressgateway"]
    images = {c["image"] for p in await_pods(api, "istio-ingress") for c in p["spec"]["containers"]}
    assert images == {IMAGE}
    assert "changed" not in play("gateways")
    assert shown(api, "namespace", "istio-system") == system

    play("gateways", tasks="absent")
    await_everything(api, before)
    assert shown(api, "namespace", "istio-system") == system


@pytest.mark.slow
@pytest.mark.usefixtures("nodes", "google")
def test_a_namespace_of_others_stays_theirs(api: control_plane.ControlPlane, play: Play) -> None:
    api.kubectl("create", "namespace", "edge")
    api.kubectl("-n", "edge", "create", "configmap", "theirs")
    play("gateways", gateways_namespace="edge")
    assert shown(api, "namespace", "edge")["metadata"]["labels"]["istio-injection"] == "enabled"
    play("gateways", tasks="absent", gateways_namespace="edge")
    assert shown(api, "namespace", "edge")["metadata"]["labels"] == {"kubernetes.io/metadata.name": "edge"}
    assert shown(api, "configmap", "theirs", "-n", "edge")
    api.kubectl("delete", "namespace", "edge")


@pytest.mark.usefixtures("google")
def test_googles_namespace_takes_no_gateway(play: Play) -> None:
    out = play("gateways", ok=False, gateways_namespace="istio-system")
    assert "gateways cannot be in istio-system" in out
    assert "leave gateways_namespace out" in out


@pytest.mark.usefixtures("google")
def test_no_root_is_made_for_google(play: Play, tmp_path: Path) -> None:
    assert "Google's CA signs" in play("trust")
    assert not list(tmp_path.glob("state/**/trust"))
    assert "skipp" in play("control_plane", "-v", control_plane_charts=CHARTS)


@pytest.mark.usefixtures("google")
def test_an_old_intermediate_ca_goes_googles_namespace_stays(api: control_plane.ControlPlane, play: Play) -> None:
    labels = {"mesh.fleet/fleet": "managed", "mesh.fleet/part-of": "trust"}
    meta = {"name": "cacerts", "namespace": "istio-system", "labels": labels}
    api.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": meta}))
    api.kubectl("annotate", "namespace", "istio-system", "mesh.fleet/created=true")
    before = shown(api, "namespace", "istio-system")
    assert "intermediate CA removed" in play("trust", tasks="absent")
    assert shown(api, "namespace", "istio-system") == before
    assert shown(api, "secrets", "-n", "istio-system")["items"] == []
    api.kubectl("annotate", "namespace", "istio-system", "mesh.fleet/created-")


@pytest.mark.usefixtures("google")
def test_apps_ask_googles_injector(api: control_plane.ControlPlane, play: Play) -> None:
    before = everything(api)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": {"a": "b"}}
    apps = [{"name": "shop", "clusters": ["west"], "manifests": [manifest]}]
    play("apps", apps_list=apps)
    labels = shown(api, "namespace", "shop")["metadata"]["labels"]
    assert labels["istio-injection"] == "enabled"
    assert "changed" not in play("apps", apps_list=apps)
    play("apps", tasks="absent")
    await_everything(api, before)


@in_loop
async def _injection(api: control_plane.ControlPlane, namespace: str, seconds: float) -> None:
    async with Kube.connect(Connection(kubeconfig=str(api.kubeconfig), context="admin"), cluster="west") as kube:
        await await_injection(
            kube, read_fleet({"west": {"cluster_provider": "gke"}}).clusters["west"], namespace, seconds
        )


def test_injection_is_asked_of_the_cluster_itself(api: control_plane.ControlPlane, google: Injector) -> None:
    api.kubectl("create", "namespace", "plain")
    with pytest.raises(FleetError) as none:
        _injection(api, "plain", 0)
    assert none.value.seen == "a new pod would get no sidecar"
    assert "run the gke_fleet stage with --limit west" in str(none.value)
    api.kubectl("label", "namespace", "plain", "istio-injection=enabled")
    _injection(api, "plain", 120)
    assert "plain" in google.asked
    assert shown(api, "pods", "-n", "plain")["items"] == []
    api.kubectl("delete", "namespace", "plain")


def test_our_istiod_does_not_go_beside_googles_control_plane(
    api: control_plane.ControlPlane, google: Injector, play: Play
) -> None:
    """A cluster that Google served before, or that somebody else has switched on: nothing of ours gets into it."""
    before, space = everything(api), shown(api, "namespace", "istio-system")
    for more in (("--check",), ()):
        out = play("trust", *more, ok=False, mesh_control_plane="istiod", trust_vault_password_create=True)
        assert "Google runs a control plane in it, and an istiod of ours cannot run beside that" in out
        assert "MutatingWebhookConfiguration istiod-asm-managed" in out
        assert "set mesh_control_plane: managed for west" in out
    assert everything(api) == before
    assert shown(api, "namespace", "istio-system") == space


def test_an_istiod_beside_googles_control_plane_is_refused(api: control_plane.ControlPlane, google: Injector) -> None:
    hosts = {
        "west": {
            "cluster_provider": "gke",
            "gke_project": "shop-prod",
            "mesh_control_plane": "managed",
            "cluster_kubeconfig": str(api.kubeconfig),
            "cluster_context": "admin",
        }
    }
    cluster = read_fleet(hosts, environment()).clusters["west"]

    @in_loop
    async def look() -> None:
        try:
            await ManagedMesh.__new__(ManagedMesh)._refuse_istiod(cluster)
        except FleetError as error:
            refused.append(error)
        else:
            refused.append(None)

    refused: list[FleetError | None] = []
    look()
    template = {
        "metadata": {"labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "discovery", "image": "hub/pilot:1"}]},
    }
    istiod = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": "istio-system", "labels": {"app": "istiod"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "istiod"}}, "template": template},
    }
    api.kubectl("apply", "-f", "-", stdin=json.dumps(istiod))
    look()
    api.kubectl("-n", "istio-system", "label", "deployment", "istiod", "istio.io/owned-by=mesh.googleapis.com")
    look()
    api.kubectl("-n", "istio-system", "delete", "deployment", "istiod")
    assert [r is None for r in refused] == [True, False, True]
    assert "istio-system/istiod" in str(refused[1])
    assert "remove it first" in str(refused[1])
