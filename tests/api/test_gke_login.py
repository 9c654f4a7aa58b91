# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens that expire during a run: a service account's key, google-auth, Google's token endpoint, and a real API server
that accepts the tokens of that endpoint until they expire.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
import typing as t
import urllib.parse
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import connections as reach
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from tests.gcp.standin.backing import seal
from tests.gcp.standin.server import StandIn

from . import control_plane

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = "shop-prod"
MARGIN = reach._MARGIN_SECONDS
WEST = {"cluster_provider": "gke", "cluster_region": "us-west1", "cluster_zone": "us-west1-a", "gke_project": PROJECT}
SECRETS = "/api/v1/namespaces/kube-system/secrets"


class Google(StandIn):
    """A stand-in whose cluster "west" is a real API server, which accepts valid tokens."""

    def __init__(self, directory: Path, plane: control_plane.ControlPlane) -> None:
        super().__init__(directory, duration=0.01)
        self.plane = plane
        self.given: list[str] = []
        """Tokens in the order in which they were issued."""
        self.one_at_a_time = False
        """Whether a new token ends those before it."""
        self.cloud.on_token.append(self._issued)
        address = urllib.parse.urlsplit(plane.server).netloc
        place = f"projects/{PROJECT}/locations/us-west1-a"
        self.cloud.resources[f"container/{place}/clusters/west"] = {
            "name": "west",
            "location": "us-west1-a",
            "status": "RUNNING",
            "endpoint": address,
            "masterAuth": {"clusterCaCertificate": base64.b64encode(plane.ca_pem.encode()).decode()},
            "controlPlaneEndpointsConfig": {
                "ipEndpointsConfig": {"enabled": True, "enablePublicEndpoint": True, "publicEndpoint": address}
            },
        }

    def _issued(self, token: str) -> None:
        seal(str(self.plane.kubeconfig), token)
        asyncio.run(self.until(token, good=True))
        earlier, self.given = self.given, [*self.given, token]
        for old in earlier if self.one_at_a_time else ():
            self.end(old)

    def end(self, token: str) -> None:
        """Neither Google nor the cluster accepts it any more."""
        self.cloud.tokens.discard(token)
        asyncio.run(self._forget(token))

    async def _forget(self, token: str) -> None:
        admin = Connection(kubeconfig=str(self.plane.kubeconfig), context="admin")
        async with Kube.connect(admin, cluster="west") as kube:
            await kube.delete("v1", "Secret", f"bootstrap-token-{token.partition('.')[0]}", "kube-system")
        await self.until(token, good=False)

    async def until(self, token: str, *, good: bool) -> None:
        """Wait until the API server accepts the token, or refuses it: it learns that by a watch."""
        deadline = time.monotonic() + 120
        while await self.accepts(token) is not good:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    async def accepts(self, token: str) -> bool:
        connection = Connection(server=self.plane.server, token=token, ca_pem=self.plane.ca_pem)
        try:
            async with Kube.connect(connection, cluster="west") as kube:
                await kube.list("v1", "Namespace")
        except ApiError as error:
            if error.status not in (401, 403):  # who it is and what it may do are learned one after the other
                raise
            return False
        return True


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[control_plane.ControlPlane]:
    running = control_plane.start(tmp_path_factory.mktemp("login"))
    yield running
    running.stop()


@pytest.fixture
def google(
    own_plane: control_plane.ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> t.Iterator[Google]:
    for name in [name for name in os.environ if name.startswith(("GCP_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Google(tmp_path / "standin", own_plane) as running:
        monkeypatch.setenv("MESH_FLEET_GOOGLE_ENDPOINT", running.endpoint)
        yield running


def cluster(google: Google) -> Cluster:
    hosts = {"west": {**WEST, "gke_service_account_contents": json.dumps(google.service_account())}}
    return reach.with_connections(read_fleet(hosts, environment())).clusters["west"]


def go(name: str) -> dict[str, t.Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def there(obj: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
    return obj is not None, "it is not there"


def test_a_token_that_expires_during_a_wait_is_replaced(google: Google) -> None:
    google.login.expires_in = MARGIN + 3

    async def work() -> None:
        async with Kube.connect(cluster(google).connection, cluster="west") as kube:
            first = google.given[0]
            long = asyncio.create_task(kube.wait("v1", "ConfigMap", "first", "default", until=there, timeout=300))
            async with asyncio.timeout(120):
                while google.given[-1] == first:
                    await kube.list("v1", "Namespace")
                    await asyncio.sleep(0.2)
            await asyncio.to_thread(google.end, first)
            assert not await google.accepts(first)
            await kube.apply([go("first")])
            assert (await asyncio.wait_for(long, 300))["metadata"]["name"] == "first"
            again = asyncio.create_task(kube.wait("v1", "ConfigMap", "second", "default", until=there, timeout=300))
            await kube.apply([go("second")])
            assert (await asyncio.wait_for(again, 300))["metadata"]["name"] == "second"

    asyncio.run(work())
    asked = [e for e in google.cloud.log if e["host"] == "oauth2.googleapis.com"]
    assert len(asked) == len(google.given) >= 2


def traps(folder: Path) -> Path:
    """Programs that must not be started: each leaves a note when it is."""
    folder.mkdir()
    for name in ("gcloud", "kubectl", "gke-gcloud-auth-plugin"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> {folder}/started\nexit 1\n')
        program.chmod(0o755)
    return folder


def test_a_run_outlives_its_tokens_without_kubeconfig_and_gcloud(google: Google, tmp_path: Path) -> None:
    google.login.expires_in = MARGIN + 1.5
    google.one_at_a_time = True  # each new token ends the one before: a client that still uses that one fails
    host = {**WEST, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = tmp_path / "fleet.yml"
    inventory.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": {"west": host}}}))
    tasks: list[dict[str, t.Any]] = []
    for number in range(3):
        tasks += [
            {"name": f"Apply {number}", "mesh.fleet.objects": {"objects": [go(f"run-{number}")]}},
            {"name": "Let the token come near its end", "ansible.builtin.command": "sleep 2", "changed_when": False},
        ]
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump([{"name": "Play", "hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks}]))
    home, bin_dir = tmp_path / "home", traps(tmp_path / "bin")
    home.mkdir()
    key = json.dumps(google.service_account())
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(play), "-vvvv", "--diff"],
        cwd=ROOT,
        env={
            **os.environ,
            "HOME": str(home),
            "KUBECONFIG": "/nowhere/config",
            "PATH": f"{bin_dir}:/usr/bin:/bin",
            "GCP_SERVICE_ACCOUNT_CONTENTS": key,
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
    assert "ok=6    changed=3" in said
    assert len(google.given) >= 3
    assert not (bin_dir / "started").exists(), (bin_dir / "started").read_text()
    assert not (home / ".kube").exists()
    for secret in (*google.given, json.loads(key)["private_key"].splitlines()[1]):
        assert secret not in said
