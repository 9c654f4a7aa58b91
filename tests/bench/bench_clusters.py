# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The local fleet, artifacts ready: seconds to two Ready clusters, seconds of a run with nothing to do, memory.

BENCH_CLUSTERS=4 measures four clusters at once instead of two. The fleet is called ``bench`` and is removed.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMES = ("west", "east", "north", "south")
FLEET = "bench"


def inventory(folder: pathlib.Path, clusters: int) -> pathlib.Path:
    """inventories/local with ``clusters`` hosts."""
    hosts = {
        name: {"cluster_region": f"region-{name}", "cluster_zone": f"region-{name}-a"} for name in NAMES[:clusters]
    }
    path = folder / "fleet.json"
    path.write_text(json.dumps({"mesh_clusters": {"hosts": hosts}}))
    return path


def play(playbook: str, more: pathlib.Path) -> float:
    """Seconds of a run."""
    argv = ["ansible-playbook", "-i", "inventories/local", "-i", str(more), f"playbooks/{playbook}.yml"]
    env = {**os.environ, "MESH_FLEET_NAME": FLEET, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    print(done.stdout, file=sys.stderr)
    if done.returncode:
        sys.exit(f"{playbook} failed")
    return round(took, 1)


def engine(*arguments: str) -> str:
    name = (
        "podman" if subprocess.run(["which", "podman"], capture_output=True, check=False).returncode == 0 else "docker"
    )
    return subprocess.run([name, *arguments], capture_output=True, text=True, check=True).stdout


def memory(clusters: int) -> dict[str, t.Any]:
    """Of each node: the sum of what its processes hold (PSS, MiB), and what the engine says (page cache included)."""
    found: dict[str, t.Any] = {}
    for name in NAMES[:clusters]:
        container = f"{FLEET}-{name}-control-plane"
        inside = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {sum += $2} END {print int(sum / 1024)}'"
        pss = int(engine("exec", container, "sh", "-c", inside).strip() or 0)
        found[name] = {"processes_pss_mib": pss, "engine_stats": stats(container)}
    return found


def stats(container: str) -> str:
    return engine("stats", "--no-stream", "--format", "{{.MemUsage}}", container).strip()


def available() -> int:
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0


def main() -> None:
    clusters = int(os.environ.get("BENCH_CLUSTERS", "2"))
    with tempfile.TemporaryDirectory() as folder:
        more = inventory(pathlib.Path(folder), clusters)
        artifacts = play("artifacts", more)
        free = available()
        try:
            ready = play("clusters", more)
            again = [play("clusters", more) for _number in range(3)]
            used = memory(clusters)
            took = free - available()
        finally:
            removed = play("teardown", more)
    print(
        json.dumps(
            {
                "clusters": clusters,
                "artifacts_ready_seconds": artifacts,
                "clusters_ready_seconds": ready,
                "nothing_to_do_seconds": again,
                "removed_seconds": removed,
                "memory": used,
                "machine_memory_taken_mib": took,
            }
        )
    )


if __name__ == "__main__":
    main()
