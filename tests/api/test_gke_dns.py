# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A GKE cluster by its DNS endpoint: a stand-in for Google, a front end with its own name, a real API server."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import connections as reach
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.kubeconfig import kubeconfig_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from tests.gcp.standin.server import StandIn

from . import control_plane
from .dns_endpoint import NAME, DnsEndpoint

ROOT = Path(__file__).resolve().parent.parent.parent
KUBECTL = control_plane.bin_dir() / "kubectl"  # the tests have caches of their own
HOST = {
    "cluster_provider": "gke",
    "cluster_region": "us-west1",
    "cluster_zone": "us-west1-a",
    "gke_project": "shop-prod",
    "gke_endpoint": "dns",
}
LIVE = "container/projects/shop-prod/locations/us-west1-a/clusters/west"


@pytest.fixture
def google(plane: control_plane.ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[StandIn]:
    """A stand-in whose cluster "west" lets Google's accounts in by name; its IP endpoints lead elsewhere."""
    for name in [name for name in os.environ if name.startswith(("GCP_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with StandIn(tmp_path / "standin", duration=0.01) as running:
        monkeypatch.setenv("MESH_FLEET_GOOGLE_ENDPOINT", running.endpoint)
        running.cloud.tokens |= {control_plane.ADMIN_TOKEN, control_plane.LIMITED_TOKEN}
        running.cloud.resources[LIVE] = {
            "name": "west",
            "location": "us-west1-a",
            "status": "RUNNING",
            "endpoint": "192.0.2.9",
            "masterAuth": {"clusterCaCertificate": base64.b64encode(plane.ca_pem.encode()).decode()},
            "controlPlaneEndpointsConfig": {
                "ipEndpointsConfig": {
                    "enabled": True,
                    "enablePublicEndpoint": False,
                    "privateEndpoint": "192.0.2.9",
                    "globalAccess": True,
                },
                "dnsEndpointConfig": {"endpoint": NAME, "allowExternalTraffic": True},
            },
        }
        yield running


@pytest.fixture
def front(
    google: StandIn, plane: control_plane.ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> t.Iterator[DnsEndpoint]:
    """Its door: those whom Google knows, and of them those who may connect."""
    with DnsEndpoint(tmp_path, plane, google.cloud.tokens, {control_plane.ADMIN_TOKEN}) as door:
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        yield door


def cluster(token: str = control_plane.ADMIN_TOKEN, **variables: t.Any) -> Cluster:
    hosts = {"west": {**HOST, "gke_access_token": token, **variables}}
    return reach.with_connections(read_fleet(hosts, environment())).clusters["west"]


async def namespaces(west: Cluster) -> list[str]:
    async with Kube.connect(west.connection, cluster="west") as kube:
        assert kube.server == f"https://{NAME}"
        return [str(n["metadata"]["name"]) for n in await kube.list("v1", "Namespace")]


def refusal(west: Cluster) -> ApiError:
    with pytest.raises(ApiError) as caught:
        asyncio.run(namespaces(west))
    said = caught.value
    assert said.cluster == "west"
    assert said.means
    assert said.next_step
    assert control_plane.ADMIN_TOKEN not in str(said)
    assert control_plane.LIMITED_TOKEN not in str(said)
    return said


def test_a_client_gets_through_by_the_name(front: DnsEndpoint, google: StandIn) -> None:
    assert "kube-system" in asyncio.run(namespaces(cluster()))
    assert set(front.statuses) == {0}
    assert [entry["method"] for entry in google.cloud.log] == ["container.projects.locations.clusters.list"]


def test_watches_and_changes_use_the_dns_name_too(front: DnsEndpoint) -> None:
    entry = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-name", "namespace": "default"}}

    async def work() -> str:
        async with Kube.connect(cluster().connection, cluster="west") as kube:
            await kube.delete("v1", "ConfigMap", "by-name", "default")
            waiting = asyncio.create_task(
                kube.wait(
                    "v1", "ConfigMap", "by-name", "default", until=lambda o: (o is not None, "not there"), timeout=300
                )
            )
            await kube.apply([entry])
            return str((await waiting)["metadata"]["name"])

    assert asyncio.run(work()) == "by-name"


def test_programs_that_get_a_kubeconfig_of_ours_come_by_the_name(front: DnsEndpoint, tmp_path: Path) -> None:
    async def text() -> str:
        async with Kube.connect(cluster().connection, cluster="west") as kube:
            return kubeconfig_of(kube.transport.endpoint)

    path = tmp_path / "kubeconfig"
    path.write_text(asyncio.run(text()))
    path.chmod(0o600)
    command = [str(KUBECTL), f"--kubeconfig={path}"]
    done = subprocess.run([*command, "get", "namespaces"], capture_output=True, text=True, check=False, timeout=300)
    assert "kube-system" in done.stdout, done.stderr
    assert set(front.statuses) == {0}


def test_a_run_of_ansible_by_the_name(front: DnsEndpoint, google: StandIn, tmp_path: Path) -> None:
    host = {**HOST, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory, play = tmp_path / "fleet.yml", tmp_path / "play.yml"
    inventory.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": {"west": host}}}))
    entry = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-ansible", "namespace": "default"}}
    tasks = [{"name": "Apply", "mesh.fleet.objects": {"objects": [entry]}}]
    play.write_text(yaml.safe_dump([{"name": "Play", "hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(play), "-vvvv"],
        cwd=ROOT,
        env={**os.environ, "GCP_ACCESS_TOKEN": control_plane.ADMIN_TOKEN, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(front.statuses) == {0}
    assert control_plane.ADMIN_TOKEN not in done.stdout + done.stderr


def test_a_certificate_that_the_machine_does_not_trust(front: DnsEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's own CA does not count there, nor is the certificate accepted without a check."""
    monkeypatch.delenv("SSL_CERT_FILE")
    said = refusal(cluster())
    assert said.what == "the API server's certificate is not signed by a CA that this machine trusts"
    assert NAME in said.seen
    assert "SSL_CERT_FILE" in said.next_step
    assert front.statuses == []  # no token was sent


def test_an_account_that_may_not_connect(front: DnsEndpoint) -> None:
    said = refusal(cluster(control_plane.LIMITED_TOKEN))
    assert (said.status, front.statuses) == (403, [403])
    assert said.seen.startswith("403 Permission 'container.clusters.connect' denied")
    assert "container.clusters.connect (roles/container.developer" in said.means
    assert "the access token in gke_access_token" in said.means
    assert "grant a role that holds it" in said.next_step


def test_an_account_that_may_connect_and_no_more(front: DnsEndpoint) -> None:
    front.able.add(control_plane.LIMITED_TOKEN)
    said = refusal(cluster(control_plane.LIMITED_TOKEN))
    assert (said.status, front.statuses) == (403, [0])
    assert "container.clusters.connect" not in str(said)
    assert "may not do this" in said.means


def test_a_token_that_google_does_not_take_there(front: DnsEndpoint, google: StandIn) -> None:
    west = cluster()
    assert asyncio.run(namespaces(west))
    google.cloud.tokens.clear()
    said = refusal(west)
    assert (said.status, front.statuses[-1]) == (401, 401)
    assert said.what == "the access token in gke_access_token is not accepted"
    assert said.seen.startswith(f"https://{NAME}: 401 Request had invalid authentication credentials.")


@pytest.mark.parametrize(
    ("dns", "seen"),
    [
        ({"endpoint": NAME, "allowExternalTraffic": False}, "switched off (allowExternalTraffic)"),
        ({"endpoint": NAME}, "switched off (allowExternalTraffic)"),
        (None, "not there"),
    ],
)
def test_a_cluster_without_it(google: StandIn, front: DnsEndpoint, dns: dict[str, t.Any] | None, seen: str) -> None:
    google.cloud.resources[LIVE]["controlPlaneEndpointsConfig"]["dnsEndpointConfig"] = dns
    with pytest.raises(FleetError) as caught:
        asyncio.run(namespaces(cluster()))
    assert str(caught.value).startswith("west: it has no dns endpoint")
    assert seen in caught.value.seen
    assert "--enable-dns-access" in caught.value.next_step
    assert front.statuses == []


def test_istiods_of_other_clusters_come_by_the_ip_endpoint(google: StandIn, front: DnsEndpoint) -> None:
    west = cluster()
    assert asyncio.run(namespaces(west))
    assert peer_server(west, None).url == "https://192.0.2.9"
    google.cloud.resources[LIVE]["controlPlaneEndpointsConfig"]["ipEndpointsConfig"] = {"enabled": False}
    reach.forget(reach.options(west))
    assert asyncio.run(namespaces(west))  # this machine reaches it, and no cluster watches it
    with pytest.raises(FleetError, match="its API address for other clusters is Google's DNS endpoint"):
        peer_server(west, None)
