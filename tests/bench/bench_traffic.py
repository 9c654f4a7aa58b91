# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traffic policies: reading, checking and generating the objects of all clusters, by policies and by clusters.

Each size runs in a process of its own, whose peak of memory is its own. At most 10 s and 300 MB are meant for 1,000
policies over 50 clusters. ``one``: all clusters on one network, each policy for all. ``hard``: each cluster on its own
network, two policies for each service, an order of clusters.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "collections"))

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import objects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies

SIZES = [(policies, clusters) for policies in (10, 100, 1000) for clusters in (2, 10, 50)]
"""Policies, clusters."""


def policies(count: int, clusters: t.Sequence[str], hard: bool) -> list[dict[str, t.Any]]:
    found: list[dict[str, t.Any]] = []
    for number in range(count):
        service = number // 2 if hard else number
        callers = {"from": clusters[number % 2 :: 2]} if hard else {}
        found.append(
            {
                "service": f"app{service}.ns{service % 20}",
                **callers,
                "split": [{"weight": 80, "labels": {"version": "v1"}}, {"weight": 20, "labels": {"version": "v2"}}],
                "timeout": "10s",
                "retries": {"attempts": 3, "per_try": "2s", "retry_on": ["reset", "gateway-error"]},
                "breaker": {"connections": 100, "errors": 5, "interval": "1s"},
                "failover": {"clusters": [clusters[number % len(clusters)]]} if hard else "nearest",
                "routes": [{"headers": {"x-user": "ann"}, "split": [{"weight": 100, "labels": {"version": "v2"}}]}],
            }
        )
    return found


def measure(count: int, clusters: int, hard: bool) -> dict[str, t.Any]:
    shared = {"cluster_provider": "kubeconfig", "mesh_network": "per_cluster" if hard else "flat"}
    fleet = read_fleet({f"c{i}": {**shared, "cluster_region": f"r{i % 10}"} for i in range(clusters)})
    given = policies(count, list(fleet.clusters), hard)
    began = time.monotonic()
    read = parse_policies(given, fleet.clusters)
    parsed = time.monotonic()
    findings = lint(fleet, read)
    checked = time.monotonic()
    objects = objects_of(fleet, read)
    done = time.monotonic()
    assert not findings.problems, findings.problems[:3]
    return {
        "policies": count,
        "clusters": clusters,
        "kind": "hard" if hard else "one",
        "objects": sum(map(len, objects.values())),
        "read_seconds": round(parsed - began, 2),
        "lint_seconds": round(checked - parsed, 2),
        "generate_seconds": round(done - checked, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    found = []
    for hard in ("one", "hard"):
        for count, clusters in SIZES:
            command = [sys.executable, __file__, str(count), str(clusters), hard]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout))
    print(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "hard")))
    else:
        main()
