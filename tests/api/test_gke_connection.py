# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A GKE cluster is reached by Google's answer and token: a stand-in for Google, a real API server."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import typing as t
import urllib.parse
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.connections import with_connections
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from tests.gcp.standin.server import StandIn

from . import control_plane
from .plays import Ran, run_plays

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = "shop-prod"
LIST = "container.projects.locations.clusters.list"
WEST = {
    "cluster_provider": "gke",
    "cluster_region": "us-west1",
    "cluster_zone": "us-west1-a",
    "gke_project": PROJECT,
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
}


@pytest.fixture(scope="module")
def google(plane: control_plane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[StandIn]:
    """A stand-in whose cluster "west" is the test's control plane, and whose token it accepts."""

    def behind(cluster: dict[str, t.Any]) -> None:
        address = urllib.parse.urlsplit(plane.server).netloc
        cluster["endpoint"] = address
        cluster["masterAuth"] = {"clusterCaCertificate": base64.b64encode(plane.ca_pem.encode()).decode()}
        cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["publicEndpoint"] = address

    with StandIn(tmp_path_factory.mktemp("standin"), duration=0.01) as running:
        running.cloud.tokens.add(control_plane.ADMIN_TOKEN)
        running.cloud.tokens.add(control_plane.LIMITED_TOKEN)
        running.cloud.on_cluster.append(behind)
        settings = Settings(PROJECT, "accesstoken", access_token=control_plane.ADMIN_TOKEN, endpoint=running.endpoint)
        client = Google(settings)
        parent = f"projects/{PROJECT}/locations/us-west1-a"
        body = {"cluster": {"name": "west", "initialNodeCount": 1}}
        operation = client.call("container", "projects.locations.clusters.create", parent=parent, body=body)
        client.wait("container", operation, 60, interval=0.05)
        yield running


@pytest.fixture(autouse=True)
def the_stand_in(google: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("GCP_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MESH_FLEET_GOOGLE_ENDPOINT", google.endpoint)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    google.cloud.log.clear()


def cluster(token: str = control_plane.ADMIN_TOKEN, **variables: t.Any) -> Cluster:
    hosts = {"west": {**WEST, "gke_access_token": token, **variables}}
    return with_connections(read_fleet(hosts, environment())).clusters["west"]


async def namespaces(west: Cluster) -> list[str]:
    async with Kube.connect(west.connection, cluster="west") as kube:
        return [str(n["metadata"]["name"]) for n in await kube.list("v1", "Namespace")]


def test_a_client_gets_through(google: StandIn) -> None:
    west = cluster()
    assert "kube-system" in asyncio.run(namespaces(west))
    assert "kube-system" in asyncio.run(namespaces(west))
    assert [entry["method"] for entry in google.cloud.log] == [LIST]


@pytest.mark.parametrize(
    ("token", "variables", "words"),
    [
        ("nobody-knows-it", {}, "set gke_access_token anew"),
        (control_plane.LIMITED_TOKEN, {}, "may not do this"),
        (control_plane.ADMIN_TOKEN, {"gke_endpoint": "dns"}, "it has no dns endpoint"),
        (control_plane.ADMIN_TOKEN, {"gke_name": "wast"}, "Google has no such cluster"),
    ],
)
def test_an_unreachable_endpoint_is_reported(token: str, variables: dict[str, str], words: str) -> None:
    with pytest.raises(FleetError) as caught:
        asyncio.run(namespaces(cluster(token, **variables)))
    assert words in str(caught.value)
    assert caught.value.cluster in ("west", "")  # what is wrong with the account is wrong for all clusters
    assert caught.value.next_step
    assert token not in str(caught.value)


def test_preflight_asks_a_cluster_that_stands(google: StandIn, tmp_path: Path) -> None:
    """An istiod of ours runs there, and the inventory says that Google runs the control plane now."""
    labels = {"app": "istiod", "install.operator.istio.io/owning-resource": "mesh.fleet"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "discovery", "image": "pilot"}]}}
    space = {"name": "istio-gke", "labels": {"mesh.fleet/fleet": "gke"}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": "istio-gke", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }

    async def stands(there: bool) -> None:
        async with Kube.connect(cluster().connection, cluster="west") as kube:
            if there:
                await kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": space}, deployment])
            else:
                await kube.delete("apps/v1", "Deployment", "istiod", "istio-gke")

    asyncio.run(stands(True))
    task = {"name": "Ask", "mesh.fleet.preflight": {"part": "cluster"}}
    play = {"name": "P", "hosts": "mesh_clusters", "gather_facts": False, "tasks": [task]}
    variables = {**WEST, "gke_access_token": control_plane.ADMIN_TOKEN, "fleet_name": "gke"}
    google_env = {"MESH_FLEET_GOOGLE_ENDPOINT": google.endpoint}

    def asked(**more: t.Any) -> Ran:
        fleet = {"vars": {**variables, **more}, "hosts": {"west": {}}}
        return run_plays(tmp_path, fleet, play, environment=google_env, shell=False)

    try:
        same = asked(mesh_namespace="istio-gke")
        assert same.code == 0, same.output
        managed = asked(mesh_namespace="istio-gke", mesh_control_plane="managed")
        assert managed.code != 0
        assert "an istiod of this fleet runs in it, and Google's control plane cannot run beside that" in managed.output
        assert "mesh.fleet.teardown -e mesh_control_plane=istiod --limit west" in managed.output
        google.cloud.log.clear()
        absent = asked(gke_name="not-made-yet", mesh_control_plane="managed")
        assert absent.code == 0, absent.output
        assert [entry["method"] for entry in google.cloud.log] == [LIST]
    finally:
        asyncio.run(stands(False))


def test_a_run_sends_one_request_and_shows_no_token(google: StandIn, tmp_path: Path) -> None:
    inventory = tmp_path / "fleet.yml"
    inventory.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": {"west": WEST}}}))
    task = {
        "mesh.fleet.objects": {
            "objects": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-gke", "namespace": "default"}}
            ]
        }
    }
    tasks = [{"name": "Apply", **task}, {"name": "Apply again", **task}]
    play = [{"name": "Play", "hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(tmp_path / "play.yml"), "-vvvv", "--diff"],
        cwd=ROOT,
        env={
            **os.environ,
            "GCP_ACCESS_TOKEN": control_plane.ADMIN_TOKEN,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "ok=2    changed=1" in said
    assert control_plane.ADMIN_TOKEN not in said
    assert [entry["method"] for entry in google.cloud.log] == [LIST]
    for path in (tmp_path / "mesh.fleet").rglob("*"):
        if path.is_file():
            assert control_plane.ADMIN_TOKEN not in path.read_text()


def test_teardown_of_a_cluster_that_google_deleted_ends(google: StandIn, tmp_path: Path) -> None:
    """Its peer forgets it, every stage finds nothing there, and the run is good and says what it did not find."""
    marks = {"mesh.fleet/fleet": "gke", "mesh.fleet/part-of": "peering", "istio/multiCluster": "true"}
    secret: dict[str, t.Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "istio-remote-secrets", "namespace": "istio-gone", "labels": marks},
        "stringData": {"gone": "apiVersion: v1"},
    }

    async def west(*objects: dict[str, t.Any]) -> t.Any:
        async with Kube.connect(cluster().connection, cluster="west") as kube:
            await kube.apply(objects)
            return await kube.get("v1", "Secret", "istio-remote-secrets", "istio-gone")

    asyncio.run(west({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-gone"}}, secret))
    shared = {
        **WEST,
        "gke_access_token": control_plane.ADMIN_TOKEN,
        "fleet_name": "gke",
        "mesh_namespace": "istio-gone",
    }
    hosts: dict[str, t.Any] = {"west": {}, "gone": {"gke_name": "was-deleted"}}
    environment = {"MESH_FLEET_GOOGLE_ENDPOINT": google.endpoint}
    teardown = ROOT / "playbooks" / "teardown.yml"
    fleet = {"vars": {**shared, "fleet_dir": str(tmp_path / "state")}, "hosts": hosts}
    ran = run_plays(tmp_path, fleet, teardown, "--limit", "gone", environment=environment, shell=False)
    said = " ".join(ran.output.split())
    assert ran.code == 0, ran.output
    assert "gone: Google has no such cluster, so nothing was removed on it (cluster was-deleted in us-west1-a" in said
    assert asyncio.run(west()) is None
    # One that the inventory gives an address is not Google's to say of.
    hosts["gone"] = {"cluster_kubeconfig": str(tmp_path / "none")}
    again = run_plays(tmp_path, fleet, teardown, "--limit", "gone", environment=environment, shell=False)
    assert again.code != 0 and "take gone out of the inventory" in " ".join(again.output.split()), again.output
