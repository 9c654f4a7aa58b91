# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a machine can hold more local clusters."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.capacity import (
    Capacity,
    Needs,
    check_capacity,
)

GIB = 2**30
NEEDS = Needs(memory=2 * GIB, disks={"/var": 5 * GIB}, nofile=4096, inotify=16)


def test_a_machine_with_room_has_no_problem() -> None:
    has = Capacity(memory=8 * GIB, disks={"/var": 9 * GIB}, nofile=-1, inotify_instances=128, inotify_used=40)
    assert check_capacity(has, NEEDS, 4) == []


def test_what_is_unknown_is_not_checked() -> None:
    assert check_capacity(Capacity(), NEEDS, 4) == []


def test_nothing_planned_needs_nothing() -> None:
    assert check_capacity(Capacity(memory=0, nofile=1), NEEDS, 0, running=3) == []


def test_each_shortage_is_reported_with_its_remedy() -> None:
    has = Capacity(memory=3 * GIB, disks={"/var": GIB}, nofile=1024, inotify_instances=128, inotify_used=120)
    found = [f"{p.statement} | {p.hint}" for p in check_capacity(has, NEEDS, 2, running=1)]
    assert found == [
        "memory 3.0 GiB is free; 2 more clusters beside the 1 that run need 4.0 GiB | free some, or make 1 of them",
        "disk 1.0 GiB is free in /var; 5.0 GiB are needed | free some there",
        "open files 1024 is the hard limit; containers need 4096 "
        "| raise it: ulimit -Hn, or nofile in /etc/security/limits.conf",
        "inotify 8 of 128 instances are left; 2 more clusters beside the 1 that run need 32 "
        "| sysctl fs.inotify.max_user_instances=512",
    ]
