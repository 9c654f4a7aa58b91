# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs as AWX makes them: a folder with all that one needs, streamed to a worker by ansible-runner.

AWX writes such folders in ``awx/main/tasks/jobs.py``, and cuts slices in ``Inventory.get_script_data``.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
import typing as t

import yaml

from .local_fleet import CACHE

__all__ = ["Ended", "Job", "sliced", "stream"]

VAULT_PASSWORD = "of-the-vault-credential"
KUBECONFIG = "kubeconfig_of_a_credential"
"""The file that a credential of a type with a file injector becomes, in the job's folder env."""
LONGEST = 900.0
"""Seconds after which a job hangs, for whatever reason."""


def sliced(hosts: t.Mapping[str, t.Any], number: int, count: int) -> dict[str, t.Any]:
    """The hosts of slice ``number`` of ``count``."""
    return {name: hosts[name] for name in sorted(hosts)[number - 1 :: count]}


@dataclasses.dataclass(frozen=True)
class Job:
    """What AWX writes to the folder of a job.

    Args:
        playbook: of the collection, as ``site``: the project's own imports it.
        hosts: of group ``mesh_clusters``, with their variables.
        variables: of the group.
        kubeconfig: the content of a credential's file; the job finds its path in ``K8S_AUTH_KUBECONFIG``.
        cmdline: more arguments of ``ansible-playbook``.
        environment: more variables of the job.
        place: where the worker has the folder.
    """

    playbook: str
    hosts: t.Mapping[str, t.Any]
    variables: t.Mapping[str, t.Any]
    kubeconfig: str = ""
    cmdline: str = ""
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    place: str = "/runner"

    def write(self, folder: pathlib.Path) -> None:
        """Project, inventory and environment of the job; the folder is private."""
        for name in ("env", "inventory", "project"):
            (folder / name).mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)
        play = [{"name": "Imported", "ansible.builtin.import_playbook": f"mesh.fleet.{self.playbook}"}]
        (folder / "project" / f"{self.playbook}.yml").write_text(yaml.safe_dump(play))
        shutil.copytree(CACHE / "charts", folder / "project" / "charts")
        group = {"hosts": list(self.hosts), "vars": dict(self.variables)}
        found = {"mesh_clusters": group, "_meta": {"hostvars": {name: dict(own) for name, own in self.hosts.items()}}}
        script = folder / "inventory" / "hosts"
        script.write_text(f"#! /usr/bin/env python3\nprint({json.dumps(found)!r})\n")
        script.chmod(0o700)
        (folder / "env" / KUBECONFIG).write_text(self.kubeconfig)
        environment = {"K8S_AUTH_KUBECONFIG": f"{self.place}/env/{KUBECONFIG}", **self.environment}
        (folder / "env" / "envvars").write_text(yaml.safe_dump(environment))
        (folder / "env" / "passwords").write_text(yaml.safe_dump({r"Vault password:\s*?$": VAULT_PASSWORD}))
        (folder / "env" / "cmdline").write_text(f"--ask-vault-pass {self.cmdline}")


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a job ended, by what the controller was told."""

    status: str
    said: str
    changed: dict[str, int]
    """By host, how many tasks changed something."""


def stream(job: Job, folder: pathlib.Path, worker: t.Sequence[str]) -> Ended:
    """Run a job to its end: ``ansible-runner transmit`` to the worker's input, its output to ``process``.

    Args:
        job: it is written to ``folder``, where its artifacts are afterwards.
        folder: its name is the job's, and must be new.
        worker: the command by which the worker's input and output are reached.
    """
    job.write(folder)
    name = folder.name
    commands = (
        ["ansible-runner", "transmit", str(folder), "--playbook", f"{job.playbook}.yml", "--ident", name],
        worker,
        ["ansible-runner", "process", str(folder), "--ident", name],
    )
    processes: list[subprocess.Popen[bytes]] = []
    log = folder / "stream.log"
    try:
        with log.open("wb") as words:
            for command in commands:
                source = processes[-1].stdout if processes else None
                out = words if len(processes) == 2 else subprocess.PIPE
                processes.append(
                    subprocess.Popen(command, stdin=source or subprocess.DEVNULL, stdout=out, stderr=words)
                )
                if source:
                    source.close()  # it is the next one's now, which must see its end
        processes[-1].wait(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{name} is not over after {LONGEST:.0f} s: {log.read_text()}") from None
    finally:
        for process in processes:
            process.kill()
            process.wait()
    artifacts = folder / "artifacts" / name
    assert (artifacts / "status").exists(), log.read_text()
    events = [json.loads(path.read_text()) for path in (artifacts / "job_events").iterdir()]
    stats = next((event["event_data"] for event in events if event["event"] == "playbook_on_stats"), {})
    changed = {host: int(stats.get("changed", {}).get(host, 0)) for host in sorted(stats.get("processed", {}))}
    return Ended((artifacts / "status").read_text(), (artifacts / "stdout").read_text(), changed)
