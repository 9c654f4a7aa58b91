# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for Google in a process of its own, before clusters of this machine, and inventories/gke over it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import typing as t
import urllib.request

import yaml

from .local_fleet import STATE, Fleet
from .playbooks import ROOT, play
from .waiting import SECONDS, until_equal

PROJECT = "shop-prod"
CLUSTERS_OF = os.environ.get("MESH_FLEET_GCP", "gcp")
"""The fleet of this machine behind Google's clusters. Another name lets two runs go side by side."""
MESH = f"{CLUSTERS_OF}mesh"
"""Name of the fleet in Google Cloud."""
BEHIND = {"west": "west", "north": "east"}
"""The cluster of this machine behind each of Google's."""
ADDRESS = "front-door-ip"
TRAFFIC = {
    "mesh_exports": [{"service": "sample-producer.istio-apps", "to": "all"}],
    "front_door_address": ADDRESS,
    "front_door_routes": [
        {"service": "sample-caller.istio-apps", "clusters": ["west"], "health": "/actuator/health/readiness"},
        {"host": "api.example", "path": "/producer", "service": "sample-producer.istio-apps", "clusters": ["north"]},
    ],
}
CLUSTERSET = "http://sample-producer.istio-apps.svc.clusterset.local:8080/"
"""The exported service by its name in the set of clusters."""
ASKS = {
    "aggregatedList",
    "batchGet",
    "get",
    "getEffectiveOrgPolicy",
    "getIamPolicy",
    "getServerConfig",
    "list",
    "testIamPermissions",
}
"""Methods of Google's that change nothing, some of them sent by POST."""
CALL = """
import json, sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
except OSError as error:
    print(json.dumps({"problem": str(error)}))
"""


def own_address(towards: str) -> str:
    """This machine's address on the network of its clusters."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 80))
        return str(probe.getsockname()[0])


MESSAGE = """
import urllib.request
asked = urllib.request.Request("http://localhost:8080/caller/messages", b"{}")
print(urllib.request.urlopen(asked, timeout=20).read().decode())
"""


class Google:
    """A stand-in before the clusters of ``fleet``.

    Args:
        fleet: the clusters of this machine.
        folder: where the stand-in's files go, and ``controllers.log``.
    """

    def __init__(self, fleet: Fleet, folder: pathlib.Path) -> None:
        shutil.rmtree(STATE / MESH, ignore_errors=True)
        self.fleet, self.folder = fleet, folder
        kubeconfigs = {name: str(fleet.state / "kubeconfigs" / f"{real}.yaml") for name, real in BEHIND.items()}
        (folder / "clusters.json").write_text(json.dumps(kubeconfigs))
        arguments = ["--directory", str(folder), "--clusters", str(folder / "clusters.json"), "--duration", "0.5"]
        arguments += ["--door", own_address(fleet.address(BEHIND["west"]))]
        with (folder / "controllers.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.gcp.standin", *arguments],
                cwd=ROOT,
                text=True,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the stand-in does not start: {self.log()}"
        self.environment: dict[str, str] = json.loads(line)
        # Google's hosts by the proxy, the clusters without: Python knows no ranges here.
        own = [fleet.address(real) for real in BEHIND.values()]
        self.environment["NO_PROXY"] = ",".join([self.environment["NO_PROXY"], *own])
        self.machine = self._machine()
        self.inventory = folder / "gke"
        shutil.copytree(ROOT / "inventories/gke", self.inventory)

    def _machine(self) -> pathlib.Path:
        """What holds for clusters of this machine alone: images, small requests, short waits."""
        values = self.folder / "machine" / "group_vars" / "mesh_clusters"
        values.mkdir(parents=True)
        shutil.copy(ROOT / "inventories/local/group_vars/mesh_clusters/machine.yml", values)
        sample = {"apps_sample_image": "{{ __local_artifacts.sample_image }}", "gke_cluster_interval": 0.2}
        (values / "sample.yml").write_text(yaml.safe_dump(sample))
        path = self.folder / "machine" / "machine.yml"
        path.write_text("mesh_clusters: {}\n")
        return path

    def choose(self, *files: str) -> None:
        """Take away the "# " before the lines of these files of the inventory, as they ask for it."""
        for name in files:
            path = self.inventory / "group_vars" / "mesh_clusters" / f"{name}.yml"
            said, blank, lines = path.read_text().partition("\n\n")
            assert blank and lines and all(line.startswith("# ") for line in lines.splitlines()), path
            path.write_text(said + blank + "".join(f"{line[2:]}\n" for line in lines.splitlines()))

    # -- what Google has -----------------------------------------------------------------------

    def ask(self, what: str, method: str = "GET") -> t.Any:
        request = urllib.request.Request(
            f"{self.environment['MESH_FLEET_GOOGLE_ENDPOINT']}/standin/{what}", method=method
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def asked(self) -> list[str]:
        """Methods by which Google was asked since the log was emptied. None of them may change anything."""
        methods = [entry["method"] for entry in self.ask("log")]
        assert {method.rpartition(".")[2] for method in methods} <= ASKS, methods
        return methods

    def resources(self, part: str) -> dict[str, dict[str, t.Any]]:
        """By name, those whose key holds ``part``."""
        found = {k: v for k, v in self.ask("resources").items() if part in k}
        return {k.rpartition("/")[2]: v for k, v in found.items()}

    def clusters(self) -> dict[str, dict[str, t.Any]]:
        found = {k: v for k, v in self.ask("resources").items() if k.startswith("container/") and "/clusters/" in k}
        return {v["name"]: v for k, v in found.items() if "/nodePools/" not in k}

    def memberships(self) -> set[str]:
        return set(self.resources("/memberships/"))

    def log(self) -> str:
        """What went wrong in the clusters, as the controllers report it."""
        return (self.folder / "controllers.log").read_text()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(STATE / MESH, ignore_errors=True)

    # -- what we do ----------------------------------------------------------------------------

    def play(self, playbook: str, *arguments: str, good: bool = True) -> str:
        """Run a playbook on inventories/gke; what it said."""
        try:
            said = play(
                playbook,
                *("-e", f"fleet_name={MESH}"),
                *arguments,
                good=good,
                inventories=[str(self.inventory), str(self.machine)],
                environment={**self.environment, "GCP_PROJECT": PROJECT},
                without=("GCP_", "GOOGLE_", "K8S_AUTH_", "KUBECONFIG"),
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None
        assert self.environment["GCP_ACCESS_TOKEN"] not in said
        assert "Traceback" not in said
        return said

    # -- what is in the clusters ---------------------------------------------------------------

    def objects(self, cluster: str, kinds: str, *arguments: str) -> list[dict[str, t.Any]]:
        """Objects of these kinds in the real cluster behind Google's ``cluster``."""
        said = self.fleet.kubectl(BEHIND[cluster], "get", kinds, *arguments, "-o", "json")
        found = json.loads(said)
        return list(found["items"]) if found["kind"] == "List" else [found]

    def answered_by(self, cluster: str, url: str) -> object:
        """Who answers a pod of the sample in Google's ``cluster``, or the problem that it has."""
        found = self.call(cluster, url)
        return found.get("cluster") or found

    def is_answered_by(self, cluster: str, url: str, other: str) -> None:
        """Wait until a pod of ``cluster`` is answered by ``other``.

        The name reaches the cluster's DNS, and the endpoints its nodes and sidecars, some time after the objects.
        """
        until_equal(lambda: self.answered_by(cluster, url), other, f"who answers {url} to {cluster}")

    def message(self, cluster: str) -> dict[str, t.Any]:
        """What the sample's caller in ``cluster`` answers to a message that names no target."""
        command = ["exec", "deployment/sample-caller-v1", "-c", "sample-caller", "--", "python3", "-c", MESSAGE]
        return dict(json.loads(self.fleet.kubectl(BEHIND[cluster], "-n", "istio-apps", *command)))

    def call(self, cluster: str, url: str) -> dict[str, t.Any]:
        """What a pod of the sample in Google's ``cluster`` gets from ``url``."""
        role = "caller" if cluster == "west" else "producer"
        command = ["exec", f"deployment/sample-{role}-v1", "-c", f"sample-{role}", "--", "python3", "-c", CALL, url]
        found: dict[str, t.Any] = json.loads(self.fleet.kubectl(BEHIND[cluster], "-n", "istio-apps", *command))
        return found
