# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks as a user runs them, over an inventory of the test's own.

No host says ``ansible_connection: local``: what our roles do, they do on the controller.
"""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from tests import hostile


class Ran(t.NamedTuple):
    """How a playbook ended."""

    code: int
    stdout: str
    output: str
    """Everything that was printed."""


def role_play(role: str, hosts: str = "mesh_clusters", tasks: str = "main", **variables: t.Any) -> dict[str, t.Any]:
    """A play that runs one of our roles."""
    task = {"name": "Do", "ansible.builtin.import_role": {"name": f"mesh.fleet.{role}", "tasks_from": tasks}}
    return {"name": role, "hosts": hosts, "gather_facts": False, "vars": variables, "tasks": [task]}


def run_plays(
    where: Path,
    fleet: t.Mapping[str, t.Any],
    play: t.Mapping[str, t.Any] | Path,
    *arguments: str,
    environment: t.Mapping[str, str] | None = None,
    shell: bool = True,
    before: t.Sequence[str] = (),
) -> Ran:
    """Run a play, or a playbook that there is, in a hostile environment; whatever comes of it, it is no traceback
    and no defect.

    Args:
        where: a folder for the inventory and the play.
        fleet: the group ``mesh_clusters``, as ``vars`` and ``hosts``.
        environment: what the test itself wants.
        before: a program that starts ``ansible-playbook``, with its arguments.
        shell: whether the environment is that of ``tests/hostile.py``; False for a test that has one of its own.
    """
    (where / "hosts.yml").write_text(yaml.safe_dump({"mesh_clusters": fleet}))
    if not isinstance(play, Path):
        (where / "play.yml").write_text(yaml.safe_dump([play]))
        play = where / "play.yml"
    theirs = hostile.environment(where, artifacts_dir().parents[1]) if shell else {}
    variables = {**theirs, **(environment or {})}
    done = subprocess.run(
        [*before, "ansible-playbook", "-i", str(where / "hosts.yml"), str(play), *arguments],
        cwd=where,
        env={**os.environ, "COLUMNS": "300", **variables},
        umask=hostile.UMASK if shell else -1,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    assert "a defect of mesh.fleet" not in output, output
    assert not shell or hostile.readable_by_others(variables["XDG_STATE_HOME"]) == []
    return Ran(done.returncode, done.stdout, output)
