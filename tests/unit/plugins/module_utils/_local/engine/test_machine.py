# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each remedy is there where its cause is, and only there."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.machine import (
    Machine,
    containers_conf,
    kind_patches,
)

FINE = Machine(cgroup2=True, may_raise_limits=True, nofile=1048576, nproc=-1, root=True)


def fake_root(root: Path, *, cgroup2: bool, capabilities: str) -> Path:
    (root / "sys/fs/cgroup/unified").mkdir(parents=True)
    where = "sys/fs/cgroup" if cgroup2 else "sys/fs/cgroup/unified"
    (root / where / "cgroup.controllers").write_text("cpu memory\n")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/status").write_text(f"Name:\tx\nCapInh:\t0\nCapEff:\t{capabilities}\n")
    return root


def test_a_machine_that_is_fine_gets_nothing(tmp_path: Path) -> None:
    machine = Machine.detect(fake_root(tmp_path, cgroup2=True, capabilities="000001ffffffffff"))
    assert (machine.cgroup2, machine.may_raise_limits) == (True, True)
    assert containers_conf(machine) == ""
    assert kind_patches(machine) == {}


def test_a_restricted_machine_is_seen(tmp_path: Path) -> None:
    without_sys_resource = f"{0x1FFFFFFFFFF & ~(1 << 24):016x}"
    machine = Machine.detect(fake_root(tmp_path, cgroup2=False, capabilities=without_sys_resource))
    assert (machine.cgroup2, machine.may_raise_limits) == (False, False)


def test_without_proc_no_limitation_is_assumed(tmp_path: Path) -> None:
    assert Machine.detect(tmp_path).may_raise_limits


def test_hybrid_control_groups_get_runc_and_a_kubelet_setting() -> None:
    machine = dataclasses.replace(FINE, cgroup2=False)
    assert tomllib.loads(containers_conf(machine)) == {"engine": {"runtime": "runc"}}
    assert list(kind_patches(machine)) == ["kubeadmConfigPatches"]
    assert "failCgroupV1: false" in kind_patches(machine)["kubeadmConfigPatches"][0]


@pytest.mark.parametrize(
    ("nofile", "nproc", "limits"),
    [
        (20000, 90000, ["nofile=20000:20000", "nproc=30000:30000"]),
        (20000, 60000, ["nofile=20000:20000", "nproc=20000:20000"]),
        (-1, -1, ["nofile=1048576:1048576", "nproc=30000:30000"]),
    ],
)
def test_limits_stay_below_the_hard_ones(nofile: int, nproc: int, limits: list[str]) -> None:
    machine = dataclasses.replace(FINE, may_raise_limits=False, nofile=nofile, nproc=nproc)
    assert tomllib.loads(containers_conf(machine)) == {"containers": {"default_ulimits": limits}}
    (patch,) = kind_patches(machine)["containerdConfigPatches"]
    assert all(plugin["restrict_oom_score_adj"] for plugin in tomllib.loads(patch)["plugins"].values())
