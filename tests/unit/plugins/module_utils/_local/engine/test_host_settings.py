# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the machine: raised where too low, and put back."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.host_settings import (
    adapt_host,
    host_record,
    restore_host,
)


def machine(root: Path, instances: str, modules: bool = False) -> Path:
    folder = root / "proc/sys/fs/inotify"
    folder.mkdir(parents=True)
    (folder / "max_user_instances").write_text(instances + "\n")
    (folder / "max_user_watches").write_text("1048576\n")
    if modules:
        (root / "lib/modules").mkdir(parents=True)
    return root


def test_what_is_low_is_raised_once_and_put_back(tmp_path: Path) -> None:
    root, record = machine(tmp_path / "root", "128"), tmp_path / "cache/host.json"
    assert adapt_host(record, root) == ["fs.inotify.max_user_instances 128 → 1024", "/lib/modules made"]
    assert adapt_host(record, root) == []
    assert (root / "lib/modules").is_dir()
    restore_host(record)
    assert (root / "proc/sys/fs/inotify/max_user_instances").read_text() == "128"
    assert (root / "proc/sys/fs/inotify/max_user_watches").read_text() == "1048576\n"
    assert not (root / "lib/modules").exists()
    assert not record.exists()
    assert restore_host(record) == []


def test_a_machine_that_is_fine_is_left_alone(tmp_path: Path) -> None:
    root, record = machine(tmp_path / "root", "8192", modules=True), tmp_path / "host.json"
    assert adapt_host(record, root) == []
    assert not record.exists()


def test_what_somebody_put_into_the_folder_stays(tmp_path: Path) -> None:
    root, record = machine(tmp_path / "root", "8192"), tmp_path / "host.json"
    adapt_host(record, root)
    (root / "lib/modules/6.1.0").mkdir()
    restore_host(record)
    assert (root / "lib/modules/6.1.0").is_dir()


def test_the_record_lies_beside_the_programs(tmp_path: Path) -> None:
    assert host_record(str(tmp_path / "bin")) == tmp_path / "host.json"
