# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Slices of a stage on two workers, beside all of it on one: at most 0.6 of the time is meant for 20 clusters.

The clusters are API servers without nodes; something says of each istiod that it is ready, so many seconds after it
was told to change. A worker is `ansible-runner worker` with one core of its own and as many forks as Ansible has by
default, and gets its job as one of AWX does. The API servers share these cores.

BENCH_CLUSTERS=4 and BENCH_READY_SECONDS=2 make it smaller.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import conftest

from tests.api import control_plane
from tests.api.nodes import Nodes
from tests.e2e.awx_jobs import Job, sliced, stream
from tests.e2e.local_fleet import CACHE

STAGE = "control_plane"
WORKERS = (1, 2)
AT_ONCE = 4
"""API servers that start side by side."""


class SlowNodes(Nodes):
    """As Nodes, but a Deployment is ready only so many seconds after it was changed."""

    def __init__(self, plane: control_plane.ControlPlane, seconds: float) -> None:
        super().__init__(plane)
        self.between = 2.0
        self._seconds = seconds
        self._seen: dict[tuple[str, int], float] = {}

    async def _say(self, kube: t.Any, group: str, plural: str, obj: dict[str, t.Any], status: dict[str, t.Any]) -> None:
        if plural == "deployments":
            meta = obj["metadata"]
            began = self._seen.setdefault((meta["uid"], meta["generation"]), time.monotonic())
            if time.monotonic() - began < self._seconds:
                return
        await super()._say(kube, group, plural, obj, status)


def run(folder: Path, job: Job, workers: int) -> float:
    """Seconds until all slices of a job are done, each by a worker of its own."""

    def one(number: int) -> None:
        where = folder / f"job-{number}-of-{workers}-{time.monotonic_ns()}"
        # The stream is made here: of the work, only what the worker starts is held to its core.
        core = sorted(os.sched_getaffinity(0))[(number - 1) % len(os.sched_getaffinity(0))]
        work = ["taskset", "--cpu-list", str(core), "ansible-runner", "worker", f"--private-data-dir={where}-worker"]
        part = dataclasses.replace(job, hosts=sliced(job.hosts, number, workers), place=f"{where}-worker")
        ended = stream(part, where, work)
        print(ended.said[-1500:], file=sys.stderr)
        if ended.status != "successful":
            sys.exit(f"slice {number} of {workers} {ended.status}")

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, range(1, workers + 1)))
    return round(time.monotonic() - began, 1)


def variables(folder: Path) -> dict[str, t.Any]:
    """Of a fleet that is there already, and brings its charts."""
    return {
        "fleet_name": "bench",
        "fleet_dir": str(folder / "state"),
        "mesh_id": "bench",
        "mesh_trust_domain": "bench.mesh",
        "mesh_network": "flat",
        "cluster_provider": "kubeconfig",
        "cluster_region": "bench",
        "artifacts_parts": [],
        "control_plane_charts": str(CACHE / "charts"),
        "control_plane_timeout": 600,
        "control_plane_replicas": 1,
    }


def measure(folder: Path, clusters: int, ready: float) -> dict[str, t.Any]:
    names = [f"c{number:02d}" for number in range(1, clusters + 1)]
    with contextlib.ExitStack() as stack:
        # A server ends with the thread that started it.
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(AT_ONCE))
        planes = list(pool.map(lambda name: control_plane.start(folder / name), names))
        for plane in planes:
            stack.callback(plane.stop)
            nodes = SlowNodes(plane, ready)
            nodes.start()
            stack.callback(nodes.join)
            stack.callback(nodes.ended.set)
        hosts = {
            name: {"cluster_kubeconfig": str(plane.kubeconfig), "cluster_context": "admin"}
            for name, plane in zip(names, planes, strict=True)
        }
        environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(conftest.COLLECTIONS),
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_STDOUT_CALLBACK": "mesh.fleet.stages",
        }
        first = Job("trust", hosts, variables(folder), environment=environment)
        run(folder, first, 1)
        stage = dataclasses.replace(first, playbook=STAGE)
        installed = run(folder, stage, 1)
        # The same work again: istiod gets another setting, once by one worker, once by two.
        took = {}
        for workers in WORKERS:
            values = {"env": {"PILOT_BENCH": str(workers)}}
            changing = {**stage.variables, "control_plane_values": values}
            took[workers] = run(folder, dataclasses.replace(stage, variables=changing), workers)
    return {
        "stage": STAGE,
        "clusters": clusters,
        "istiod_ready_seconds": ready,
        "install_seconds_by_one": installed,
        "change_seconds_by_workers": {str(workers): seconds for workers, seconds in took.items()},
        "two_to_one": round(took[2] / took[1], 2),
    }


def main() -> None:
    # Of the checkout, which has more forks than Ansible has by default.
    del os.environ["ANSIBLE_CONFIG"]
    clusters, ready = int(os.environ.get("BENCH_CLUSTERS", "20")), float(os.environ.get("BENCH_READY_SECONDS", "10"))
    with tempfile.TemporaryDirectory(prefix="mesh-fleet-slices-") as folder:
        print(json.dumps(measure(Path(folder), clusters, ready)))


if __name__ == "__main__":
    main()
