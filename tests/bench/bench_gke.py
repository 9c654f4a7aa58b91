# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE against the stand-in: requests of a run with nothing to do, fifty clusters made beside one, memory.

The stand-in's operations take 20 s: Google's take minutes, so what is measured is our share.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 20.0
COUNTS = (1, 50)


def inventory(folder: Path, count: int) -> Path:
    shared = {
        "fleet_name": f"bench{count}",
        "fleet_dir": str(folder / "state"),
        # What the stand-in gives to every cluster of the network "default", which is no part of this.
        "cluster_pod_cidr": "10.4.0.0/14",
        "cluster_service_cidr": "34.118.224.0/20",
        "cluster_provider": "gke",
        "gke_project": f"bench-{count:03d}",
        "gke_network": "default",
        "ansible_connection": "local",
    }
    hosts = {f"c{n:02d}": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"} for n in range(count)}
    path = folder / f"inventory{count}.json"
    path.write_text(json.dumps({"mesh_clusters": {"vars": shared, "hosts": hosts}}))
    return path


def play(inventory_file: Path, play_file: Path, env: dict[str, str]) -> float:
    """Seconds of a run."""
    began = time.monotonic()
    argv = ["ansible-playbook", "-i", str(inventory_file), str(play_file)]
    done = subprocess.run(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode:
        sys.exit("the run failed")
    return round(time.monotonic() - began, 2)


def main() -> None:
    figures: dict[str, t.Any] = {"operation_seconds": SECONDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = folder / "made.json"
        task = {"name": "Clusters", "mesh.fleet.gke_cluster": {}, "run_once": True, "register": "made"}
        check = {"name": "All", "ansible.builtin.assert": {"that": "made.failures == {}"}, "run_once": True}
        made.write_text(json.dumps([{"hosts": "mesh_clusters", "gather_facts": False, "tasks": [task, check]}]))
        argv = [sys.executable, "-m", "tests.gcp.standin", "--directory", name, "--duration", str(SECONDS)]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                env = {
                    **os.environ,
                    **json.loads(server.stdout.readline()),
                    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                }
                for count in COUNTS:
                    file = inventory(folder, count)
                    figures[f"create_{count}_s"] = play(file, made, env)
                    url = env["MESH_FLEET_GOOGLE_ENDPOINT"] + "/standin/log"
                    urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()
                    figures[f"unchanged_{count}_s"] = play(file, made, env)
                    with urllib.request.urlopen(url) as answer:
                        figures[f"unchanged_{count}_requests"] = len(json.load(answer))
            finally:
                server.terminate()
    figures["create_factor"] = round(figures["create_50_s"] / figures["create_1_s"], 2)
    figures["memory_mib"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
