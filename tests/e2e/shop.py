# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services whose pods say who they are and fail when they are told to, and callers who count what they get.

All services have the same pods, so that each has a policy of its own and one set of pods is enough.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import typing as t

from .local_fleet import Fleet

__all__ = ["NAMESPACE", "Answer", "Shop"]

NAMESPACE = "shop"
_SERVER = """
import http.server, json, os, re, threading, time, urllib.parse
STATE = {"status": 200, "counts": {}}
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/state":
            if "status" in asked: STATE["status"] = int(asked["status"])
            return self.say(200, STATE)
        key = self.headers.get("x-count", "")
        if key: STATE["counts"][key] = STATE["counts"].get(key, 0) + 1
        time.sleep(float(asked.get("wait", 0)))
        names = ("CLUSTER", "VERSION", "POD")
        own = {name.lower(): os.environ[name] for name in names}
        failing = asked.get("fail", "-") in (own["cluster"], own["version"])
        status = 503 if failing else int(asked.get("status") or STATE["status"])
        # As the sample says it: who calls, by the certificate that the sidecar saw.
        seen = re.findall("URI=([^;,]+)", self.headers.get("x-forwarded-client-cert", ""))
        caller = {"uri": seen[-1] if seen else ""}
        self.say(status, {**own, "path": self.path, "method": self.command, "identity": caller})
    do_POST = do_PUT = do_DELETE = do_GET
    def say(self, status, data):
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
Server(("", 8080), Answer).serve_forever()
"""
_CALLER = """
import http.client, json, sys, threading, time
asked = json.loads(sys.argv[1])
answers, lock = [], threading.Lock()
numbers = iter(range(asked["count"]))
def one(connection):
    began = time.monotonic()
    got = {"status": 0, "cluster": "", "version": "", "pod": "", "path": "", "cookie": "", "identity": ""}
    try:
        connection.request(asked["method"], asked["path"], headers={**asked["headers"], "host": asked["host"]})
        said = connection.getresponse()
        body = said.read()
        got["status"] = said.status
        got["cookie"] = said.headers.get("set-cookie") or ""
        if body.startswith(b"{"):
            said = json.loads(body)
            got.update({**said, "identity": said["identity"]["uri"]})
        else: got["path"] = body[:200].decode(errors="replace")
    except OSError as error: got["path"] = repr(error)
    except http.client.HTTPException as error: got["path"] = repr(error)
    if not got["status"]: connection.close()
    answers.append({**got, "seconds": time.monotonic() - began})
def work():
    connection = http.client.HTTPConnection(asked["host"], asked["port"], timeout=30)
    while True:
        with lock:
            if next(numbers, None) is None: return
        one(connection)
threads = [threading.Thread(target=work) for _ in range(asked["at_once"])]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(answers))
"""
_MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{istio-injection: enabled}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: reviews, namespace: {namespace}}}
data: {{server.py: {server}}}
"""
_SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: reviews}}
  ports: [{{name: http, port: 8080, targetPort: 8080}}]
"""
_DEPLOYMENT = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {app}, version: {version}}}}}
  template:
    metadata: {{labels: {{app: {app}, version: {version}}}}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: app
          image: {image}
          imagePullPolicy: IfNotPresent
          command: [python3, /app/server.py]
          env:
            - {{name: CLUSTER, value: {cluster}}}
            - {{name: VERSION, value: {version}}}
            - {{name: POD, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
          readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
          volumeMounts: [{{name: app, mountPath: /app}}]
      volumes: [{{name: app, configMap: {{name: reviews}}}}]
"""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a caller got; ``status`` 0 where no answer came, and ``path`` then says why."""

    status: int
    seconds: float
    cluster: str = ""
    version: str = ""
    pod: str = ""
    path: str = ""
    method: str = ""
    cookie: str = ""
    identity: str = ""
    """The caller's, as the pod saw it; "" without mutual TLS."""

    @property
    def where(self) -> str:
        return f"{self.cluster}-{self.version}" if self.cluster else f"status {self.status}"


class Shop:
    """Pods ``reviews``, their services, and callers in some clusters.

    Args:
        fleet: the fleet.
        versions: by cluster, the versions whose pods it has; a cluster without versions has a caller only.
        services: names of the services.
        replicas: pods of each version.
        namespace: where all of it is.
    """

    def __init__(
        self,
        fleet: Fleet,
        versions: t.Mapping[str, t.Sequence[str]],
        services: t.Sequence[str] = ("reviews",),
        replicas: int = 1,
        namespace: str = NAMESPACE,
    ) -> None:
        self.fleet = fleet
        self.versions = versions
        self.services = services
        self.namespace = namespace
        self.replicas = replicas
        self.is_open = False

    def open(self) -> None:
        """Make all of it, and wait until it is ready."""
        self.is_open = True
        for cluster, versions in self.versions.items():
            common = {"namespace": self.namespace, "image": self.fleet.facts["sample_image"], "cluster": cluster}
            manifest = _MANIFEST.format(server=json.dumps(_SERVER), **common)
            manifest += "".join(_SERVICE.format(name=name, namespace=self.namespace) for name in self.services)
            manifest += _DEPLOYMENT.format(name="caller", app="caller", version="v1", replicas=1, **common)
            for version in versions:
                one = {"name": f"reviews-{version}", "app": "reviews", "version": version}
                manifest += _DEPLOYMENT.format(**one, replicas=self.replicas, **common)
            self.fleet.kubectl(cluster, "apply", "-f", "-", stdin=manifest)
        for cluster in self.versions:
            self.kubectl(cluster, "rollout", "status", "deployment", "--timeout=300s")

    def close(self) -> None:
        """Remove all of it."""
        for cluster in self.versions:
            self.fleet.kubectl(cluster, "delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")
        for cluster in self.versions:
            gone = ("wait", "--for=delete", f"namespace/{self.namespace}", "--timeout=300s")
            self.fleet.kubectl(cluster, *gone)
        self.is_open = False

    def kubectl(self, cluster: str, *arguments: str, stdin: str | None = None) -> str:
        return self.fleet.kubectl(cluster, "-n", self.namespace, *arguments, stdin=stdin)

    def calls(
        self,
        cluster: str,
        service: str,
        count: int = 1,
        path: str = "/",
        *,
        headers: t.Mapping[str, str] | None = None,
        method: str = "GET",
        at_once: int = 4,
    ) -> list[Answer]:
        """What ``count`` calls of a cluster's caller to a service get; ``service`` may be a name with a domain."""
        asked = {
            "host": service if "." in service else f"{service}.{self.namespace}",
            "port": 8080,
            "count": count,
            "path": path,
            "headers": dict(headers or {}),
            "method": method,
            "at_once": min(at_once, count),
        }
        command = ("exec", "deploy/caller", "--", "python3", "-c", _CALLER, json.dumps(asked))
        # A busy API server may lose what a command says, though the command ended well.
        said = self.kubectl(cluster, *command) or self.kubectl(cluster, *command)
        return [Answer(**one) for one in json.loads(said)]

    def address(self, cluster: str, name: str) -> str:
        """The address that a name has for a cluster's caller."""
        script = f"import socket; print(socket.gethostbyname('{name}'))"
        return self.kubectl(cluster, "exec", "deploy/caller", "--", "python3", "-c", script)

    def counted(self, cluster: str, service: str, count: int, *arguments: t.Any, **options: t.Any) -> dict[str, int]:
        """Where the calls of a cluster's caller go: numbers by ``cluster-version``, or by the status of a failure."""
        answers = self.calls(cluster, service, count, *arguments, **options)
        return dict(collections.Counter(one.where if one.status < 400 else f"status {one.status}" for one in answers))

    def state(self, cluster: str, version: str, status: int | None = None) -> list[dict[str, t.Any]]:
        """What each pod of a version counted; with ``status``, what it answers from now on."""
        asked = f"http://127.0.0.1:8080/state{'' if status is None else f'?status={status}'}"
        script = f"import urllib.request as u; print(u.urlopen('{asked}').read().decode())"
        found = []
        for pod in self.kubectl(cluster, "get", "pods", "-l", f"app=reviews,version={version}", "-o", "name").split():
            found.append(dict(json.loads(self.kubectl(cluster, "exec", pod, "--", "python3", "-c", script))))
        return found

    def scale(self, cluster: str, version: str, replicas: int) -> None:
        """Scale one version, and wait until so many pods are ready."""
        self.kubectl(cluster, "scale", f"deployment/reviews-{version}", f"--replicas={replicas}")
        self.kubectl(cluster, "rollout", "status", f"deployment/reviews-{version}", "--timeout=300s")
