# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container whose processes are gone is recorded as ended for podman, and no other one is."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.machine import Machine
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.restart import record_exit

MACHINE = Machine(cgroup2=True, may_raise_limits=True, nofile=-1, nproc=-1, root=True)
PODMAN, DOCKER = Engine("podman", MACHINE), Engine("docker", MACHINE)


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def container(status: str, pid: int, monitor: int = 0) -> dict[str, t.Any]:
    return {"Id": "abc", "State": {"Status": status, "Pid": pid, "ConmonPid": monitor}}


@pytest.mark.parametrize("status", ["running", "paused", "stopping"])
def test_an_ended_container_is_recorded_as_such(tmp_path: Path, gone: int, status: str) -> None:
    assert record_exit(PODMAN, container(status, gone, gone), tmp_path)
    assert (tmp_path / "abc").read_text() == "137"


def test_what_lives_is_left_alone(tmp_path: Path) -> None:
    assert not record_exit(PODMAN, container("running", os.getpid()), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_being_stopped_by_its_monitor_is_left_to_it(tmp_path: Path, gone: int) -> None:
    assert not record_exit(PODMAN, container("stopping", gone, os.getpid()), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", ["exited", "created"])
def test_what_ended_is_left_alone(tmp_path: Path, gone: int, status: str) -> None:
    assert not record_exit(PODMAN, container(status, gone), tmp_path)


def test_docker_knows_by_itself(tmp_path: Path, gone: int) -> None:
    assert not record_exit(DOCKER, container("running", gone), tmp_path)
    assert DOCKER.alive(container("running", gone))


def test_without_such_a_folder_nothing_is_done(tmp_path: Path, gone: int) -> None:
    assert not record_exit(PODMAN, container("running", gone), tmp_path / "none")
