# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of the tests over AWX's stand-in."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.api import control_plane

from .standin import TOKEN, StandIn

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = ("awx_project_url=https://git.example/shop.git", "awx_image=registry.example/mesh-fleet-ee:1")


class Ran(t.NamedTuple):
    """How a playbook ended, and how many tasks of it changed something."""

    code: int
    output: str
    changed: int


def apply(awx: StandIn, *arguments: str, settings: t.Sequence[str] = SETTINGS) -> Ran:
    """Run ``playbooks/awx.yml`` against the stand-in, with the real collection ``awx.awx``."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CONTROLLER_", "TOWER_"))}
    env |= {"CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": TOKEN, "ANSIBLE_STDOUT_CALLBACK": "default"}
    env |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "true", "NO_PROXY": "127.0.0.1"}
    extra = [part for one in settings for part in ("-e", one)]
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "playbooks/awx.yml", *extra, *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    return Ran(done.returncode, output, output.count("changed: ["))


@pytest.fixture(scope="session")
def fra(no_proxy: None, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[control_plane.ControlPlane]:
    """A cluster of the fleet, for jobs that change nothing and for the one that does."""
    running = control_plane.start(tmp_path_factory.mktemp("fra"))
    yield running
    running.stop()


@pytest.fixture
def awx() -> t.Iterator[StandIn]:
    """An AWX with nothing of ours in it."""
    with StandIn(ROOT / "awx" / "project") as standin:
        yield standin
        assert standin.unknown == []


@pytest.fixture(scope="module")
def made() -> t.Iterator[StandIn]:
    """An AWX with everything of ours; Google's part and notifications too."""
    with StandIn(ROOT / "awx" / "project") as standin:
        done = apply(standin, settings=[*SETTINGS, "awx_google=true", "awx_notification_url=https://hook.example/x"])
        assert done.code == 0, done.output
        yield standin
        assert standin.unknown == []
