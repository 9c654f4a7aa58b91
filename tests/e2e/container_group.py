# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container group of AWX: a pod of a cluster for each job, which gets everything by its standard input.

The pod is AWX's default (``get_default_pod_spec`` in ``awx/main/utils/execution_environments.py``) with its standard
input attached, as AWX's Receptor has it.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import pathlib
import subprocess
import typing as t

from .awx_jobs import LONGEST, Ended, Job, stream
from .local_fleet import CACHE, Fleet

__all__ = ["ContainerGroup"]

NAMESPACE = "awx"


class ContainerGroup:
    """Pods of one cluster of the fleet.

    Args:
        image: the execution environment; it is loaded into the cluster's node.
        folder: where the folders of jobs are.
    """

    def __init__(self, fleet: Fleet, cluster: str, image: str, folder: pathlib.Path) -> None:
        self.fleet = fleet
        self.cluster = cluster
        self.image = image
        self.folder = folder
        self._numbers = itertools.count(1)
        self._load()
        fleet.kubectl(cluster, "create", "namespace", NAMESPACE)

    def close(self) -> None:
        """Remove what the jobs left."""
        self.fleet.kubectl(self.cluster, "delete", "namespace", NAMESPACE, "--ignore-not-found")

    def run(self, *jobs: Job) -> list[Ended]:
        """Run jobs side by side, each in a pod of its own, to their ends."""
        with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
            return list(pool.map(self._run, jobs, itertools.islice(self._numbers, len(jobs))))

    def _load(self) -> None:
        """Put the image into the node, if it is not there."""
        node = self.fleet.container(self.cluster)
        images = ("exec", "--interactive", node, "ctr", "--namespace=k8s.io", "images")
        if self.image in self.fleet.ask_engine(*images, "ls", "--quiet").split():
            return
        save = ["podman", "save", "--quiet", self.image]
        with subprocess.Popen(save, env=self.fleet.env, stdout=subprocess.PIPE) as saved:
            loaded = subprocess.run(
                [self.fleet.engine, *images, "import", "-"],
                env=self.fleet.env,
                stdin=saved.stdout,
                capture_output=True,
                text=True,
                check=False,
                timeout=LONGEST,
            )
        assert (saved.returncode, loaded.returncode) == (0, 0), loaded.stderr

    def _run(self, job: Job, number: int) -> Ended:
        name = f"automation-job-{number}"
        self._kubectl("apply", "--filename=-", stdin=json.dumps(self._pod(name)))
        self._kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=180s")
        kubectl = [str(CACHE / "bin" / "kubectl"), f"--namespace={NAMESPACE}"]
        kubectl.append(f"--kubeconfig={self.fleet.state / 'kubeconfigs' / self.cluster}.yaml")
        ended = stream(job, self.folder / name, [*kubectl, "attach", f"pod/{name}", "--stdin", "--quiet"])
        pod = json.loads(self._kubectl("get", "pod", name, "--output=json"))
        # No account of the cluster that it runs in: a job has what its stream brought.
        assert "volumes" not in pod["spec"], pod
        self._kubectl("delete", "pod", name, "--wait=false")
        return ended

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.fleet.kubectl(self.cluster, f"--namespace={NAMESPACE}", *arguments, stdin=stdin)

    def _pod(self, name: str) -> dict[str, t.Any]:
        worker = {
            "name": "worker",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "args": ["ansible-runner", "worker", "--private-data-dir=/runner"],
            "resources": {"requests": {"cpu": "250m", "memory": "100Mi"}},
            "stdin": True,
            "stdinOnce": True,
        }
        spec = {
            "serviceAccountName": "default",
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "containers": [worker],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
