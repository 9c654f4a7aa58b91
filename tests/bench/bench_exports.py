# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stage services with 1,000 exports over 20 clusters: at most 10 s are meant for a run that changes nothing.

The clusters are API servers without nodes, which share this machine's cores with the run. Each service is in two of
them and for all, names in the DNS included. Seconds are of the whole ``ansible-playbook``, from its start to its end.
Processor seconds say whose time that is: ``run`` is ansible-playbook with its processes, ``servers`` the API servers,
``etcd`` their etcds. ``mb`` is what went over the loopback interface, between these three and whatever else uses it.

BENCH_CLUSTERS=4 and BENCH_EXPORTS=100 make it smaller.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "collections"), str(ROOT / "tests")]

import conftest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from tests.api import control_plane
from tests.e2e.local_fleet import CACHE

NAMESPACES = 20
AT_ONCE = 4
"""API servers that start side by side, and that get their Services."""
COREFILE = ".:53 {\n    kubernetes cluster.local\n    reload\n}\n"
DNS = {"k8s-app": "kube-dns"}
TICKS = os.sysconf("SC_CLK_TCK")

Object = dict[str, t.Any]


def named(kind: str, name: str, namespace: str = "", **more: t.Any) -> Object:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **where}, **more}


def prepared(exports: int, number: int, clusters: int) -> list[Object]:
    """What a cluster has before: Istio's kinds, namespaces, CoreDNS's file, and its part of the Services."""
    text = (CACHE / "charts" / "base" / "files" / "crd-all.gen.yaml").read_text(encoding="utf-8")
    spaces = ["istio-system", *(f"ns{n}" for n in range(NAMESPACES))]
    pod = {"containers": [{"name": "coredns", "image": "coredns/coredns:v1.13.1"}]}
    spec = {"selector": {"matchLabels": DNS}, "template": {"metadata": {"labels": DNS}, "spec": pod}}
    dns = {**named("Deployment", "coredns", "kube-system", spec=spec), "apiVersion": "apps/v1"}
    dns["metadata"]["labels"] = DNS
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return [
        *(one for one in yaml.safe_load_all(text) if one),
        *(named("Namespace", space) for space in spaces),
        named("ConfigMap", "coredns", "kube-system", data={"Corefile": COREFILE}),
        dns,
        *(
            named("Service", f"app{n}", f"ns{n % NAMESPACES}", spec={"selector": {"app": f"app{n}"}, "ports": ports})
            for n in range(exports)
            if number in (n % clusters, (n + 1) % clusters)
        ),
    ]


async def prepare(plane: control_plane.ControlPlane, objects: list[Object]) -> None:
    connection = Connection(kubeconfig=str(plane.kubeconfig), context="admin")
    async with Kube.connect(connection, cluster="bench") as kube:
        await kube.apply(objects, diff=False)


def processor_seconds(planes: t.Sequence[control_plane.ControlPlane]) -> dict[str, float]:
    """What ended processes, API servers and etcds have used so far, by proc_pid_stat(5)."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = {"run": ended.ru_utime + ended.ru_stime, "servers": 0.0, "etcd": 0.0}
    for process in (process for plane in planes for process in plane.processes):
        name = Path(str(process.args[0] if isinstance(process.args, list) else process.args)).name
        # The second field, the name, may hold blanks. utime and stime are the 14th and 15th.
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        used["servers" if name == "kube-apiserver" else "etcd"] += (int(fields[11]) + int(fields[12])) / TICKS
    return used


def loopback_bytes() -> int:
    """What has gone over the loopback interface so far."""
    lines = Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) for line in lines if line.split()[0] == "lo:"), 0)


def run(folder: Path, planes: t.Sequence[control_plane.ControlPlane]) -> dict[str, t.Any]:
    """The stage once: seconds, whose they are, and what it says of itself."""
    command = ["ansible-playbook", "-i", str(folder / "hosts.yml"), str(ROOT / "playbooks" / "services.yml")]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(conftest.COLLECTIONS),
        "ANSIBLE_STDOUT_CALLBACK": "mesh.fleet.stages",
    }
    used, sent, began = processor_seconds(planes), loopback_bytes(), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    took = round(time.monotonic() - began, 1)
    processor = {name: round(now - used[name], 1) for name, now in processor_seconds(planes).items()}
    megabytes = round((loopback_bytes() - sent) / 1e6)
    # Of a failure all: its cause comes before a line for each cluster.
    said = done.stdout if done.returncode else done.stdout[-1500:]
    print(said, done.stderr[-1500:], file=sys.stderr)
    if done.returncode:
        sys.exit(f"the stage ended with {done.returncode}")
    line = next((line for line in done.stdout.splitlines() if line.startswith("services")), "")
    return {"seconds": took, "processor": processor, "mb": megabytes, "said": " ".join(line.split())}


def measure(folder: Path, clusters: int, exports: int) -> dict[str, t.Any]:
    names = [f"c{number:02d}" for number in range(clusters)]
    with contextlib.ExitStack() as stack:
        # A server ends with the thread that started it.
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(AT_ONCE))
        planes = list(
            pool.map(lambda name: control_plane.start(folder / name, "--service-cluster-ip-range=10.0.0.0/16"), names)
        )
        for plane in planes:
            stack.callback(plane.stop)
        list(
            pool.map(
                lambda at: asyncio.run(prepare(planes[at], prepared(exports, at, clusters))),
                range(clusters),
            )
        )
        hosts = {
            name: {"cluster_kubeconfig": str(plane.kubeconfig), "cluster_context": "admin"}
            for name, plane in zip(names, planes, strict=True)
        }
        variables = {
            "fleet_name": "bench",
            "fleet_dir": str(folder / "state"),
            "mesh_network": "flat",
            "cluster_provider": "kubeconfig",
            "cluster_region": "bench",
            "artifacts_parts": [],
            "services_dns": True,
            "services_timeout": 0,
            "mesh_exports": [{"service": f"app{n}.ns{n % NAMESPACES}", "to": "all"} for n in range(exports)],
        }
        inventory = {"mesh_clusters": {"vars": variables, "hosts": hosts}}
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        first = run(folder, planes)
        unchanged = [run(folder, planes) for _time in range(3)]
        # Of the playbooks: the servers have not ended yet.
        peak = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    return {"clusters": clusters, "exports": exports, "first": first, "unchanged": unchanged, "peak_mb": peak}


def main() -> None:
    clusters, exports = int(os.environ.get("BENCH_CLUSTERS", "20")), int(os.environ.get("BENCH_EXPORTS", "1000"))
    with tempfile.TemporaryDirectory(prefix="mesh-fleet-exports-") as folder:
        print(json.dumps(measure(Path(folder), clusters, exports)))


if __name__ == "__main__":
    main()
