# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet of a test's own on this machine, made and removed by the real playbooks."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import typing as t
import urllib.request

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir, state_dir
from tests import hostile

from .playbooks import ROOT, Run, play
from .waiting import until, until_equal

CACHE = artifacts_dir()
STATE = state_dir()
FLEETS = os.environ.get("MESH_FLEET_E2E", "e2e")
"""How the names of these fleets begin. Another beginning lets two runs go side by side on a machine."""

WEB = """
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: {image}
      imagePullPolicy: IfNotPresent
      command:
        - python3
        - -c
        - |
          import http.server
          class Answer(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  self.send_response(200)
                  self.end_headers()
                  self.wfile.write(b"{cluster}")
          http.server.ThreadingHTTPServer(("", 8080), Answer).serve_forever()
      readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""
CALL = """
import sys, time, urllib.request
began = time.monotonic()
try:
    said = urllib.request.urlopen("http://" + sys.argv[1], timeout=10).read().decode()
except OSError as error:
    said = "no: " + str(error)
print(said, round(time.monotonic() - began, 1), sep="|")
"""


class Fleet:
    """Runs playbooks and kubectl on the fleet ``name``; west and east are its clusters, as in inventories/local."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.network = "flat"
        self.regions = {"west": "us-west1", "east": "europe-north1"}
        """Of its clusters, by name. More than these have to be in one of the ``inventories``."""
        self.inventories: tuple[str, ...] = ("inventories/local",)
        self._shell = tempfile.TemporaryDirectory()
        self.state = STATE / name
        self.engine_network = f"mesh-fleet-{name}"
        self.facts = json.loads((CACHE / "artifacts.json").read_text())
        self.engine = "podman" if shutil.which("podman") else "docker"
        conf = CACHE / "containers.conf"
        self.env = {**os.environ, **({"CONTAINERS_CONF": str(conf)} if conf.exists() else {})}

    @property
    def _environment(self) -> dict[str, str]:
        """As in a shell of somebody who works for other clusters too."""
        shell = hostile.environment(pathlib.Path(self._shell.name), CACHE.parents[1])
        return {
            **shell,
            "XDG_STATE_HOME": str(STATE.parent),
            "MESH_FLEET_NAME": self.name,
            "MESH_NETWORK": self.network,
        }

    def start(self, playbook: str, *arguments: str) -> Run:
        """``ansible-playbook``, not waited for."""
        return Run(playbook, *arguments, inventories=self.inventories, environment=self._environment)

    def play(
        self, playbook: str, *arguments: str, good: bool = True, environment: t.Mapping[str, str] | None = None
    ) -> str:
        """Run a playbook to its end; what it said."""
        given = {**self._environment, **(environment or {})}
        return play(playbook, *arguments, good=good, inventories=self.inventories, environment=given)

    def container(self, cluster: str) -> str:
        return f"{self.name}-{cluster}-control-plane"

    def ask_engine(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [self.engine, *arguments], env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def inspect(self, cluster: str) -> dict[str, t.Any]:
        return dict(json.loads(self.ask_engine("container", "inspect", self.container(cluster)))[0])

    def address(self, cluster: str) -> str:
        return str(self.inspect(cluster)["NetworkSettings"]["Networks"][self.engine_network]["IPAddress"])

    def containers(self) -> list[str]:
        """Every container whose name is of this fleet, and of none that has this one's name as its beginning."""
        ours = re.compile(re.escape(self.name) + "-[a-z0-9]+-control-plane")
        listed = self.ask_engine("ps", "--all", "--format", "{{.Names}}").split()
        return [name for name in listed if ours.fullmatch(name)]

    def volumes(self) -> list[str]:
        """Volumes of the nodes. By podman such a one has its container's name as label."""
        labels = (f"label={self.container(cluster)}=true" for cluster in self.regions)
        return [name for label in labels for name in self.ask_engine("volume", "ls", "-q", "--filter", label).split()]

    def names(self) -> list[str]:
        """Every container and network whose name is of this fleet."""
        networks = self.ask_engine("network", "ls", "--format", "{{.Name}}").split()
        return self.containers() + [name for name in networks if name == self.engine_network]

    def kubectl(self, cluster: str, *arguments: str, stdin: str | None = None) -> str:
        path = self.state / "kubeconfigs" / f"{cluster}.yaml"
        argv = [str(CACHE / "bin" / "kubectl"), "--kubeconfig", str(path), *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"{cluster}: {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def istioctl(self, cluster: str, *arguments: str) -> str:
        path = self.state / "kubeconfigs" / f"{cluster}.yaml"
        argv = [str(CACHE / "bin" / "istioctl"), "--kubeconfig", str(path), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, network: str = "flat") -> None:
        """Make the clusters, or put them on this network; where they stand on it already, nothing is done."""
        if network != self.network or not self.containers():
            self.network = network
            self.play("clusters")

    def as_existing(self) -> dict[str, dict[str, str]]:
        """The hosts of an inventory in which these clusters are somebody's own."""
        return {
            name: {
                "cluster_provider": "kubeconfig",
                "cluster_kubeconfig": str(self.state / "kubeconfigs" / f"{name}.yaml"),
                "cluster_context": name,
                "cluster_peer_endpoint": f"https://{self.address(name)}:6443",
                "cluster_region": region,
            }
            for name, region in self.regions.items()
        }

    def kubeconfig(self, contexts: t.Mapping[str, str]) -> str:
        """What somebody has of clusters whose API servers everybody reaches at one address.

        Args:
            contexts: names that somebody gave them, to ours.
        """
        clusters, users = [], []
        for name, ours in contexts.items():
            config = yaml.safe_load((self.state / "kubeconfigs" / f"{ours}.yaml").read_text())
            entry = next(c["context"] for c in config["contexts"] if c["name"] == ours)
            cluster = dict(next(c["cluster"] for c in config["clusters"] if c["name"] == entry["cluster"]))
            cluster["server"] = f"https://{self.address(ours)}:6443"
            clusters.append({"name": name, "cluster": cluster})
            users.append({"name": name, "user": next(u["user"] for u in config["users"] if u["name"] == entry["user"])})
        entries = [{"name": name, "context": {"cluster": name, "user": name}} for name in contexts]
        config = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "users": users, "contexts": entries}
        return yaml.safe_dump(config)

    def brought(self, charts: str) -> dict[str, t.Any]:
        """Variables of somebody who fetches nothing, and brings what docs/existing-clusters.md says.

        Args:
            charts: the folder of Istio's charts, where the run is.
        """
        machine = yaml.safe_load((ROOT / "inventories/local/group_vars/mesh_clusters/machine.yml").read_text())
        stock_envoy = machine["__local_stock_envoy"] if self.facts["source"] == "registries" else {}
        return {
            "control_plane_values": {**machine["__local_small"], **stock_envoy},
            "gateways_values": machine["gateways_values"],
            "control_plane_replicas": 1,
            "gateways_replicas": 1,
            "artifacts_parts": [],
            "control_plane_charts": charts,
            "gateways_charts": charts,
            "mesh_hub": self.facts["hub"],
            "mesh_tag": self.facts["tag"],
            "apps_sample_image": self.facts["sample_image"],
            "verify_image": self.facts["sample_image"],
            **yaml.safe_load((ROOT / "tests" / "patience.yml").read_text()),
        }

    def has_mesh(self) -> bool:
        """Whether a namespace of ours is in a cluster. A cluster that does not answer may have one."""
        ours = ("get", "namespaces", "-l", "mesh.fleet/part-of", "-o", "name")
        try:
            return any(self.kubectl(cluster, *ours) for cluster in self.regions)
        except AssertionError:
            return True

    def serve(self) -> None:
        """A web server in each cluster, which answers with the cluster's name, behind a LoadBalancer."""
        for cluster in ("west", "east"):
            manifest = WEB.format(image=self.facts["sample_image"], cluster=cluster)
            self.kubectl(cluster, "apply", "-f", "-", stdin=manifest)
        for cluster in ("west", "east"):
            self.kubectl(cluster, "wait", "--for=condition=Ready", "pod/web", "--timeout=300s")
            self.kubectl(
                cluster, "wait", "--for=jsonpath={.status.loadBalancer.ingress}", "service/web", "--timeout=300s"
            )

    def pod_address(self, cluster: str) -> str:
        return self.kubectl(cluster, "get", "pod", "web", "-o", "jsonpath={.status.podIP}") + ":8080"

    def balancer_address(self, cluster: str) -> str:
        return self.kubectl(cluster, "get", "service", "web", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")

    def call(self, cluster: str, address: str) -> tuple[str, float]:
        """What a pod of ``cluster`` gets from ``address``, and after how many seconds."""
        said = self.kubectl(cluster, "exec", "web", "--", "python3", "-c", CALL, address)
        answer, _bar, seconds = said.rpartition("|")
        return answer, float(seconds)

    def pod_is_reached(self, caller: str, cluster: str) -> None:
        """Wait until a pod of ``caller`` is answered by the web server of ``cluster`` at its own address."""
        until_equal(
            lambda: self.call(caller, self.pod_address(cluster))[0], cluster, f"{caller} to reach {cluster}'s pod"
        )

    def balancer_is_reached(self, caller: str, cluster: str) -> None:
        """The same at its load balancer; ``caller`` is a cluster, or "" for this machine.

        Ready reaches the Service's endpoints, and these reach kube-proxy, a moment later; until then it refuses.
        """

        def seen() -> str:
            address = self.balancer_address(cluster)
            return self.call(caller, address)[0] if caller else fetch(address)

        until_equal(seen, cluster, f"{caller or 'this machine'} to reach {cluster}'s load balancer")

    def stop(self, cluster: str) -> None:
        """End the node by the engine. podman gives it five seconds, and says so when it takes longer to die."""

        def status() -> str:
            self.ask_engine("stop", "--time", "0", self.container(cluster), check=False)
            return str(self.inspect(cluster)["State"]["Status"])

        until_equal(status, "exited", f"the status of {cluster}'s node")

    def kill(self, cluster: str) -> None:
        """What a crash does: the node's processes and its monitor are gone, and the engine does not know."""
        state = self.inspect(cluster)["State"]
        victims = [int(state[key]) for key in ("ConmonPid", "Pid") if int(state.get(key) or 0) > 1]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(running(pid) for pid in victims), "the node's processes to be gone")

    def clear(self) -> None:
        """Remove whatever is there under the fleet's name, of this run or of one that was cut off."""
        if self.names() or self.state.exists():
            self.start("teardown").end()
        # What the playbooks rightly leave alone because this project did not make it: a test did.
        at_once = ["--time", "0"] if self.engine == "podman" else []
        for container in self.containers():
            self.ask_engine("rm", "--force", "--volumes", *at_once, container)
        if self.names():
            self.ask_engine("network", "rm", self.engine_network)
        shutil.rmtree(self.state, ignore_errors=True)


def running(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def fetch(address: str) -> str:
    """What a web server says to this machine, or why it says nothing."""
    try:
        with urllib.request.urlopen(f"http://{address}", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError as error:
        return f"no: {error}"
