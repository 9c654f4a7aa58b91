# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.capacity import capacity


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    found = capacity([str(tmp_path / "not" / "there")])
    assert found.memory
    assert found.disks[str(tmp_path / "not" / "there")] > 0
    assert found.inotify_used is not None


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 16 kB\nMemAvailable: 9000000 kB\n")
    assert capacity([], tmp_path).memory == 9000000 * 1024
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("5\n")
    assert capacity([], tmp_path).memory == 9000000 * 1024
    (group / "memory.max").write_text("4000\n")
    (group / "memory.current").write_text("3000\n")
    (group / "memory.stat").write_text("anon 10\ninactive_file 500\n")
    assert capacity([], tmp_path).memory == 1500


def test_a_machine_without_those_files_is_not_judged(tmp_path: Path) -> None:
    found = capacity([], tmp_path)
    assert (found.memory, found.inotify_instances, found.inotify_used) == (None, None, None)
