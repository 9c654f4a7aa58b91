# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin with a thousand clusters: everything after the network.

``ansible-inventory --list`` with what Google said in the plugin's cache; with an empty inventory, which is
what Ansible itself takes; and with every answer from a stand-in on this machine.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.gcp.standin.server import StandIn

CLUSTERS = 1000
PROJECTS = 10
ROUNDS = 3

CONFIG: dict[str, t.Any] = {
    "plugin": "mesh.fleet.mesh_fleet",
    "projects": [f"shop-{number:03}" for number in range(PROJECTS)],
    "hostname": "google_cluster.name ~ '-' ~ google_cluster.location",
    "labels": {"mesh_id": "*"},
    "keyed_groups": [{"key": "cluster_region", "prefix": "region"}, {"key": "cluster_labels.tier", "prefix": "tier"}],
    "groups": {"autopilot": "google_cluster.autopilot"},
    "compose": {"gke_endpoint": "'dns' if google_cluster.private else 'public'"},
    "cache": True,
    "cache_plugin": "ansible.builtin.jsonfile",
}


def fill(standin: StandIn) -> None:
    for number in range(CLUSTERS):
        project = CONFIG["projects"][number % PROJECTS]
        place, name = f"us-west{number % 4 + 1}-{'abc'[number % 3]}", f"cluster-{number}"
        standin.cloud.resources[f"container/projects/{project}/locations/{place}/clusters/{name}"] = {
            "name": name,
            "location": place,
            "status": "RUNNING",
            "resourceLabels": {"mesh_id": "shop", "tier": ("front", "back")[number % 2]},
            "clusterIpv4Cidr": f"10.{number // 256}.{number % 256}.0/24",
            "autopilot": {"enabled": number % 5 == 0},
        }
        link = f"//container.googleapis.com/projects/{project}/locations/{place}/clusters/{name}"
        full = f"projects/{project}/locations/{place}/memberships/{name}"
        standin.cloud.resources[f"gkehub/{full}"] = {
            "name": full,
            "endpoint": {"gkeCluster": {"resourceLink": link}},
            "state": {"code": "READY"},
        }


def measure(arguments: list[str]) -> tuple[float, dict[str, t.Any]]:
    took = []
    said = ""
    for _round in range(ROUNDS):
        began = time.monotonic()
        done = subprocess.run(
            ["ansible-inventory", *arguments, "--list"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        )
        took.append(time.monotonic() - began)
        said = done.stdout
    return statistics.median(took), json.loads(said)


def main() -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        path = folder / "google.mesh_fleet.yml"
        path.write_text(json.dumps({**CONFIG, "cache_connection": str(folder / "cache")}))
        with StandIn(folder / "standin") as standin:
            fill(standin)
            os.environ.update(standin.environment)
            first, _listed = measure(["-i", str(path), "--flush-cache"])
        empty, _nothing = measure(["-i", "localhost,"])
        full, listed = measure(["-i", str(path)])
    hosts = len(listed["_meta"]["hostvars"])
    if hosts != CLUSTERS:
        raise SystemExit(f"{hosts} hosts instead of {CLUSTERS}: the cache was not read")
    print(
        json.dumps(
            {
                "clusters": CLUSTERS,
                "projects": PROJECTS,
                "groups": len(listed) - 1,
                "with_answers_of_a_stand_in_seconds": round(first, 2),
                "ansible_inventory_seconds": round(full, 2),
                "of_that_ansible_alone_seconds": round(empty, 2),
                "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
