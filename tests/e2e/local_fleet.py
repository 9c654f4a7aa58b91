# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet of a test's own on this machine, made and taken away by the real playbooks."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import typing as t
import urllib.request

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir, state_dir

ROOT = pathlib.Path(__file__).parents[2]
CACHE = artifacts_dir()
STATE = state_dir()

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
        self.state = STATE / name
        self.facts = json.loads((CACHE / "artifacts.json").read_text())
        self.engine = "podman" if shutil.which("podman") else "docker"
        conf = CACHE / "containers.conf"
        self.env = {**os.environ, **({"CONTAINERS_CONF": str(conf)} if conf.exists() else {})}

    def _ansible_env(self) -> dict[str, str]:
        return {
            **os.environ,
            "MESH_FLEET_NAME": self.name,
            "MESH_NETWORK": self.network,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_NOCOLOR": "1",
        }

    def start(self, playbook: str, *arguments: str) -> subprocess.Popen[str]:
        """``ansible-playbook``, not waited for."""
        argv = ["ansible-playbook", "-i", "inventories/local", f"playbooks/{playbook}.yml", *arguments]
        return subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self._ansible_env(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def play(self, playbook: str, *arguments: str, good: bool = True) -> str:
        """Run a playbook to its end; what it said."""
        process = self.start(playbook, *arguments)
        said, _none = process.communicate(timeout=600)
        assert (process.returncode == 0) is good, said
        return said

    def container(self, cluster: str) -> str:
        return f"{self.name}-{cluster}-control-plane"

    def ask_engine(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [self.engine, *arguments], env=self.env, capture_output=True, text=True, check=False, timeout=120
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def inspect(self, cluster: str) -> dict[str, t.Any]:
        return dict(json.loads(self.ask_engine("container", "inspect", self.container(cluster)))[0])

    def address(self, cluster: str) -> str:
        return str(self.inspect(cluster)["NetworkSettings"]["Networks"][f"mesh-fleet-{self.name}"]["IPAddress"])

    def names(self) -> list[str]:
        """Every container and network whose name is of this fleet."""
        containers = self.ask_engine("ps", "--all", "--format", "{{.Names}}").split()
        networks = self.ask_engine("network", "ls", "--format", "{{.Name}}").split()
        return [n for n in containers if n.startswith(f"{self.name}-")] + [
            n for n in networks if n == f"mesh-fleet-{self.name}"
        ]

    def kubectl(self, cluster: str, *arguments: str, stdin: str | None = None) -> str:
        path = self.state / "kubeconfigs" / f"{cluster}.yaml"
        argv = [str(CACHE / "bin" / "kubectl"), "--kubeconfig", str(path), *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, f"{cluster}: {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def serve(self) -> None:
        """A web server in each cluster, which answers with the cluster's name, behind a LoadBalancer."""
        for cluster in ("west", "east"):
            self.kubectl(cluster, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
            manifest = WEB.format(image=self.facts["sample_image"], cluster=cluster)
            self.kubectl(cluster, "apply", "-f", "-", stdin=manifest)
        for cluster in ("west", "east"):
            self.kubectl(cluster, "wait", "--for=condition=Ready", "pod/web", "--timeout=120s")
            self.kubectl(
                cluster, "wait", "--for=jsonpath={.status.loadBalancer.ingress}", "service/web", "--timeout=60s"
            )
            # Ready reaches the Service's endpoints, and these reach kube-proxy, a moment later; until then it refuses.
            until_equal(lambda c=cluster: fetch(self.balancer_address(c)), cluster, f"{cluster}'s load balancer", 60)

    def pod_address(self, cluster: str) -> str:
        return self.kubectl(cluster, "get", "pod", "web", "-o", "jsonpath={.status.podIP}") + ":8080"

    def balancer_address(self, cluster: str) -> str:
        return self.kubectl(cluster, "get", "service", "web", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")

    def call(self, cluster: str, address: str) -> tuple[str, float]:
        """What a pod of ``cluster`` gets from ``address``, and after how many seconds."""
        said = self.kubectl(cluster, "exec", "web", "--", "python3", "-c", CALL, address)
        answer, _bar, seconds = said.rpartition("|")
        return answer, float(seconds)

    def kill(self, cluster: str) -> None:
        """What a crash does: the node's processes and its monitor are gone, and nobody told the engine."""
        state = self.inspect(cluster)["State"]
        victims = [int(state[key]) for key in ("ConmonPid", "Pid") if int(state.get(key) or 0) > 1]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(running(pid) for pid in victims), "the node's processes to be gone")

    def remove(self) -> None:
        """The last resort of a test that failed half-way; only what carries the fleet's name."""
        self.start("teardown").communicate(timeout=300)


def changed(said: str) -> int:
    """How many tasks changed something, by the recap of all hosts."""
    found = re.findall(r"\bchanged=(\d+)", said)
    assert found, said
    return sum(map(int, found))


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


def until_equal(seen: t.Callable[[], object], wanted: object, what: str, timeout: float = 120) -> None:
    last: list[object] = []

    def equal() -> bool:
        last[:] = [seen()]
        return last == [wanted]

    try:
        until(equal, f"{what} to be {wanted!r}", timeout)
    except AssertionError as error:
        raise AssertionError(f"{error}; last seen: {last[0]!r}") from None


def until(condition: t.Callable[[], bool], what: str, timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for {what}"
        time.sleep(0.05)
