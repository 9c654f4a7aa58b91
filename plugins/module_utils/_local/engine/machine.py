# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this machine can and cannot do, and what podman and kind must be configured with for it.

Each remedy is used only where its cause is seen, so a machine that is fine gets none.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import resource
import typing as t

__all__ = ["Machine", "containers_conf", "kind_patches"]

_CAP_SYS_RESOURCE = 24


@dataclasses.dataclass(frozen=True)
class Machine:
    """Facts about the machine that runs containers."""

    cgroup2: bool
    """Only cgroup v2 is mounted; False for v1 and for the hybrid of both."""
    may_raise_limits: bool
    """CAP_SYS_RESOURCE is there: limits and negative oom scores can be set."""
    nofile: int
    """Hard limit of open files; -1 for none."""
    nproc: int
    """Hard limit of processes; -1 for none."""
    root: bool

    @classmethod
    def detect(cls, root: pathlib.Path = pathlib.Path("/")) -> Machine:
        """Read the facts from /sys, /proc and this process's limits."""
        return cls(
            cgroup2=(root / "sys/fs/cgroup/cgroup.controllers").exists(),
            may_raise_limits=_has_capability(root / "proc/self/status", _CAP_SYS_RESOURCE),
            nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            nproc=resource.getrlimit(resource.RLIMIT_NPROC)[1],
            root=os.geteuid() == 0,
        )


def containers_conf(machine: Machine) -> str:
    """A containers.conf(5) for podman, or "" when its defaults work."""
    lines: list[str] = []
    if not machine.may_raise_limits:
        # podman asks for more than the hard limit by default, which setrlimit refuses. The limit of processes
        # counts those of every container of the user, so it keeps a distance from the hard one.
        nofile = min(machine.nofile, 1048576) if machine.nofile > 0 else 1048576
        nproc = min(30000, machine.nproc // 3) if machine.nproc > 0 else 30000
        lines += ["[containers]", f'default_ulimits = ["nofile={nofile}:{nofile}", "nproc={nproc}:{nproc}"]']
    if not machine.cgroup2:
        lines += ["[engine]", 'runtime = "runc"']
    return "\n".join(lines) + "\n" if lines else ""


def kind_patches(machine: Machine) -> dict[str, t.Any]:
    """Keys for a kind cluster configuration that this machine needs."""
    patches: dict[str, t.Any] = {}
    if not machine.cgroup2:
        patches["kubeadmConfigPatches"] = ["kind: KubeletConfiguration\nfailCgroupV1: false\n"]
    if not machine.may_raise_limits:
        patches["containerdConfigPatches"] = [
            '[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n'
            '[plugins."io.containerd.cri.v1.runtime"]\n  restrict_oom_score_adj = true\n'
        ]
    return patches


def _has_capability(status: pathlib.Path, number: int) -> bool:
    try:
        for line in status.read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> number & 1)
    except OSError:
        pass
    return True
