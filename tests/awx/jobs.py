# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A job as AWX starts it: ansible-runner's folder with the project, an inventory that is a program, and variables."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from tests import awx_data

_SCRIPT = """#!/usr/bin/env python3
# -*- coding: utf-8 -*-
print({text!r})
"""
_VARIABLES = {"job_id": 7, "job_launch_type": "manual", "job_template_name": "mesh", "project_revision": "0" * 40}
"""What AWX adds to the variables of each job, with both of its prefixes."""


class Job(t.NamedTuple):
    """How a job ended, and its events: who of Ansible's said what."""

    code: int
    output: str
    events: list[dict[str, t.Any]]

    def lines(self) -> dict[str, str]:
        """By task, what a stage said of itself."""
        done = (event["event_data"] for event in self.events if event["event"] == "runner_on_ok")
        return {one["task"]: one["res"]["stage_line"] for one in done if "stage_line" in one.get("res", {})}


def inventory(hosts: t.Mapping[str, t.Mapping[str, t.Any]], variables: t.Mapping[str, t.Any]) -> str:
    """An inventory as AWX hands it to a job: a program that prints all it knows."""
    data = {
        "all": {"children": ["mesh_clusters"]},
        "mesh_clusters": {"hosts": list(hosts), "vars": dict(variables)},
        "_meta": {"hostvars": {name: dict(own) for name, own in hosts.items()}},
    }
    return _SCRIPT.format(text=json.dumps(data))


def folder(where: Path, collections: Path, script: str, environment: t.Mapping[str, str]) -> Path:
    """A folder for one job of the project ``awx/project``.

    Args:
        collections: a folder with ``ansible_collections``, as AWX installs it from the project's requirements.
        environment: what AWX sets for the job, and what credentials of others add.
    """
    where.mkdir(parents=True, exist_ok=True)
    shutil.copytree(awx_data.PROJECT, where / "project")
    program = where / "inventory" / "hosts"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o700)
    (where / "env").mkdir()
    own = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_FORCE_COLOR": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
        "AWX_PRIVATE_DATA_DIR": str(where),
        "JOB_ID": "7",
        "INVENTORY_ID": "1",
    }
    (where / "env" / "envvars").write_text(json.dumps({**environment, **own}))
    return where


def answers(playbook: str) -> dict[str, t.Any]:
    """An answer to every question of a survey, in the types in which AWX passes them on."""
    known = awx_data.specs()
    given: dict[str, t.Any] = {}
    for question in awx_data.survey(playbook).get("spec", []):
        name = question["variable"]
        if question["type"] == "multiplechoice":
            given[name] = question["choices"][0]
        elif name in known:
            default = known[name].get("default")
            given[name] = default if isinstance(default, (int, float, str)) and default != "" else "gone"
    return given


def run(where: Path, playbook: str, variables: t.Mapping[str, t.Any], *options: str) -> Job:
    """Start a playbook of the project with ansible-runner."""
    added = {f"{prefix}_{name}": value for name, value in _VARIABLES.items() for prefix in ("awx", "tower")}
    (where / "env" / "extravars").write_text(json.dumps({**added, **variables}))
    given = ["--ident", "7", "--playbook", playbook, f"--cmdline={' '.join(options)}"]
    done = subprocess.run(
        [sys.executable, "-m", "ansible_runner", "run", str(where), *given],
        # What AWX's own service has is not what a job gets.
        env={
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV") if name in os.environ
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    events = [json.loads(path.read_text()) for path in (where / "artifacts" / "7" / "job_events").glob("*.json")]
    return Job(done.returncode, output, sorted(events, key=lambda one: int(one["counter"])))
