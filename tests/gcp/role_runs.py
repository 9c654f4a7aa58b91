# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role gke_cluster by ansible-playbook, google.cloud's modules included, against the stand-in, in a hostile shell."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import yaml

from tests import hostile

from .standin.server import StandIn

HOSTS = {
    "west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a", "gke_endpoint": "private"},
    "north": {"cluster_region": "europe-north1", "gke_mode": "autopilot"},
}


class Playbook:
    """Runs the role over an inventory of the test."""

    role = "gke_cluster"

    def __init__(self, folder: Path, root: Path, standin: StandIn) -> None:
        self.folder, self.root, self.standin = folder, root, standin
        self.hosts: dict[str, dict[str, t.Any]] = {name: dict(v) for name, v in HOSTS.items()}
        self.tasks: list[dict[str, t.Any]] = []
        """Tasks instead of the role."""

    def __call__(self, *arguments: str, tasks_from: str = "main") -> tuple[int, dict[str, dict[str, int]], str]:
        """Exit code, the recap by host, and everything that was said."""
        argv, env = self.prepared(*arguments, tasks_from=tasks_from)
        done = subprocess.run(
            argv,
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=1200,
            umask=hostile.UMASK,
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert hostile.readable_by_others(env["XDG_STATE_HOME"]) == []
        assert hostile.readable_by_others(self.folder / "state") == []
        stats = json.loads(done.stdout[done.stdout.index("{\n") :])["stats"]
        return done.returncode, stats, said

    def killed_at(self, method: str, seconds: float = 600) -> None:
        """A run that is killed as soon as Google has accepted a request of this method."""
        argv, env = self.prepared()
        run = subprocess.Popen(
            argv,
            cwd=self.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=hostile.UMASK,
        )
        deadline = time.monotonic() + seconds
        try:
            while not any(e["method"] == method and e.get("status") == 200 for e in list(self.standin.cloud.log)):
                assert run.poll() is None, "it ended before"
                assert time.monotonic() < deadline, "it never came so far"
                time.sleep(0.01)  # until the stand-in has seen it
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()

    def prepared(self, *arguments: str, tasks_from: str = "main") -> tuple[list[str], dict[str, str]]:
        """Command and environment of a run."""
        shared = {
            "fleet_name": "shop",
            "fleet_dir": str(self.folder / "state"),
            "cluster_provider": "gke",
            "gke_project": "shop-prod",
            "gke_cluster_interval": 0.1,
        }
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"mesh_clusters": {"vars": shared, "hosts": self.hosts}}, sort_keys=True))
        role = {"name": f"mesh.fleet.{self.role}", "tasks_from": tasks_from}
        tasks = self.tasks or [{"name": "Role", "ansible.builtin.include_role": role}]
        play = self.folder / "play.yml"
        play.write_text(yaml.safe_dump([{"hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks}]))
        theirs = hostile.environment(self.folder, self.folder / "cache")
        env = {
            **os.environ,
            **hostile.with_own(theirs, self.standin.environment),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_CONFIG": str(self.root / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.root / "collections"),
        }
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, "-i", str(inventory), str(play), *arguments], env


def changed(stats: dict[str, dict[str, int]]) -> int:
    return sum(host["changed"] for host in stats.values())
