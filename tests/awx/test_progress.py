# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a task waits for is an event of the job while the task lasts, whichever callback prints the output."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import jobs
from .conftest import ROOT

# A task that ends when an event says what it waits for.
SLOW = """
import os, pathlib, threading, time

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.mesh.fleet.plugins.module_utils import waits


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        events = pathlib.Path(os.environ["AWX_ISOLATED_DATA_DIR"], "job_events")
        until = time.monotonic() + 60
        with waits.shown(os.path.join(str(C.DEFAULT_LOCAL_TMP), waits.FOLDER), [], Display().display):
            with waits.waiting("fra: Deployment istiod") as wait:
                wait.since -= 60
                # ansible-runner takes partial ones away when it has read them.
                while not any(
                    "fra: Deployment istiod" in path.read_text()
                    for path in events.glob("*-*.json")
                    if not path.name.endswith("-partial.json")
                ):
                    assert time.monotonic() < until
                    threading.Event().wait(0.2)
        return {**super().run(tmp, task_vars), "changed": False}
"""
PLAY = """
- name: Slow
  hosts: all
  gather_facts: false
  tasks: [{name: Wait, slow: {}}]
"""


@pytest.mark.parametrize("callback", ["default", "mesh.fleet.stages"])
def test_a_wait_is_an_event_while_it_lasts(callback: str, tmp_path: Path) -> None:
    environment = {"ANSIBLE_STDOUT_CALLBACK": callback, "MESH_FLEET_PROGRESS_SECONDS": "1", "TERM": "xterm"}
    folder = jobs.folder(tmp_path / "job", ROOT / "collections", jobs.inventory({"fra": {}}, {}), environment)
    (folder / "project" / "slow.yml").write_text(PLAY)
    (folder / "project" / "action_plugins").mkdir()
    (folder / "project" / "action_plugins" / "slow.py").write_text(SLOW)
    done = jobs.run(folder, "slow.yml", {})
    assert done.code == 0, done.output
    kinds = [event["event"] for event in done.events if event["event"] in ("runner_on_ok", "verbose")]
    said = [event["stdout"] for event in done.events if event["event"] == "verbose"]
    assert any("waiting for fra: Deployment istiod for" in line for line in said), said
    assert kinds.index("verbose") < kinds.index("runner_on_ok")
